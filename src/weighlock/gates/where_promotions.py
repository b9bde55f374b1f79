"""Which stores of promotions `where` asks: one line for each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from weighlock.gates.project import Project
    from weighlock.incidents.interface import Promotions

STORES: list[Callable[[Project, Mapping[str, str]], Iterable[Promotions]]] = []
"""Each finds the stores of one kind that belong to a project, such as the built-in one where there is one."""


def stores_of(project: Project, environ: Mapping[str, str]) -> Iterator[Promotions]:
    """Yield every store of promotions that belongs to a project.

    Args:
        project: Its policy says which stages there are.
        environ: The variables of the user.
    """
    for find in STORES:
        yield from find(project, environ)
