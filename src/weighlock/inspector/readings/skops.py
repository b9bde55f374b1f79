"""Judges the schema of a skops archive; its arrays are judged as members like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist import skops as allowlist
from weighlock.formats import skops

if TYPE_CHECKING:
    from weighlock.formats.archive import Archive
    from weighlock.inspector.judging import Judging


def read_archive(judging: Judging, archive: Archive) -> None:
    """Judge every reading of the schema."""
    for entry in archive.entries:
        if entry.name != skops.SCHEMA:
            continue
        with judging.member(entry.name), judging.certain("skops"):
            needs = allowlist.examine(skops.parse(entry.open(judging.budget), judging.budget))
            judging.need(*needs.names, *needs.harmful)
            judging.check(needs)
