"""Whether a verification summary counts: the one place that decides it, for every registry and every client.

1. Verify the signature, by a verifier of the policy.
2. Read the summary, in its one reading.
3. Compare it with what is at hand: the resource, and every file, none missing and none more.
4. For a move, compare it with what is in force: it replaces that and nothing else, so it moves once; and it was made
   by the rules that hold now, not too long ago, and not in the future.

A quarantine is asked besides, see `weighlock.gates.quarantined`.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, PolicyError
from weighlock.gates.signed_lockfile import trust_of, trusted_signers
from weighlock.policy import digest_of_document
from weighlock.promotion import Promotable, Promoted, Resource
from weighlock.signing.promotion_fields import AHEAD
from weighlock.signing.trust import TrustedCertificate, TrustedKey
from weighlock.signing.verification import verify_bundle
from weighlock.signing.vsa import read_vsa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from weighlock.policy import Policy
    from weighlock.promotion_policy import Stage
    from weighlock.signing.trust import Trust, TrustedSigner

_AGAIN = "promote it again: `weighlock promote MODEL --to STAGE`"


def verify_vsa(bundle: bytes, expected: Promotable, trust: Trust, *, now: datetime) -> Promoted:
    """Verify that a verifier says of exactly these files that they may be where they are.

    Args:
        bundle: The Sigstore bundle.
        expected: The resource, and the files as they were hashed by the caller.
        trust: The verifiers, see `trust_in`.
        now: The time.

    Raises:
        ForgedError: It does not verify, or is about something else.
        UnsupportedError: The signature cannot be looked at in this environment.
    """
    # 1. Verify, and 2. read
    verified = verify_bundle(bundle, trust.signers, now=now)
    vsa = read_vsa(verified.statement)
    # 3. Compare with what is at hand
    if vsa.promotable.resource.uri != expected.resource.uri:
        said, ours = vsa.promotable.resource.uri, expected.resource.uri
        raise ForgedError(f"the verification summary is about {said[:200]}, and this is {ours[:200]}", hint=_AGAIN)
    require_files(vsa.promotable.files, expected.files)
    if vsa.made > now + AHEAD:
        raise ForgedError(f"the verification summary was made in the future, {vsa.made:%Y-%m-%d %H:%M} UTC")
    return Promoted(
        vsa=replace(vsa, promotable=expected),
        bundle=bundle,
        digest=str(verified.bundle),
        verifier=verified.signer,
        identity=verified.identity,
    )


def require_move(
    promoted: Promoted, policy: Policy, policy_path: str | None, *, in_force: str | None, now: datetime
) -> None:
    """Demand that a verified summary may move its resource now.

    Args:
        promoted: What `verify_vsa` returned.
        policy: What is required.
        policy_path: Where it was read; keys lie relative to it.
        in_force: Digest of the summary by which the resource was moved last; ``None`` where it never was. One that is
            in force already may be said again.
        now: The time.

    Raises:
        ForgedError: It replaces another one, was made by other rules, or is too old.
        WeighlockError: A key of the policy cannot be read, so that its rules are not known.
    """
    vsa, stage = promoted.vsa, stage_of(policy, promoted.vsa.promotable.resource.stage)
    if vsa.requirements != requirements_digest(policy, stage, policy_path):
        raise ForgedError("the verification summary was made by other rules than those that hold here", hint=_AGAIN)
    if now - vsa.made > policy.promotion.valid_for:
        raise ForgedError(f"the verification summary is of {vsa.made:%Y-%m-%d}, which is too long ago", hint=_AGAIN)
    if in_force not in (promoted.digest, vsa.previous):
        said = vsa.previous or "nothing"
        raise ForgedError(
            f"the verification summary replaces {said[:23]}, and in force is {(in_force or 'nothing')[:23]}: "
            "it was used before, or something else was promoted since",
            hint=_AGAIN,
        )


def require_files(said: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Demand that a statement is about exactly these files.

    Raises:
        ForgedError: One is missing, there is one more, or one has other bytes.
    """
    for path, digest in ours.items():
        if path not in said:
            raise ForgedError(f"{path[:200]} is not in the verification summary", hint=_AGAIN)
        if said[path] != digest:
            raise ForgedError(
                f"{path[:200]} is sha256:{digest}, and the verification summary says sha256:{said[path]}", hint=_AGAIN
            )
    if missing := sorted(said.keys() - ours.keys()):
        raise ForgedError(f"{missing[0][:200]} is in the verification summary and is not there", hint=_AGAIN)
    if not ours:
        raise ForgedError("there is no file, and a promotion of nothing fits to anything")


def stage_of(policy: Policy, name: str) -> Stage:
    """Return the stage of a name.

    Raises:
        PolicyError: The policy has no such stage.
    """
    stage = policy.promotion.stage(name)
    if stage is None:
        known = ", ".join(one.name for one in policy.promotion.stages)
        hint = f"stages are {known}; add one under [[tool.weighlock.promotion.stages]]"
        raise PolicyError(f"the policy has no stage {name[:100]!r}", where="tool.weighlock.promotion", hint=hint)
    return stage


def resource_of(policy: Policy, registry: str, model: str, stage: str) -> Resource:
    """Return the resource that a name of a stage, however it is written, stands for.

    Raises:
        PolicyError: The policy has no such stage.
    """
    return Resource(registry=registry, model=model, stage=stage_of(policy, stage).name)


def requirements_digest(policy: Policy, stage: Stage, policy_path: str | None) -> str:
    """Return the digest of all that a stage requires, with the keys and identities of everybody who is trusted.

    Keys count by what they are: a server keeps them in other files than its users do, and another key in a file of
    the same name is another rule.

    Raises:
        WeighlockError: A key cannot be read.
    """
    signers = [_as_rule(one) for one in trusted_signers(policy.evidence.signers, policy_path)]
    document = {**policy.promotion.requirements(stage), "signers": sorted(signers, key=str)}
    return f"sha256:{digest_of_document(document)}"


def trust_in(policy: Policy, policy_path: str | None, names: Sequence[str], threshold: int = 1) -> Trust:
    """Return the trust in some signers of the policy.

    Args:
        policy: With all signers.
        policy_path: Where it was read; keys lie relative to it.
        names: Of them; none means all.
        threshold: So many different ones.

    Raises:
        PolicyError: A name is nobody's, nobody is trusted, or they are too few.
    """
    for name in names:
        if name not in [signer.name for signer in policy.evidence.signers]:
            hint = f'[[tool.weighlock.evidence.signers]] name = "{name}", key = "….pub"'
            raise PolicyError(f"there is no signer {name!r}", where="tool.weighlock.evidence.signers", hint=hint)
    signers = tuple(one for one in policy.evidence.signers if not names or one.name in names)
    chosen = replace(policy.evidence, signers=signers, threshold=threshold, require_signature=False)
    return trust_of(chosen, policy_path)


def _as_rule(signer: TrustedSigner) -> dict[str, object]:
    if isinstance(signer, TrustedKey):
        return {"name": signer.name, "key": str(signer.key.digest)}
    said: dict[str, object] = {"name": signer.name, "identity": signer.identity}
    if isinstance(signer, TrustedCertificate):
        return {**said, "roots": sha256(signer.roots).hexdigest()}
    root = None if signer.trusted_root is None else sha256(signer.trusted_root).hexdigest()
    return {**said, "issuer": signer.issuer, "root": root, "staging": signer.staging}
