"""Every key of a policy: what it is for, which values it takes, and when a project's value is as strict.

The one list from which the JSON Schema, the tables of the documentation and the comparison of an organisation's policy
with a project's are made. A key of the parser that is missing here fails the tests.

Source:
    ``docs/policy.md``, "An organisation's policy", for what counts as strict.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from weighlock.policy import MODES, UNLOCKED, VERIFY
from weighlock.policy_values import (
    ACCEPTANCE,
    AGE,
    BOOLEAN,
    BUILDS,
    COUNT,
    ENGINES,
    IGNORED,
    LISTS,
    MODELS,
    OWNERS,
    SEVERITY,
    SIGNERS,
    STAGES,
    TEXT,
    TEXTS,
    one_of,
)
from weighlock.quarantine_policy import STALE

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.install_policy import Acceptance, IgnoredAdvisory
    from weighlock.policy import Policy
    from weighlock.promotion_policy import Stage

    Rule = Callable[[Policy, Policy], bool]

_STRICTEST_FIRST = ("sealed", "full", "lazy")
"""`sealed` also holds against who rewrites the file afterwards; `lazy` lets a program begin with a file that was not
read to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a policy.

    Args:
        name: Its path, such as ``install.min-age``.
        about: What it means, one clause.
        schema: The JSON Schema of its value.
        tightened: How a project may differ from its organisation, for people.
        is_as_strict: Says whether the second policy is as strict in this as the first.
        adds: What a project writes is added to what its organisation wrote, and replaces nothing.
    """

    name: str
    about: str
    schema: dict[str, Any] = field(hash=False)
    tightened: str
    is_as_strict: Rule
    adds: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        """The keys that lead to it."""
        return tuple(self.name.split("."))

    @property
    def written(self) -> bool:
        """Whether it stands in a policy file by itself; `models.remote-code` is a part of each model."""
        return self.name != "models.remote-code"


def _ordered(attribute: str, strictest_first: tuple[str, ...]) -> Rule:
    def rule(ours: Policy, theirs: Policy) -> bool:
        return strictest_first.index(getattr(theirs, attribute)) <= strictest_first.index(getattr(ours, attribute))

    return rule


def _models(ours: Policy, theirs: Policy) -> bool:
    def said(policy: Policy) -> dict[str, tuple[object, ...]]:
        return {one.name: (one.ref, one.type, one.include, one.exclude) for one in policy.models}

    return said(ours).items() <= said(theirs).items()


def _remote_code(ours: Policy, theirs: Policy) -> bool:
    named = [{one.name for one in policy.models if one.remote_code} for policy in (ours, theirs)]
    return named[1] <= named[0]


def _builds(ours: Policy, theirs: Policy) -> bool:
    mine = ours.install.allow_build
    return all(name in mine and mine[name] in {None, version} for name, version in theirs.install.allow_build.items())


def _indexes(ours: Policy, theirs: Policy) -> bool:
    # The first pattern that fits counts, so the organisation's have to be the first ones, in their order.
    mine = list(ours.install.indexes.items())
    return list(theirs.install.indexes.items())[: len(mine)] == mine


def _licenses(ours: Policy, theirs: Policy) -> bool:
    mine, other = set(ours.install.licenses), set(theirs.install.licenses)
    return not mine or (bool(other) and other <= mine)


def _accept(ours: Policy, theirs: Policy) -> bool:
    return all(any(_covers(mine, other) for mine in ours.install.accept) for other in theirs.install.accept)


def _covers(mine: Acceptance, other: Acceptance) -> bool:
    literal = not any(character in other.package for character in "*?[")
    return (
        mine.check == other.check
        and (mine.package == other.package or (literal and fnmatchcase(other.package, mine.package)))
        and mine.version in {None, other.version}
        and (mine.expires is None or (other.expires is not None and other.expires <= mine.expires))
    )


def _ignore(ours: Policy, theirs: Policy) -> bool:
    def covers(mine: IgnoredAdvisory, other: IgnoredAdvisory) -> bool:
        same = mine.id == other.id and mine.package in {None, other.package}
        return same and other.expires <= mine.expires

    rows = ours.install.ignore_advisories
    return all(any(covers(mine, other) for mine in rows) for other in theirs.install.ignore_advisories)


def _signers(ours: Policy, theirs: Policy) -> bool:
    mine, other = set(ours.evidence.signers), set(theirs.evidence.signers)
    # An organisation that neither requires signatures nor names a signer has said nothing about who signs.
    return other <= mine or (not mine and not ours.evidence.require_signature)


def _place(ours: Policy, theirs: Policy) -> bool:
    mine = ours.evidence.ledger.place
    return mine is None or theirs.evidence.ledger.place == mine


def _engines(ours: Policy, theirs: Policy) -> bool:
    return set(ours.evidence.engines) <= set(theirs.evidence.engines)


def _fewer(mine: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Compare lists of people, of which an empty one means all."""
    return not mine or (bool(other) and set(other) <= set(mine))


def _stages(ours: Policy, theirs: Policy) -> bool:
    return all(
        any(_is_as_strict_stage(mine, other) for other in theirs.promotion.stages) for mine in ours.promotion.stages
    )


def _is_as_strict_stage(mine: Stage, other: Stage) -> bool:
    return (
        mine.name == other.name
        and mine.after in {None, other.after}
        and set(mine.names) <= set(other.names)
        and set(mine.require) <= set(other.require)
        and mine.signatures <= other.signatures
        and mine.approvals <= other.approvals
        and _fewer(mine.approvers, other.approvers)
        and _fewer(mine.actors, other.actors)
        and mine.fail_on.reaches(other.fail_on)
    )


def _store(ours: Policy, theirs: Policy) -> bool:
    return ours.promotion.store is None or theirs.promotion.store == ours.promotion.store


def _not_loosened(ours: bool, theirs: bool) -> bool:  # noqa: FBT001 - two values of one key
    """Compare values of a key where true is the strict one."""
    return theirs or not ours


KEYS: tuple[Key, ...] = (
    Key(
        name="mode",
        about="what a refusal does to a program: enforce refuses, warn says it and lets through, off does nothing",
        schema=one_of(MODES, "enforce"),
        tightened="enforce, then warn, then off",
        is_as_strict=_ordered("mode", MODES),
    ),
    Key(
        name="unlocked",
        about="what happens to a file that is not in the lockfile: refuse it, or inspect it and admit plain data",
        schema=one_of(UNLOCKED, "refuse"),
        tightened="refuse, then inspect",
        is_as_strict=_ordered("unlocked", UNLOCKED),
    ),
    Key(
        name="verify",
        about="when the bytes of a locked file are hashed",
        schema=one_of(VERIFY, "full"),
        tightened="sealed, then full, then lazy",
        is_as_strict=_ordered("verify", _STRICTEST_FIRST),
    ),
    Key(
        name="profiles",
        about="profiles whose exact names count as approved",
        schema={"type": "array", "items": TEXT, "default": []},
        tightened="some of them",
        is_as_strict=lambda ours, theirs: set(theirs.profiles) <= set(ours.profiles),
    ),
    Key(
        name="lock",
        about="path of the lockfile, relative to the policy file; by default the nearest models.lock",
        schema=TEXT,
        tightened="the same file, where the organisation names one",
        is_as_strict=lambda ours, theirs: ours.lock is None or theirs.lock == ours.lock,
    ),
    Key(
        name="trust-saved",
        about="a file that a guarded program of this user saved in this project needs no lock entry",
        schema={**BOOLEAN, "default": True},
        tightened="false",
        is_as_strict=lambda ours, theirs: _not_loosened(not ours.trust_saved, not theirs.trust_saved),
    ),
    Key(
        name="models",
        about="the models that the lockfile must list, each with a ref or a table",
        schema=MODELS,
        tightened="more of them; the organisation's keep their refs and patterns",
        is_as_strict=_models,
        adds=True,
    ),
    Key(
        name="models.remote-code",
        about="the Python files of this model's repository may be executed",
        schema={**BOOLEAN, "default": False},
        tightened="true only for models of which the organisation says it",
        is_as_strict=_remote_code,
    ),
    Key(
        name="install.min-age",
        about="a younger release is refused, unless it fixes an advisory that the installed version has",
        schema={**AGE, "default": "3 days"},
        tightened="longer",
        is_as_strict=lambda ours, theirs: theirs.install.min_age >= ours.install.min_age,
    ),
    Key(
        name="install.fail-on",
        about="an advisory of this severity or a higher one is refused, and always one whose severity nobody knows",
        schema={**SEVERITY, "default": "high"},
        tightened="a lower severity",
        is_as_strict=lambda ours, theirs: ours.install.fail_on.reaches(theirs.install.fail_on),
    ),
    Key(
        name="install.advisory-max-age",
        about="with an older advisory database nothing can be decided",
        schema={**AGE, "default": "30 days"},
        tightened="shorter",
        is_as_strict=lambda ours, theirs: theirs.install.advisory_max_age <= ours.install.advisory_max_age,
    ),
    Key(
        name="install.allow-build",
        about="projects whose sdists may be built, in isolation, each as name or name==version",
        schema=BUILDS,
        tightened="some of them",
        is_as_strict=_builds,
    ),
    Key(
        name="install.indexes",
        about="which index (URL) owns which names (patterns); the first pattern that fits counts",
        schema=OWNERS,
        tightened="more of them, after the organisation's",
        is_as_strict=_indexes,
        adds=True,
    ),
    Key(
        name="install.licenses",
        about="SPDX identifiers that are admitted; an empty list says nothing about licences",
        schema=TEXTS,
        tightened="some of them; all, where the organisation names none",
        is_as_strict=_licenses,
    ),
    Key(
        name="install.accept",
        about="findings that a person accepts, each with package (or a pattern), check and reason",
        schema={"type": "array", "items": ACCEPTANCE, "default": []},
        tightened="some of them, for fewer packages or versions, or until an earlier day",
        is_as_strict=_accept,
    ),
    Key(
        name="install.ignore-advisories",
        about="advisories that a person decided not to wait for, each with id, reason and expires",
        schema={"type": "array", "items": IGNORED, "default": []},
        tightened="some of them, for fewer packages, or until an earlier day",
        is_as_strict=_ignore,
    ),
    Key(
        name="evidence.require-signature",
        about="a models.lock counts only with the signatures of threshold signers",
        schema={**BOOLEAN, "default": False},
        tightened="true",
        is_as_strict=lambda ours, theirs: _not_loosened(
            ours.evidence.require_signature, theirs.evidence.require_signature
        ),
    ),
    Key(
        name="evidence.threshold",
        about="so many different signers have to sign",
        schema=COUNT,
        tightened="higher",
        is_as_strict=lambda ours, theirs: theirs.evidence.threshold >= ours.evidence.threshold,
    ),
    Key(
        name="evidence.signers",
        about="whose signatures count: a public key, or an identity with its issuer or its authority's certificate",
        schema=SIGNERS,
        tightened="some of them; all, where the organisation neither names any nor requires a signature",
        is_as_strict=_signers,
    ),
    Key(
        name="evidence.ledger.place",
        about="where verdicts are recorded: a folder, or the postgresql:// address of a database",
        schema=TEXT,
        tightened="the same place, where the organisation names one",
        is_as_strict=_place,
    ),
    Key(
        name="evidence.ledger.required",
        about="where nothing can be recorded, nothing is admitted",
        schema={**BOOLEAN, "default": False},
        tightened="true",
        is_as_strict=lambda ours, theirs: _not_loosened(ours.evidence.ledger.required, theirs.evidence.ledger.required),
    ),
    Key(
        name="evidence.engines",
        about="policy engines that are asked after the built-in policy, in this order; they can only refuse more",
        schema=ENGINES,
        tightened="more of them, after the organisation's",
        is_as_strict=_engines,
        adds=True,
    ),
    Key(
        name="promotion.store",
        about="where promoted models are kept: a folder, or the URL of a shared one; by default a folder of the user",
        schema=TEXT,
        tightened="the same place, where the organisation names one",
        is_as_strict=_store,
    ),
    Key(
        name="promotion.verifiers",
        about="names of the signers whose verification summaries count; none means all",
        schema=TEXTS,
        tightened="some of them",
        is_as_strict=lambda ours, theirs: _fewer(ours.promotion.verifiers, theirs.promotion.verifiers),
    ),
    Key(
        name="promotion.valid-for",
        about="an older verification summary moves nothing any more",
        schema={**AGE, "default": "90 days"},
        tightened="shorter",
        is_as_strict=lambda ours, theirs: theirs.promotion.valid_for <= ours.promotion.valid_for,
    ),
    Key(
        name="promotion.open-names",
        about="aliases, stages and tags of servers that mean nothing; every other one is gated",
        schema=TEXTS,
        tightened="some of them",
        is_as_strict=lambda ours, theirs: set(theirs.promotion.open_names) <= set(ours.promotion.open_names),
    ),
    Key(
        name="promotion.stages",
        about="where a model is promoted to, in their order, and what that takes",
        schema=STAGES,
        tightened="more of them, and each takes as much or more",
        is_as_strict=_stages,
    ),
    Key(
        name="quarantine.lists",
        about="lists of denied artifacts that have to be there, verify and be new: paths, URLs, or ledger",
        schema=LISTS,
        tightened="more of them, after the organisation's",
        is_as_strict=lambda ours, theirs: set(ours.quarantine.lists) <= set(theirs.quarantine.lists),
        adds=True,
    ),
    Key(
        name="quarantine.signers",
        about="names of the signers whose lists count; none means all",
        schema=TEXTS,
        tightened="some of them",
        is_as_strict=lambda ours, theirs: _fewer(ours.quarantine.signers, theirs.quarantine.signers),
    ),
    Key(
        name="quarantine.max-age",
        about="a list that was signed longer ago is stale",
        schema={**AGE, "default": "7 days"},
        tightened="shorter",
        is_as_strict=lambda ours, theirs: theirs.quarantine.max_age <= ours.quarantine.max_age,
    ),
    Key(
        name="quarantine.stale",
        about="what a list that is stale or cannot be had does: refuse every load, or warn",
        schema=one_of(STALE, "refuse"),
        tightened="refuse, then warn",
        is_as_strict=lambda ours, theirs: STALE.index(theirs.quarantine.stale) <= STALE.index(ours.quarantine.stale),
    ),
)

DELEGATE = "delegate"
"""The key of an organisation's policy that names the keys which a project may also loosen."""
