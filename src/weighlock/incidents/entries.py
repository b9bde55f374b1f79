"""Entries of the ledger, read fast: a million of them in some seconds.

What most entries look like is one regular expression over their canonical form. Whatever that does not match is read as
any entry is, so that nothing is taken for an entry that is none, and nothing is passed over that is one.

Source:
    ``docs/formats/ledger.md``; RFC 8785 for the canonical form.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from weighlock.entry import Entry
from weighlock.errors import FormatError

_LARGEST = 4_000
"""Bytes; a longer one may have a part that its canonical form cuts."""

# In a string without a backslash and without control characters, no byte has another spelling.
_DIGEST = rb"sha256:[0-9a-f]{64}"
_STAMP = rb'\{"engine":"[^"\\\x00-\x1f]{0,100}","policy":"' + _DIGEST + rb'"\}'
_RULE = rb'"[^"\\\x00-\x1f]{0,100}"'
_FAST = re.compile(
    rb'\{"actor":"([^"\\\x00-\x1f]{0,200})",'
    rb'(?:"digest":"(' + _DIGEST + rb')",)?'
    rb'"enforced":(true|false),'
    rb'"engines":\[(?:' + _STAMP + rb"(?:," + _STAMP + rb'){0,9})?\],'
    rb'"event":"[0-9a-zA-Z:_-]{1,100}",'
    rb'"evidence":\[((?:"' + _DIGEST + rb'"(?:,"' + _DIGEST + rb'"){0,20})?)\],'
    rb'"gate":"([a-z][a-z0-9-]{0,39})",'
    rb'"kind":"([a-z][a-z0-9-]{0,39})",'
    rb'(?:"loader":"([^"\\\x00-\x1f]{0,200})",)?'
    rb'"rules":\[((?:' + _RULE + rb"(?:," + _RULE + rb'){0,39})?)\],'
    rb'(?:"size":(?:0|[1-9][0-9]{0,17}),)?'
    rb'"subject":"([^"\\\x00-\x1f]{0,1000})",'
    rb'"time":"([1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)",'
    rb'"verdict":"(ALLOW|DENY)",'
    rb'"version":1\}'
)  # fmt: skip


class Circumstance(NamedTuple):
    """What entries have in common, beside what they are about and when it was.

    Args:
        gate: Who decided.
        kind: ``model``, ``package``, ``document`` or another word.
        actor: ``user@host``.
        loader: The function that wanted it; empty where none did.
        verdict: ``ALLOW`` or ``DENY``.
        enforced: A denial stopped it.
        rules: That the verdict rests on, a line break between them.
    """

    gate: str
    kind: str
    actor: str
    loader: str
    verdict: str
    enforced: bool
    rules: str


class Seen(NamedTuple):
    """What an entry says, as far as it is searched.

    Args:
        digest: Of the artifact, 32 bytes; empty where the entry has none.
        subject: Its name.
        time: When, in UTC and without a time zone.
        circumstance: By whom, through what, and with which answer.
        evidence: Digests that it rests on, 64 hexadecimal digits each, a blank between them.
    """

    digest: bytes
    subject: str
    time: datetime
    circumstance: Circumstance
    evidence: str


def read(data: bytes) -> Seen | None:
    """Return what an entry says, or `None` where the bytes are no entry that is known.

    Args:
        data: The entry in its canonical form.
    """
    match = _FAST.fullmatch(data) if len(data) <= _LARGEST else None
    if match is not None:
        actor, digest, enforced, evidence, gate, kind, loader, rules, subject, time, verdict = match.groups()
        try:
            circumstance = _circumstance((gate, kind, actor, loader or b"", verdict, enforced, rules))
            return Seen(
                bytes.fromhex(digest[7:].decode()) if digest else b"",
                subject.decode(),
                datetime.fromisoformat(time[:-1].decode()),
                circumstance,
                _evidence(evidence),
            )
        except ValueError:
            pass  # a day that is none, or bytes that are no UTF-8
    return _slowly(data)


@lru_cache(maxsize=1 << 16)
def _circumstance(parts: tuple[bytes, ...]) -> Circumstance:
    gate, kind, actor, loader, verdict, enforced, rules = parts
    return Circumstance(
        gate=gate.decode(),
        kind=kind.decode(),
        actor=actor.decode(),
        loader=loader.decode(),
        verdict=verdict.decode(),
        enforced=enforced == b"true",
        rules="\n".join(rules.decode()[1:-1].split('","')),
    )


@lru_cache(maxsize=1 << 16)
def _evidence(listed: bytes) -> str:
    return listed.decode().replace('"sha256:', "").replace('"', "").replace(",", " ")


def _slowly(data: bytes) -> Seen | None:
    try:
        entry = Entry.from_bytes(data)
    except FormatError:
        return None
    circumstance = Circumstance(
        gate=entry.gate,
        kind=entry.kind,
        actor=entry.actor,
        loader=entry.loader or "",
        verdict=str(entry.verdict),
        enforced=entry.enforced,
        rules="\n".join(entry.rules),
    )
    evidence = " ".join(one.removeprefix("sha256:") for one in entry.evidence)
    digest = b"" if entry.digest is None else bytes.fromhex(entry.digest.value)
    return Seen(digest, entry.subject, entry.time.replace(tzinfo=None), circumstance, evidence)
