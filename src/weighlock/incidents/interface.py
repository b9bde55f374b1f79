"""What a store of promotions has to tell, so that `where` finds what is in it; one class per store.

A store is plugged in where `weighlock.gates.where_sources` lists them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.incidents.reach import PromotedVersion


class Promotions(Protocol):
    """Knows which versions of models were promoted.

    Attributes:
        place: Where it is, for people.
    """

    place: str

    def stamp(self) -> str:
        """Return a text that changes whenever anything in the store does; it costs next to nothing.

        Raises:
            WeighlockError: The store cannot be read.
        """

    def collect(self) -> Iterator[PromotedVersion]:
        """Yield every version that was promoted, those included that no alias leads to any more.

        Raises:
            WeighlockError: The store cannot be read, or is not as it was written.
        """
