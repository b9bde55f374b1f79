"""Judges HDF5 files: models of Keras, pickles of PyTables and pandas, and whatever leads out of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import hdf5
from weighlock.formats.hdf5_header import MAGIC
from weighlock.formats.obstacle import Obstacle
from weighlock.formats.source import BytesSource, RandomAccess
from weighlock.inspector.readings import keras_config

if TYPE_CHECKING:
    from weighlock.formats.hdf5 import Hdf5
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging

# keras/src/legacy/saving/legacy_h5_format.py.
_CONFIGS = frozenset({"model_config", "training_config"})

# PyTables: the attribute of an array whose items are pickles.
_ITEMS = ("PSEUDOATOM", b"object")


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge bytes that begin as an HDF5 file, or whose name says that they may be one."""
    del name
    if not head.startswith(MAGIC) and not isinstance(source, RandomAccess):
        return
    file = judging.random_access(source)
    start = hdf5.find(file)
    if start is None:
        return
    try:
        found = hdf5.parse(file, start, judging.budget)
    except FormatError as error:
        # Readers look at what they are asked for; something else may be broken, and nobody minds.
        judging.note("hdf5")
        judging.check(Obstacle("hdf5", error.message))
        return
    judging.note("keras-h5" if any(each.name in _CONFIGS for each in found.attributes) else "hdf5")
    judging.need(*sorted(f"hdf5:{kind} {target}".rstrip() for kind, target in found.external))
    judging.check(found)
    _attributes(judging, found)
    if any(each.name == _ITEMS[0] and _ITEMS[1] in (each.texts or ()) for each in found.attributes):
        for data in hdf5.heap_objects(file, start, judging.budget):
            with judging.member("an array of objects"):
                judging.source(BytesSource(data))


def _attributes(judging: Judging, found: Hdf5) -> None:
    for attribute in found.attributes:
        with judging.member(f"{attribute.path}@{attribute.name}"):
            if attribute.name in _CONFIGS:
                _config(judging, attribute.texts)
            for text in attribute.texts or ():
                # PyTables unpickles texts that end as a pickle does.
                if text.endswith(b"."):
                    judging.source(BytesSource(text))


def _config(judging: Judging, texts: tuple[bytes, ...] | None) -> None:
    if texts is None or len(texts) != 1:
        judging.check(Obstacle("keras", "its configuration is not a text"))
        return
    keras_config.judge_text(judging, texts[0])
