from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from weighlock.artifact import Digest
from weighlock.entry import LARGEST, Entry
from weighlock.errors import FormatError
from weighlock.verdict import Decision, Stamp

POLICY = f"sha256:{'a' * 64}"


def entry(**changes) -> Entry:
    values = {
        "time": datetime(2026, 11, 25, 12, tzinfo=UTC),
        "event": "a:1",
        "gate": "load",
        "kind": "model",
        "subject": "org/model:model.safetensors",
        "verdict": Decision.ALLOW,
        "digest": Digest.sha256("b" * 64),
        "size": 7,
        "rules": ("locked",),
        "engines": (Stamp(engine="builtin", policy=POLICY),),
        "evidence": (POLICY,),
        "actor": "me@here",
        "loader": "torch.load",
    }
    return Entry(**{**values, **changes})


def test_an_entry_has_one_form():
    assert Entry.from_bytes(entry().to_bytes()) == entry()
    bare = entry(digest=None, size=None, loader=None, rules=(), engines=(), evidence=())
    assert Entry.from_bytes(bare.to_bytes()) == bare
    elsewhere = entry(time=datetime(2026, 11, 25, 14, tzinfo=timezone(timedelta(hours=2))))
    assert elsewhere.to_bytes() == entry().to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(verdict="allow"),
        lambda d: d.update(version=2),
        lambda d: d.update(version=True),
        lambda d: d.update(note="free text"),
        lambda d: d.update(digest="md5:00"),
        lambda d: d.update(digest=5),
        lambda d: d.update(size=-1),
        lambda d: d.update(size=1.0),
        lambda d: d.update(enforced=1),
        lambda d: d.update(event=""),
        lambda d: d.update(event="a\nb"),
        lambda d: d.update(gate="Load"),
        lambda d: d.update(time="yesterday"),
        lambda d: d.update(rules=["ok", 1]),
        lambda d: d.update(evidence=["secret"]),
        lambda d: d.update(engines=[{"engine": "builtin"}]),
        lambda d: d.update(engines=[{"engine": "builtin", "policy": POLICY, "more": 1}]),
        lambda d: d.pop("actor"),
    ],
)
def test_an_entry_that_was_changed_by_hand_is_none(change):
    document = json.loads(entry().to_bytes())
    change(document)
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(FormatError):
        Entry.from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        entry().to_bytes() + b" ",
        json.dumps(json.loads(entry().to_bytes())).encode(),
        entry().to_bytes().replace(b'"gate":"load"', b'"gate":"scan","gate":"load"'),
        entry(subject="x" * 900).to_bytes().replace(b"x", b"x" * 2000),
    ],
)
def test_what_is_no_entry_is_refused(data):
    with pytest.raises(FormatError):
        Entry.from_bytes(data)


def test_the_longest_names_fit_into_an_entry():
    wide = "\x01" * 5_000
    many = entry(
        subject=wide,
        actor=wide,
        loader=wide,
        rules=(wide,) * 1_000,
        engines=(Stamp(engine=wide, policy=POLICY),) * 1_000,
        evidence=(POLICY,) * 1_000,
    )
    assert len(many.to_bytes()) <= LARGEST
    assert Entry.from_bytes(many.to_bytes()).to_bytes() == many.to_bytes()
