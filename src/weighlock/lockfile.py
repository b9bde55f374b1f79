"""The lockfile: which model files are expected, with their digests.

`Lockfile` and its parts are values. Reading and writing the file on disk is `files`; the rules of what is a
valid lockfile are in `lockfile_schema`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import LockfileError
from weighlock.model_source import HubSource, MlflowSource, ModelSource, OciSource, PathSource, UrlSource
from weighlock.toml import array, line_of, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "LOCK_VERSION",
    "Chunks",
    "HubSource",
    "Located",
    "LockedFile",
    "LockedModel",
    "Lockfile",
    "MlflowSource",
    "ModelSource",
    "OciSource",
    "PathSource",
    "UrlSource",
    "comments_of",
    "parse",
]

LOCK_VERSION = "1.0"

_RESTORE = (
    "restore it from version control; or move it away, run `weighlock lock MODEL`, and approve again what was approved"
)

_HEADER = """\
# Which model files may be loaded, by digest. Written by `weighlock lock`, read by the guard; review it in a diff.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """Digests of the equal parts of a large file, so that every core can hash it.

    Args:
        size: Bytes of each part but the last.
        sha256: One digest for each part, in order.
    """

    size: int
    sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One file of a locked model.

    Args:
        path: Relative to the model, with ``/``.
        size: Bytes.
        sha256: Of all bytes, 64 lower-case hexadecimal digits.
        format: The loader's format, or ``None`` where no loader takes the file.
        outcome: What the inspection came to, for pickled formats.
        imports: Every name that loading the file imports.
        needs: The names among them that need an approval.
        approved: The names that a person approved for these bytes.
        unsafe: A person accepted the file whatever it does.
        reason: Why, in that person's words.
        chunks: For files over 64 MiB.
        equivalent_to: Paths of the safetensors files of the same model that were proved to hold the same tensors.
    """

    path: str
    size: int
    sha256: str
    format: str | None = None
    outcome: str | None = None
    imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()
    unsafe: bool = False
    reason: str | None = None
    chunks: Chunks | None = None
    equivalent_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModel:
    """A model: where it comes from and the files that belong to it.

    Args:
        name: Unique in the lockfile.
        source: Where it comes from.
        license: As the source declares it.
        remote_code: The model's own Python files may be executed.
        files: What was locked.
    """

    name: str
    source: ModelSource
    license: str | None = None
    remote_code: bool = False
    files: tuple[LockedFile, ...] = ()

    def file(self, path: str) -> LockedFile | None:
        """Return the file at that path."""
        return next((file for file in self.files if file.path == path), None)


Located = tuple[LockedModel, LockedFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    """All locked models.

    Args:
        models: Unique by name and by what they come from.
        created_by: The tool that wrote it.
        digest: Of the file that it was read from, ``sha256:…``.
        signed_by: Names of those who signed it, where a policy required that when it was read.
    """

    models: tuple[LockedModel, ...] = ()
    created_by: str = "weighlock"
    digest: str | None = field(default=None, repr=False, compare=False)
    signed_by: tuple[str, ...] = field(default=(), repr=False, compare=False)
    _digests: dict[str, tuple[Located, ...]] = field(init=False, repr=False, compare=False)
    _sizes: dict[int, tuple[Located, ...]] = field(init=False, repr=False, compare=False)
    _repos: dict[tuple[str, str], LockedModel] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        digests: dict[str, tuple[Located, ...]] = {}
        sizes: dict[int, tuple[Located, ...]] = {}
        for model in self.models:
            for file in model.files:
                digests[file.sha256] = (*digests.get(file.sha256, ()), (model, file))
                sizes[file.size] = (*sizes.get(file.size, ()), (model, file))
        hub = ((model.source, model) for model in self.models if isinstance(model.source, HubSource))
        object.__setattr__(self, "_digests", digests)
        object.__setattr__(self, "_sizes", sizes)
        object.__setattr__(self, "_repos", {(source.type, source.repo): model for source, model in hub})

    def by_digest(self, sha256: str) -> tuple[Located, ...]:
        """Return every locked file with that digest, with its model."""
        return self._digests.get(sha256, ())

    def of_size(self, size: int) -> tuple[Located, ...]:
        """Return every locked file of that many bytes, with its model."""
        return self._sizes.get(size, ())

    def by_repo(self, type: str, repo: str) -> LockedModel | None:  # noqa: A002 - the Hub's own word
        """Return the model that is locked for a repository of a Hub."""
        return self._repos.get((type, repo))

    def by_name(self, name: str) -> LockedModel | None:
        """Return the model of that name."""
        return next((model for model in self.models if model.name == name), None)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Lockfile:
        """Make a lockfile from what a TOML parser returned.

        Raises:
            LockfileError: A key is unknown, missing or broken; `where` is its path.
        """
        from weighlock.lockfile_schema import read_lockfile

        return read_lockfile(document)

    def to_dict(self) -> dict[str, Any]:
        """Return the document that `from_dict` reads, models and files sorted."""
        return {
            "lock-version": LOCK_VERSION,
            "created-by": self.created_by,
            "models": [_model_to_dict(model) for model in sorted(self.models, key=lambda model: model.name)],
        }

    def dumps(self, comments: Mapping[tuple[str, str | None], Sequence[str]] | None = None) -> str:
        """Return the TOML text: sorted, one fact a line, the same for the same lockfile.

        Args:
            comments: Lines to write above a model (`(name, None)`) or one of its files (`(name, path)`).

        Source:
            ``docs/formats/models-lock.md``; TOML 1.0.0.
        """
        comments = comments or {}
        document = self.to_dict()
        parts = [_HEADER, f"lock-version = {quoted(LOCK_VERSION)}\ncreated-by = {quoted(self.created_by)}\n"]
        for model in document["models"]:
            files = model.pop("files")
            parts.append(_table("[[models]]", model, comments.get((model["name"], None), ())))
            parts += [
                _table("[[models.files]]", file, comments.get((model["name"], file["path"]), ())) for file in files
            ]
        return "\n".join(parts)


def parse(text: str) -> Lockfile:
    """Parse the text of a lockfile.

    Raises:
        LockfileError: It is not TOML or not a valid lockfile; `where` has the line and the path of the broken key.

    Source:
        ``docs/formats/models-lock.md``.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LockfileError(f"not valid TOML: {error}", hint=_RESTORE) from error
    except RecursionError as error:
        raise LockfileError("not valid TOML: nested too deeply", hint=_RESTORE) from error
    try:
        return Lockfile.from_dict(document)
    except LockfileError as error:
        line = line_of(text, error.where) if error.where else None
        if line is not None:
            error.where = f"line {line}, {error.where}"
        error.hint = error.hint or _RESTORE
        raise


def comments_of(text: str) -> dict[tuple[str, str | None], tuple[str, ...]]:
    """Return the comment lines above each model and file of a valid lockfile, to be handed to `dumps`.

    They are what people wrote for reviewers, and ``lock`` must not lose them.
    """
    found: dict[tuple[str, str | None], tuple[str, ...]] = {}
    document = tomllib.loads(text)
    lines = text.split("\n")
    for m, model in enumerate(document.get("models", [])):
        found[model["name"], None] = _comment_above(lines, line_of(text, f"models[{m}]"))
        for f, file in enumerate(model["files"]):
            found[model["name"], file["path"]] = _comment_above(lines, line_of(text, f"models[{m}].files[{f}]"))
    return {key: comment for key, comment in found.items() if comment}


def _comment_above(lines: list[str], line: int | None) -> tuple[str, ...]:
    first = last = (line or 1) - 1
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return tuple(line.strip() for line in lines[first:last])


def _table(header: str, values: Mapping[str, Any], comments: Sequence[str]) -> str:
    lines = [*comments, header, *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    return array(value)


def _model_to_dict(model: LockedModel) -> dict[str, Any]:
    document: dict[str, Any] = {"name": model.name, "source": _source_to_dict(model.source)}
    if model.license is not None:
        document["license"] = model.license
    if model.remote_code:
        document["remote-code"] = True
    document["files"] = [_file_to_dict(file) for file in sorted(model.files, key=lambda file: file.path)]
    return document


def _source_to_dict(source: ModelSource) -> dict[str, Any]:
    match source:
        case UrlSource():
            return {"url": source.url}
        case PathSource():
            return {"path": source.path}
        case OciSource():
            return {"oci": source.repository, "ref": source.ref, "revision": source.revision}
        case MlflowSource():
            return {"mlflow": source.name, "ref": source.ref, "revision": source.revision}
    document = {"hf": source.repo, "ref": source.ref, "revision": source.revision}
    return document if source.type == "model" else {**document, "type": source.type}


def _file_to_dict(file: LockedFile) -> dict[str, Any]:
    document: dict[str, Any] = {"path": file.path, "size": file.size, "sha256": file.sha256}
    optional = {
        "format": file.format,
        "outcome": file.outcome,
        "imports": sorted(file.imports),
        "needs": sorted(file.needs),
        "approved": sorted(file.approved),
        "unsafe": file.unsafe,
        "reason": file.reason,
        "equivalent-to": sorted(file.equivalent_to),
    }
    document.update({key: value for key, value in optional.items() if value})
    if file.chunks is not None:
        document["chunks"] = {"size": file.chunks.size, "sha256": list(file.chunks.sha256)}
    return document
