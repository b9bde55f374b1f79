"""Verification summaries: a decision to promote, as the predicate that SLSA defines for decisions.

Source:
    SLSA v1.2, Verification Summary Attestation (https://slsa.dev/verification_summary/v1); in-toto Attestation
    Framework, spec/v1/predicate.md, for members of one's own. ``docs/promotion.md``.
"""

from __future__ import annotations

from typing import Any

import weighlock
from weighlock.artifact import Digest
from weighlock.errors import ForgedError
from weighlock.promotion import Input, Vsa
from weighlock.promotion_policy import folded
from weighlock.signing.promotion_fields import (
    read_digest,
    read_previous,
    read_promotable,
    read_time,
    subjects_of,
    time_text,
)
from weighlock.signing.statement import Statement
from weighlock.signing.strict_json import fields, items, text

PREDICATE = "https://slsa.dev/verification_summary/v1"
VERIFIER = "https://weighlock.dev/promote"
EXTENSION = "https://weighlock.dev/promotion/v1"
"""The member with what SLSA has no word for; a verifier of SLSA overlooks it."""

_OURS = ("version", "requirements", "previous", "actor")
_PREDICATE = ("verifier", "timeVerified", "resourceUri", "policy", "verificationResult", "verifiedLevels", EXTENSION)


def statement_of(vsa: Vsa) -> Statement:
    """Return the statement that a verifier signs.

    Raises:
        ForgedError: It is about no file.
    """
    predicate = {
        "verifier": {"id": VERIFIER, "version": {"weighlock": weighlock.__version__}},
        "timeVerified": time_text(vsa.made),
        "resourceUri": vsa.promotable.resource.uri,
        "policy": {"uri": "weighlock:policy", "digest": _digest_set(vsa.policy)},
        "inputAttestations": [
            {"uri": f"weighlock:{one.kind}/{one.name}", "digest": {"sha256": one.digest.value}} for one in vsa.inputs
        ],
        "verificationResult": "PASSED",
        "verifiedLevels": [_level(vsa)],
        "slsaVersion": "1.2",
        EXTENSION: {
            "version": vsa.version,
            "requirements": vsa.requirements,
            "previous": vsa.previous,
            "actor": vsa.actor,
        },
    }
    return Statement(predicate_type=PREDICATE, subjects=subjects_of(vsa.promotable), predicate=predicate)


def read_vsa(statement: Statement) -> Vsa:
    """Read the verification summary that a statement is; who signed it was verified before.

    Raises:
        ForgedError: It is none of a promotion, or says that it did not pass.
    """
    if statement.predicate_type != PREDICATE:
        raise ForgedError(f"is no verification summary, but {statement.predicate_type[:80]!r}")
    where = "statement.predicate"
    said = fields(dict(statement.predicate), where, required=_PREDICATE, optional=("inputAttestations", "slsaVersion"))
    if fields(said["verifier"], f"{where}.verifier", required=("id",), optional=("version",))["id"] != VERIFIER:
        raise ForgedError("was made by another tool", where=f"{where}.verifier.id")
    if said["verificationResult"] != "PASSED":
        raise ForgedError("says that it did not pass", where=f"{where}.verificationResult")
    ours = fields(said[EXTENSION], f"{where}.{EXTENSION}", required=_OURS)
    policy = fields(said["policy"], f"{where}.policy", required=("uri", "digest"))
    vsa = Vsa(
        promotable=read_promotable(statement, said["resourceUri"], f"{where}.resourceUri"),
        version=text(ours["version"], f"{where}.version"),
        requirements=read_digest(ours["requirements"], f"{where}.requirements"),
        policy=_read_digest_set(policy["digest"], f"{where}.policy.digest"),
        previous=read_previous(ours["previous"], f"{where}.previous"),
        made=read_time(said["timeVerified"], f"{where}.timeVerified"),
        inputs=tuple(
            _input(one, f"{where}.inputAttestations[{number}]")
            for number, one in enumerate(items(said.get("inputAttestations", []), f"{where}.inputAttestations"))
        ),
        actor=text(ours["actor"], f"{where}.actor"),
    )
    if said["verifiedLevels"] != [_level(vsa)]:
        raise ForgedError(f"does not say {_level(vsa)}", where=f"{where}.verifiedLevels")
    return vsa


def _level(vsa: Vsa) -> str:
    """Return the level; SLSA leaves every name to verifiers that does not begin with its own."""
    return f"PROMOTED_{folded(vsa.promotable.resource.stage).upper()}"


def _digest_set(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


def _read_digest_set(value: Any, where: str) -> str:
    return read_digest(f"sha256:{fields(value, where, required=('sha256',))['sha256']}", where)


def _input(value: Any, where: str) -> Input:
    said = fields(value, where, required=("uri", "digest"))
    scheme, _, rest = text(said["uri"], f"{where}.uri").partition(":")
    kind, separator, name = rest.partition("/")
    if scheme != "weighlock" or not separator:
        raise ForgedError("is no input of a promotion", where=f"{where}.uri")
    digest = _read_digest_set(said["digest"], f"{where}.digest")
    return Input(kind=kind, name=name, digest=Digest.sha256(digest.removeprefix("sha256:")))
