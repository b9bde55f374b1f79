"""What statements about a promotion share: the subjects, the resource, times, and how each is read strictly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from weighlock.errors import ForgedError
from weighlock.promotion import REGISTRIES, Promotable, Resource
from weighlock.promotion_policy import folded
from weighlock.signing.statement import Subject
from weighlock.signing.strict_json import text

if TYPE_CHECKING:
    from weighlock.signing.statement import Statement

AHEAD = timedelta(minutes=5)
"""How far the clocks of who signs and who verifies may differ."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_URI = re.compile(r"([a-z]+):([^#]+)#([^#]+)\Z")


def subjects_of(promotable: Promotable) -> tuple[Subject, ...]:
    """Return one subject for each file.

    Raises:
        ForgedError: There is none: a statement about nothing fits to anything.
    """
    if not promotable.files:
        raise ForgedError("there is no file in it, and a promotion of nothing fits to anything")
    return tuple(Subject.sha256(path, digest) for path, digest in sorted(promotable.files.items()))


def read_promotable(statement: Statement, uri: Any, where: str) -> Promotable:
    """Return what a statement is about.

    Raises:
        ForgedError: A subject is named twice or has other digests than one SHA-256, or the resource is none.
    """
    files: dict[str, str] = {}
    for subject in statement.subjects:
        if subject.name in files or subject.digests.keys() != {"sha256"}:
            raise ForgedError("has a subject twice, or one without exactly a SHA-256", where="statement.subject")
        files[subject.name] = subject.digests["sha256"]
    return Promotable(resource=read_resource(text(uri, where), where), files=files)


def time_text(time: datetime) -> str:
    """Return a time as statements have it, in UTC and whole seconds."""
    return time.astimezone(UTC).strftime(_TIME)


def read_time(value: Any, where: str) -> datetime:
    """Read a time in its one spelling.

    Raises:
        ForgedError: It is none.
    """
    try:
        time = datetime.strptime(text(value, where), _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise ForgedError("is no time such as 2026-11-30T12:00:00Z", where=where) from None
    if time_text(time) != value:
        raise ForgedError("is no time such as 2026-11-30T12:00:00Z", where=where)
    return time


def read_digest(value: Any, where: str) -> str:
    """Return a digest with its algorithm.

    Raises:
        ForgedError: It is none.
    """
    if not _DIGEST.match(text(value, where)):
        raise ForgedError("is no digest such as sha256:…", where=where)
    return str(value)


def read_previous(value: Any, where: str) -> str | None:
    """Return the digest of what is replaced, or ``None`` for the first; to say nothing is neither.

    Raises:
        ForgedError: It is no digest.
    """
    return None if value is None else read_digest(value, where)


def read_resource(uri: str, where: str) -> Resource:
    """Read the name of a resource, in its one spelling.

    Raises:
        ForgedError: It is none.
    """
    match = _URI.match(uri)
    if match is None or match[1] not in REGISTRIES:
        raise ForgedError("is the name of nothing in a registry", where=where)
    resource = Resource(registry=match[1], model=unquote(match[2]), stage=unquote(match[3]))
    if resource.uri != uri or resource.stage != folded(resource.stage):
        raise ForgedError("is written in another way than weighlock writes it", where=where)
    return resource
