"""Where what is said about releases comes from, in one run of a command: put together here for every gate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from weighlock.gates.provenance import ProvenanceReader
from weighlock.gates.releases import Knowledge
from weighlock.signing.publishers import Publishers, place
from weighlock.sources.index import ask_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.sources.index import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who is asked in one run.

    Args:
        database: The advisory database.
        indexes: Everything that the installer would ask; none where nobody may be asked.
        provenance: Reads attestations, and remembers publishers.
    """

    database: AdvisorySource
    indexes: tuple[Index, ...]
    provenance: ProvenanceReader

    @classmethod
    def gather(cls, indexes: Sequence[Index], advisories: AdvisorySource, environ: Mapping[str, str]) -> Sources:
        """Put them together.

        Args:
            indexes: Everything that the installer would ask.
            advisories: The advisory database.
            environ: Says where publishers are remembered.
        """
        provenance = ProvenanceReader(indexes, Publishers(place(environ)))
        return cls(database=advisories, indexes=tuple(indexes), provenance=provenance)

    def knowledge(self, installed: Mapping[str, str], now: datetime) -> Knowledge:
        """Return what a gate asks.

        Args:
            installed: Version of every installed distribution, by canonical name.
            now: The time, with a time zone.
        """
        return Knowledge(
            advisories=self.database,
            ask=partial(ask_all, self.indexes) if self.indexes else None,
            provenance=self.provenance,
            installed=installed,
            now=now,
        )
