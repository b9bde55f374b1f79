"""Rows of MLflow's own tables: which names of a stage there are, and which version each stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from mlflow.entities.model_registry.model_version_stages import ALL_STAGES, STAGE_DELETED_INTERNAL
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
)
from mlflow.utils.time import get_current_time_millis

from weighlock.promotions.mlflow_tags import VSA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.promotion_policy import PromotionPolicy, Stage


def lock_model(store: Any, session: Any, name: str) -> None:
    """Hold the row of a model until the transaction ends, by writing to it: every database knows that lock."""
    workspace = store._get_active_workspace()  # noqa: SLF001 - as MLflow's own methods do
    condition = SqlRegisteredModel.workspace == workspace, SqlRegisteredModel.name == name
    session.execute(sa.update(SqlRegisteredModel).where(*condition).values(last_updated_time=get_current_time_millis()))


def aliases_of(store: Any, session: Any, name: str, stage: Stage) -> list[Any]:
    """Return the aliases of a model that are names of a stage."""
    query = store._get_query(session, SqlRegisteredModelAlias)  # noqa: SLF001
    found = query.filter(SqlRegisteredModelAlias.name == name).all()
    return [one for one in found if stage.is_called(one.alias)]


def versions_in(store: Any, session: Any, name: str, stage: Stage) -> list[Any]:
    """Return the versions of a model that are in a stage of MLflow's which is a name of a stage."""
    called = [one for one in ALL_STAGES if stage.is_called(one)]
    if not called:
        return []
    query = store._get_query(session, SqlModelVersion)  # noqa: SLF001
    found: list[Any] = query.filter(SqlModelVersion.name == name, SqlModelVersion.current_stage.in_(called)).all()
    return found


def summaries_of(session: Any, found: Any) -> dict[str, str]:
    """Return the tags of a version that hold summaries."""
    tag = SqlModelVersionTag
    condition = tag.workspace == found.workspace, tag.name == found.name, tag.version == found.version
    is_one = tag.key.startswith(VSA, autoescape=True)
    return dict(session.execute(sa.select(tag.key, tag.value).where(*condition, is_one)).tuples().all())


def tags_of_others(store: Any, session: Any, name: str, version: int) -> list[Any]:
    """Return the tags of all other versions of a model, but not the summaries, which are long."""
    query = store._get_query(session, SqlModelVersionTag).filter(SqlModelVersionTag.name == name)  # noqa: SLF001
    is_long = SqlModelVersionTag.key.startswith(VSA, autoescape=True)
    found: list[Any] = query.filter(SqlModelVersionTag.version != version, ~is_long).all()
    return found


def versions_at(session: Any, places: Sequence[str], above: str | None) -> list[tuple[str, int]]:
    """Return the versions whose artifacts are at one of some places.

    Args:
        session: Of the database.
        places: Addresses.
        above: Also everything below this one.
    """
    place = SqlModelVersion.storage_location
    found = place.in_(places)
    if above is not None:
        found = sa.or_(found, place.startswith(f"{above.rstrip('/')}/", autoescape=True))
    condition = found, SqlModelVersion.current_stage != STAGE_DELETED_INTERNAL
    query = sa.select(SqlModelVersion.name, SqlModelVersion.version).where(*condition)
    return [(name, version) for name, version in session.execute(query)]


def points_at(store: Any, session: Any, name: str, version: int, stage: Stage) -> bool:
    """Say whether a name of a stage stands for a version now."""
    named = (*aliases_of(store, session, name, stage), *versions_in(store, session, name, stage))
    return any(int(one.version) == version for one in named)


def stages_of(store: Any, session: Any, name: str, policy: PromotionPolicy) -> bool:
    """Say whether any name of any stage stands for a version of a model."""
    return any(
        aliases_of(store, session, name, stage) or versions_in(store, session, name, stage) for stage in policy.stages
    )
