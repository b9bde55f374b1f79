"""Approvals: enough different people, none of them an author, agreed to exactly this move, and to no other.

An approval is a bundle beside the lockfile. It counts for the resource, the exact files, the exact rules and what is
in force now; so one for another stage, another model, other rules, or one that was used, counts for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock.errors import ForgedError
from weighlock.files import read_regular
from weighlock.gates.promoted import require_files, trust_in
from weighlock.gates.promotion.requirement import FAILS, MISSING, OK, Requirement
from weighlock.gates.signing import SUFFIX
from weighlock.promotion import Input
from weighlock.promotion_policy import APPROVAL, folded
from weighlock.promotions.store import BuiltinStore
from weighlock.signing.approval import read_approval
from weighlock.signing.bundle import LARGEST, digest_of
from weighlock.signing.promotion_fields import AHEAD
from weighlock.signing.trust import people, person_mark
from weighlock.signing.verification import tally

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.gates.promotion.case import Case
    from weighlock.promotion import Approval
    from weighlock.signing.statement import Statement
    from weighlock.signing.verification import Tally, Verified

FOLDER = "promotions"
_MOST = 64


def folder_of(case: Case) -> Path:
    """Return where the approvals of a promotion lie: a folder beside the lockfile, of the model and of the stage."""
    # A name that is a way through folders becomes one folder; none of them begins with a dot.
    names = [quote(name, safe="").replace(".", "%2E") for name in (case.model.name, folded(case.stage.name))]
    return case.project.folder.joinpath(FOLDER, *names)


def approved(case: Case, authors: Tally) -> Requirement:
    """Return whether enough people approved.

    Args:
        case: What is promoted.
        authors: Who signed the model or its lockfile, and cannot approve it.
    """
    project, stage, folder = case.project, case.stage, folder_of(case)
    trust = trust_in(project.policy, project.policy_path, stage.approvers, stage.approvals)
    bundles = _bundles(folder)
    digests = {name: str(digest_of(data)) for name, data in bundles.items()}
    used = case.registry.used(digests.values()) if isinstance(case.registry, BuiltinStore) else ()

    def accept(statement: Statement) -> None:
        require_about(read_approval(statement), case)

    fresh = [(name, data) for name, data in bundles.items() if digests[name] not in used]
    found = tally(fresh, trust, now=case.request.now, accept=accept)
    counted, own = _without_authors(case, found.counted, authors)
    problems = [f"{one.bundle}: {one.why}" for one in found.not_counted]
    problems += [f"{name}: was used before" for name in bundles if digests[name] in used]
    problems += [f"{name}: {one.signer} is an author, and authors do not approve" for name, one in own]
    names = tuple(sorted({one.signer for _, one in counted}))
    if len(_persons(case, counted)) >= stage.approvals:
        # Copies of one bundle are one approval.
        once = {one.bundle: name for name, one in counted}
        inputs = tuple(Input(kind="approval", name=name, digest=digest) for digest, name in once.items())
        text = f"approved by {', '.join(names)}"
        identities = tuple(one.identity for _, one in counted)
        return Requirement(
            kind=APPROVAL, status=OK, text=text, where=str(folder), inputs=inputs, people=names, identities=identities
        )
    said = f"approved by {len(_persons(case, counted))} of the {stage.approvals} people that it takes"
    who = ", ".join(stage.approvers) or "any signer of the policy"
    hint = (
        f"weighlock approve-promotion {case.model.name} --to {stage.name} --reason TEXT --key FILE, "
        f"by {who} who is no author"
    )
    status = FAILS if problems else MISSING
    return Requirement(
        kind=APPROVAL, status=status, text="; ".join([said, *problems[:4]]), where=str(folder), hint=hint
    )


def require_about(approval: Approval, case: Case) -> None:
    """Demand that an approval is about exactly this move, now.

    Raises:
        ForgedError: It is about another one, expired, or from the future.
    """
    now, ours = case.request.now, case.promotable.resource.uri
    if approval.promotable.resource.uri != ours:
        raise ForgedError(f"approves {approval.promotable.resource.uri[:200]}, and this is {ours[:200]}")
    require_files(approval.promotable.files, case.promotable.files)
    if approval.requirements != case.requirements:
        raise ForgedError("was given under other rules than those of the policy now")
    if approval.previous != case.previous:
        said = (approval.previous or "nothing")[:23]
        raise ForgedError(
            f"replaces {said}, and in force is {(case.previous or 'nothing')[:23]}: it was used, or is old"
        )
    if approval.expires <= now:
        raise ForgedError(f"expired at {approval.expires:%Y-%m-%d %H:%M} UTC")
    if approval.made > now + AHEAD:
        raise ForgedError(f"was made in the future, {approval.made:%Y-%m-%d %H:%M} UTC")


def _bundles(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    places = sorted(place for place in folder.iterdir() if place.name.endswith(SUFFIX))
    if len(places) > _MOST:
        hint = "remove those that are not for this promotion"
        raise ForgedError(f"has {len(places)} approvals, and {_MOST} are read", where=str(folder), hint=hint)
    return {place.name: read_regular(place, LARGEST + 1) for place in places}


def _marks(case: Case, *found: tuple[tuple[str, Verified], ...]) -> dict[str, str]:
    """Tell persons apart over everybody whom the policy knows: two names with one key are one person."""
    everybody = trust_in(case.project.policy, case.project.policy_path, ())
    seen = tuple((one.signer, f"key {one.key}") for counted in found for _, one in counted)
    return people(everybody.signers, seen)


def _without_authors(
    case: Case, counted: tuple[tuple[str, Verified], ...], authors: Tally
) -> tuple[tuple[tuple[str, Verified], ...], tuple[tuple[str, Verified], ...]]:
    marks = _marks(case, counted, authors.counted)
    wrote = {marks[person_mark(one.signer)] for _, one in authors.counted}
    others = tuple((name, one) for name, one in counted if marks[person_mark(one.signer)] not in wrote)
    return others, tuple(item for item in counted if item not in others)


def _persons(case: Case, counted: tuple[tuple[str, Verified], ...]) -> set[str]:
    marks = _marks(case, counted)
    return {marks[person_mark(one.signer)] for _, one in counted}
