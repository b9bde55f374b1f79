"""What pip prints when it fails, turned into one clear line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from weighlock.errors import DigestMismatchError, NoWheelError, SourceError, UsageError, WeighlockError
from weighlock.sources.pip.launcher import REFUSAL
from weighlock.sources.pip.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.sources.pip.interface import PipRequest

_LAST_LINES = 20
_MOST_VERSIONS = 5
_LONGEST_LINE = 300
_LONGEST_READ = 4000
_MOST_READ = 1 << 17
_HOST = r"(?:host='|HTTPSConnectionPool\(host='|HTTPConnectionPool\(host=')([^']+)'"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def problem(output: str, request: PipRequest, version: str) -> WeighlockError:
    """Make the error that tells why pip failed; its notes hold the last lines that pip printed.

    Args:
        output: What pip printed.
        request: What it was asked; its credentials are taken out.
        version: Of pip.
    """
    text = without_secrets(_bounded(output), request)
    error = next((made for make in _KNOWN if (made := make(text, version)) is not None), None)
    if error is None:
        error = SourceError(f"pip {version} failed: {_last_error(text)}")
    lines = [line for line in text.splitlines() if line.strip()]
    error.add_note("\n".join(line[:_LONGEST_LINE] for line in lines[-_LAST_LINES:]))
    return error


def _bounded(output: str) -> str:
    """Return the end of it, without the rest of very long lines: indexes have their say in it, too."""
    return "\n".join(line[:_LONGEST_READ] for line in output[-_MOST_READ:].splitlines())


def _build(text: str, _version: str) -> WeighlockError | None:
    if REFUSAL not in text:
        return None
    match = re.search(rf"{re.escape(REFUSAL)}: (\S+)", text)
    what = match[1][:_LONGEST_LINE] if match else None
    name = re.split(r"-\d", what, maxsplit=1)[0] if what else "name"
    return SourceError(
        "something that is asked for can only be built, and nothing is run or built before the verdict",
        where=what,
        hint=f"list the project in the policy to have it built in isolation: {_allow(name)}",
    )


def _hashes(text: str, _version: str) -> WeighlockError | None:
    if "DO NOT MATCH THE HASHES" in text:
        found = re.search(r"^\s+(\S+.*?) from (\S+).*:$", text, re.MULTILINE)
        where = found[1][:_LONGEST_LINE] if found else None
        return DigestMismatchError("is not the file whose digest was expected", where=where)
    if "Hashes are required in --require-hashes mode" in text or "must have their versions pinned" in text:
        return UsageError(
            "digests are required, and a requirement has none",
            hint="give every requirement, dependencies too, with == and --hash",
        )
    return None


def _credentials(text: str, _version: str) -> WeighlockError | None:
    if "EOFError" not in text and "User for " not in text:
        return None
    match = re.search(r"User for ([^\s:]+)", text)
    return SourceError(
        "asks for credentials, or for others than those that are known",
        where=match[1][:_LONGEST_LINE] if match else None,
        hint="put them into the URL of the index, .netrc or keyring",
    )


def _tls(text: str, _version: str) -> WeighlockError | None:
    if not re.search(r"SSLError|CERTIFICATE_VERIFY_FAILED|confirming the ssl certificate|SSLCertVerification", text):
        return None
    return SourceError("its certificate cannot be verified", where=_host(text), hint="name the right one with --cert")


def _network(text: str, _version: str) -> WeighlockError | None:
    match = re.search(r"\b([45]\d\d) (?:(?:Client|Server) )?Error|too many ([45]\d\d) error responses", text)
    if match:
        url = re.search(r"for url: (\S+)", text)
        status = match[1] or match[2]
        hint = "are the credentials for this index right?" if status in {"401", "403", "407"} else None
        return SourceError(f"answers with {status}", where=url[1][:_LONGEST_LINE] if url else _host(text), hint=hint)
    signs = (
        "NewConnectionError|ConnectTimeout|ReadTimeout|Max retries exceeded|Connection refused|ProxyError"
        "|NameResolution|Failed to establish|connection broken|ConnectionResetError|Connection aborted|ProtocolError"
    )
    if re.search(signs, text) and not re.search(r"ResolutionImpossible|from versions: [^n)]", text):
        return SourceError("cannot be reached", where=_host(text), hint="is the index up, and the proxy right?")
    return None


def _page(text: str, _version: str) -> WeighlockError | None:
    """Recognise a page that pip fell over, and of which it does not say where it came from."""
    if "Traceback (most recent call last)" not in text or "in parse_links" not in text:
        return None
    return SourceError(f"an index answers with a page that nobody can read: {_last_error(text)}")


def _cut_off(text: str, _version: str) -> WeighlockError | None:
    if "incomplete-download" not in text and "not enough bytes were received" not in text:
        return None
    url = re.search(r"URL: (\S+)", text)
    return SourceError("its download is cut off", where=url[1][:_LONGEST_LINE] if url else _host(text))


def _conflict(text: str, _version: str) -> WeighlockError | None:
    if "ResolutionImpossible" not in text and "conflicting dependencies" not in text:
        return None
    match = re.search(r"ERROR: (Cannot install .*?)(?: because|$)", text, re.MULTILINE)
    what = match[1].strip().rstrip(".")[:_LONGEST_LINE] if match else "the requirements contradict each other"
    causes = re.findall(r"^    (\S.*)$", text, re.MULTILINE)[:6]
    said = f": {'; '.join(' '.join(cause.split()) for cause in causes)[: 2 * _LONGEST_LINE]}" if causes else ""
    hint = "loosen one of them; a version that is only there as an sdist is not considered"
    return SourceError(f"{what}, their dependencies conflict{said}" if match else f"{what}{said}", hint=hint)


def _nothing_found(text: str, _version: str) -> WeighlockError | None:
    match = re.search(r"No matching distribution found for (\S[^\n]*)", text)
    if not match:
        return None
    wanted = re.sub(r" \(from .*", "", match[1]).strip()[:_LONGEST_LINE]
    versions = re.search(r"\(from versions: ([^)\n]*)\)", text)
    name = _NAME.match(wanted)
    if versions and versions[1].strip() not in {"", "none"}:
        return NoWheelError(wanted, what="this version", hint=f"there are wheels of {_newest(versions[1])}")
    project = canonicalize_name(name[0]) if name else "name"
    return NoWheelError(
        wanted,
        hint=f"is it spelled right? Where it is only there as an sdist, have it built in isolation: {_allow(project)}",
    )


def _newest(versions: str) -> str:
    """Return the last of the versions that pip lists, which are the highest."""
    known = [one.strip()[:_LONGEST_LINE] for one in versions.split(",") if one.strip()]
    more = f", and {len(known) - _MOST_VERSIONS} older ones" if len(known) > _MOST_VERSIONS else ""
    return f"{', '.join(reversed(known[-_MOST_VERSIONS:]))}{more}"


def _allow(project: str) -> str:
    return f'[tool.weighlock.install] allow-build = ["{project}"]'


def _usage(text: str, version: str) -> WeighlockError | None:
    match = re.search(r"^no such option: (\S+)", text, re.MULTILINE)
    if match:
        return UsageError(f"pip {version} of this environment does not know {match[1]}", hint="update pip there")
    match = re.search(r"(?:invalid choice: |option \S+: )[^\n]*", text)
    if match and "Usage:" in text:
        hint = "see `pip install --help`"
        return UsageError(f"pip {version} does not understand: {match[0][:_LONGEST_LINE]}", hint=hint)
    return None


_KNOWN: tuple[Callable[[str, str], WeighlockError | None], ...] = (
    _build, _hashes, _usage, _credentials, _tls, _cut_off, _page, _network, _conflict, _nothing_found,
)  # fmt: skip


def _host(text: str) -> str | None:
    match = re.search(_HOST, text) or re.search(r"https?://([^\s/'\"@]+)(?=[/'\"\s])", text)
    return match[1][:_LONGEST_LINE] if match else None


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    errors = [line for line in errors if line != "Exception:"] or lines[-1:] or ["it said nothing"]
    return errors[-1][:_LONGEST_LINE].rstrip(".")


def without_secrets(output: str, request: PipRequest) -> str:
    """Return what a program printed without the credentials of a request."""
    secrets = set()
    urls = [*request.indexes, *request.find_links, request.network.proxy or ""]
    urls += [one.url for one in (*request.requirements, *request.constraints) if one.url]
    for url in urls:
        userinfo = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
        for part in (userinfo, userinfo.partition(":")[2]):
            secrets.update({part, unquote(part)})
    text = redacted(output)
    for secret in sorted(secrets - {"", "****"}, key=len, reverse=True):
        text = text.replace(secret, "****")
    return text
