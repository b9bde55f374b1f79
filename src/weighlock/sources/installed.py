"""What is installed somewhere, as far as an installation has to know: versions, and who owns which file.

Names of folders and RECORDs are all that is read, so that it takes milliseconds also in a large environment.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, SourceError
from weighlock.formats import record
from weighlock.install_policy import canonical_name
from weighlock.sources.stray_files import read_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

START_UP = "nobody (start-up files of this environment name it)"
"""Stands for the owner of a module that no distribution installed, and that Python runs whenever it starts."""

_INFO = ".dist-info"
_LARGEST_START_UP = 1 << 20
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What is installed.

    Args:
        versions: Of every distribution, by canonical name.
        owners: Canonical name of the distribution that owns a file, by the file as `record.keys` writes it.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)


def read_installed(folders: Sequence[str]) -> Installed:
    """Read library folders, the one that Python looks into first being the one that counts.

    Raises:
        SourceError: A folder cannot be read.
    """
    versions: dict[str, str] = {}
    owners: dict[str, str] = {}
    for folder in folders:
        for name, version, info in distributions(folder):
            versions.setdefault(name, version)
            owners |= record.keys(_paths(os.path.join(info, "RECORD")), name)
        for key in _started(folder):
            owners.setdefault(key, START_UP)
    return Installed(versions=versions, owners=owners)


def distributions(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield canonical name, version and folder of metadata of each distribution of a library folder.

    Raises:
        SourceError: The folder cannot be read.
    """
    try:
        entries = sorted(os.listdir(folder))
    except FileNotFoundError:
        return  # a folder that the installer will make
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=folder) from error
    for entry in entries:
        name, dash, version = entry.removesuffix(_INFO).partition("-")
        if entry.endswith(_INFO) and dash:
            yield canonical_name(name), version, os.path.join(folder, entry)


def _started(folder: str) -> Iterator[str]:
    """Yield the modules in a library folder that its own start-up files name: nobody else may put another one there."""
    try:
        entries = os.listdir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=folder) from error
    if any(_has_no_record(os.path.join(folder, entry)) for entry in entries):
        return  # nobody can say whose such a module is, and its own distribution has to be replaceable
    words: set[str] = set()
    for entry in entries:
        if entry.lower().endswith((".pth", ".start")):
            with suppress(OSError):  # what cannot be read as a file, Python passes over, too
                text = read_file(os.path.join(folder, entry), _LARGEST_START_UP).decode("utf-8", "replace")
                words.update(_WORD.findall(text))
    for entry in entries:
        stem = entry.partition(".")[0]
        if stem in words and entry.endswith(".py"):
            yield entry
        elif stem in words and os.path.isfile(os.path.join(folder, entry, "__init__.py")):
            yield f"{entry}/__init__.py"


def _has_no_record(info: str) -> bool:
    return info.endswith(".egg-info") or (info.endswith(_INFO) and not os.path.exists(os.path.join(info, "RECORD")))


def _paths(path: str) -> Collection[str]:
    """Return what a RECORD lists.

    A distribution without one, such as one of a Linux distribution, or with one that nobody can read, owns what nobody
    knows: what is installed already is not on trial here, and must not stand in the way of its own replacement.
    """
    try:
        return record.parse(read_file(path)).rows.keys()
    except (OSError, FormatError):
        return ()
