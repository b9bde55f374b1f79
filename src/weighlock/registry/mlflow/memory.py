"""What was promoted in an MLflow registry, in a table of its own beside MLflow's.

No call of MLflow reads or writes it, and it survives that a model is deleted. Each row replaces the one before it, and
two rows cannot replace the same one: that settles two clients, and two servers on one database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from weighlock.promotion import Promoted

_metadata = sa.MetaData()
_PROMOTIONS = sa.Table(
    "weighlock_promotions",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("previous", sa.String(71), nullable=False),  # empty for the first: NULL would equal nothing
    sa.Column("digest", sa.String(71), nullable=False),
    sa.Column("model", sa.String(256), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("resource", "previous", name="weighlock_promotions_replace_once"),
    sa.UniqueConstraint("resource", "digest", name="weighlock_promotions_once"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A verification summary by which a name was moved.

    Args:
        resource: URI of the name.
        digest: Of the bundle, ``sha256:…``.
        version: Of the registered model.
        bundle: Its bytes.
    """

    resource: str
    digest: str
    version: int
    bundle: bytes


def prepare(engine: Any) -> None:
    """Make the table where it is not there; another server may be doing the same."""
    try:
        _metadata.create_all(engine)
    except sa.exc.DatabaseError:
        if not sa.inspect(engine).has_table(_PROMOTIONS.name):
            raise


def in_force(session: Any, resource: str) -> Standing | None:
    """Return by what a name was moved last."""
    last = sa.select(sa.func.max(_PROMOTIONS.c.number)).where(_PROMOTIONS.c.resource == resource).scalar_subquery()
    return next(iter(_select(session, _PROMOTIONS.c.number == last)), None)


def of_model(session: Any, model: str) -> Sequence[Standing]:
    """Return everything by which names of a model were moved, the last of each name last."""
    return _select(session, _PROMOTIONS.c.model == model)


def versions_of(session: Any, versions: Sequence[tuple[str, int]]) -> Sequence[Standing]:
    """Return everything by which any of some versions was promoted."""
    if not versions:
        return []
    return _select(session, sa.tuple_(_PROMOTIONS.c.model, _PROMOTIONS.c.version).in_(versions))


def add(session: Any, promoted: Promoted, version: int, actor: str, now: datetime) -> None:
    """Write that a name is moved, with the transaction that moves it.

    Raises:
        sqlalchemy.exc.IntegrityError: Something else was promoted there at the same moment.
    """
    resource = promoted.vsa.promotable.resource
    row = {
        "resource": resource.uri,
        "previous": promoted.vsa.previous or "",
        "digest": promoted.digest,
        "model": resource.model,
        "version": version,
        "bundle": promoted.bundle,
        "actor": actor,
        "time": int(now.timestamp()),
    }
    session.execute(sa.insert(_PROMOTIONS).values(**row))


def _select(session: Any, condition: Any) -> list[Standing]:
    table = _PROMOTIONS.c
    query = sa.select(table.resource, table.digest, table.version, table.bundle).where(condition).order_by(table.number)
    return [
        Standing(resource=resource, digest=digest, version=version, bundle=bytes(bundle))
        for resource, digest, version, bundle in session.execute(query)
    ]
