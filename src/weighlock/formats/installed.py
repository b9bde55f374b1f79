"""What is installed in an environment: distributions beside what their RECORD says, and files that nobody installed.

Source:
    "Recording installed projects" of packaging.python.org (PEP 376, PEP 610, PEP 627); the `site` module for which
    files Python reads when it starts (PEP 829 for ``.start``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from weighlock.artifact import Digest

_IMPORTS = re.compile(r"import[ \t]")  # site.addpackage
_AT_START = frozenset({"sitecustomize", "usercustomize"})
_IMPORTABLE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".egg", ".egg-link", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledDistribution:
    """A distribution of an environment.

    Args:
        name: Canonical name of the project.
        version: As its metadata has it.
        place: Its ``dist-info`` folder, as a person would name it.
        problem: Why its files cannot be compared with a RECORD; `None` where they were.
        changed: Files with other bytes than RECORD says, each with what differs.
        missing: Files that RECORD lists and that are not there.
        outside: Files that RECORD lists outside of the environment, which nobody opened.
        undigested: Files that RECORD lists without a digest, though only RECORD itself and compiled files may.
        starting: Files of it that Python obeys whenever it starts, each with the lines that run; a file without any
            is run or imported as a whole.
        editable: Where its code lies, if that is not in the environment.
        direct: The URL or path that it was installed from, if not by its name.
        installer: The tool that says it installed it.
        requested: A person asked for it.
    """

    name: str
    version: str
    place: str
    problem: str | None = None
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    undigested: tuple[str, ...] = ()
    starting: tuple[tuple[str, tuple[str, ...]], ...] = ()
    editable: str | None = None
    direct: str | None = None
    installer: str | None = None
    requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayFile:
    """Something in the library folder of an environment that no distribution installed.

    Args:
        path: Of the file, or of the topmost folder of which nothing belongs to anybody.
        files: How many files it stands for.
        starting: Python obeys it whenever it starts.
        extends: Python takes more folders to import from out of it whenever it starts.
        digest: Of its bytes, or of the names and digests of all files in the folder.
    """

    path: str
    files: int = 1
    starting: bool = False
    extends: bool = False
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectUrl:
    """Where an installed distribution came from, if not from an index by its name.

    Args:
        url: Without credentials.
        editable: Its code lies there.
    """

    url: str
    editable: bool = False


def direct_url(data: bytes) -> DirectUrl:
    """Read ``direct_url.json``.

    Raises:
        FormatError: It is no such document.

    Source:
        PEP 610; packaging.python.org/specifications/direct-url.
    """
    from weighlock.formats.package_lock import without_credentials

    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError("direct_url.json is no JSON") from error
    url = document.get("url") if isinstance(document, dict) else None
    if not isinstance(url, str):
        raise FormatError("direct_url.json has no url")
    folder = document.get("dir_info")
    return DirectUrl(url=without_credentials(url), editable=isinstance(folder, dict) and folder.get("editable") is True)


def is_importable(path: str) -> bool:
    """Say whether Python could be made to run a file by its name alone."""
    return path.lower().endswith((*_IMPORTABLE, ".pth", ".start"))


def is_start_up_file(path: str) -> bool:
    """Say whether Python looks at a file of its library folder whenever it starts.

    Args:
        path: Relative to the library folder, with ``/``.
    """
    top, _, rest = path.partition("/")
    if path.lower().endswith((".pth", ".start")):
        return not rest
    stem = (top if rest else path).partition(".")[0]
    return stem in _AT_START and (is_importable(path) or bool(rest))


def obeys(path: str, data: bytes) -> tuple[bool, bool]:
    """Say what Python does with a start-up file: whether it runs any of it, and whether it takes folders from it.

    Args:
        path: Relative to the library folder.
        data: Its content.
    """
    if not path.lower().endswith(".pth"):
        return True, False
    lines = _lines(data)
    code = [line for line in lines if _IMPORTS.match(line)]
    unusual = data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data  # other readers see other lines in it
    return bool(code) or unusual, len(code) < len(lines)


def code_lines(path: str, data: bytes) -> tuple[str, ...]:
    """Return the lines of a ``.pth`` file that run; none of any other file, which runs as a whole."""
    if not path.lower().endswith(".pth") or b"\0" in data:
        return ()
    return tuple(line for line in _lines(data) if _IMPORTS.match(line))


def _lines(data: bytes) -> list[str]:
    """Return the lines that Python would act on: those of every release, which end lines differently."""
    text = data.decode("utf-8-sig", "replace")
    found = {line.rstrip(): None for part in (text.splitlines(), re.split("\r\n|\r|\n", text)) for line in part}
    return [line for line in found if line and not line.startswith("#")]
