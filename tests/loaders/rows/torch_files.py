"""torch and safetensors."""

from __future__ import annotations

import io
from pathlib import Path

from tests.loaders.row import Payload, Row

FILE = "payload.pt"


def _write(marker: str, folder: Path) -> None:
    import torch

    torch.save({"a": torch.ones(2), "b": Payload(marker)}, folder / FILE)


def _write_legacy(marker: str, folder: Path) -> None:
    import torch

    torch.save({"b": Payload(marker)}, folder / FILE, _use_new_zipfile_serialization=False)


def _write_renamed(marker: str, folder: Path) -> None:
    _write(marker, folder)
    (folder / FILE).rename(folder / "payload.safetensors")


def _write_safetensors(_: str, folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, folder / "changed.safetensors")


def _torch(name: str = FILE, **options: object):
    def bind():
        from torch import load

        return lambda folder: load(folder / name, **options)

    return bind


def _memory():
    from torch import load

    return lambda folder: load(io.BytesIO((folder / FILE).read_bytes()), weights_only=False)


def _open():
    from torch import load

    def call(folder: Path) -> object:
        with (folder / FILE).open("rb") as file:
            return load(file, weights_only=False)

    return call


def _load_file():
    from safetensors.torch import load_file

    return lambda folder: load_file(folder / "changed.safetensors")


def _safe_open():
    from safetensors import safe_open

    def call(folder: Path) -> object:
        with safe_open(folder / "changed.safetensors", "pt") as file:
            return file.get_tensor("a")

    return call


def _bytes():
    from safetensors.torch import load

    return lambda folder: load((folder / "changed.safetensors").read_bytes())


_ALLOWLIST = "torch's own unpickler refuses the name"


def _row(name: str, bind, write=_write, never: str | None = None) -> Row:
    return Row(name=name, hook="torch", write=write, bind=bind, never=never, slow=True)


def _changed(name: str, bind) -> Row:
    return Row(name=name, hook="safetensors", write=_write_safetensors, bind=bind, locked=True, slow=True)


ROWS = (
    _row("torch.load", _torch(weights_only=False)),
    _row("torch.load, weights_only", _torch(weights_only=True), never=_ALLOWLIST),
    _row("torch.load, mmap", _torch(weights_only=False, mmap=True)),
    _row("torch.load, legacy file", _torch(weights_only=False), _write_legacy),
    _row("torch.load, open file", _open),
    _row("torch.load, in memory", _memory),
    _row(
        "torch.load, pickle named .safetensors",
        _torch("payload.safetensors", weights_only=False),
        _write_renamed,
        never="it is not safetensors, and torch takes it for that",
    ),
    _changed("safetensors.torch.load_file, changed bytes", _load_file),
    _changed("safetensors.safe_open, changed bytes", _safe_open),
    _changed("safetensors.torch.load, changed bytes", _bytes),
)
