"""What an incident is called for people, in every form of the report.

Source:
    Regulation (EU) 2024/2847, Article 14 (2) and (4), for what is asked of who makes products with digital elements.
"""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from weighlock.gates.incident_proofs import CHECKPOINT, KEY, VERIFIER, name_of
from weighlock.incidents.timeline import count_uses
from weighlock.output.where.words import amount, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.incidents.timeline import Incident, Proof, Step

REPORTED, PARTLY, NOTHING, UNDECIDED = "REPORTED", "REPORTED IN PART", "NOTHING KNOWN", "NOT DECIDED"

EVIDENCE_FOR = (
    "This is evidence for answering these questions, and no statement that any rule is met. Whether, since when and to "
    "whom something has to be reported is for people to decide."
)
CLOCKS = (
    "Times are those of the clocks of the hosts that recorded them. Numbers say in which order entries came into the "
    "ledger, which is not always the order of their times."
)

_WARNING, _NOTIFICATION = timedelta(hours=24), timedelta(hours=72)


def word(incident: Incident) -> str:
    """Return the answer in a word or two."""
    if incident.ledger.problem:
        return UNDECIDED
    if not incident.steps:
        return UNDECIDED if incident.gaps else NOTHING
    return PARTLY if incident.gaps else REPORTED


def exit_code(incident: Incident) -> int:
    """Return 0 where everything could be looked at, and 2 otherwise."""
    return 2 if incident.gaps or incident.ledger.problem else 0


def sentence(incident: Incident) -> str:
    """Return the answer in a sentence without a full stop."""
    if incident.ledger.problem:
        return f"the ledger could not be verified, so nothing below is proved: {incident.ledger.problem}"
    if not incident.steps:
        left = f", and {amount(len(incident.gaps), 'gap')} left open" if incident.gaps else ""
        return f"the ledger has nothing about it{left}"
    hosts = {one.host for one in incident.steps if one.is_use}
    used = count_uses(incident.steps)
    parts = [f"{amount(incident.entries, 'entry', 'entries')} of a verified ledger"]
    parts += [f"used {times(used)} on {amount(len(hosts), 'host')}"] if used else ["never used"]
    parts += [f"quarantined {clock(incident.times.quarantined)}"] if incident.times.quarantined else ["not quarantined"]
    parts += [f"{amount(len(incident.gaps), 'gap')} left open"] if incident.gaps else []
    return "; ".join(parts)


def clock(time: datetime | None) -> str:
    """Return a time, to the second; a ticket is read in any time zone."""
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}Z"


def span(took: timedelta | None) -> str:
    """Return how long something took, in its two largest units."""
    if took is None:
        return "not known"
    seconds = took.total_seconds()
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    found, rest = [], int(seconds)
    for name, size in units:
        if rest >= size:
            found.append(f"{rest // size} {name}")
            rest %= size
    return " ".join(found[:2])


def window(incident: Incident) -> str:
    """Return which entries were asked for; empty where all were."""
    parts = [f"since {clock(incident.since)}"] if incident.since else []
    parts += [f"until {clock(incident.until)}"] if incident.until else []
    return f", entries {' and '.join(parts)}" if parts else ""


def when(step: Step) -> str:
    """Return the time of a step, or its first and last."""
    if step.first.number == step.last.number:
        return clock(step.first.time)
    return f"{clock(step.first.time)} to {clock(step.last.time)}"


def numbers(step: Step) -> str:
    """Return the numbers of its entries: the first, and the last where there are more."""
    first, last = step.first.number, step.last.number
    return f"{first}" if first == last else f"{first} … {last}"


def how(step: Step) -> str:
    """Return by which gate and function it was."""
    rests = "resting on it" if step.rests else ""
    often = times(step.count) if step.count > 1 else ""
    rules = f"({', '.join(step.rules[:4])})" if step.rules and step.action not in {"locked", "loaded"} else ""
    return " ".join(filter(None, (step.gate, step.loader, rests, rules, often)))


def measures(incident: Incident) -> Iterator[tuple[str, str]]:
    """Yield what was measured, and how long it took."""
    took = incident.times
    yield "first used", clock(took.first_use) or "never, as far as is known"
    yield "time to detect (first use to first refusal or quarantine)", span(took.to_detect)
    yield "time to quarantine (from there)", span(took.to_quarantine)
    yield "quarantine to first refusal", span(took.to_refuse) if took.refused else "nobody was refused since"
    yield "quarantine to rollback", span(took.to_roll_back) if took.rolled_back else "not rolled back since"
    yield "uses let through while it was in quarantine", f"{took.after:,}"
    unseen = ", ".join(took.unseen[:20]) + (" …" if len(took.unseen) > 20 else "")
    yield "hosts that used it, and of which nothing came since the quarantine", unseen or "none"


def questions(incident: Incident) -> Iterator[tuple[str, str]]:
    """Yield what people have to answer, and the facts that they begin with."""
    took, uses = incident.times, [one for one in incident.steps if one.is_use]
    hosts = sorted({one.host for one in uses})
    aware = took.detected or took.quarantined
    first = f"the first sign in the ledger is of {clock(aware)}" if aware else "the ledger has no refusal or quarantine"
    yield "Since when have you been aware of it?", first
    if aware:
        warning, notification = clock(aware + _WARNING), clock(aware + _NOTIFICATION)
        due = f"if you were aware at that sign: early warning by {warning}, notification by {notification}"
    else:
        due = "early warning within 24 hours of becoming aware, notification within 72 hours"
    yield "Is it an actively exploited vulnerability or a severe incident that has to be reported, and by when?", due
    yield "Where was it used, and in which products and member states are these hosts?", _listed(hosts)
    shown = f"used {times(count_uses(uses))}" if uses else "no use is recorded"
    yield "What could it do there: data, credentials, models made since?", f"{shown}, first {clock(took.first_use)}"
    stopped = [f"quarantined {clock(took.quarantined)}"] if took.quarantined else []
    stopped += [f"rolled back {clock(one.first.time)}" for one in incident.steps if one.action == "rolled back"]
    yield "What was done about it, and what is still to be done?", "; ".join(stopped) or "nothing is recorded"
    yield "Are hosts to be restarted, because programs have it in memory?", _listed(hosts)
    reasons = "; ".join(f"{one.reason} ({one.by}, {one.id})" for one in incident.denials)
    yield "What is the cause, and how did it get in?", reasons or "no quarantine of this user's list says why"
    due = "14 days after a remedy of a vulnerability is there, or a month after the notification of an incident"
    yield "When is the final report due, and who writes it?", due


def verifying(proof: Proof) -> str:
    """Return the command by which anybody verifies a proof, with the separate verifier alone."""
    return f"python {VERIFIER} proof {name_of(proof)} --key {KEY}"


def again(incident: Incident) -> Iterator[tuple[str, str]]:
    """Yield commands, and what each is for."""
    subject = shlex.quote(incident.subject)
    yield f"weighlock incident report {subject} --proofs DIR", "proofs, checkpoint, key and verifier, as files"
    yield f"weighlock ledger verifier --output {VERIFIER}", "the verifier: one file, the standard library, no network"
    yield f"python {VERIFIER} ledger FOLDER --key {KEY} --since {CHECKPOINT}", "the ledger still continues this one"


def _listed(hosts: list[str]) -> str:
    return ", ".join(hosts[:20]) + (f" and {len(hosts) - 20} more" if len(hosts) > 20 else "") or "no host is known"
