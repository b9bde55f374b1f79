"""Kill -9 at random moments of a promotion or a rollback, and see that it is old or new, and never between."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.gates.promotion_room import Room
from weighlock.files import read_lockfile
from weighlock.gates.ledger import Query, absorb_spools, open_ledger, search, verify
from weighlock.gates.promotion.intent import recover
from weighlock.promotion import Resource
from weighlock.signing.bundle import read_bundle
from weighlock.signing.statement import read_statement
from weighlock.signing.vsa import read_vsa


@dataclass
class Kills:
    """What came of it: killed before and after the move, and how many were faster."""

    old: int = 0
    new: int = 0
    faster: int = 0
    problems: list[str] = field(default_factory=list)


def kill_promotions(room: Room, count: int, seed: int = 1) -> Kills:
    """Promote what is there to staging again and again."""
    return _kill(room, count, seed, "staging", lambda: room.promote("staging"))


def kill_rollbacks(room: Room, count: int, seed: int = 1) -> Kills:
    """Roll production back and forth between its two versions."""

    def other() -> None:
        room.roll_back(to="1" if room.in_force().version == "2" else "2")

    return _kill(room, count, seed, "production", other)


def _kill(room: Room, count: int, seed: int, stage: str, act: Callable[[], object]) -> Kills:
    dice, result = random.Random(seed), Kills()
    resource = Resource(registry="weighlock", model="./m", stage=stage)
    act()  # the first one imports what the others find
    start = time.monotonic()
    act()
    lasts = time.monotonic() - start
    for number in range(count):
        before = room.store().history(resource)
        process = multiprocessing.get_context("fork").Process(target=act)
        process.start()
        process.join(dice.uniform(0.1, 1.1) * lasts)
        running = process.is_alive()
        process.kill()
        process.join()
        between = _names(room, stage)
        recover(room.project, room.environ)
        after = room.store().history(resource)
        moved = len(after) - len(before)
        result.problems += [f"{number}: {one}" for one in _problems(before, after, between, _names(room, stage))]
        result.faster += not running
        lasts *= 1.02 if running else 0.9  # other work on the machine comes and goes
        result.new += running and moved == 1
        result.old += running and moved == 0
    result.problems += _ledger_problems(room, after)
    return result


def _names(room: Room, stage: str) -> tuple[str, dict[str, str]]:
    standing = room.in_force(stage)
    (model,) = read_lockfile(room.folder / "models.lock").models
    return standing.version, {file.path: file.sha256 for file in model.files}


def _problems(before, after, between, settled):
    if after[len(after) - len(before) :] != before or len(after) - len(before) not in {0, 1}:
        yield "the history is another one"
    if between[0] != after[0].version:
        yield "what is in force changed when the next run settled it"
    version, files = settled
    vsa = read_vsa(read_statement(read_bundle(after[0].bundle).envelope.payload))
    if vsa.version != version or dict(vsa.promotable.files) != files:
        yield f"version {version} is in force, and the lockfile has other files"


def _ledger_problems(room: Room, history) -> list[str]:
    """Return what the ledger lacks; it has to verify, and to know every move."""
    ledger = open_ledger(room.environ)
    absorb_spools(ledger, datetime.now(UTC))
    ledger.checkpoint()
    verify(ledger, None, None)
    allowed = {
        str(one.entry.digest)
        for one in search(ledger, Query())
        if one.entry is not None and one.entry.kind == "promotion" and one.entry.verdict == "ALLOW"
    }
    return [f"the ledger does not know {one.digest}" for one in history if one.digest not in allowed]
