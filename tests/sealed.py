"""What commands of this process recorded: when they end, all of it is sealed."""

from __future__ import annotations

import os

from weighlock.entry import Entry
from weighlock.gates.ledger import open_ledger


def entries(gate: str | None = None) -> list[Entry]:
    """Return the entries of this ledger, or those of one gate."""
    ledger = open_ledger(os.environ)
    assert ledger.sealed() == ledger.size()
    every = map(Entry.from_bytes, ledger.read(0, ledger.size()))
    return [entry for entry in every if gate in {None, entry.gate}]
