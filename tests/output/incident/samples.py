"""Incidents to be drawn: a plain one, a hostile one, a large one, and one of which nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.output.audit.samples import MARKER
from weighlock.incidents.measures import measure
from weighlock.incidents.reach import Gap, Meaning, Reach
from weighlock.incidents.timeline import Denied, Incident, Mark, Proof, Step, Vouched

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOSTILE = f'"><img src=x onerror={MARKER}>\u202e|`a`\n# head [x](javascript:{MARKER}) \x1b[31m<script>{MARKER}</script>'


def step(action: str, minutes: float, number: int = 0, count: int = 1, **changes) -> Step:
    """Return a step so many minutes after noon."""
    start = NOW + timedelta(minutes=minutes)
    plain = {
        "action": action,
        "gate": "load",
        "actor": "ann@gpu-1",
        "loader": "torch.load",
        "rules": (),
        "count": count,
        "first": Mark(number=number, time=start),
        "last": Mark(number=number + count - 1, time=start + timedelta(seconds=count - 1)),
        "names": ("model.bin",),
        "digests": ("sha256:" + "a" * 64,),
    }
    return Step(**(plain | changes))


def incident(*steps: Step, subject: str = "org/model", last=lambda _host: None, **changes) -> Incident:
    """Return an incident of these steps."""
    denials = changes.get("denials", ())
    plain = {
        "subject": subject,
        "now": NOW,
        "since": None,
        "until": None,
        "reach": Reach(
            subject=subject, meanings=(Meaning(kind="model", name=subject),), digests=("sha256:" + "a" * 64,)
        ),
        "steps": steps,
        "denials": (),
        "times": measure(steps, denials, last),
        "proofs": (),
        "ledger": Vouched(place="/l", entries=9, sealed=9, checkpoint="o\n9\nAAAA\n\n— o sig\n", key="o+abc+def"),
        "gaps": (),
    }
    return Incident(**(plain | changes))


def plain() -> Incident:
    """Return an incident from its lock to its rollback."""
    steps = (
        step("locked", 0, 0, gate="lock", loader=""),
        step("promoted", 1, 1, gate="promotion", loader=""),
        step("loaded", 2, 2, 40),
        step("quarantined", 5, 50, gate="quarantine", loader=""),
        step("refused", 5.5, 51, rules=("quarantined",)),
        step("rolled back", 6, 52, gate="rollback", loader=""),
    )
    denial = Denied(id="Q-1", time=NOW + timedelta(minutes=5), reason="a backdoor", by="ann@forge")
    proof = Proof(number=50, why="quarantined", document={"kind": "weighlock.ledger-proof", "entry": "A" * 9_000})
    return incident(*steps, denials=(denial,), proofs=(proof,))


def hostile() -> Incident:
    """Return an incident in which every text is an attacker's."""
    bad = step("loaded", 0, actor=f"{HOSTILE}@{HOSTILE}", loader=HOSTILE, names=(HOSTILE,), rules=(HOSTILE,))
    worse = step("refused", 1, actor=f"{HOSTILE}@{HOSTILE}", loader=HOSTILE, names=("x" * 5000,), rules=(HOSTILE,))
    denial = Denied(id=HOSTILE, time=NOW, reason=HOSTILE, by=HOSTILE)
    return incident(
        *(bad, worse),
        subject=HOSTILE,
        denials=(denial,),
        proofs=(Proof(number=0, why=HOSTILE, document={"entry": HOSTILE}),),
        ledger=Vouched(place=HOSTILE, entries=2, sealed=2, checkpoint=HOSTILE, key=HOSTILE),
        gaps=(Gap(place=HOSTILE, why=HOSTILE, remedy=HOSTILE),),
        notes=(HOSTILE,),
    )


def large() -> Incident:
    """Return an incident with more steps than are shown."""
    steps = [step("loaded", one, one * 10, 10, actor=f"user-{one}@host-{one % 70}" + "x" * 90) for one in range(700)]
    return incident(*steps, step("quarantined", 800, 9000))


def nothing() -> Incident:
    """Return an incident of which nothing is known."""
    return incident()
