"""The policy about promotion, ``[tool.weighlock.promotion]``: stages, and the evidence that each of them takes.

Source:
    ``docs/policy.md`` for the keys, ``docs/promotion.md`` for what they do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from weighlock.advisory import Severity
from weighlock.errors import PolicyError
from weighlock.policy_keys import age, age_text, choice, count, require_keys, rows, severity, text, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCK, SCAN, SIGNATURE, BOM, AUDIT, APPROVAL = "lock", "scan", "signature", "bom", "audit", "approval"
EVIDENCE = (LOCK, SCAN, SIGNATURE, BOM, AUDIT, APPROVAL)
"""What a stage may require. A lock entry and a scan are always required: without them nothing is known."""

_TABLE = "tool.weighlock.promotion"
_KEYS = ("store", "verifiers", "valid-for", "open-names", "stages")
_STAGE = ("name", "after", "names", "require", "signatures", "approvals", "approvers", "actors", "fail-on")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a model is promoted to, and what that takes.

    Args:
        name: Such as ``production``; compared without regard to case, everywhere.
        after: The stage in which exactly these bytes have to be already.
        names: Further names by which servers call it: aliases, MLflow stages, tags of an OCI registry.
        require: Kinds of evidence, of `EVIDENCE`.
        signatures: So many different signers have to have signed the model or its lockfile.
        approvals: So many different people have to have approved the promotion, none of them an author.
        approvers: Names of signers whose approvals count; none means all signers of the policy.
        actors: Users of a server who may move its names; none means everybody whom the server lets.
        fail_on: An advisory of this severity or a higher one in the bill of materials stops it.
    """

    name: str
    after: str | None = None
    names: tuple[str, ...] = ()
    require: tuple[str, ...] = EVIDENCE
    signatures: int = 1
    approvals: int = 1
    approvers: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    fail_on: Severity = Severity.CRITICAL

    def requires(self, kind: str) -> bool:
        """Say whether it takes evidence of a kind."""
        return kind in self.require

    def is_called(self, name: str) -> bool:
        """Say whether a name, however its letters are written, is one of this stage."""
        return folded(name) in {folded(one) for one in (self.name, *self.names)}

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it."""
        return {
            "name": self.name,
            **({} if self.after is None else {"after": self.after}),
            "names": list(self.names),
            "require": [kind for kind in EVIDENCE if kind in self.require],
            "signatures": self.signatures,
            "approvals": self.approvals,
            "approvers": list(self.approvers),
            "actors": list(self.actors),
            "fail-on": str(self.fail_on),
        }


DEFAULT_STAGES = (
    Stage(name="staging", require=(LOCK, SCAN)),
    Stage(name="production", after="staging", names=("champion", "prod")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPolicy:
    """What is required of promotions.

    Args:
        store: Folder of the built-in store, relative to the policy file, or the URL of a shared one; ``None`` is the
            default folder of the user.
        verifiers: Names of the signers whose verification summaries count; none means all signers of the policy.
        valid_for: An older verification summary moves nothing any more.
        open_names: Aliases, stages and tags of servers that mean nothing; every other one is gated.
        stages: In their order.
    """

    store: str | None = None
    verifiers: tuple[str, ...] = ()
    valid_for: timedelta = timedelta(days=90)
    open_names: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = field(default=DEFAULT_STAGES)

    @classmethod
    def from_dict(cls, data: Any) -> PromotionPolicy:
        """Make the policy from the parsed table.

        Raises:
            PolicyError: A key or value is not known or makes no sense, with the path of the key.

        Source:
            ``docs/policy.md``.
        """
        require_keys(data, _KEYS, _TABLE)
        stages = rows(data["stages"], _stage, f"{_TABLE}.stages") if "stages" in data else DEFAULT_STAGES
        opened = texts(data.get("open-names", []), f"{_TABLE}.open-names")
        _require_apart(stages, opened)
        return cls(
            store=None if "store" not in data else _store(data["store"], f"{_TABLE}.store"),
            verifiers=texts(data.get("verifiers", []), f"{_TABLE}.verifiers"),
            valid_for=age(data.get("valid-for", "90 days"), f"{_TABLE}.valid-for"),
            open_names=opened,
            stages=stages,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it."""
        return {
            **({} if self.store is None else {"store": self.store}),
            "verifiers": list(self.verifiers),
            "valid-for": age_text(self.valid_for),
            "open-names": list(self.open_names),
            "stages": [stage.to_dict() for stage in self.stages],
        }

    def stage(self, name: str) -> Stage | None:
        """Return the stage that a name, however its letters are written, stands for."""
        return next((stage for stage in self.stages if stage.is_called(name)), None)

    def is_open(self, name: str) -> bool:
        """Say whether a name of a server means nothing, so that everybody may use it."""
        return folded(name) in {folded(one) for one in self.open_names}

    def requirements(self, stage: Stage) -> dict[str, Any]:
        """Return everything that a promotion to a stage has to meet, that of the stages before it included.

        Its digest stands in approvals and verification summaries, so that neither outlives a change of the rules.
        """
        chain = [stage]
        while chain[-1].after is not None and (before := self.stage(chain[-1].after)) is not None:
            chain.append(before)
        return {"verifiers": sorted(self.verifiers), "stages": [one.to_dict() for one in chain]}


def folded(name: str) -> str:
    """Return the one form in which names of stages are compared."""
    import unicodedata

    # Compatibility forms first: a full-width letter or a ligature looks like the plain one to who reads the name.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def _store(value: Any, where: str) -> str:
    """Return a place, which everybody who reads the policy may know."""
    place = text(value, where)
    scheme, separator, rest = place.partition("://")
    address = rest.partition("/")[0].partition("?")[0]
    if separator and (":" in address.rpartition("@")[0] or "password=" in rest.casefold()):
        hint = "put it into .pgpass or PGPASSWORD, or where the library of the storage looks for it"
        raise PolicyError(f"holds a password, in an address of {scheme[:20]}", where=where, hint=hint)
    return place


def _stage(data: dict[str, Any], where: str) -> Stage:
    require_keys(data, _STAGE, where)
    required = texts(data.get("require", list(EVIDENCE)), f"{where}.require")
    for index, kind in enumerate(required):
        choice(kind, EVIDENCE, f"{where}.require[{index}]")
    if missing := [kind for kind in (LOCK, SCAN) if kind not in required]:
        raise PolicyError(
            f"must have {missing[0]!r}: nothing is promoted that nobody looked at", where=f"{where}.require"
        )
    if APPROVAL in required and SIGNATURE not in required:
        raise PolicyError(
            "an approval without a signature: who the author is says the signature of the model or its lockfile",
            where=f"{where}.require",
            hint='add "signature", so that nobody approves a model of their own',
        )
    return Stage(
        name=text(data.get("name"), f"{where}.name"),
        after=None if "after" not in data else text(data["after"], f"{where}.after"),
        names=texts(data.get("names", []), f"{where}.names"),
        require=required,
        signatures=count(data.get("signatures", 1), f"{where}.signatures"),
        approvals=count(data.get("approvals", 1), f"{where}.approvals"),
        approvers=texts(data.get("approvers", []), f"{where}.approvers"),
        actors=texts(data.get("actors", []), f"{where}.actors"),
        fail_on=severity(data.get("fail-on", "critical"), f"{where}.fail-on"),
    )


def _require_apart(stages: Sequence[Stage], opened: Sequence[str]) -> None:
    """Refuse names that mean two things, and a stage after one that does not come before it."""
    if not stages:
        raise PolicyError("must have a stage", where=f"{_TABLE}.stages")
    seen: dict[str, str] = {folded(name): f"{_TABLE}.open-names" for name in opened}
    for number, stage in enumerate(stages):
        where = f"{_TABLE}.stages[{number}]"
        if stage.after is not None and stage.after not in [one.name for one in stages[:number]]:
            raise PolicyError(f"there is no stage {stage.after!r} before it", where=f"{where}.after")
        own = {folded(name) for name in (stage.name, *stage.names)}
        for name in sorted(own):
            if name in seen:
                raise PolicyError(f"the name {name!r} stands in {seen[name]} as well", where=where)
        seen |= dict.fromkeys(own, where)
