"""Which stores of promotions `where` asks: one line for each kind of store."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from weighlock.incidents.reach import PromotedVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from weighlock.gates.project import Project
    from weighlock.incidents.interface import Promotions
    from weighlock.promotions.interface import Standing
    from weighlock.promotions.store import BuiltinStore


class BuiltinPromotions:
    """What was promoted in the built-in store; see `weighlock.incidents.interface.Promotions`.

    Args:
        store: That is open.
    """

    def __init__(self, store: BuiltinStore) -> None:
        self._store, self.place = store, store.place
        self._moved: list[tuple[str, Standing]] = []

    def stamp(self) -> str:
        """Return a digest of every move: a summary moves a resource once."""
        self._moved = list(self._store.moved())
        moves = "\n".join(f"{resource} {standing.digest}" for resource, standing in self._moved)
        return hashlib.sha256(moves.encode("utf-8", "surrogatepass")).hexdigest()

    def collect(self) -> Iterator[PromotedVersion]:
        """Yield every version that was in force; the last one of a resource is."""
        last = {resource: standing.digest for resource, standing in self._moved}
        for resource, standing in self._moved:
            files = self._store.version(standing.resource.model, standing.version)
            yield PromotedVersion(
                place=self.place,
                model=standing.resource.model,
                version=standing.version,
                stage=standing.resource.stage,
                digests=tuple(sorted({f"sha256:{file.sha256}" for file in files})),
                statement=standing.digest,
                time=standing.time,
                in_force=standing.digest == last[resource],
            )


def _builtin(project: Project, environ: Mapping[str, str]) -> Iterator[Promotions]:
    """Yield the built-in store; one in a folder that was never used is not made."""
    from weighlock.errors import UsageError
    from weighlock.gates.promotion.registries import open_store
    from weighlock.gates.recording import is_database

    try:
        store = open_store(project, environ)
    except UsageError:
        return  # nothing says where one is
    if is_database(store.place) or os.path.lexists(store.place):
        yield BuiltinPromotions(store)


STORES: list[Callable[[Project, Mapping[str, str]], Iterable[Promotions]]] = [_builtin]
"""Each finds the stores of one kind that belong to a project, such as the built-in one where there is one."""


def stores_of(project: Project, environ: Mapping[str, str]) -> Iterator[Promotions]:
    """Yield every store of promotions that belongs to a project.

    Args:
        project: Its policy says which stages there are.
        environ: The variables of the user.
    """
    for find in STORES:
        yield from find(project, environ)
