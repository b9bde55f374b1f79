"""How things are called in the index: one spelling for each name, whoever wrote it.

Every name begins with what it is a name of, so that a package and a model of one name are two things.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from weighlock.install_policy import canonical_name
from weighlock.model_source import HubSource, MlflowSource, OciSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.purl import Purl
    from weighlock.lockfile import LockedModel
    from weighlock.model_source import ModelSource

_LONGEST = 1_000
_ADVISORY = re.compile(
    r"(?:CVE|GHSA|PYSEC|OSV|MAL|GO|RUSTSEC|GSD|ALSA|DSA|RHSA|USN|BIT|SNYK)-[A-Za-z0-9][A-Za-z0-9._:-]{1,80}\Z",
    re.IGNORECASE,
)


def model(name: str) -> str:
    """Return the name of a model; letters in any case are the same."""
    return f"model:{_folded(name)}"


def package(name: str) -> str:
    """Return the name of a package."""
    return f"package:{canonical_name(name)[:_LONGEST]}"


def advisory(name: str) -> str:
    """Return the name of an advisory."""
    return f"advisory:{_folded(name)}"


def signer(name: str) -> str:
    """Return the name of a signer."""
    return f"signer:{_folded(name)}"


def is_advisory(text: str) -> bool:
    """Say whether a text looks like the name of an advisory."""
    return _ADVISORY.match(text) is not None


def of_model(one: LockedModel) -> tuple[str, ...]:
    """Return every name that a locked model has."""
    return tuple(dict.fromkeys(model(name) for name in (one.name, *_of_source(one.source))))


def of_purl(purl: Purl) -> Iterator[str]:
    """Yield every name that a package URL gives a thing."""
    name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
    if purl.type == "pypi":
        yield package(purl.name)
    elif purl.type == "huggingface":
        for one in _with(f"hf:{name}", purl.version):
            yield model(one)
        yield model(name)
    elif purl.type == "mlflow":
        for one in _with(f"models:/{name}", purl.version, "/"):
            yield model(one)
        yield model(name)
    else:
        yield f"package:{_folded(purl.title)}"


def _of_source(source: ModelSource) -> Iterator[str]:
    """Yield the names that a source gives its model."""
    yield from (source.shown, source.origin)
    match source:
        case HubSource(repo=repo, revision=revision):
            yield from (f"hf:{repo}@{revision}", f"hf:{repo}")
        case OciSource(repository=repository, revision=revision):
            yield from (f"oci:{repository}@{revision}", repository)
        case MlflowSource(name=name, revision=revision):
            yield from (f"models:/{name}/{revision}", name)


def _with(name: str, version: str | None, between: str = "@") -> tuple[str, ...]:
    return (f"{name}{between}{version}", name) if version else (name,)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.encode("utf-8", "backslashreplace").decode()[:_LONGEST]).casefold()
