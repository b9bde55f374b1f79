"""What a Python file of a package holds that a check wants to know, without compiling or running any of it.

Nearly all files are never parsed: only text that names something which executes and something which decodes can hold
what `executed` looks for, and that is found by the bytes of these names, in normal form.

Source:
    PEP 263; Boucher and Anderson, "Trojan Source" (2021), for text that shows other code than runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.python import text
from weighlock.formats.python.executed import Execution, executions


def _word(name: bytes, *, bare: bool = False) -> re.Pattern[bytes]:
    """Compile a word so that searching it starts at its letters, which is ten times as fast as at its edge."""
    before = rb"[.\w]" if bare else rb"\w"
    return re.compile(name + rb"(?<!" + before + name + rb")(?!\w)")


_EXECUTING: tuple[tuple[bytes, re.Pattern[bytes] | None], ...] = (
    (b"exec", re.compile(rb"exec(?:[lv]p?e?|_module)?(?!\w|ut)")),
    (b"eval", _word(b"eval", bare=True)),
    (b"__import__", None),
    (b"marshal", None),
    (b"builtins", None),
    (b"import_module", None),
    (b"__self__", None),
    (b"__subclasses__", None),
    (b"__globals__", None),
    (b"nctionType", None),
    (b"CodeType", None),
    (b"globals", _word(b"globals")),
    (b"vars", _word(b"vars", bare=True)),
    (b"subprocess", None),
    (b"system", re.compile(rb"system(?:(?<=\.system)(?!\w)|(?<!\wsystem)\s*\()|import[^\n]{0,300}?\bsystem\b")),
    (b"getattr", re.compile(rb"getattr\s*\([^,()]{1,40},\s*[\"'](?:system|exec|eval|compile)\w*[\"']")),
    (b"popen", None),
    (b"spawn", re.compile(rb"spawn(?:[lv]p?e?|p)?\s*\(")),
    (b"runpy", None),
    (b"timeit", re.compile(rb"(?:import\s+[^\n]{0,100}timeit|\btimeit\.(?:timeit|repeat|Timer))")),
    (b".run", re.compile(rb"(?:[pP]rofile|pdb|bdb|Pdb\(\)|Bdb\(\)|Trace\([^()]{0,99}\)|Profile\(\))\.run")),
    (b"Interactive", None),
    (b"pythonapi", None),
    (b"resolve_name", None),
    (b"f_globals", re.compile(rb"f_globals\s*\[\s*(?![\"']\w+[\"']\s*\])")),
    (b"from sys import", re.compile(rb"from sys import[^\n]{0,200}\bmodules\b")),
    (b"loads", re.compile(rb"(?:pickle|Pickle|dill)\.loads|(?:pickle|Pickle|dill) import[^\n]{0,99}\bloads")),
    (
        b"modules",
        re.compile(rb"modules(?<=sys\.modules)\s*(?:\[\s*(?![\"']\w+[\"']\s*\]|\w+[\].])|\.\s*(?:get|values|items))"),
    ),
)
"""Names without one of which a file executes nothing, and what they must look like."""

_PLAIN_DECODING = """
    b64 se64 b32 b16 85decode decompress codecs fromhex hexlify a2b_ rot13 rot_13 rot-13 ROT13 ROT_13 ROT-13 crypt
    marshal .translate unquote to_bytes urlopen urlretrieve reversed( requests httpx decodestring "hex 'hex socket
    http.c aiohttp urllib3 bytearray ::- gzip bz2 lzma zipfile tarfile unescape utf7 utf-7 utf_7 unicode_escape
    unicode-escape struct.pack tobytes %c
"""

_DECODING: tuple[tuple[bytes, re.Pattern[bytes] | None], ...] = (
    *((name.encode(), None) for name in _PLAIN_DECODING.split()),
    (b":: -", None),
    (b": :", None),
    (b"http import", None),
    (b"chr", _word(b"chr")),
    (b"bytes", re.compile(rb"bytes\s*\(\s*[\[(\w]")),
    (b"+", re.compile(rb"[\"']\s*\+\s*[rbufRBUF]?[\"']")),
    (b"join", re.compile(rb"[\"']\s*\.\s*join\s*\(\s*[\[(]\s*[\"']")),
)  # fmt: skip
"""Names without one of which it decodes and fetches nothing."""

_SECRETS = re.compile(
    rb"""
    \.(?: (?P<ssh>ssh[/\\"']) | (?P<aws>aws[/\\"']) | (?P<google>config/gcloud) | (?P<azure>azure[/\\"'])
        | (?P<netrc>netrc) | (?P<pypi>pypirc) | (?P<npm>npmrc) | (?P<git>git-credentials|config/gh/hosts)
        | (?P<docker>docker/config) | (?P<kubernetes>kube/config) | (?P<gnupg>gnupg)
        | (?P<wallets>bitcoin|electrum|ethereum|config/(?:solana|Exodus)) | (?P<vault>vault-token)
        | (?P<terraform>terraform\.d) | (?P<databases>pgpass|my\.cnf) | (?P<history>(?:bash|zsh)_history)
        | (?P<huggingface>(?:cache/)?huggingface/token) | (?P<passwords>password-store)
        | (?P<browsers>mozilla/firefox|config/(?:google-chrome|chromium)) )
    """,
    re.VERBOSE,
)
_MORE_SECRETS = re.compile(
    rb"""
    (?P<ssh>id_(?:rsa|ed25519|ecdsa|dsa)\b) | (?P<google>application_default_credentials) | (?P<wallets>wallet\.dat)
    | (?P<browsers>Login\ Data\b|key4\.db|logins\.json|cookies\.sqlite|Local\ Storage[/\\]leveldb)
    | (?P<shadow>/etc/shadow) | (?P<instances>169\.254\.169\.254)
    """,
    re.VERBOSE,
)
_BIDI = re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])")
_TAGS = re.compile(rb"\xf3\xa0[\x80-\x87][\x80-\xbf](?:\xf3\xa0[\x80-\x87][\x80-\xbf]){3,}")
_SELECTORS = re.compile(rb"\xef\xb8[\x80-\x8f](?:\xef\xb8[\x80-\x8f]){3,}")
# Both begin at the beginning of a run only, or a long run would be gone through once for each of its characters.
_FAR = re.compile(rb"(?<![ \t])(?= {150}|\t{40})[ \t]++[^\s#\"'\\,)\]}]")
_BLOB = re.compile(rb"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{2000,}+")
_SPACES, _TABS = b" " * 150, b"\t" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFile:
    """A Python file of a package.

    Args:
        path: In the wheel.
        problem: Why it could not be looked through, though what it names might be put together to something.
        executions: Of text that is decoded first.
        secrets: Kinds of credentials whose places it names, sorted.
        bidi: Lines with characters that turn the direction of text.
        invisible: Lines with characters that show nothing, many in a row.
        far: Lines with code behind so many blanks that no window shows it.
        blob: Bytes of the longest run that could be Base64, from 2,000.
    """

    path: str
    problem: str | None = None
    executions: tuple[Execution, ...] = ()
    secrets: tuple[str, ...] = ()
    bidi: tuple[int, ...] = ()
    invisible: tuple[int, ...] = ()
    far: tuple[int, ...] = ()
    blob: int = 0


def read(path: str, data: bytes) -> PythonFile:
    """Look through a Python file.

    Args:
        path: In the wheel.
        data: All of it.
    """
    bidi, invisible = _invisible(data)
    far = _lines(_FAR, data) if _SPACES in data or _TABS in data else ()
    problem: str | None = None
    found: tuple[Execution, ...] = ()
    try:
        found = _executions(path, data)
    except (FormatError, UnsupportedError, OverBudgetError) as error:
        problem = error.message
    except RecursionError:
        problem = "it is nested too deeply"
    return PythonFile(
        path=path,
        problem=problem,
        executions=found,
        secrets=_secrets(data),
        bidi=bidi,
        invisible=invisible,
        far=far,
        blob=_longest_blob(data),
    )


def _executions(path: str, data: bytes) -> tuple[Execution, ...]:
    if not _may_execute(text.searchable(data)):
        return ()
    return tuple(executions(text.parse(data), path.rpartition("/")[0].replace("/", ".")))


def _may_execute(plain: bytes) -> bool:
    return _names_one(plain, _EXECUTING) and _names_one(plain, _DECODING)


def _names_one(plain: bytes, names: tuple[tuple[bytes, re.Pattern[bytes] | None], ...]) -> bool:
    return any(name in plain and (shape is None or shape.search(plain) is not None) for name, shape in names)


def _secrets(data: bytes) -> tuple[str, ...]:
    found = {match.lastgroup for match in _SECRETS.finditer(data)}
    if found:
        found |= {match.lastgroup for match in _MORE_SECRETS.finditer(data)}
    return tuple(sorted(filter(None, found)))


def _invisible(data: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if data.isascii():
        return (), ()
    return _lines(_BIDI, data), tuple(sorted({*_lines(_TAGS, data), *_lines(_SELECTORS, data)}))


def _lines(pattern: re.Pattern[bytes], data: bytes) -> tuple[int, ...]:
    """Return the lines of the first few matches."""
    return tuple(data.count(b"\n", 0, match.start()) + 1 for match in islice(pattern.finditer(data), 5))


def _longest_blob(data: bytes) -> int:
    # A run of 2,000 covers at least one whole stretch of 1,000 without a blank, and these are quickly told.
    for start in range(0, len(data) - 999, 1000):
        end = start + 1000
        if data.find(b" ", start, end) < 0 and data.find(b"\n", start, end) < 0:
            return max((len(match[0]) for match in _BLOB.finditer(data)), default=0)
    return 0
