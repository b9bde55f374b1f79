"""Elements of a bill of materials that somebody asks for, and what a document says about each.

Source:
    ``docs/completeness.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DOCUMENT, SYSTEM, MODEL, DATASET = "document", "system", "model", "dataset"
"""What an element is about: the bill itself, what it describes as a whole, each model in it, each dataset."""

CYCLONEDX, SPDX2, SPDX3 = "CycloneDX", "SPDX 2", "SPDX 3"

Paths = tuple[str, ...]


class Status(StrEnum):
    """What a document says: something, that it does not know, or nothing. The order is from the worst to the best."""

    MISSING = "missing"
    UNKNOWN = "marked unknown"
    FILLED = "filled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One thing that is asked for.

    Args:
        id: Stable, such as ``model-license``.
        notation: As its source numbers it.
        cluster: The part of its source that it belongs to.
        name: For people.
        about: `DOCUMENT`, `SYSTEM`, `MODEL` or `DATASET`.
        marks: Words by which a document says that it is not known, beside the identifier.
        hint: What to write, and where, in CycloneDX.
        groups: Paths in CycloneDX; of each group one has to lead to something.
        spdx2: Paths in SPDX 2; no group has more than one.
        spdx3: Paths in SPDX 3.
    """

    id: str
    notation: str
    cluster: str
    name: str
    about: str
    marks: tuple[str, ...] = ()
    hint: str
    groups: tuple[Paths, ...]
    spdx2: Paths = ()
    spdx3: tuple[Paths, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a document says about one element.

    Args:
        element: That was asked for.
        status: The worst of everything that the element is about.
        best: The best of it: of several models, some may say more than others.
        where: Paths in the document at which something was found, some of them.
        filled: How many of the things that it is about say something.
        things: How many there are.
    """

    element: Element
    status: Status
    best: Status
    where: tuple[str, ...] = ()
    filled: int = 0
    things: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """Everything that one list of elements asks for.

    Args:
        name: Of the list.
        answers: In its order.
    """

    name: str
    answers: tuple[Answer, ...]

    def count(self, status: Status) -> int:
        """Return how many elements have a status."""
        return sum(answer.status is status for answer in self.answers)

    @property
    def honest(self) -> int:
        """How many elements say something, or that it is not known."""
        return len(self.answers) - self.count(Status.MISSING)
