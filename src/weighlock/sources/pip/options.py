"""Every option of ``pip install``, from pip 23.0 to 26.3: what it is for, or why it is refused.

The parser is `optparse`, as in pip, so that abbreviations (``--ind``), ``--option=value`` and joined short options
(``-Uq``) mean here what they mean there. An option that is in no table is refused: a newer pip may have it, but what
it would do to the order of judging and installing is not known.

Source:
    ``pip install --help`` and ``pip/_internal/cli/cmdoptions.py`` of every pip from 23.0 to 26.3.
"""

from __future__ import annotations

import optparse
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Use(Enum):
    """What an option is for."""

    RESOLVING = "resolving"
    INSTALLING = "installing"
    BOTH = "both"
    FETCHING = "fetching"
    """For everything that asks an index."""
    READ = "read"
    """weighlock reads it itself, and pip gets to see what came of it."""
    NOTHING = "nothing"
    """It is about what weighlock does differently anyway."""
    REFUSED = "refused"


class Kind(Enum):
    """How an option takes values."""

    FLAG = "flag"
    OFF = "off"
    """A flag that switches something off, so that in a configuration it is spelled with a false value."""
    COUNT = "count"
    VALUE = "value"
    LIST = "list"
    TEXT_LIST = "text list"
    """A list that a configuration cannot hold more than one element of."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Args:
        names: Long ones without dashes, the usual one first; short ones are one letter.
        kind: How it takes values.
        use: What it is for.
        why: It is refused, or must be none of these.
        path: Its value is a path.
        in_files: It may stand in a requirements file.
    """

    names: tuple[str, ...]
    kind: Kind
    use: Use
    why: str = ""
    path: bool = False
    in_files: bool = False

    @property
    def name(self) -> str:
        """The usual name."""
        return self.names[0]

    @property
    def spelling(self) -> str:
        """As it is written on a command line."""
        return f"--{self.name}"


_ONE = "only the build of an sdist would need it, and nothing is built before the verdict"
_HINT_BUILD = "list the project in allow-build under [tool.weighlock.install] to have it built in isolation"

# One option a line: names; kind; use; p for a path, f for one of requirements files; why it is refused.
_TABLE = """
pre                                 ; flag      ; resolving  ; f ;
all-releases                        ; text list ; resolving  ; f ;
only-final                          ; text list ; resolving  ; f ;
uploaded-prior-to                   ; value     ; resolving  ;   ;
upgrade U                           ; flag      ; both       ;   ;
upgrade-strategy                    ; value     ; resolving  ;   ;
no-deps no-dependencies             ; flag      ; resolving  ;   ;
only-deps only-dependencies         ; flag      ; resolving  ;   ;
ignore-installed I                  ; flag      ; both       ;   ;
force-reinstall                     ; flag      ; both       ;   ;
ignore-requires-python              ; flag      ; both       ;   ;
require-hashes                      ; flag      ; resolving  ; f ;
no-require-hashes                   ; flag      ; resolving  ; f ;
require-virtualenv require-venv     ; flag      ; both       ;   ;
platform                            ; list      ; both       ;   ;
python-version                      ; value     ; both       ;   ;
implementation                      ; value     ; both       ;   ;
abi                                 ; list      ; both       ;   ;
target t                            ; value     ; both       ; p ;
prefix                              ; value     ; both       ; p ;
root                                ; value     ; both       ; p ;
user                                ; flag      ; both       ;   ;
no-user                             ; off       ; both       ;   ;
break-system-packages               ; flag      ; both       ;   ;
compile                             ; flag      ; installing ;   ;
no-compile                          ; off       ; installing ;   ;
no-warn-script-location             ; off       ; installing ;   ;
no-warn-conflicts                   ; off       ; installing ;   ;
root-user-action                    ; value     ; installing ;   ;
requirement r                       ; list      ; read       ; f ;
constraint c                        ; list      ; read       ; f ;
editable e                          ; list      ; read       ; f ;
group                               ; text list ; read       ;   ;
requirements-from-script            ; list      ; read       ;   ;
index-url pypi-url i                ; value     ; read       ; f ;
extra-index-url                     ; list      ; read       ; f ;
no-index                            ; flag      ; read       ; f ;
find-links f                        ; list      ; read       ; f ;
trusted-host                        ; list      ; read       ; f ;
hash                                ; list      ; read       ; f ;
cert                                ; value     ; fetching   ; p ;
client-cert                         ; value     ; fetching   ; p ;
proxy                               ; value     ; fetching   ;   ;
no-proxy-env                        ; flag      ; fetching   ;   ;
timeout default-timeout             ; value     ; fetching   ;   ;
retries                             ; value     ; fetching   ;   ;
resume-retries                      ; value     ; fetching   ;   ;
keyring-provider                    ; value     ; fetching   ;   ;
cache-dir                           ; value     ; fetching   ; p ;
no-cache-dir                        ; flag      ; fetching   ;   ;
refresh-package                     ; text list ; fetching   ;   ;
use-feature                         ; list      ; read       ; f ;
use-deprecated                      ; list      ; refused    ;   ; the old resolver gives no report
only-binary                         ; text list ; nothing    ; f ;
prefer-binary                       ; flag      ; nothing    ; f ;
no-input                            ; flag      ; fetching   ;   ;
exists-action                       ; list      ; nothing    ;   ;
disable-pip-version-check           ; flag      ; nothing    ;   ;
no-python-version-warning           ; flag      ; nothing    ;   ;
no-color                            ; flag      ; nothing    ;   ;
progress-bar                        ; value     ; nothing    ;   ;
log log-file local-log              ; value     ; installing ; p ;
quiet q                             ; count     ; read       ;   ;
verbose v                           ; count     ; read       ;   ;
dry-run                             ; flag      ; read       ;   ;
report                              ; value     ; read       ;   ;
isolated                            ; flag      ; read       ;   ;
python                              ; value     ; read       ; p ;
no-binary                           ; text list ; refused    ; f ; build
config-settings C                   ; text list ; refused    ; f ; build
global-option                       ; list      ; refused    ; f ; build
install-option                      ; list      ; refused    ; f ; build
build-option                        ; list      ; refused    ;   ; build
no-build-isolation                  ; off       ; refused    ;   ; build
build-constraint                    ; list      ; refused    ;   ; build
check-build-dependencies            ; flag      ; refused    ;   ; build
use-pep517                          ; flag      ; refused    ;   ; build
no-use-pep517                       ; flag      ; refused    ;   ; build
no-clean                            ; flag      ; refused    ;   ; build
src source source-dir source-directory ; value  ; refused    ;   ; build
debug                               ; flag      ; refused    ;   ; its tracebacks hold credentials
help h                              ; flag      ; refused    ;   ; see `weighlock install --help`
version V                           ; flag      ; refused    ;   ; see `weighlock --version`
"""


def _options() -> tuple[Option, ...]:
    options = []
    for row in _TABLE.strip().splitlines():
        names, kind, use, marks, why = (cell.strip() for cell in row.split(";", 4))
        reason = _ONE if why == "build" else why
        options.append(Option(tuple(names.split()), Kind(kind), Use(use), reason, "p" in marks, "f" in marks))
    return tuple(options)


OPTIONS = _options()
NAMED = {name: option for option in OPTIONS for name in option.names if len(name) > 1}
BUILD_FEATURES = frozenset(
    {"inprocess-build-deps", "venv-isolation", "build-constraint", "no-binary-enable-wheel-cache"}
)


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it was given, `value` empty for a flag."""

    option: Option
    value: str = ""


class _Parser(optparse.OptionParser):
    def error(self, msg: str) -> NoReturn:
        hint = "see `pip install --help`"
        if msg.startswith("no such option"):
            hint = "weighlock knows the options of pip 23.0 to 26.3"
        raise UsageError(f"pip would not understand: {msg}", hint=hint)


def parse(arguments: Sequence[str], *, in_file: bool = False) -> tuple[list[Given], list[str]]:
    """Take arguments apart as pip does.

    Args:
        arguments: Without ``install``.
        in_file: They stand in a requirements file, where few options may.

    Returns:
        The options in their order, and everything else.

    Raises:
        UsageError: pip would not understand them, or they are not known here.
    """
    given: list[Given] = []
    parser = _Parser(add_help_option=False, prog="pip install")
    for option in OPTIONS:
        if option.in_files or not in_file:
            names = [f"-{name}" if len(name) == 1 else f"--{name}" for name in option.names]
            takes = None if option.kind in {Kind.FLAG, Kind.OFF, Kind.COUNT} else "string"
            parser.add_option(*names, action="callback", type=takes, callback=_note, callback_args=(given, option))
    _, positional = parser.parse_args(list(arguments))
    return given, positional


def _note(
    _option: optparse.Option, _text: str, value: Any, _parser: optparse.OptionParser, given: list[Given], option: Option
) -> None:
    given.append(Given(option, value or ""))


def require_allowed(option: Option, value: str, where: str | None = None) -> None:
    """Refuse what cannot be honoured safely.

    Raises:
        UsageError: With the reason and what to do instead.
    """
    if option.name == "no-binary" and set(re.split(r"[,\s]+", value.strip())) <= {"", ":none:"}:
        return
    if option.name == "use-feature" and value in BUILD_FEATURES:
        raise UsageError(f"{option.spelling}={value} is refused: {_ONE}", where=where, hint=_HINT_BUILD)
    if option.use is Use.REFUSED:
        hint = _HINT_BUILD if option.why == _ONE else f"leave {option.spelling} out"
        raise UsageError(f"{option.spelling} is refused: {option.why}", where=where, hint=hint)
