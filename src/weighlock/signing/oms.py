"""OpenSSF Model Signing: statements about the files of one model, made from a lockfile or read from anybody.

What such a statement says is believed only as far as it can be compared: each file by name, digest and, where it is
said, size. Its root digest covers the digests alone and not the names, so it never stands for the model.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, LockfileError, UnsupportedError
from weighlock.lockfile import HubSource, MlflowSource, OciSource, PathSource
from weighlock.lockfile_schema import check_path
from weighlock.signing.statement import Statement, Subject, read_statement
from weighlock.signing.strict_json import fields, items, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from weighlock.lockfile import LockedFile, LockedModel

PREDICATE = "https://model_signing/signature/v1.0"
OLD_PREDICATE = "https://model_signing/Digests/v0.1"
CLAIM = "weighlock"
"""The member of the predicate with what the format has no place for: the model's name and the sizes of its files."""

SKIPPED = (".git", ".gitattributes", ".github", ".gitignore")
"""What `model_signing` leaves out of every folder, signed or not, unless it is told otherwise."""

_IGNORED = "predicate.serialization.ignore_paths"
_SOURCE = ("hf", "oci", "mlflow", "ref", "revision", "type", "path", "url")
_ALGORITHMS = {"sha256": "sha256", "blake2": "blake2b", "blake2b": "blake2b", "blake3": "blake3"}
_DIGITS = {"sha256": 64, "blake2b": 128, "blake3": 64}
_HEX = re.compile(r"[0-9a-f]+\Z")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
_MOST = 1_000_000  # resources; the largest published models have some thousand files


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of a model or, where large files are signed in shards, a part of one.

    Args:
        path: Relative to the model, with ``/``.
        digest: Lower-case hexadecimal, of the algorithm of the manifest.
        start: The first byte.
        end: The byte after the last one, or ``None`` for the whole file.
    """

    path: str
    digest: str
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What somebody signed about a model.

    Args:
        name: Of the model, as its signer called it.
        algorithm: ``sha256``, ``blake2b`` or ``blake3``.
        files: The parts of each file, in order, by path.
        sizes: Bytes of each file, where the statement says them.
        ignored: What the signer says was left out; it is a claim, and nothing more.
        source: Where the model came from, where weighlock signed it.
    """

    name: str
    algorithm: str
    files: dict[str, tuple[Part, ...]]
    sizes: dict[str, int]
    ignored: tuple[str, ...] = ()
    source: dict[str, str] | None = None


def statement_of(model: LockedModel) -> Statement:
    """Return the statement about a locked model, from the digests in the lockfile: no file is read.

    Raises:
        ForgedError: Its paths would collide on another file system.

    Source:
        ``docs/model-signing.md``; OpenSSF Model Signing specification, v1.0.
    """
    files = sorted(model.files, key=lambda file: file.path.split("/"))
    _require_distinct([file.path for file in files])
    seen = [file for file in files if file.path.split("/")[0] not in SKIPPED]
    if not seen:
        raise ForgedError("has no file that other verifiers would look at", where=model.name)
    root = sha256(b"".join(bytes.fromhex(file.sha256) for file in seen)).hexdigest()
    skipped = [file for file in files if file not in seen]
    claim = {
        "model": model.name,
        "source": _source(model),
        "sizes": [file.size for file in seen],
        "skipped": [{**_resource(file), "size": file.size} for file in skipped],
    }
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": list(SKIPPED)}
    predicate = {"serialization": serialization, "resources": [_resource(file) for file in seen], CLAIM: claim}
    return Statement(predicate_type=PREDICATE, subjects=(Subject.sha256(model.name, root),), predicate=predicate)


def read_manifest(payload: bytes) -> Manifest:
    """Parse the payload of an envelope, see `manifest_of`."""
    return manifest_of(read_statement(payload))


def manifest_of(statement: Statement) -> Manifest:
    """Read a statement about a model, signed by anybody.

    Args:
        statement: From an envelope whose signature was verified.

    Raises:
        ForgedError: It is not built as it has to be, names nothing, or names a file that is not one plain file on
            every system.
        UnsupportedError: It is of another type, or of a version or algorithm that is not known.

    Source:
        OpenSSF Model Signing specification, v1.0; ``model_signing`` 1.1.1, ``_signing/signing.py``.
    """
    if statement.predicate_type != PREDICATE:
        known = "an early form that bound no name" if statement.predicate_type == OLD_PREDICATE else "not about a model"
        raise UnsupportedError(
            f"the statement is of the type {statement.predicate_type[:80]!r}, which is {known}",
            hint=f"sign the model anew; {PREDICATE} is read",
        )
    if len(statement.subjects) != 1 or set(statement.subjects[0].digests) != {"sha256"}:
        raise ForgedError("a statement about a model has one subject with one sha256 digest", where="statement.subject")
    predicate = statement.predicate
    serialization = _object(predicate.get("serialization"), "predicate.serialization")
    algorithm, shard = _algorithm(serialization), _shard_size(serialization)
    parts = _parts(predicate.get("resources"), algorithm, shard)
    root = sha256(b"".join(bytes.fromhex(part.digest) for part in parts)).hexdigest()
    if root != statement.subjects[0].digests["sha256"]:
        raise ForgedError("the root digest is not that of the resources", where="statement.subject[0].digest")
    name = statement.subjects[0].name
    claim = _claim(predicate[CLAIM], name, parts, algorithm) if CLAIM in predicate else _Claim()
    files = {**_files(parts, shard), **_files(claim.skipped, None)}
    _require_distinct([*(part.path for part in claim.skipped), *dict.fromkeys(part.path for part in parts)])
    ends = {path: of[-1].end for path, of in files.items()}
    return Manifest(
        name=name,
        algorithm=algorithm,
        files=files,
        sizes={**claim.sizes, **{path: end for path, end in ends.items() if end is not None}},
        ignored=tuple(text(path, _IGNORED) for path in items(serialization.get("ignore_paths", []), _IGNORED)),
        source=claim.source,
    )


def same_name(path: str) -> str:
    """Return what two names have in common that some file system takes for one.

    Source:
        Unicode 16, section 3.13, definition D145 (canonical caseless matching).
    """
    folded = unicodedata.normalize("NFD", path).casefold()
    return unicodedata.normalize("NFD", folded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What weighlock signs besides.

    Args:
        sizes: Bytes of each file.
        skipped: The files that `model_signing` would not look at.
        source: Where the model came from.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    skipped: tuple[Part, ...] = ()
    source: dict[str, str] | None = None


def _resource(file: LockedFile) -> dict[str, str]:
    return {"name": file.path, "algorithm": "sha256", "digest": file.sha256}


def _source(model: LockedModel) -> dict[str, str]:
    source = model.source
    if isinstance(source, HubSource):
        return {"hf": source.repo, "ref": source.ref, "revision": source.revision, "type": source.type}
    if isinstance(source, OciSource):
        return {"oci": source.repository, "ref": source.ref, "revision": source.revision}
    if isinstance(source, MlflowSource):
        return {"mlflow": source.name, "ref": source.ref, "revision": source.revision}
    return {"path": source.path} if isinstance(source, PathSource) else {"url": source.url}


def _algorithm(serialization: dict[str, Any]) -> str:
    said = text(serialization.get("hash_type"), "predicate.serialization.hash_type")
    if said not in _ALGORITHMS:
        raise UnsupportedError(f"digests of the type {said[:40]!r} are not known", where="predicate.serialization")
    return _ALGORITHMS[said]


def _shard_size(serialization: dict[str, Any]) -> int | None:
    method = text(serialization.get("method"), "predicate.serialization.method")
    if method == "files":
        return None
    if method != "shards":
        raise UnsupportedError(f"a model serialised by {method[:40]!r} is not known", where="predicate.serialization")
    size = serialization.get("shard_size")
    # Written by way of a protobuf struct, whole numbers come out as 1000000000.0 with some encoders.
    if isinstance(size, float) and size.is_integer():
        size = int(size)
    if type(size) is not int or size < 1:
        raise ForgedError("is no number of bytes", where="predicate.serialization.shard_size")
    return size


def _parts(resources: Any, algorithm: str, shard: int | None) -> list[Part]:
    listed = items(resources, "predicate.resources")
    if not listed:
        raise ForgedError("a model without files is signed, which says nothing about any file")
    if len(listed) > _MOST:
        raise UnsupportedError(f"the statement names more than {_MOST} files")
    names = {algorithm, f"{algorithm}-sharded-{shard}"} if shard else {algorithm}
    return [_part(one, names, algorithm, shard, f"predicate.resources[{n}]") for n, one in enumerate(listed)]


def _part(value: Any, names: set[str], algorithm: str, shard: int | None, where: str) -> Part:
    value = fields(value, where, required=("name", "algorithm", "digest"))
    name, digest = text(value["name"], f"{where}.name"), text(value["digest"], f"{where}.digest")
    if text(value["algorithm"], f"{where}.algorithm") not in names:
        raise ForgedError(f"is not the {algorithm} that the serialization says", where=f"{where}.algorithm")
    if len(digest) != _DIGITS[algorithm] or not _HEX.match(digest):
        raise ForgedError(f"is no {algorithm} digest in lower-case hexadecimal", where=f"{where}.digest")
    if shard is None:
        return Part(path=_path(name, where), digest=digest)
    path, start, end = _shard_name(name, where)
    return Part(path=_path(path, where), digest=digest, start=start, end=end)


def _shard_name(name: str, where: str) -> tuple[str, int, int]:
    pieces = name.split(":")
    if len(pieces) != 3 or not _NUMBER.match(pieces[1]) or not _NUMBER.match(pieces[2]):
        raise ForgedError("is not PATH:START:END", where=f"{where}.name")
    return pieces[0], int(pieces[1]), int(pieces[2])


def _path(path: str, where: str) -> str:
    if path == ".":
        raise UnsupportedError("the model is signed as a single file without a name", hint="sign its folder")
    try:
        return check_path(path, f"{where}.name")
    except LockfileError as error:
        raise ForgedError(f"{path[:80]!r} {error.message}", where=error.where) from error


def _files(parts: Sequence[Part], shard: int | None) -> dict[str, tuple[Part, ...]]:
    """Put the parts of each file together, and demand that there are no holes between them."""
    files: dict[str, list[Part]] = {}
    for part in parts:
        files.setdefault(part.path, []).append(part)
    _require_distinct(files)
    for path, of in files.items():
        if shard is None and len(of) > 1:
            raise ForgedError("is named twice", where=path)
        of.sort(key=lambda part: part.start)
        if shard is not None and not _is_whole(of, shard):
            raise ForgedError("is not signed from its first byte to its last, each byte once", where=path)
    return {path: tuple(of) for path, of in files.items()}


def _is_whole(parts: Sequence[Part], shard: int) -> bool:
    at = 0
    for number, part in enumerate(parts):
        end = part.end or 0
        length = end - part.start
        if part.start != at or not 1 <= length <= shard or (length < shard and number < len(parts) - 1):
            return False
        at = end
    return True


def _require_distinct(paths: Iterable[str]) -> None:
    """Refuse names that some file system takes for one, and a file that is also a folder."""
    seen: dict[str, str] = {}
    for path in paths:
        key = same_name(path)
        if key in seen:
            raise ForgedError(f"is the same as {seen[key]!r} on some systems", where=path)
        seen[key] = path
    for key, path in seen.items():
        parents = key.split("/")[:-1]
        if any("/".join(parents[: end + 1]) in seen for end in range(len(parents))):
            raise ForgedError("lies below a name that is itself a file", where=path)


def _claim(value: Any, name: str, parts: Sequence[Part], algorithm: str) -> _Claim:
    where = f"predicate.{CLAIM}"
    value = fields(value, where, required=("model", "source", "sizes", "skipped"))
    if value["model"] != name:
        raise ForgedError("names another model than the subject", where=f"{where}.model")
    source = fields(value["source"], f"{where}.source", optional=_SOURCE)
    sizes = items(value["sizes"], f"{where}.sizes")
    if len(sizes) != len(parts):
        raise ForgedError("are not one size for each resource", where=f"{where}.sizes")
    rows = [dict(_object(one, f"{where}.skipped")) for one in items(value["skipped"], f"{where}.skipped")]
    sizes = [*sizes, *(row.pop("size", None) for row in rows)]
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ForgedError("holds what is no number of bytes", where=where)
    skipped = tuple(_part(row, {algorithm}, algorithm, None, f"{where}.skipped") for row in rows)
    return _Claim(
        sizes=dict(zip([part.path for part in (*parts, *skipped)], sizes, strict=True)),
        skipped=skipped,
        source={key: text(said, f"{where}.source") for key, said in source.items()},
    )


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ForgedError("is missing or no object", where=where)
    return value
