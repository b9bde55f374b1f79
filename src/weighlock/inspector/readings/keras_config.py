"""Judges configurations of Keras: by themselves, in archives and folders, and in attributes of HDF5 files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist import keras as allowlist
from weighlock.errors import FormatError
from weighlock.formats import keras
from weighlock.formats.obstacle import Obstacle
from weighlock.formats.source import BytesSource

if TYPE_CHECKING:
    from weighlock.formats.archive import Archive
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging

CONFIG = "config.json"


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge JSON that may be a configuration: `keras.saving.load_model` reads it from a folder, too."""
    del head
    size = source.size
    if size is not None and size > keras.LARGEST and name.rpartition("/")[2] != CONFIG:
        return
    data = keras.read(source)
    if not keras.mentions_objects(data):
        return
    try:
        value = keras.decode(data)
    except FormatError:
        return
    if keras.is_model(value):
        judging.note("keras-config")
        judge(judging, value)


def read_archive(judging: Judging, archive: Archive) -> None:
    """Judge every configuration of an archive that Keras would open, whatever it looks like."""
    for entry in archive.entries:
        if entry.name != CONFIG:
            continue
        with judging.member(entry.name):
            judge_text(judging, keras.read(entry.open(judging.budget)), again=False)


def judge_text(judging: Judging, data: bytes, *, again: bool = True) -> None:
    """Judge what a loader is sure to read as a configuration.

    Args:
        judging: Of the artifact.
        data: JSON.
        again: Also if the bytes show by themselves what they are, so that `read` judged them.
    """
    with judging.certain("keras"):
        value = keras.decode(data)
        if again or not keras.is_model(value):
            judge(judging, value)


def judge(judging: Judging, value: object) -> None:
    """Judge a configuration."""
    config = keras.parse(value, judging.budget)
    for oddity in config.oddities:
        judging.check(Obstacle("keras", oddity))
    wanted = allowlist.examine(config)
    judging.need(*wanted.names)
    judging.check(wanted)
    for pickle in config.pickles:
        judging.budget.spend("inflated", len(pickle))
        with judging.member("module"):
            judging.source(BytesSource(pickle))
