"""What was asked of pip, as uv reads it; what uv cannot do, or does in another way, is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.sources.pip.interface import PipRequest

_HINT = "leave --resolver uv out, so that pip resolves"
# pip calls them alike, and they are about the installation, which stays with pip, or are read elsewhere.
_PIP_ALONE = frozenset(
    {
        "break-system-packages", "extra-index-url", "find-links", "force-reinstall", "ignore-installed", "index-url",
        "cache-dir", "no-cache-dir", "cert", "client-cert", "proxy", "no-proxy-env", "timeout", "trusted-host",
        "no-index", "no-input", "no-require-hashes", "no-user", "prefix", "require-hashes", "require-virtualenv",
        "resume-retries", "retries", "root", "target", "upgrade", "upgrade-strategy", "user",
    }
)  # fmt: skip
_SAME = {"pre": "--prerelease=allow", "no-deps": "--no-deps"}
_EVERYTHING_ANEW = ("--force-reinstall", "--ignore-installed", "--target=")


def arguments(request: PipRequest) -> list[str]:
    """Return the options for uv.

    Raises:
        UsageError: One of pip's cannot be honoured.
    """
    if request.links:
        raise UsageError("--resolver uv has nothing to do for a lockfile, which says what to install", hint=_HINT)
    return [*_options(request), *_keeping(request)]


def index_lines(request: PipRequest) -> Iterator[str]:
    """Return the lines of a requirements file that name the indexes; unlike arguments, nobody else can read them."""
    if not request.indexes:
        yield "--no-index"
    else:
        yield f"--index-url {_inert(request.indexes[0])}"
    for url in request.indexes[1:]:
        yield f"--extra-index-url {_inert(url)}"
    for place in request.find_links:
        yield f"--find-links {_inert(place if '://' in place else 'file://' + quote(place))}"


def _options(request: PipRequest) -> Iterator[str]:
    for option in dict.fromkeys((*request.resolving, *request.fetching)):
        name, _, value = option.removeprefix("--").partition("=")
        if name in _SAME:
            yield _SAME[name]
        elif name == "uploaded-prior-to":
            yield f"--exclude-newer={value}"
        elif name == "keyring-provider":
            yield from _keyring(value)
        elif name not in _PIP_ALONE:
            raise UsageError(f"--{name} is nothing that --resolver uv can do", hint=_HINT)


def _keyring(value: str) -> Iterator[str]:
    if value == "import":
        raise UsageError("--keyring-provider=import is nothing that --resolver uv can do", hint=_HINT)
    if value in {"subprocess", "disabled"}:
        yield f"--keyring-provider={value}"


def _keeping(request: PipRequest) -> Iterator[str]:
    """Return which of the installed versions need not stay; see `keeps_nothing` for when none is known at all."""
    if not any(option in {"--upgrade", "-U"} for option in request.resolving):
        return
    if "--upgrade-strategy=eager" in request.resolving:
        yield "--upgrade"
        return
    for name in sorted({wanted.name for wanted in request.requirements}):
        yield f"--upgrade-package={name}"


def keeps_nothing(request: PipRequest) -> bool:
    """Say whether pip would choose as if nothing were installed."""
    return any(option.startswith(_EVERYTHING_ANEW) for option in request.resolving)


def _inert(url: str) -> str:
    """Return a URL in which uv finds no variable, no comment and no end."""
    for sign in "$ \\#\t":
        url = url.replace(sign, quote(sign))
    if not url.isascii() or not url.isprintable():
        raise UsageError("the URL of an index holds characters that no URL has")
    return url
