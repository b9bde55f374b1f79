"""What the issuer asks before it lets anybody pull from a gated repository, and before it promotes into one.

A token names a repository and not a digest, so whoever had one to push could push anything. Nobody has: a promotion is
asked for, and the issuer writes what it verified.

For a promotion:
1. the user may ask for it, and the repository it comes from is the one that the configuration says;
2. the manifest is read by its digest, and every blob to its end; the files are what `weighlock lock` would lock;
3. the verification summary is about exactly this manifest and these files, and replaces what is in force;
4. none of it is in quarantine;
5. what is at hand in the gated repository is what this database knows: it was not put back;
6. blobs are mounted, which nobody can see without a manifest;
7. it is recorded, and becomes a row of the database. That is the moment: the rest follows from it, at the latest when
   somebody wants to pull;
8. the manifest is put, the summary attached to it, and the tag of the stage moved.

For a pull:
1. something is in force, and its summary still verifies;
2. nothing that was ever admitted and is there yet is in quarantine: what is, is removed;
3. every tag leads to a manifest that the issuer wrote, its bytes hashed;
4. the tag of the stage leads to what is in force: where a promotion was interrupted, it is finished.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import AdmissionError, ForgedError, SourceError, WeighlockError
from weighlock.formats.oci_manifest import Manifest, digest_of, parse
from weighlock.gates.promoted import require_move, resource_of, stage_of, trust_in, verify_vsa
from weighlock.promotion import OCI, Promotable, Resource
from weighlock.promotion_policy import folded
from weighlock.registry.oci.state import Admitted
from weighlock.signing.bundle import MEDIA_TYPE
from weighlock.signing.verification import verify_bundle
from weighlock.signing.vsa import read_vsa
from weighlock.sources.oci.copying import bring_blobs
from weighlock.sources.oci.referrers import attach
from weighlock.sources.oci.verified import verified_files
from weighlock.sources.transport import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from weighlock.gates.quarantined import Quarantine
    from weighlock.policy import Policy
    from weighlock.promotion import Promoted
    from weighlock.registry.oci.config import Rule, User
    from weighlock.registry.oci.own import OwnRegistry
    from weighlock.registry.oci.state import State

_MOST_TAGS = 2_000
_VERIFIED_FOR = 300.0
"""Seconds that a signature counts without being looked at again: certificates end."""

_MOST_VERIFIED = 10_000
_AT_ONCE = 2
"""Promotions; each reads the whole of a model."""

_PATIENCE = 60.0
_ROLLED_BACK = 'whoever runs the issuer looks at what happened; see docs/oci-gate.md, "What is there and nobody wrote"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A promotion that somebody asks for.

    Args:
        repository: The gated one.
        manifest: Digest of what is promoted.
        bundle: The verification summary.
        user: Who asks.
        actor: The same, for the ledger.
    """

    repository: str
    manifest: str
    bundle: bytes
    user: User
    actor: str


class OciGate:
    """The promotion gate of one registry.

    Args:
        host: Of the registry, as clients call it.
        policy: What is required.
        policy_path: Where it was read.
        quarantine: What is denied.
        registry: Is read and written.
        state: What was promoted.
        waiting: Folder in which archives wait to be looked into.
    """

    def __init__(
        self,
        *,
        host: str,
        policy: Policy,
        policy_path: str | None,
        quarantine: Quarantine,
        registry: OwnRegistry,
        state: State,
        waiting: Path,
    ) -> None:
        self._host = host
        self._policy, self._policy_path = policy, policy_path
        self._trust = trust_in(policy, policy_path, policy.promotion.verifiers)
        self._quarantine = quarantine
        self._registry = registry
        self._waiting = waiting
        self._verified: dict[str, tuple[float, tuple[str, str]]] = {}
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self.state = state

    def resource(self, repository: str, rule: Rule) -> Resource:
        """Return what a gated repository is called in statements: the stage of the model that it is promoted from.

        Raises:
            PolicyError: The policy has no such stage.
        """
        return resource_of(self._policy, OCI, f"{self._host}/{rule.origin_of(repository)}", rule.stage or "")

    def require_pull(self, repository: str, rule: Rule) -> tuple[str, ...]:
        """Demand that everything in a gated repository was admitted, and is not in quarantine.

        Returns:
            The digest of the manifest in force, then those of all others that are there.

        Raises:
            WeighlockError: It was not, or is.
        """
        resource = self.resource(repository, rule)
        history = self.state.history(resource.uri)
        # 1. In force
        if not history:
            hint = f"`weighlock promote MODEL --to {resource.stage}`, locked from oci:{resource.model}"
            raise AdmissionError(f"nothing was promoted to {resource.uri}", hint=hint)
        if history[0].repository != repository:
            raise AdmissionError(f"{resource.uri} was promoted into {history[0].repository}", where=repository)
        signers = self._verified_signers(history[0])
        # 2. Quarantine
        self._quarantine.refuse(history[0].digests, models=self._names(resource, repository), signers=signers)
        self._require_gone(repository, history)
        # 3. Tags
        found = self._require_known(repository, self.state.written(repository))
        # 4. The stage
        if found.get(_tag(resource)) != history[0].manifest:
            self._put(repository, resource, history[0])
        return tuple(dict.fromkeys((history[0].manifest, *sorted(set(found.values())))))

    def promote(self, asked: Asked, rule: Rule, record: Callable[[str, tuple[str, ...]], None]) -> Admitted:
        """Promote what was verified.

        Args:
            asked: For what.
            rule: About the gated repository.
            record: Is told the digest of the summary, and what it rests on, before anything moves.

        Raises:
            WeighlockError: It may not be promoted, or whether it may cannot be decided.
        """
        if not self._slots.acquire(timeout=_PATIENCE):
            raise WeighlockError("other promotions are under way", hint="try again later")
        try:
            return self._promote(asked, rule, record)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Let go of the database and the lists of quarantine."""
        self.state.close()
        self._quarantine.close()

    def _promote(self, asked: Asked, rule: Rule, record: Callable[[str, tuple[str, ...]], None]) -> Admitted:
        # 1. Who
        resource = self.resource(asked.repository, rule)
        stage = stage_of(self._policy, resource.stage)
        if not asked.user.roles & rule.promote or (stage.actors and asked.user.name not in stage.actors):
            raise AdmissionError(f"{asked.user.name} may not promote to {resource.uri}")
        # 2. What
        history = self.state.history(resource.uri)
        known = next((one for one in history if one.manifest == asked.manifest), None)
        origin, manifest, files = self._read(asked, rule, known)
        # 3. The summary
        now = datetime.now(UTC)
        promoted = verify_vsa(asked.bundle, Promotable(resource=resource, files=files), self._trust, now=now)
        if promoted.vsa.version != manifest.digest:
            said = promoted.vsa.version[:80]
            raise ForgedError(f"the verification summary is about {said}, and this is {manifest.digest}")
        in_force = history[0].digest if history else None
        require_move(promoted, self._policy, self._policy_path, in_force=in_force, now=now)
        # 4. Quarantine
        digests = _digests(manifest, files)
        signers = promoted.verifier, promoted.identity
        self._quarantine.refuse(digests, models=self._names(resource, asked.repository), signers=signers)
        # 5. What is there
        self._require_known(asked.repository, self.state.written(asked.repository))
        # 6. Blobs
        target = f"{self._host}/{asked.repository}"
        if origin != target:
            bring_blobs(self._registry, origin, target, manifest, transport=self._registry.transport)
        # 7. The moment
        admitted = _admitted(asked, manifest, promoted, digests, number=len(history) + 1)
        record(promoted.digest, (manifest.digest, *(str(one.digest) for one in promoted.vsa.inputs)))
        if not history or history[0].digest != promoted.digest:
            self.state.add(admitted)
        # 8. The tag
        self._put(asked.repository, resource, admitted)
        return admitted

    def _read(self, asked: Asked, rule: Rule, known: Admitted | None) -> tuple[str, Manifest, dict[str, str]]:
        """Return the repository that has a manifest, the manifest, and its files, all of it hashed now."""
        target = f"{self._host}/{asked.repository}"
        try:
            origin = f"{self._host}/{rule.origin_of(asked.repository)}"
            return origin, *self._hashed(origin, asked.manifest)
        except NotFoundError:
            if known is None:
                raise
        return target, *self._hashed(target, asked.manifest)

    def _hashed(self, repository: str, digest: str) -> tuple[Manifest, dict[str, str]]:
        transport = self._registry.transport
        return verified_files(self._registry, repository, digest, transport=transport, waiting=self._waiting)

    def _put(self, repository: str, resource: Resource, admitted: Admitted) -> None:
        """Put what is in force into its repository, its summary attached, and the tag of the stage last."""
        target = f"{self._host}/{repository}"
        self._registry.put_manifest(target, admitted.data, admitted.media_type)
        subject = self._registry.manifest(target, admitted.manifest).descriptor
        attach(self._registry, target, subject, artifact_type=MEDIA_TYPE, data=admitted.bundle)
        self._registry.put_manifest(target, admitted.data, admitted.media_type, _tag(resource))

    def _require_known(self, repository: str, written: frozenset[str]) -> dict[str, str]:
        """Return the digest behind every tag, each of a manifest that the issuer wrote."""
        target = f"{self._host}/{repository}"
        tags = self._registry.tags_of(target)
        if len(tags) > _MOST_TAGS:
            raise SourceError(f"has more than {_MOST_TAGS} tags", where=target)
        found: dict[str, str] = {}
        for tag in tags:
            with contextlib.suppress(NotFoundError):  # removed since it was listed
                found[tag] = self._registry.document(target, tag).digest
                if found[tag] not in written:
                    where = f"{target}:{tag}"
                    raise AdmissionError(f"{found[tag]} was not promoted", where=where, hint=_ROLLED_BACK)
        return found

    def _names(self, resource: Resource, repository: str) -> tuple[str, ...]:
        """Return every name by which a person may have put a model into quarantine."""
        names = resource.model, f"{self._host}/{repository}"
        return (*names, *(f"oci:{name}" for name in names))

    def _require_gone(self, repository: str, history: Sequence[Admitted]) -> None:
        """Demand that nothing in quarantine that was in force can be had any more, and remove what can."""
        target = f"{self._host}/{repository}"
        for old in {one.manifest: one for one in history[1:]}.values():
            denied = _denied(self._quarantine, old.digests)
            blobs = tuple(digest for digest in _blobs(old) if digest not in _blobs(history[0]))
            if denied and not self._registry.is_gone(target, old.manifest, blobs):
                raise AdmissionError(
                    f"{denied[0]} is in quarantine and the registry still has it, in {old.manifest}",
                    where=target,
                    hint="let the registry delete (storage.delete.enabled), or remove it there by hand",
                )

    def _verified_signers(self, admitted: Admitted) -> tuple[str, str]:
        """Return who signed the summary in force, verified now or a moment ago, and found to be about this."""
        known = self._verified.get(admitted.digest)
        if known is not None and time.monotonic() - known[0] < _VERIFIED_FOR:
            return known[1]
        verified = verify_bundle(admitted.bundle, self._trust.signers, now=datetime.now(UTC))
        vsa = read_vsa(verified.statement)
        said = vsa.promotable.resource.uri, vsa.version, str(verified.bundle)
        if said != (admitted.resource, admitted.manifest, admitted.digest):
            raise ForgedError("the verification summary in the database is about something else")
        if digest_of(admitted.data) != admitted.manifest:
            raise ForgedError("the manifest in the database is another one")
        if len(self._verified) > _MOST_VERIFIED:
            self._verified.clear()
        self._verified[admitted.digest] = time.monotonic(), (verified.signer, verified.identity)
        return verified.signer, verified.identity


def _admitted(
    asked: Asked, manifest: Manifest, promoted: Promoted, digests: tuple[str, ...], *, number: int
) -> Admitted:
    return Admitted(
        resource=promoted.vsa.promotable.resource.uri,
        number=number,
        repository=asked.repository,
        digest=promoted.digest,
        manifest=manifest.digest,
        media_type=manifest.media_type,
        data=manifest.data,
        bundle=asked.bundle,
        digests=digests,
        actor=asked.actor,
        made=datetime.now(UTC),
    )


def _tag(resource: Resource) -> str:
    """Return the tag of a stage."""
    return folded(resource.stage)


def _digests(manifest: Manifest, files: dict[str, str]) -> tuple[str, ...]:
    blobs = (one.digest for one in (manifest.config, *manifest.layers))
    return tuple(dict.fromkeys((manifest.digest, *blobs, *(f"sha256:{one}" for one in files.values()))))


def _blobs(admitted: Admitted) -> tuple[str, ...]:
    """Return the digests of what a manifest refers to; what is in quarantine may be a file in one of its archives."""
    manifest = parse(admitted.data, admitted.media_type)
    assert isinstance(manifest, Manifest)  # noqa: S101 - nothing else is promoted
    return tuple(one.digest for one in (manifest.config, *manifest.layers))


def _denied(quarantine: Quarantine, digests: Iterable[str]) -> list[str]:
    """Return those of some digests that are in quarantine."""
    return [digest for digest in digests if quarantine.denied((digest,)) is not None]
