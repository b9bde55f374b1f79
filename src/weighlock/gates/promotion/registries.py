"""Opening registries: which one a model is promoted in, and the built-in store with whose summaries count in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from weighlock.errors import ForgedError, UsageError
from weighlock.gates.promoted import require_files, require_move, trust_in, verify_vsa
from weighlock.gates.recording import is_database, shown
from weighlock.model_source import MlflowSource, OciSource
from weighlock.own_saves import state_folder
from weighlock.promotion import BUILTIN, MLFLOW, OCI, Promotable
from weighlock.promotions.blobs import Blobs, FolderBlobs, SharedBlobs
from weighlock.promotions.database import PostgresDatabase, SqliteDatabase
from weighlock.promotions.store import BuiltinStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel
    from weighlock.promotion import Promoted
    from weighlock.promotions.database import Database
    from weighlock.promotions.interface import Registry

FILE = "store.sqlite"
_KEY = "tool.weighlock.promotion.store"


def kind_of(chosen: str | None, model: LockedModel) -> str:
    """Return the registry in which a model is promoted: the one that was named, or the one that it comes from.

    Raises:
        UsageError: The model does not come from the one that was named.
    """
    own = MLFLOW if isinstance(model.source, MlflowSource) else OCI if isinstance(model.source, OciSource) else BUILTIN
    if chosen not in {None, BUILTIN, own}:
        hint = f"lock it from there, or leave out --registry to promote it in {own}"
        raise UsageError(f"does not come from a registry of kind {chosen}", where=model.name[:200], hint=hint)
    return chosen or own


def open_registry(kind: str, project: Project, environ: Mapping[str, str]) -> Registry:
    """Return the registry of a kind, as the policy or the environment names it.

    Raises:
        UsageError: Nothing says where it is.
        UnsupportedError: What it needs is not installed.
    """
    if kind == MLFLOW:
        from weighlock.promotions.mlflow import MlflowPromotions

        return MlflowPromotions(environ)
    if kind == OCI:
        from weighlock.promotions.oci import OciPromotions

        return OciPromotions(environ)
    return open_store(project, environ)


def named_in(registry: str, model: LockedModel) -> tuple[str, str | None]:
    """Return what a model is called in a registry, and its version where that has one already."""
    source = model.source
    if registry == MLFLOW and isinstance(source, MlflowSource):
        return source.name, source.revision
    if registry == OCI and isinstance(source, OciSource):
        return source.repository, source.revision
    return model.name, None


def open_store(project: Project, environ: Mapping[str, str]) -> BuiltinStore:
    """Open the built-in store of a project, in which summaries count that its policy's verifiers signed.

    Raises:
        UsageError: Nothing says where it is, or its address says too little.
        UnsupportedError: What it needs is not installed.
    """
    database, blobs = _parts(project, environ)
    policy = project.policy

    def admit(promoted: Promoted, files: Mapping[str, str], in_force: str | None) -> None:
        # The bundle is looked at again, and not what somebody made of it.
        now = datetime.now(UTC)
        trust = trust_in(policy, project.policy_path, policy.promotion.verifiers)
        expected = Promotable(resource=promoted.vsa.promotable.resource, files=files)
        again = verify_vsa(promoted.bundle, expected, trust, now=now)
        require_files(promoted.vsa.promotable.files, files)
        if (again.digest, again.vsa.version) != (promoted.digest, promoted.vsa.version):
            raise ForgedError("the verification summary is about another version")
        require_move(again, policy, project.policy_path, in_force=in_force, now=now)

    return BuiltinStore(database, blobs, admit)


def _parts(project: Project, environ: Mapping[str, str]) -> tuple[Database, Blobs]:
    place = project.policy.promotion.store
    if place is None:
        state = state_folder(environ)
        if state is None:
            raise UsageError(
                "nothing says where promoted models are kept", where=_KEY, hint="set WEIGHLOCK_STATE, or name a folder"
            )
        place = os.path.join(state, "promoted")
    if is_database(place):
        address, bytes_place = _split(place)
        return PostgresDatabase(address, shown(address)), _blobs(bytes_place, project)
    if "://" in place:
        hint = f'store = "postgresql://HOST/DATABASE?blobs={place}" keeps bytes there, and names in a database'
        raise UsageError("is storage for bytes, and names that move need a database", where=_KEY, hint=hint)
    folder = _below(place, project)
    return SqliteDatabase(os.path.join(folder, FILE)), FolderBlobs(os.path.join(folder, "blobs"))


def _split(place: str) -> tuple[str, str]:
    """Return the address of the database, and the place of the bytes that it names as ``blobs``."""
    parts = urlsplit(place)
    settings = parse_qsl(parts.query, keep_blank_values=True)
    blobs = [value for key, value in settings if key == "blobs"]
    if len(blobs) != 1 or not blobs[0]:
        hint = 'store = "postgresql://HOST/DATABASE?blobs=s3://BUCKET/FOLDER", or a folder that all machines see'
        raise UsageError("does not say where the bytes are, once", where=_KEY, hint=hint)
    others = urlencode([(key, value) for key, value in settings if key != "blobs"])
    return parts._replace(query=others).geturl(), blobs[0]


def _blobs(place: str, project: Project) -> Blobs:
    return SharedBlobs(place) if "://" in place else FolderBlobs(_below(place, project))


def _below(place: str, project: Project) -> str:
    beside = os.path.dirname(os.path.abspath(project.policy_path)) if project.policy_path else os.getcwd()
    return os.path.join(beside, place)
