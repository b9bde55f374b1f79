"""What the registry store of MLflow asks before it moves a name, and before it says what a name stands for.

For a move:
1. the name is one of a stage, written plainly, and the user is one who may move it;
2. a verification summary among the tags of the version is about it, and replaces what is in force;
3. the artifacts are hashed, as they are now, and are exactly those of the summary;
4. none of it is in quarantine;
5. it is recorded, before anything moves.

For a resolve, the same without hashing: the client verifies what it downloads.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, ForgedError, WeighlockError
from weighlock.gates.deciding import open_decider
from weighlock.gates.load_settings import find_policy
from weighlock.gates.promoted import require_files, require_move, resource_of, trust_in, verify_vsa
from weighlock.gates.quarantined import open_quarantine
from weighlock.promotion import MLFLOW, Promotable
from weighlock.promotion_policy import folded
from weighlock.promotions.mlflow_tags import bundle_of
from weighlock.registry.mlflow.actor import current_actor
from weighlock.registry.mlflow.artifacts import files_of
from weighlock.signing.bundle import read_bundle
from weighlock.signing.statement import read_statement
from weighlock.signing.verification import Verified, verify_bundle
from weighlock.signing.vsa import read_vsa
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighlock.promotion import Promoted, Resource, Vsa
    from weighlock.promotion_policy import PromotionPolicy, Stage
    from weighlock.registry.mlflow.memory import Standing

GATE = "mlflow"
_VERIFIED_FOR = 300.0
"""Seconds that a signature counts without being looked at again: certificates end."""
_MOST_VERIFIED = 1000
_MOST_LIKELY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model version that somebody wants to promote.

    Args:
        model: Name of the registered model.
        version: Its number.
        uri: Where its artifacts are.
        tags: Of the version, those with summaries.
    """

    model: str
    version: int
    uri: str
    tags: Mapping[str, str]


class MlflowGate:
    """The promotion gate of one server.

    Args:
        environ: Says where the policy and the ledger are.

    Raises:
        WeighlockError: There is nobody whose verification summaries count, or a list of quarantine is missing.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._policy, place = find_policy(environ)
        self._policy_path = place
        self._trust = trust_in(self._policy, place, self._policy.promotion.verifiers)
        self._decider = open_decider(GATE, self._policy, place, environ)
        self._quarantine = open_quarantine(environ, self._policy, place)
        self._verified: dict[str, tuple[float, Verified]] = {}

    @property
    def promotion(self) -> PromotionPolicy:
        """What is required of promotions."""
        return self._policy.promotion

    def stage(self, name: str) -> Stage | None:
        """Return the stage that a name stands for, or ``None`` for one that the policy leaves open.

        Raises:
            AdmissionError: It is neither, or written with letters that only look like it.
        """
        if self.promotion.is_open(name):
            return None
        stage = self.promotion.stage(name)
        if stage is None:
            raise AdmissionError(
                f"the name {name[:100]!r} is neither one of a stage nor open",
                hint="add it to open-names in [tool.weighlock.promotion] if it means nothing",
            )
        if folded(name) != name.lower():
            raise AdmissionError(f"the name {name[:100]!r} only looks like {stage.name!r}", hint="write it plainly")
        return stage

    def uri(self, model: str, stage: Stage) -> str:
        """Return what a stage of a model is called in statements."""
        return resource_of(self._policy, MLFLOW, model, stage.name).uri

    def examine(self, candidate: Candidate, stage: Stage, standing: Standing | None) -> Promoted:
        """Demand that a version may be moved to a stage now.

        Raises:
            WeighlockError: It may not.
        """
        # 1. Who
        user = current_actor().user
        if stage.actors and user not in stage.actors:
            said = f"{user or 'an unknown user'} may not move names of the stage {stage.name!r}"
            raise AdmissionError(said, hint="ask one of its actors, whom the policy of the server names")
        # 2. The summary, before anything is hashed for who has none, and 3. the artifacts as they are
        resource = resource_of(self._policy, MLFLOW, candidate.model, stage.name)
        promoted = _about(self._movable(candidate, resource, standing), files_of(candidate.uri))
        # 4. Quarantine
        self._quarantine.refuse(signers=(promoted.verifier, promoted.identity))
        self.require_free(promoted.vsa, candidate.model)
        return promoted

    def require_move(self, promoted: Promoted, standing: Standing | None) -> None:
        """Demand again, with the database locked, that a summary replaces what is in force.

        Raises:
            ForgedError: It does not.
        """
        last = None if standing is None else standing.digest
        require_move(promoted, self._policy, self._policy_path, in_force=last, now=datetime.now(UTC))

    def require_standing(self, standing: Standing | None, model: str, version: int, stage: Stage) -> Vsa:
        """Demand that a version is what was promoted to a stage last, and that this still counts.

        Raises:
            WeighlockError: It is not, or does not.
        """
        if standing is None or standing.version != version:
            hint = _how(model, version, stage.name)
            raise AdmissionError(f"version {version} was not promoted to {stage.name!r}", hint=hint)
        vsa = self.vsa_of(standing)
        self.require_free(vsa, model)
        return vsa

    def vsa_of(self, standing: Standing) -> Vsa:
        """Return what a summary says that is in force, verified now or a moment ago.

        Raises:
            WeighlockError: It does not verify any more.
        """
        key = sha256(standing.bundle).hexdigest()
        known = self._verified.get(key)
        if known is None or time.monotonic() - known[0] > _VERIFIED_FOR:
            known = time.monotonic(), verify_bundle(standing.bundle, self._trust.signers, now=datetime.now(UTC))
            if len(self._verified) > _MOST_VERIFIED:
                self._verified.clear()
            self._verified[key] = known
        verified = known[1]
        vsa = read_vsa(verified.statement)
        if vsa.promotable.resource.uri != standing.resource or str(verified.bundle) != standing.digest:
            raise ForgedError("the verification summary in the database is about something else")
        self._quarantine.refuse(signers=(verified.signer, verified.identity))
        return vsa

    def require_signed(self, key: str, value: str) -> None:
        """Demand that a tag holds a verification summary of a verifier, so that nobody can pile up others.

        Raises:
            WeighlockError: It does not.
        """
        read_vsa(verify_bundle(bundle_of(key, value), self._trust.signers, now=datetime.now(UTC)).statement)

    def require_free(self, vsa: Vsa | None, model: str) -> None:
        """Demand that neither files nor a model are in quarantine.

        Raises:
            AdmissionError: They are, or the list is too old.
        """
        files = () if vsa is None else tuple(f"sha256:{one}" for one in vsa.promotable.files.values())
        self._quarantine.refuse(files, models=(model, f"models:/{model}"))

    def record(self, kind: str, subject: str, rule: str, vsa: str | None = None, inputs: tuple[str, ...] = ()) -> None:
        """Record what was admitted.

        Args:
            kind: ``promotion`` or ``model``.
            subject: URI of the name or the version.
            rule: What was done, such as ``promoted``, ``demoted`` or ``resolved``.
            vsa: Digest of the verification summary.
            inputs: Digests of what that rests on.
        """
        verdict = Verdict(decision=Decision.ALLOW, reasons=(Reason(rule=rule, message=rule),))
        self._record(verdict, kind, subject, vsa, inputs)

    @contextmanager
    def refusing(self, kind: str, subject: str) -> Iterator[None]:
        """Turn whatever is wrong into a refusal by MLflow, and record it.

        Raises:
            MlflowException: PERMISSION_DENIED, with what, where, why, and the one step that would change it.
        """
        try:
            yield
        except WeighlockError as error:
            reason = Reason(rule=type(error).__name__.removesuffix("Error").lower(), message=str(error))
            hint = f"; hint: {error.hint}" if error.hint else ""
            self._record(Verdict(decision=Decision.DENY, reasons=(reason,)), kind, subject)
            raise MlflowException(f"weighlock refuses {subject}: {error}{hint}", PERMISSION_DENIED) from error

    def _movable(self, candidate: Candidate, resource: Resource, standing: Standing | None) -> list[Promoted]:
        """Return the summaries that move the name, whatever files they are about.

        Raises:
            WeighlockError: None does, and why the likeliest one does not.
        """
        movable: list[Promoted] = []
        failures: list[WeighlockError] = []
        bundles = [bundle_of(key, value) for key, value in candidate.tags.items()]
        for bundle, files in _likely(bundles, resource, None if standing is None else standing.digest):
            try:
                expected = Promotable(resource=resource, files=files)
                promoted = verify_vsa(bundle, expected, self._trust, now=datetime.now(UTC))
                if promoted.vsa.version != str(candidate.version):
                    raise ForgedError(f"the verification summary is about version {promoted.vsa.version[:20]}")
                self.require_move(promoted, standing)
            except WeighlockError as error:
                failures.append(error)
            else:
                movable.append(promoted)
        if not movable:
            hint = _how(candidate.model, candidate.version, resource.stage)
            none = ForgedError("there is no verification summary with this version", hint=hint)
            raise failures[0] if failures else none
        return movable

    def _record(
        self, verdict: Verdict, kind: str, subject: str, vsa: str | None = None, inputs: tuple[str, ...] = ()
    ) -> None:
        digest = None if vsa is None else Digest.sha256(vsa.removeprefix("sha256:"))
        self._decider.record(subject, verdict, kind=kind, digest=digest, evidence=inputs, actor=str(current_actor()))


def _how(model: str, version: int, stage: str) -> str:
    lock = f"`weighlock lock models:/{model}/{version}`"
    return f"{lock}, then `weighlock promote models:/{model} --to {stage} --key FILE`"


def _about(movable: Sequence[Promoted], files: Mapping[str, str]) -> Promoted:
    """Return the summary that is about exactly some files.

    Raises:
        ForgedError: None is, and why the likeliest one is not.
    """
    failures: list[ForgedError] = []
    for promoted in movable:
        try:
            require_files(promoted.vsa.promotable.files, files)
        except ForgedError as error:
            failures.append(error)
        else:
            return promoted
    raise failures[0]


def _likely(bundles: list[bytes], resource: Resource, in_force: str | None) -> list[tuple[bytes, Mapping[str, str]]]:
    """Return the few bundles that are worth verifying, with the files that they claim, the likeliest first.

    What a bundle claims chooses only when it is looked at: first those that replace what is in force, then that itself,
    then the newest of all others, for the sake of the message.
    """
    ranked: list[tuple[int, float, bytes, Mapping[str, str]]] = []
    for bundle in bundles:
        said = read_vsa(read_statement(read_bundle(bundle).envelope.payload))
        if said.promotable.resource.uri == resource.uri:
            is_again = f"sha256:{sha256(bundle).hexdigest()}" == in_force
            rank = 1 if is_again else 0 if said.previous == in_force else 2
            ranked.append((rank, -said.made.timestamp(), bundle, said.promotable.files))
    ranked.sort(key=lambda one: one[:3])
    likely = [(bundle, files) for rank, _, bundle, files in ranked if rank < 2]
    return [*likely[:_MOST_LIKELY], *[(bundle, files) for rank, _, bundle, files in ranked if rank == 2][:1]]
