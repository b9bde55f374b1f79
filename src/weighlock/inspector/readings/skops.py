"""Judges the schema of a skops archive; its arrays are judged as members like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist import skops as allowlist
from weighlock.errors import FormatError
from weighlock.formats import skops
from weighlock.formats.obstacle import Obstacle

if TYPE_CHECKING:
    from weighlock.formats.archive import Archive
    from weighlock.inspector.judging import Judging


def read_archive(judging: Judging, archive: Archive) -> None:
    """Judge every reading of the schema."""
    for entry in archive.entries:
        if entry.name != skops.SCHEMA:
            continue
        with judging.member(entry.name):
            try:
                tree = skops.parse(entry.open(judging.budget), judging.budget)
            except FormatError as error:
                judging.check(Obstacle("skops", error.message))
                continue
            needs = allowlist.examine(tree)
            judging.need(*needs.names, *needs.harmful)
            judging.check(needs)
