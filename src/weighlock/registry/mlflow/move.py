"""The move of a name, in one transaction: whoever kills the server finds the old or the new, and never a half.

1. Hold the row of the model, so that no other client and no other server moves names of it.
2. Demand again that the summary replaces what is in force, and that nobody changed a file since before it was hashed.
3. Remember the summary.
4. Move every name of the stage: a stage has one version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from mlflow.entities.model_registry.model_version_stages import STAGE_ARCHIVED, get_canonical_stage
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias
from mlflow.utils.time import get_current_time_millis

from weighlock.errors import ForgedError
from weighlock.promotions.mlflow_tags import OURS
from weighlock.registry.mlflow import memory
from weighlock.registry.mlflow.actor import current_actor
from weighlock.registry.mlflow.rows import aliases_of, lock_model, points_at, tags_of_others, versions_in
from weighlock.registry.mlflow.words import stages_said

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.promotion import Promoted
    from weighlock.promotion_policy import Stage
    from weighlock.registry.mlflow.gate import MlflowGate

_AGAIN = "promote it again: `weighlock promote MODEL --to STAGE`"


@dataclass(frozen=True, slots=True)
class Move:
    """A name that is about to move.

    Args:
        store: Of MLflow.
        gate: That examined it.
        stage: Whose name it is.
        promoted: The verification summary.
        version: Where to.
        unchanged: Says whether the artifacts are still what was hashed, by what their store tells of them.
    """

    store: Any
    gate: MlflowGate
    stage: Stage
    promoted: Promoted
    version: int
    unchanged: Callable[[], bool]

    def carry_out(self, alias: str, mlflow_stage: str) -> None:
        """Move an alias, or a version into a stage of MLflow, and every other name of that stage with it.

        Raises:
            MlflowException: Something else was promoted there since it was examined.
        """
        resource = self.promoted.vsa.promotable.resource
        with self.store.ManagedSessionMaker(read_only=False) as session, self.gate.refusing("promotion", resource.uri):
            # 1. Hold, and 2. demand again
            lock_model(self.store, session, resource.model)
            found = self.store._get_sql_model_version(session, resource.model, self.version)  # noqa: SLF001
            standing = memory.in_force(session, resource.uri)
            self.gate.require_move(self.promoted, standing)
            if not self.unchanged():
                raise ForgedError(
                    "the artifacts were changed while they were hashed", hint="look who did; then try again"
                )
            # 3. Remember
            if standing is None or standing.digest != self.promoted.digest:
                self._remember(session)
            elif not points_at(self.store, session, resource.model, self.version, self.stage):
                raise ForgedError(
                    "the version was demoted since, and its verification summary counts once", hint=_AGAIN
                )
            # 4. Move
            self._move_others(session, found)
            if alias:
                row = {"workspace": found.workspace, "name": found.name, "alias": alias, "version": self.version}
                session.merge(SqlRegisteredModelAlias(**row))
            if mlflow_stage:
                found.current_stage = get_canonical_stage(mlflow_stage)
            found.last_updated_time = get_current_time_millis()

    def _remember(self, session: Any) -> None:
        try:
            memory.add(session, self.promoted, self.version, str(current_actor()), datetime.now(UTC))
        except sa.exc.IntegrityError:
            raise ForgedError("something else was promoted there at the same moment", hint=_AGAIN) from None

    def _move_others(self, session: Any, found: Any) -> None:
        name = found.name
        for one in aliases_of(self.store, session, name, self.stage):
            one.version = self.version
        for one in versions_in(self.store, session, name, self.stage):
            if int(one.version) != self.version:
                one.current_stage = STAGE_ARCHIVED
        for tag in tags_of_others(self.store, session, name, self.version):
            said = stages_said(tag.key, tag.value, self.gate.promotion)
            if self.stage in said and not tag.key.startswith(OURS):
                session.delete(tag)
