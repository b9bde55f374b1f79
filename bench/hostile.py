"""The large and hostile inputs of the benchmark, made on the fly: ``python -m bench.hostile NAME FILE``."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MEGA = 1 << 20
_ITEMS = 5_000_000


def one_bytes_pickle(path: Path) -> None:
    """Write a 1 GB pickle that holds one bytes object; the bytes are a hole in the file."""
    size = 1 << 30
    with path.open("wb") as file:
        file.write(b"\x80\x04\x8e" + struct.pack("<Q", size))
        file.seek(size, 1)
        file.write(b".")


def torch_zip(path: Path) -> None:
    """Write a 1 GB checkpoint with 64 tensors by `torch.save`."""
    import torch

    torch.save({f"layer.{number}": torch.zeros(4 * _MEGA) for number in range(64)}, path)


def batches(path: Path) -> None:
    """Write 5 million small numbers as the C pickler does: a list in batches of 1,000."""
    batch = b"(" + b"K\x07" * 1000 + b"e"
    path.write_bytes(b"\x80\x04]" + batch * (_ITEMS // 1000) + b".")


def one_run(path: Path) -> None:
    """Write 5 million small numbers behind one MARK."""
    path.write_bytes(b"\x80\x04](" + b"K\x07" * _ITEMS + b"e.")


def mixed(path: Path) -> None:
    """Write 5 million opcodes of eight kinds, memo and containers among them, in batches."""
    unit = b"K\x01h\x00K\x02Nh\x00M\x01\x01C\x01a}"
    batch = b"(" + unit * 125 + b"e"
    path.write_bytes(b"\x80\x04]\x94" + batch * (_ITEMS // 1000) + b".")


def _zipped(body: bytes, tail: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        size = 60 * _MEGA
        data = b"\x80\x02" + body * (size // len(body)) + tail
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", data)
            archive.writestr("archive/version", "3\n")

    return write


#: Zips that inflate to 60 MB of opcodes, in shapes that cost a reader of pickles most.
ZIPS: dict[str, Callable[[Path], None]] = {
    "none-and-pop": _zipped(b"N0", b"N."),
    "marks": _zipped(b"(", b"."),
    "nested-lists": _zipped(b"]", b"."),
    "tuples": _zipped(b"N\x85", b"."),
    "memo": _zipped(b"N\x940", b"N."),
    "numbers": _zipped(b"K\x07", b"."),
    "calls": _zipped(b"ccollections\nOrderedDict\n)R0", b"N."),
    "unicode": _zipped(b"X\x01\x00\x00\x00a0", b"N."),
}
LARGE: dict[str, Callable[[Path], None]] = {
    "torch-zip-1gb": torch_zip,
    "one-bytes-1gb": one_bytes_pickle,
    "opcodes-batches": batches,
    "opcodes-one-run": one_run,
    "opcodes-mixed": mixed,
    **{f"zip-60mb-{name}": write for name, write in ZIPS.items()},
}

if __name__ == "__main__":
    LARGE[sys.argv[1]](Path(sys.argv[2]))
