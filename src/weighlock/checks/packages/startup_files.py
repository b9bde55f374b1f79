"""Files that run code whenever Python starts.

## What it does

It refuses ``sitecustomize`` and ``usercustomize`` modules, ``.start`` files (Python 3.15), files that configure the
environment itself (``pyvenv.cfg``, ``._pth``, ``pip.conf``, conda's ``activate.d``, Python's own libraries), and
``.pth`` files that are long, or whose code decodes, compiles, starts processes or connects, or that lead Python to
folders outside of the environment, or that are not UTF-8; however they get there, also through the ``.data`` folder of
the wheel. Any other ``.pth`` file with code, or with a line that names an archive or a folder which this wheel does
not have, needs a person's consent. The lines of a few popular projects are known, each exactly and for its project,
and are told of; so is the line of setuptools for namespace packages.

## Why it matters

Such code runs in every process of the environment, whether or not the package is ever imported: in ``pip``, in the
tests, in this tool. It is how a hijacked release gets to run at once.

## Known limits

What a known line imports is judged as code of its project, not as a start-up file. Python takes a line for code by its
first word; a line that is a folder of the wheel is told of, and what lies in it is judged as part of the wheel. Files
that other programs read at their start (``etc/jupyter``, ``etc/ipython``) are judged as Python, not as start-up files.

## Sources

`site` of Python 3.11 to 3.15, PEP 829; litellm 1.82.8 (March 2026), whose 34,628 bytes of ``.pth`` ran in every
process. 4 of 396 popular wheels have a ``.pth`` with code (coverage, setuptools, pip-system-certs, pynvml), none has
any of the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.allowlist.startup import is_known
from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.wheel import StartupFile, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel

_LONGEST_LINE = 500
_CUSTOMIZE = frozenset({"sitecustomize", "usercustomize"})
# Below the prefix: what configures the interpreter, pip ("Configuration files" of its documentation), conda's shells.
_CONFIGURES = re.compile(
    r"(?:(?:.*/)?(?:pyvenv\.cfg|[^/]*\._pth|pybuilddir\.txt)|pip\.(?:conf|ini)|\.?condarc|etc/conda/.*"
    # On Windows, what Python itself is made of lies at the top: its archive of modules, its libraries, and DLLs.
    r"|python[0-9.]+\.zip|(?:lib)?python[0-9.]+[^/]*\.(?:dll|so|dylib)|vcruntime[^/]*\.dll|DLLs/.*)\Z",
    re.IGNORECASE,
)
_CODE = re.compile(r"import[ \t]")  # site.addpackage
# Words that nothing has to do with that makes a library known to Python.
_HARMFUL = re.compile(
    r"""exec|eval|compile|decode|fromhex|unhex|base64|b64|b85|codecs|zlib|lzma|bz2|marshal|pickle|subprocess|popen
    |system|spawn|fork|socket|urllib|http|ftp|requests|ctypes|cffi|getattr|globals|builtins|chr\(|\\x|\\u|pty|runpy
    |open\(|rot13|threading|multiprocessing|asyncio|webbrowser|smtp""",
    re.IGNORECASE | re.VERBOSE,
)
_AWAY = re.compile(r"[/\\]|[A-Za-z]:|(?:.*[/\\])?\.\.(?:[/\\]|\Z)|~")


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding for each file that Python would read at its start."""
    for file in wheel.startup_files:
        if file.member.name.lower().endswith(".start"):
            yield _refused("it names functions that Python calls whenever it starts", file.member.name)
        else:
            yield from _of_pth(file, wheel)
    for member in wheel.files:
        place = member.place
        if place is None:
            continue
        path = place.startup or place.standard_library
        if path is not None and path.partition("/")[0].partition(".")[0].lower() in _CUSTOMIZE:
            yield _refused("Python imports it whenever it starts", member.name)
        elif place.scheme in {"data", "scripts"} and _CONFIGURES.match(place.path):
            yield _refused("it configures Python, pip or the shells of the environment", member.name)


def _of_pth(file: StartupFile, wheel: Wheel) -> Iterator[Finding]:
    name = file.member.name
    if file.data is None:
        yield _refused("Python reads it whenever it starts, and it is too long or damaged", name)
        return
    try:
        lines = _lines(file.data)
    except UnicodeDecodeError:
        yield _refused("Python reads it whenever it starts, and in which encoding depends on where it runs", name)
        return
    code = [line for line in lines if _CODE.match(line)]
    folders = [line for line in lines if not _CODE.match(line)]
    unknown = [line for line in code if not is_known(wheel.name, line)]
    away = [line for line in folders if _AWAY.match(line)]
    if any(len(line) > _LONGEST_LINE or _HARMFUL.search(line) for line in unknown):
        yield _refused("it runs code that hides or reaches out whenever Python starts", name)
    elif unknown:
        message = f"it runs code whenever Python starts: {unknown[0][:200]}"
        yield _finding(message, name, Severity.HIGH, Outcome.NEEDS_APPROVAL)
    elif code:
        yield _finding("it runs code whenever Python starts, which is known", name, Severity.INFO, Outcome.DATA_ONLY)
    if away:
        yield _refused(f"it leads Python to modules outside of the environment: {away[0][:200]}", name)
    elif _customizes(wheel, folders):
        yield _refused("it leads Python to a module that it imports whenever it starts", name)
    elif foreign := _foreign(wheel, folders):
        message = f"it leads Python to modules that are not in this wheel, or packed in an archive: {foreign[0][:200]}"
        yield _finding(message, name, Severity.HIGH, Outcome.NEEDS_APPROVAL)
    elif folders:
        message = "it lengthens the list of folders in which Python looks for modules"
        yield _finding(message, name, Severity.LOW, Outcome.DATA_ONLY)


def _customizes(wheel: Wheel, folders: list[str]) -> bool:
    """Tell whether one of the folders of a ``.pth`` file holds a sitecustomize module."""
    below = {_path(folder) for folder in folders}
    for member in wheel.files:
        path = (member.place.library if member.place is not None else None) or ""
        folder, _, name = path.lower().rpartition("/")
        # The module itself, or its package.
        if name.partition(".")[0] in _CUSTOMIZE and folder in below:
            return True
        parent, _, package = folder.rpartition("/")
        if package in _CUSTOMIZE and parent in below:
            return True
    return False


def _foreign(wheel: Wheel, folders: list[str]) -> list[str]:
    """Return the lines that name no folder of this wheel: a file, which Python takes for a zip, or another's folder."""
    there = {""}
    for member in wheel.files:
        path = (member.place.library if member.place is not None else None) or ""
        folder = path.lower().rpartition("/")[0]
        while folder not in there:
            there.add(folder)
            folder = folder.rpartition("/")[0]
    return [folder for folder in folders if _path(folder) not in there]


def _path(folder: str) -> str:
    """Return the path that a line names, as file systems compare it that do not tell letters apart."""
    return "/".join(part for part in re.split(r"[/\\]", folder) if part not in {"", "."}).lower()


def _lines(data: bytes) -> list[str]:
    """Return the lines that Python would act on: those of every release, which end lines differently.

    Raises:
        UnicodeDecodeError: It is not UTF-8; some releases then read it as the locale says, with other line ends.
    """
    text = data.decode("utf-8-sig")
    found = {line.rstrip(): None for part in (text.splitlines(), re.split("\r\n|\r|\n", text)) for line in part}
    return [line for line in found if line and not line.startswith("#")]


def _refused(message: str, member: str) -> Finding:
    return _finding(message, member, Severity.CRITICAL, Outcome.REFUSED)


def _finding(message: str, member: str, severity: Severity, outcome: Outcome) -> Finding:
    location = Location(members=(member,))
    return Finding(check="startup-files", severity=severity, message=message, location=location, outcome=outcome)
