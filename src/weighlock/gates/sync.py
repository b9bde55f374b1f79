"""The gate of ``weighlock sync``: what the lockfile lists is brought to this machine, and nothing else.

1. collect: every locked file, where it belongs;
2. identify: what lies there is hashed, what is missing or has other bytes is downloaded into quarantine;
3. verify: the digest is that of the lockfile, for files that were here as for those that came;
4. decide: a file that the lockfile calls refused or unverifiable needs a person who accepted it, and none may be in
   quarantine;
5. enforce: verified files are published, atomically, one by one.

The bytes were inspected when they were locked; the digest says that they are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, DigestMismatchError, SourceError, UsageError
from weighlock.gates.clients import Clients
from weighlock.gates.collect import Brought, Collector, Errand
from weighlock.gates.load_quarantine import names_of_model
from weighlock.model_source import PathSource, UrlSource
from weighlock.sources.hub import locked_offer
from weighlock.sources.interface import Silence
from weighlock.sources.transport import Transport
from weighlock.sources.url import file_name
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.gates.deciding import Decider
    from weighlock.gates.places import Places
    from weighlock.lockfile import LockedFile, LockedModel, Lockfile
    from weighlock.sources.interface import Progress

_NEVER = frozenset({"refused", "unverifiable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedFile:
    """What became of one locked file.

    Args:
        model: Name of its model.
        path: Of the file in the model.
        size: Bytes.
        status: ``present``, ``downloaded`` or ``replaced``.
        place: Where it is now.
    """

    model: str
    path: str
    size: int
    status: str
    place: str


def sync(
    models: Sequence[LockedModel],
    places: Places,
    *,
    offline: bool = False,
    allow_http: bool = False,
    progress: Progress | None = None,
    transport: Transport | None = None,
    decider: Decider | None = None,
) -> tuple[SyncedFile, ...]:
    """Bring locked models to this machine.

    Args:
        models: Of a lockfile.
        places: Where their files belong.
        offline: Ask no server.
        allow_http: URLs of other machines without encryption are acceptable.
        progress: Is told what happens.
        transport: For downloads.
        decider: Records what was admitted and refused.

    Raises:
        DigestMismatchError: A source delivers other bytes than the lockfile expects; they were not published.
        WeighlockError: A source or the disk is at fault; what was published before that is whole and verified.
    """
    _refuse_collisions(models)
    transport = transport or Transport(allow_http=allow_http)
    # 1. Collect, and 4. Decide, which needs no bytes
    progress = progress or Silence()
    clients = Clients(transport=transport, artifacts=places.artifacts, progress=progress, allow_http=allow_http)
    errands = [_errand(model, file, places, clients) for model in models for file in _admitted(model, decider)]
    with Collector(transport, progress, offline=offline) as collector:
        # 2. Identify, and 3. Verify
        try:
            brought = collector.bring(errands)
        except DigestMismatchError as error:
            _record(decider, error.where or "a locked file", Decision.DENY, "changed")
            raise
        # 5. Enforce
        owners, result = {model.name: model for model in models}, []
        for item in brought:
            digest = Digest.sha256(item.fetched.sha256)
            _record(decider, f"{item.errand.model}:{item.errand.offer.path}", Decision.ALLOW, "locked", digest)
            result.append(_publish(item, owners[item.errand.model], places, collector))
    for model in models:
        places.finish(model)
    return tuple(result)


def choose(lockfile: Lockfile, names: Sequence[str]) -> tuple[LockedModel, ...]:
    """Return the models of some names, or all.

    Raises:
        UsageError: A name is not in the lockfile.
    """
    if not names:
        return lockfile.models
    chosen = []
    for name in dict.fromkeys(names):
        model = lockfile.by_name(name) or lockfile.by_repo("model", name)
        if model is None:
            known = ", ".join(sorted(model.name for model in lockfile.models)) or "none"
            raise UsageError("is not in the lockfile", where=name, hint=f"locked are: {known}")
        chosen.append(model)
    return tuple(chosen)


def _record(decider: Decider | None, subject: str, decision: Decision, rule: str, digest: Digest | None = None) -> None:
    if decider is not None:
        verdict = Verdict(decision=decision, reasons=(Reason(rule=rule, message=rule),))
        decider.record(subject, verdict, digest=digest)


def _admitted(model: LockedModel, decider: Decider | None) -> tuple[LockedFile, ...]:
    for file in model.files:
        if file.outcome in _NEVER and not file.unsafe:
            digest = Digest.sha256(file.sha256)
            _record(decider, f"{model.name}:{file.path}", Decision.DENY, file.outcome, digest)
            raise AdmissionError(
                f"is {file.outcome} according to the lockfile, and nobody accepted it",
                where=f"{model.name}: {file.path}",
                hint="take it out of the lockfile",
            )
        if decider is not None:
            subject = f"{model.name}:{file.path}"
            decider.require_unquarantined(subject, Digest.sha256(file.sha256), names_of_model(model))
    return model.files


def _errand(model: LockedModel, file: LockedFile, places: Places, clients: Clients) -> Errand:
    errand = Errand(model=model.name, offer=locked_offer(file), place=places.file(model, file.path))
    if isinstance(model.source, PathSource):
        return errand
    client = clients.of(model.source)
    return replace(errand, client=client, source=model.source, quarantine=places.quarantine(model))


def _refuse_collisions(models: Sequence[LockedModel]) -> None:
    """Two URLs whose files have the same name would replace each other in torch.hub's folder, for ever."""
    seen: dict[str, str] = {}
    for model in models:
        if isinstance(model.source, UrlSource):
            name = file_name(model.source.url)
            if name in seen:
                raise SourceError(
                    f"torch.hub keeps it under the same name as {seen[name]}",
                    where=model.name,
                    hint="sync one of them with --local-dir",
                )
            seen[name] = model.name


def _publish(item: Brought, model: LockedModel, places: Places, collector: Collector) -> SyncedFile:
    path, place = item.errand.offer.path, places.file(model, item.errand.offer.path)
    status = "present"
    if item.fetched.quarantined:
        status = "replaced" if item.replaces else "downloaded"
        if item.replaces:
            collector.progress.say(f"{place} has other bytes than the lockfile expects and is replaced")
        place = places.publish(model, path, item.fetched)
    return SyncedFile(model=model.name, path=path, size=item.fetched.size, status=status, place=str(place))
