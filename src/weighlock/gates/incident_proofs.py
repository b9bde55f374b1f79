"""Proofs of the entries that matter most in an incident, each verified before it is handed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.files import write_atomically
from weighlock.gates.ledger import prove
from weighlock.incidents.timeline import (
    LET_THROUGH,
    LOCKED,
    PROMOTED,
    QUARANTINED,
    REFUSED,
    RELEASED,
    ROLLED_BACK,
    Proof,
)
from weighlock.ledger import verifier
from weighlock.ledger.tiles import verified

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.incidents.timeline import Incident, Step
    from weighlock.ledger.interface import Ledger

_MOST = 24

VERIFIER, KEY, CHECKPOINT = "verifier.py", "ledger.vkey", "checkpoint.note"


def prove_steps(ledger: Ledger, steps: Sequence[Step]) -> tuple[Proof, ...]:
    """Return proofs of the first lock, every deed of a person, the first and last use, and the first refusal.

    Args:
        ledger: That is sealed as far as the steps go.
        steps: Of the timeline.

    Raises:
        TamperedError: A proof does not verify.
    """
    wanted: dict[int, str] = {}
    for number, why in _wanted([one for one in steps if not one.rests]):
        wanted.setdefault(number, why)
    key, found = ledger.key.read().public, []
    for number in sorted(wanted)[:_MOST]:
        document = prove(ledger, str(number))
        data = json.dumps(document).encode()
        verified(lambda data=data: verifier.verify_proof(data, key))  # type: ignore[misc]
        found.append(Proof(number=number, why=wanted[number], document=document))
    return tuple(found)


def write_proofs(incident: Incident, folder: str) -> None:
    """Write proofs, checkpoint, key and the separate verifier into a folder.

    Raises:
        UsageError: The folder cannot be made or written.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for proof in incident.proofs:
            write_atomically(place / name_of(proof), (json.dumps(proof.document, indent=2) + "\n").encode())
        write_atomically(place / CHECKPOINT, incident.ledger.checkpoint.encode())
        write_atomically(place / KEY, (incident.ledger.key + "\n").encode())
        write_atomically(place / VERIFIER, Path(verifier.__file__).read_bytes())
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=folder, hint="name another folder") from None


def name_of(proof: Proof) -> str:
    """Return the name of the file of a proof."""
    return f"proof-{proof.number:07}.json"


def _wanted(steps: Sequence[Step]) -> Iterator[tuple[int, str]]:
    firsts = {LOCKED: "first locked", REFUSED: "first refused", LET_THROUGH: "first let through"}
    for one in steps:
        if one.action in {QUARANTINED, RELEASED, PROMOTED, ROLLED_BACK}:
            yield one.first.number, one.action
        elif one.action in firsts:
            yield one.first.number, firsts.pop(one.action)
        elif one.action == REFUSED and "quarantined" in one.rules:
            yield one.first.number, "refused after the quarantine"
    uses = [one for one in steps if one.is_use]
    if uses:
        yield min(uses, key=lambda one: one.first.time).first.number, "first used"
        yield max(uses, key=lambda one: one.last.time).last.number, "last used"
