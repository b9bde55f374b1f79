"""What a quarantine says about a load: its bytes, the models that list them, and who signed the lockfile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import WeighlockError
from weighlock.gates.quarantined import RULE, UNKNOWN_RULE, Quarantine
from weighlock.model_source import HubSource, MlflowSource, OciSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from weighlock.gates.quarantine_denied import Denied
    from weighlock.lockfile import LockedModel
    from weighlock.signing.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a load may not be.

    Args:
        rule: Its name.
        message: For a person.
        remedy: The one step that approves it on purpose.
        evidence: Digests of the lists that say so.
    """

    rule: str
    message: str
    remedy: str | None
    evidence: tuple[str, ...] = ()


class LoadQuarantine:
    """Answers for one process, at each load.

    Args:
        quarantine: The lists.
        signed_by: Names of those who signed the lockfile, where the policy requires that.
        trust: Whose signatures it requires, with their keys; asked when a signer is denied.
    """

    def __init__(
        self, quarantine: Quarantine, signed_by: tuple[str, ...] = (), trust: Callable[[], Trust] | None = None
    ) -> None:
        self._quarantine = quarantine
        self._signed_by = signed_by
        self._trust = trust

    def stop(self, digests: Callable[[], Iterable[str]], models: Callable[[], Iterable[str]]) -> Stop | None:
        """Return why bytes may not be loaded now, or ``None`` where nothing is known against them.

        Args:
            digests: Returns the digests of the bytes; called only where a list denies anything.
            models: Returns the names of the models that list them; likewise.
        """
        try:
            return self._stopped(digests, models)
        except Exception as error:  # noqa: BLE001 - libraries go on after an exception of their own kind; this refuses
            message = f"what is in quarantine cannot be told: {type(error).__name__}: {error}"
            return Stop(rule=UNKNOWN_RULE, message=message, remedy=getattr(error, "hint", None))

    def _stopped(self, digests: Callable[[], Iterable[str]], models: Callable[[], Iterable[str]]) -> Stop | None:
        quarantine = self._quarantine
        quarantine.look()
        if not quarantine.is_empty:
            denied = quarantine.known(digests(), models=models())
            if denied is not None:
                return _stop(denied)
            if self._signed_by and (stop := self._unsigned()):
                return stop
        problem = quarantine.problem()
        if problem is None:
            return None
        return Stop(rule=UNKNOWN_RULE, message=problem.message, remedy=problem.hint, evidence=quarantine.evidence)

    def denies_anything(self) -> bool:
        """Say whether digests matter now; where that cannot be told, they do."""
        try:
            self._quarantine.look()
        except Exception:  # noqa: BLE001 - `stop` refuses for it, and says why
            return True
        return not self._quarantine.is_empty

    def close(self) -> None:
        """Let go of servers and databases."""
        self._quarantine.close()

    def _unsigned(self) -> Stop | None:
        """Return why the lockfile counts as not signed: too few of those who signed it are not in quarantine."""
        denied = self._quarantine.signers_now()
        if not denied or self._trust is None:
            return None
        try:
            trust = self._trust()
        except WeighlockError as error:
            message = f"whose signature is in quarantine cannot be told: {error}"
            return Stop(rule=UNKNOWN_RULE, message=message, remedy=error.hint, evidence=self._quarantine.evidence)
        left, found = _remaining(self._signed_by, denied, trust)
        if found is None or left >= trust.threshold:
            return None
        message = f"the lockfile is signed by {left} of the {trust.threshold} signers that it takes: {found.message}"
        return Stop(rule=RULE, message=message, remedy=found.remedy, evidence=(found.digest,))


def names_of_model(model: LockedModel) -> Iterator[str]:
    """Yield every name by which a locked model may be denied: its own, and those of where it comes from."""
    source = model.source
    yield from (model.name, source.origin, source.shown)
    match source:
        case HubSource(repo=repo, revision=revision):
            yield from (f"hf:{repo}", f"hf:{repo}@{revision}")
        case OciSource(repository=repository, revision=revision):
            yield from (repository, f"oci:{repository}@{revision}")
        case MlflowSource(name=name, revision=revision):
            yield from (name, f"models:/{name}/{revision}")


def _remaining(signed_by: Iterable[str], denied: dict[str, Denied], trust: Trust) -> tuple[int, Denied | None]:
    """Count the people whose signatures still count; one person is denied under all names and with all keys."""
    from weighlock.signing.trust import names_of, people, person_mark

    marks = people(trust.signers)
    lost: dict[str, Denied] = {}
    for signer in trust.signers:
        for name in names_of(signer):
            if found := denied.get(name.strip().casefold()):
                lost[marks[person_mark(signer.name)]] = found
    signed = {marks[person_mark(name)] for name in signed_by}
    return len(signed - lost.keys()), next((lost[one] for one in signed if one in lost), None)


def _stop(denied: Denied) -> Stop:
    return Stop(rule=RULE, message=denied.message, remedy=denied.remedy, evidence=(denied.digest,))
