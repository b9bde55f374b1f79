"""Reading requirements files as pip reads them, nested ones and those behind URLs included.

What comes out is every requirement with the place that it was written at, and the settings that such files may carry.
pip reads none of these files itself: what was read here cannot change before pip resolves it, and a line that pip
would take for another one than we did does not reach it.

Source:
    https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import codecs
import locale
import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from weighlock.errors import UsageError
from weighlock.release import Origin
from weighlock.sources.pip import options, requirement
from weighlock.sources.pip.interface import Build, Wanted
from weighlock.sources.pip.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from weighlock.sources.pip.options import Given

_URL = re.compile(r"(https?|file):", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")
_VARIABLE = re.compile(r"(\$\{([A-Z0-9_]+)\})")
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MOST_BYTES = 16 << 20
_LONGEST_LINE = 1 << 18
_SHOWN = 1000
_MOST_FILES = 500
_MOST_NESTED = 50
_MOST_REQUIREMENTS = 20_000


@dataclass(slots=True)
class Reading:
    """What was read so far, in the order in which pip would come upon it.

    Args:
        environ: For ``${NAME}`` in requirements files.
        fetch: Gets the bytes behind an http or https URL; the answer is bounded.
        index: The one of ``--index-url``.
        extra: Those of ``--extra-index-url``.
        no_index: No index is asked.
        find_links: Folders and pages.
        trusted_hosts: Of ``--trusted-host``.
        passed: Options of requirements files that go to pip as they are.
        wanted: Requirements.
        constraints: Constraints.
        builds: What only a build can satisfy.
        links: URLs of files that lockfiles list, each with its digest.
        files: How many files were read.
    """

    environ: Mapping[str, str]
    fetch: Callable[[str], bytes]
    index: str | None = None
    extra: list[str] = field(default_factory=list)
    no_index: bool = False
    find_links: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)
    constraints: list[Wanted] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    files: int = 0

    def add(
        self, text: str, origin: Origin, *, folder: str, hashes: tuple[str, ...] = (), constraint: bool = False
    ) -> None:
        """Take in one requirement.

        Raises:
            UsageError: pip would not understand it.
        """
        found = requirement.parse(text, origin, folder=folder, hashes=hashes, constraint=constraint)
        if isinstance(found, Build):
            self.builds.append(found)
        else:
            (self.constraints if constraint else self.wanted).append(found)
        if len(self.wanted) + len(self.constraints) + len(self.builds) > _MOST_REQUIREMENTS:
            raise UsageError(f"more than {_MOST_REQUIREMENTS} requirements")

    def add_editable(self, text: str, origin: Origin, *, folder: str) -> None:
        """Take in the value of one ``-e``.

        Raises:
            UsageError: pip would not understand it.
        """
        self.builds.append(requirement.parse_editable(text, origin, folder=folder))

    def read(self, place: str, *, constraint: bool, above: tuple[str, ...] = ()) -> None:
        """Read a requirements file, and all that it names.

        Args:
            place: An absolute path or a URL.
            constraint: What it lists are constraints.
            above: The files that led here.

        Raises:
            UsageError: It cannot be read or understood, it names itself, or there are too many.
            SourceError: A URL cannot be reached.
        """
        shown = redacted(place)
        self.files += 1
        if place in above or len(above) >= _MOST_NESTED or self.files > _MOST_FILES:
            raise UsageError("is nested in itself, or too deeply", where=shown)
        remote = _URL.match(place) is not None and not place.lower().startswith("file:")
        for number, line in self._lines(self._content(place, shown), shown if remote else None):
            self._line(
                line, Origin(path=shown, line=number, text=redacted(line[:_SHOWN])), place, (*above, place), constraint
            )

    def _content(self, place: str, shown: str) -> str:
        if _URL.match(place) and not place.lower().startswith("file:"):
            return _decoded(self.fetch(place), shown)
        try:
            path = unquote(urlsplit(place).path) if _URL.match(place) else place
            with open(path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where=shown, hint="is the path right?") from None
        except ValueError:
            raise UsageError("is neither a path nor a URL", where=shown) from None
        if len(data) > MOST_BYTES:
            raise UsageError("is too large for a requirements file", where=shown)
        return _decoded(data, shown)

    def _lines(self, content: str, remote: str | None) -> Iterator[tuple[int, str]]:
        for number, line in _joined(content):
            if len(line) > _LONGEST_LINE:
                raise UsageError(f"line {number} is longer than {_LONGEST_LINE} characters")
            text = _COMMENT.sub("", line).strip()
            for spelling, name in _VARIABLE.findall(text):
                value = self.environ.get(name)
                if value and remote is not None:
                    raise UsageError(
                        f"a file behind a URL reads the variable {name}, and could send it anywhere",
                        where=f"{remote}:{number}",
                        hint="fetch the file, look at it, and name its path",
                    )
                text = text.replace(spelling, value) if value else text
            if text:
                yield number, text

    def _line(self, line: str, origin: Origin, place: str, above: tuple[str, ...], constraint: bool) -> None:  # noqa: FBT001
        where = f"{origin.path}:{origin.line}"
        text, given = _split(line, where)
        for one in given:
            options.require_allowed(one.option, one.value, where)
        if text:
            self._requirement(text, given, origin, constraint=constraint)
        elif any(one.option.name in {"requirement", "constraint", "editable"} for one in given):
            if len(given) > 1:
                raise UsageError(
                    "pip would read only the first option of this line", where=where, hint="write one a line"
                )
            self._nested(given[0], origin, place, above, constraint=constraint)
        else:
            for one in given:
                self.set(one, base=place)

    def _requirement(self, text: str, given: list[Given], origin: Origin, *, constraint: bool) -> None:
        for one in given:
            if one.option.name != "hash":
                where = f"{origin.path}:{origin.line}"
                raise UsageError(f"pip would ignore {one.option.spelling} after a requirement", where=where)
        hashes = tuple(one.value for one in given)
        self.add(text, origin, folder=os.getcwd(), hashes=hashes, constraint=constraint)

    def _nested(self, one: Given, origin: Origin, place: str, above: tuple[str, ...], *, constraint: bool) -> None:
        if one.option.name == "editable":
            if constraint:
                raise UsageError("a constraint cannot be editable", where=f"{origin.path}:{origin.line}")
            self.add_editable(one.value, origin, folder=os.getcwd())
            return
        if _URL.match(place):
            target = _joined_url(place, one.value, origin)
            if target.lower().startswith("file:") and not place.lower().startswith("file:"):
                raise UsageError("a file behind a URL names one on this machine", where=f"{origin.path}:{origin.line}")
        else:
            target = (
                one.value if _URL.match(one.value) else os.path.abspath(os.path.join(os.path.dirname(place), one.value))
            )
        self.read(target, constraint=one.option.name == "constraint", above=above)

    def set(self, one: Given, *, base: str) -> None:
        """Take in an option that selects indexes, or that goes to pip as it is.

        Args:
            one: The option.
            base: The file that it stands in.
        """
        name, value = one.option.name, one.value
        if name == "index-url" and not self.no_index:
            self.index, self.extra = value, []
        elif name == "extra-index-url" and not self.no_index:
            self.extra.append(value)
        elif name == "no-index":
            self.no_index = True
        elif name == "find-links":
            self.find_links.append(_link_place(value, base))
        elif name == "trusted-host":
            self.trusted_hosts.append(value)
        elif one.option.use in {options.Use.RESOLVING, options.Use.READ} and name not in {
            "hash",
            "index-url",
            "extra-index-url",
        }:
            self.passed.append(f"{one.option.spelling}={value}" if value else one.option.spelling)


def _split(line: str, where: str) -> tuple[str, list[Given]]:
    tokens = line.split(" ")
    count = next((index for index, token in enumerate(tokens) if token.startswith("-")), len(tokens))
    try:
        words = shlex.split(" ".join(tokens[count:]))
        given, rest = options.parse(words, in_file=True)
    except ValueError:
        raise UsageError("has quotes that do not close", where=where) from None
    except UsageError as error:
        raise UsageError(error.message, where=where, hint=error.hint) from None
    if rest:
        raise UsageError("pip would ignore the end of this line", where=where, hint="write one requirement a line")
    return " ".join(tokens[:count]).strip(), given


def _joined_url(place: str, value: str, origin: Origin) -> str:
    try:
        return urljoin(place, value)
    except ValueError:
        raise UsageError("is no URL", where=f"{origin.path}:{origin.line}") from None


def _link_place(value: str, base: str) -> str:
    if _URL.match(value):
        return value
    beside = os.path.join(os.path.dirname(base), value)
    if not _URL.match(base) and os.path.exists(beside):
        return os.path.abspath(beside)
    return os.path.abspath(os.path.expanduser(value))


def _joined(content: str) -> Iterator[tuple[int, str]]:
    """Join lines that end in a backslash, as pip does: a comment ends the joining."""
    first, parts = 0, list[str]()
    for number, line in enumerate(content.splitlines(), start=1):
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            first = first if parts else number
            parts.append(line.strip("\\"))
            continue
        text = f" {line}" if comment else line
        yield (first, "".join((*parts, text))) if parts else (number, text)
        parts = []
    if parts:
        yield first, "".join(parts)


def _decoded(data: bytes, shown: str) -> str:
    try:
        for bom, encoding in _BOMS:
            if data.startswith(bom):
                return data[len(bom) :].decode(encoding)
        for line in data.split(b"\n", 2)[:2]:
            match = _CODING.search(line) if line.startswith(b"#") else None
            if match:
                return data.decode(match[1].decode("ascii"))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode(locale.getpreferredencoding(do_setlocale=False))
    except (UnicodeDecodeError, LookupError):
        raise UsageError("is not text in an encoding that pip would know", where=shown) from None
