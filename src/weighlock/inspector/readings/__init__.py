"""Readings: one file for each format that is more than a row of pickles or an archive of files.

Which bytes a reading takes stands in the table here, and not in its module: most files need none of the modules, and
none is imported before bytes turn up that begin like its format. A module has
``read(judging, source, head, name)`` for bytes, or ``read_archive(judging, archive)`` for the kind of archive that it
knows; both tell `Judging` what they see.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from weighlock.formats.source import RandomAccess

_NPY_MAGIC = b"\x93NUMPY"
_FLATBUFFER = re.compile(rb"(?s).{4}(?:ET\d\d|PTMF)")

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_HDF5_NAMES = (".h5", ".hdf", ".hdf5", ".he5")

_TFLITE_MAGIC = b"TFL3"
_TENSORFLOW_HEAD = b"\x08\x01\x12"
_TENSORFLOW_NAMES = (".pb", ".cpb", "saved_model.pbtxt")


def _may_be_tensorflow(head: bytes, name: str) -> bool:
    return head[4:8] == _TFLITE_MAGIC or head.startswith(_TENSORFLOW_HEAD) or name.endswith(_TENSORFLOW_NAMES)


def _may_be_json(head: bytes) -> bool:
    """Tell whether bytes begin as a JSON object or list does, in any encoding and behind any white space."""
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    return start[:1] in {b"{", b"["} or (not start and any(head))


def _may_hold_a_chat_template(head: bytes, name: str) -> bool:
    return name.endswith((".jinja", ".jinja2")) or _may_be_json(head)


def _may_be_onnx(head: bytes, name: str) -> bool:
    """Tell whether bytes may begin with a field of a message: they have no magic number."""
    field, wire = head[0] >> 3, head[0] & 7
    return name.endswith(".onnx") or head[4:8] == b"ORTM" or (field > 0 and wire in {0, 1, 2, 3, 5})


BYTES: dict[str, Callable[[bytes, str], bool]] = {
    "chat_template": _may_hold_a_chat_template,
    "executorch": lambda head, _: _FLATBUFFER.match(head) is not None,
    "gguf": lambda head, _: head.startswith(b"GGUF"),
    "hdf5": lambda head, name: head.startswith(_HDF5_MAGIC) or name.endswith(_HDF5_NAMES),
    "keras_config": lambda head, _: _may_be_json(head),
    "model_config": lambda head, _: _may_be_json(head),
    "npy": lambda head, _: head.startswith(_NPY_MAGIC),
    "onnx": _may_be_onnx,
    "safetensors": lambda head, _: head[8:9] == b"{",
    "tensorflow": _may_be_tensorflow,
}
"""Module -> whether it may take bytes that begin so and have that name, in lower case and empty where not known.

The name only ever adds a reading: a loader does not ask it, and neither may a judge rely on it.
"""

ARCHIVES: dict[str, str] = {
    "keras": "keras_config",
    "pt2": "torch_programs",
    "skops": "skops",
    "torch-package": "torch_programs",
    "torchscript": "torch_programs",
}
"""Kind of an archive, as `weighlock.inspector.members` tells it -> module that judges it as a whole, too."""


def of_bytes(head: bytes, name: str) -> Iterator[ModuleType]:
    """Return the readings that may take some bytes.

    Args:
        head: The first 512 bytes, or all of fewer.
        name: Of the file, as far as it is known.
    """
    name = name.lower()
    for module, takes in BYTES.items():
        if takes(head, name):
            yield import_module(f"{__name__}.{module}")


def hdf5_behind(source: RandomAccess, head: bytes, name: str) -> Iterator[ModuleType]:
    """Return the reading of HDF5 where its superblock stands behind other bytes, if `of_bytes` does not have it.

    The library looks for it behind 512, 1024, 2048 and so on bytes, whatever the file is called.
    """
    start = 512
    while not BYTES["hdf5"](head, name.lower()) and start + len(_HDF5_MAGIC) <= source.size:
        if source.read_at(start, len(_HDF5_MAGIC)) == _HDF5_MAGIC:
            yield import_module(f"{__name__}.hdf5")
            return
        start *= 2


def of_archive(*kinds: str) -> Iterator[ModuleType]:
    """Return the readings that judge an archive of these kinds as a whole."""
    for module in dict.fromkeys(ARCHIVES[kind] for kind in kinds if kind in ARCHIVES):
        yield import_module(f"{__name__}.{module}")
