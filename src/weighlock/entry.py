"""Entries: what stands in the ledger, one for each verdict. They hold digests and names, never a secret or content.

Source:
    ``docs/formats/ledger.md``; RFC 8785 for the canonical form (all keys are ASCII and no number has a fraction).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from weighlock.artifact import Digest
from weighlock.errors import FormatError
from weighlock.verdict import Decision, Stamp

VERSION = 1
LARGEST = 65_535
"""Bytes; the length of an entry has 16 bits in a bundle of entries (C2SP tlog-tiles)."""

_LONGEST_NAME = 1_000
_MOST_NAMES = 100
_MOST_RULES = 40
_MOST_ENGINES = 10
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
_EVENT = re.compile(r"[0-9a-zA-Z:_-]{1,100}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_KEYS = frozenset(
    "version time event gate kind subject digest size verdict enforced rules engines evidence actor loader".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One verdict, or one access that rests on one.

    Args:
        time: When, in UTC.
        event: What tells it from every other entry, such as a random number and a count.
        gate: Who decided: ``install``, ``check``, ``load``, ``scan``, ``lock``, ….
        kind: What it is about: ``model``, ``package`` or ``document``.
        subject: Its name, for people; it may be an attacker's.
        digest: Of its bytes, where it is known.
        size: Bytes, where they are known.
        verdict: The answer.
        enforced: Whether a denial stopped it.
        rules: Names of the rules that the answer rests on.
        engines: Who was asked, by which policy.
        evidence: Digests of the documents that it rests on, ``sha256:…``, such as the lockfile's.
        actor: Whose process it was, ``user@host``.
        loader: The function that wanted it, where one did.
    """

    time: datetime
    event: str
    gate: str
    kind: str
    subject: str
    verdict: Decision
    digest: Digest | None = None
    size: int | None = None
    enforced: bool = True
    rules: tuple[str, ...] = ()
    engines: tuple[Stamp, ...] = ()
    evidence: tuple[str, ...] = ()
    actor: str = ""
    loader: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `from_bytes` reads; what is longer than anybody needs is cut."""
        document: dict[str, Any] = {
            "version": VERSION,
            "time": self.time.astimezone(UTC).strftime(_TIME),
            "event": self.event,
            "gate": self.gate,
            "kind": self.kind,
            "subject": _cut(self.subject),
            "verdict": str(self.verdict),
            "enforced": self.enforced,
            "rules": [_cut(rule, 100) for rule in self.rules[:_MOST_RULES]],
            "engines": [_stamp_to_dict(one) for one in self.engines[:_MOST_ENGINES]],
            "evidence": list(self.evidence[:_MOST_NAMES]),
            "actor": _cut(self.actor, 200),
        }
        optional = {
            "digest": None if self.digest is None else str(self.digest),
            "size": self.size,
            "loader": None if self.loader is None else _cut(self.loader, 200),
        }
        return document | {key: value for key, value in optional.items() if value is not None}

    def to_bytes(self) -> bytes:
        """Return its canonical form, at most `LARGEST` bytes, without a line break."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Parse the canonical form.

        Raises:
            FormatError: It is no entry, or not in its one form.
        """
        try:
            document = json.loads(data) if len(data) <= LARGEST else None
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not an entry: {error}") from error
        if not isinstance(document, dict) or not document.keys() <= _KEYS or document.get("version") != VERSION:
            raise FormatError("not an entry of a version that this weighlock knows")
        try:
            entry = _entry(document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"not an entry: {type(error).__name__}: {error}") from error
        if entry.to_bytes() != data:
            raise FormatError("an entry in another form than its canonical one")
        return entry


def _entry(document: dict[str, Any]) -> Entry:
    digest = document.get("digest")
    algorithm, _, value = digest.partition(":") if digest is not None else ("", "", "")
    return Entry(
        time=datetime.strptime(document["time"], _TIME).replace(tzinfo=UTC),
        event=_matching(_EVENT, document["event"]),
        gate=_matching(_WORD, document["gate"]),
        kind=_matching(_WORD, document["kind"]),
        subject=_string(document["subject"]),
        verdict=Decision(document["verdict"]),
        digest=None if digest is None else Digest(algorithm, value),
        size=None if "size" not in document else _size(document["size"]),
        enforced=_boolean(document["enforced"]),
        rules=tuple(map(_string, document["rules"])),
        engines=tuple(_stamp(one) for one in document["engines"]),
        evidence=tuple(_matching(_DIGEST, one) for one in document["evidence"]),
        actor=_string(document["actor"]),
        loader=None if "loader" not in document else _string(document["loader"]),
    )


def _stamp_to_dict(stamp: Stamp) -> dict[str, str]:
    return {"engine": _cut(stamp.engine, 100), "policy": stamp.policy}


def _stamp(document: dict[str, Any]) -> Stamp:
    if document.keys() != {"engine", "policy"}:
        raise ValueError("an engine has a name and the digest of a policy")
    return Stamp(engine=_string(document["engine"]), policy=_matching(_DIGEST, document["policy"]))


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise ValueError(f"{value!r:.200} is not allowed there")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.200} is no string")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r:.200} is no size")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.200} is neither true nor false")
    return value


def _cut(name: str, longest: int = _LONGEST_NAME) -> str:
    """Return a name that can be written as UTF-8, and is not longer than anybody reads."""
    name = name.encode("utf-8", "backslashreplace").decode()
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
