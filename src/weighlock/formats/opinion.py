"""What another scanner says about a file: a structure like any other, for a check to read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Something that the scanner found.

    Args:
        severity: ``LOW``, ``MEDIUM``, ``HIGH`` or ``CRITICAL``, in any case.
        message: Its own words.
        name: Module and operator that it names, if it does.
        member: Of an archive, or empty.
    """

    severity: str
    message: str
    name: str = ""
    member: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """All that the scanner says about one file.

    Args:
        scanner: Its name.
        issues: What it found.
        problems: Why it could not look at the file, or at a part of it.
        unknown: It does not know this kind of file, and does not claim to.
    """

    scanner: str
    issues: tuple[Issue, ...] = ()
    problems: tuple[str, ...] = ()
    unknown: bool = False
