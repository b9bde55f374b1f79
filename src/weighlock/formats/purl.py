"""Package URLs: names of packages across registries, as bills of materials write them.

Source:
    ECMA-427 (Package-URL), "Rules for each purl component" and "How to parse a purl string"; the type definition of
    ``pypi``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 4096
"""Characters; an honest one with a download URL has some 300."""

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9.-]*\Z")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9._-]*\Z")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Purl:
    """A package URL, its parts decoded.

    Args:
        type: Of the registry, in lower case, such as ``pypi``.
        namespace: Decoded segments joined with ``/``; empty where there is none.
        name: As written but for the decoding.
        version: `None` where there is none.
        qualifiers: By their keys in lower case.
        subpath: Within the package.
    """

    type: str
    namespace: str = ""
    name: str
    version: str | None = None
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    subpath: str = ""

    @property
    def title(self) -> str:
        """What a report calls the package: ``npm:@scope/name``; no name of a project on PyPI has a colon."""
        return f"{self.type}:{self.namespace}{'/' if self.namespace else ''}{self.name}"


def parse(text: str) -> Purl:
    """Parse a package URL.

    Args:
        text: As it stands in a document.

    Raises:
        FormatError: It is none, or two readers could take different packages for it.
    """
    if len(text) > LONGEST:
        raise FormatError(f"is longer than {LONGEST} characters")
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() != "pkg":
        raise FormatError("does not begin with pkg:")
    rest, _, subpath = rest.partition("#")
    rest, _, qualifiers = rest.partition("?")
    kind, _, path = rest.strip("/").partition("/")
    if not _TYPE.match(kind):
        raise FormatError("has no type")
    path, version = _split_version(path)
    segments = [_decoded(part) for part in path.split("/") if part]
    if not segments or not all(segments):
        raise FormatError("has no name")
    if any("/" in part for part in segments):
        raise FormatError("has a slash inside a name")
    return Purl(
        type=kind.lower(),
        namespace="/".join(segments[:-1]),
        name=segments[-1],
        version=version,
        qualifiers=_qualifiers(qualifiers),
        subpath="/".join(_decoded(part) for part in subpath.split("/") if part not in {"", ".", ".."}),
    )


def _split_version(path: str) -> tuple[str, str | None]:
    """Take the version off: behind the last ``@`` that does not begin a segment, as scopes of npm do unescaped."""
    before, at, version = path.rpartition("@")
    if not at or not before or before.endswith("/"):
        return path, None
    if "/" in version:
        raise FormatError("has a slash behind its version")
    return before, _decoded(version) or None


def _qualifiers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        key, _, value = part.partition("=")
        if not _KEY.match(key):
            raise FormatError("has a qualifier without a name")
        if key.lower() in found:
            raise FormatError(f"has the qualifier {key.lower()} twice")
        if value:
            found[key.lower()] = _decoded(value)
    return found


def _decoded(text: str) -> str:
    if _ESCAPE.search(text):
        raise FormatError("has a percent sign that begins no escape")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise FormatError("has escapes that are not UTF-8") from None
