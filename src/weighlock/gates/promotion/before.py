"""What comes before: these bytes are in the stage before already, and nobody put them into quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, WeighlockError
from weighlock.gates.load_quarantine import names_of_model
from weighlock.gates.promoted import requirements_digest, resource_of, stage_of, verify_vsa
from weighlock.gates.promotion.requirement import AFTER, FAILS, MISSING, OK, QUARANTINE, Requirement
from weighlock.gates.quarantined import open_quarantine
from weighlock.gates.signed_lockfile import trusted_signers
from weighlock.promotion import Input, Promotable
from weighlock.quarantine import folded_signer
from weighlock.signing.trust import names_of as names_of_signer
from weighlock.signing.trust import people, person_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from weighlock.gates.project import Project
    from weighlock.gates.promotion.case import Case
    from weighlock.lockfile import LockedModel
    from weighlock.model_source import ModelSource


def staged(case: Case, after: str) -> Requirement:
    """Return whether exactly these bytes were promoted to the stage before, by rules that hold now."""
    policy, resource = case.project.policy, case.promotable.resource
    before = resource_of(policy, resource.registry, resource.model, after)
    rules = requirements_digest(policy, stage_of(policy, after), case.project.policy_path)
    expected = Promotable(resource=before, files=case.promotable.files)
    where, why = f"{case.registry.place}: {before.uri}", "nothing was ever promoted there"
    for standing in case.registry.history(before):
        if standing.bundle is None:
            why = "the registry does not have the verification summary any more"
            continue
        try:
            promoted = verify_vsa(standing.bundle, expected, case.verifiers, now=case.request.now)
        except WeighlockError as error:
            why = error.message
            continue
        if promoted.vsa.requirements != rules:
            why = "that was by other rules than those of the policy now"
            continue
        try:
            marks = (promoted.verifier, promoted.identity)
            require_free(case.project, case.request.environ, (), case.model, marks)
        except AdmissionError as error:
            why = error.message
            continue
        digest = Digest.sha256(promoted.digest.removeprefix("sha256:"))
        name = f"{before.stage}-{standing.version}"
        text = f"exactly these bytes are version {standing.version} in {before.stage}"
        inputs = (Input(kind="vsa", name=name, digest=digest),)
        return Requirement(kind=AFTER, status=OK, text=text, where=where, inputs=inputs)
    text = f"these bytes are not in {before.stage}: {why}"
    hint = f"weighlock promote {case.model.name} --to {before.stage} --key FILE"
    return Requirement(kind=AFTER, status=MISSING, text=text, where=where, hint=hint)


def free(case: Case, signers: tuple[str, ...] = ()) -> Requirement:
    """Return whether nothing of it is in quarantine; where nobody knows, it is not free."""
    try:
        require_free(case.project, case.request.environ, case.promotable.files.values(), case.model, signers)
    except AdmissionError as error:
        where = error.where or ""
        return Requirement(kind=QUARANTINE, status=FAILS, text=error.message, where=where, hint=error.hint)
    return Requirement(kind=QUARANTINE, status=OK, text="nothing of it is in quarantine")


def require_free(
    project: Project, environ: Mapping[str, str], digests: Iterable[str], model: LockedModel, signers: Iterable[str]
) -> None:
    """Demand that neither files, nor a model by any of its names, nor who signed is in quarantine.

    Args:
        project: Its policy says which lists hold.
        environ: The variables of the user.
        digests: Of the files.
        model: Its entry in the lockfile.
        signers: Names, and what was verified of them.

    Raises:
        AdmissionError: Something is, or nobody knows what is.
    """
    persons = names_of_people(project, signers)
    quarantine = open_quarantine(environ, project.policy, project.policy_path)
    try:
        quarantine.refuse(
            digests, models=(*names_of_model(model), *names_of(model.source)), signers=persons, where=model.name
        )
    finally:
        quarantine.close()


def names_of_people(project: Project, marks: Iterable[str]) -> tuple[str, ...]:
    """Return every name and key by which the policy knows some people: who is denied under one is under all.

    Args:
        project: Its policy has the signers.
        marks: Names, and what was verified of them.

    Raises:
        WeighlockError: A key cannot be read.
    """
    given = tuple(dict.fromkeys(marks))
    known = trusted_signers(project.policy.evidence.signers, project.policy_path)
    persons = people(known)
    folded = {folded_signer(mark) for mark in given}
    meant = {
        persons[person_mark(one.name)]
        for one in known
        if not folded.isdisjoint(folded_signer(name) for name in names_of_signer(one))
    }
    others = (name for one in known if persons[person_mark(one.name)] in meant for name in names_of_signer(one))
    return tuple(dict.fromkeys((*given, *others)))


def names_of(source: ModelSource) -> tuple[str, ...]:
    """Return the bare names of where a model comes from, besides those by which a load knows it."""
    own = (getattr(source, key, None) for key in ("repo", "name", "repository", "url", "path"))
    return tuple(one for one in own if isinstance(one, str))
