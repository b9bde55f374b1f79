"""How things are called in a bill of materials: package URLs, references, addresses, and texts of strangers.

Source:
    ECMA-427, "Package-URL (PURL)", and its type definitions ``pypi``, ``huggingface``, ``oci`` and ``generic``;
    RFC 3986.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

MOST_TEXT = 8000
"""Characters of one text; a longer one is cut, and says so."""

_LONGEST_REF = 500
_LONGEST_URL = 2000
_FRAGMENT = "/?:@!$&'()*+,;=-._~%"
_KEPT = frozenset("\n\t")
_URL = re.compile(r"https?://[A-Za-z0-9._~-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/?@!$&'()*+,;=%-]*)?\Z")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,95})?\Z")
_HUB = "https://huggingface.co"

# Characters that take no room or no part in what is seen, but that `str.isprintable` lets pass.
_HIDDEN = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x180E), *range(0xFE00, 0xFE10)))
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))


def plain(text: str, most: int = MOST_TEXT) -> str:
    r"""Return a text that no reader obeys: what a terminal would act on or hide is a visible escape.

    Args:
        text: Anything; it may hold half surrogate pairs.
        most: Characters that are kept.
    """
    rest = len(text) - most
    if rest > 0:
        text = f"{text[:most]}… ({rest} more characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if (char.isprintable() and char not in _HIDDEN) or char in _KEPT:
        return char
    code = ord(char)
    if char.isspace() and code >= 0x80 and char not in "\x85\u2028\u2029":
        return " "
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def reference(kind: str, *parts: str) -> str:
    """Return a reference for a document: plain ASCII, and different for different parts.

    Args:
        kind: A word that no reference of another kind begins with.
        parts: Such as a name and a version; they may hold anything.
    """
    return _bounded("#".join([kind, *map(_quoted, parts)]))


def below(ref: str, *parts: str) -> str:
    """Return a reference for a part of something.

    Args:
        ref: Of that something, as `reference` or a package URL gives it.
        parts: Such as a path; they may hold anything.
    """
    return _bounded("#".join([ref, *map(_quoted, parts)]))


def _quoted(part: str) -> str:
    return quote(part.encode("utf-8", "surrogatepass"), safe="/:@=+,~")


def _bounded(text: str) -> str:
    if len(text) <= _LONGEST_REF:
        return text
    return f"{text[: _LONGEST_REF - 65]}~{hashlib.sha256(text.encode()).hexdigest()}"


def pypi(name: str, version: str | None) -> str:
    """Return the package URL of a release.

    Args:
        name: Canonical name of the project.
        version: As PEP 440 spells it, or nothing.
    """
    return f"pkg:pypi/{_part(name)}{_version(version)}"


def huggingface(repo: str, revision: str | None = None, kind: str = "model") -> str:
    """Return the package URL of a repository on the Hub.

    The type definition is about models. Datasets and spaces are named as in their addresses, with the kind in front:
    the definition has no word for them yet (package-url/purl-spec, pull request 534).

    Args:
        repo: ``organisation/name``, or ``name`` alone.
        revision: A commit.
        kind: ``model``, ``dataset`` or ``space``.
    """
    parts = [*([] if kind == "model" else [f"{kind}s"]), *repo.split("/")]
    return f"pkg:huggingface/{'/'.join(map(_part, parts))}{_version(revision.lower() if revision else None)}"


def generic(name: str, sha256: str, url: str) -> str:
    """Return the package URL of a single file that lies behind a URL."""
    return qualified(f"pkg:generic/{_part(name)}", {"checksum": f"sha256:{sha256}", "download_url": url})


def oci(repository: str, ref: str, digest: str) -> str:
    """Return the package URL of an artifact in a registry of containers.

    Args:
        repository: With the host in front.
        ref: A tag, or the digest again.
        digest: Of the manifest, ``sha256:…``.
    """
    qualifiers = {"repository_url": repository, **({} if ":" in ref else {"tag": ref})}
    return qualified(f"pkg:oci/{_part(repository.rpartition('/')[2])}{_version(digest)}", qualifiers)


def is_repo(text: str) -> bool:
    """Say whether a text is the name of a repository on the Hub, and not a path or a sentence."""
    return _REPO.match(text) is not None and ".." not in text and "--" not in text


def hub_page(repo: str, revision: str | None = None, kind: str = "model", path: str | None = None) -> str:
    """Return the address of a repository, or of a file in it."""
    prefix = "" if kind == "model" else f"{kind}s/"
    page = f"{_HUB}/{prefix}{quote(repo)}"
    if path is not None:
        return f"{page}/blob/{quote(revision or 'main')}/{quote(path.encode('utf-8', 'surrogatepass'))}"
    return f"{page}/tree/{quote(revision)}" if revision else page


def address(url: str) -> str | None:
    """Return a URL that any reader takes for one, or nothing: also nothing for one with a password in it."""
    page, mark, fragment = url.strip().partition("#")
    if len(url) > _LONGEST_URL or not _URL.match(page) or _BROKEN_ESCAPE.search(url):
        return None
    return f"{page}{mark}{quote(fragment.encode('utf-8', 'surrogatepass'), safe=_FRAGMENT)}"


def relative(path: str) -> str:
    """Return a relative path as a reference that every reader of URLs understands."""
    return quote(path.encode("utf-8", "surrogatepass"), safe="/")


def _part(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=":")


def _version(version: str | None) -> str:
    return f"@{_part(version)}" if version else ""


def qualified(purl: str, qualifiers: dict[str, str]) -> str:
    """Return a package URL with qualifiers, such as the index that a release comes from."""
    return f"{purl}?{'&'.join(f'{key}={_part(value)}' for key, value in sorted(qualifiers.items()))}"
