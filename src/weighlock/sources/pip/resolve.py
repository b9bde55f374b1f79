"""What pip would install: one dry run, of which every answer is checked before anybody believes it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.sources.pip import locked, report, requirement
from weighlock.sources.pip.no_build import NoBuildPip
from weighlock.sources.pip.problems import problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.sources.pip.interface import PipRequest, Resolution, Wanted

QUIET = ("-q", "--disable-pip-version-check", "--no-color", "--progress-bar=off")
_LOOKED_AT = 1 << 20
_ONLY_WHEELS = ("--only-binary=:all:",)


def resolve(request: PipRequest, folder: str | os.PathLike[str], *, pip: NoBuildPip | None = None) -> Resolution:
    """Ask the target's pip what it would install, without running anything of a package.

    Args:
        request: What the user asked for; its `builds` are left out.
        folder: A private folder.
        pip: A process that is already there, for the same request.

    Raises:
        UsageError: pip does not understand the request.
        SourceError: pip found no answer, or one that cannot be believed.
        DigestMismatchError: A file is not the one that the requirements give the digest of.
    """
    if pip is None:
        with NoBuildPip(request, folder) as started:
            return resolve(request, folder, pip=started)
    place = os.path.join(folder, "report.json")
    requirements = _written(os.path.join(folder, "requirements.txt"), request.requirements)
    constraints = _written(os.path.join(folder, "constraints.txt"), request.constraints)
    arguments = ["install", "--dry-run", *QUIET, *request.fetching, *request.resolving, f"--report={place}"]
    arguments += [f"--constraint={constraints}"] if request.constraints else []
    arguments += [f"--find-links={_page(folder, request.links)}"] if request.links else []
    arguments += [f"--requirement={requirements}", *_ONLY_WHEELS]
    log = os.path.join(folder, "pip.log")
    with suppress(FileNotFoundError):
        os.unlink(log)
    answer = pip.run([*arguments, f"--log={log}"])
    if answer.code != 0:
        raise problem(f"{_unanswered(log)}{answer.output}", request, pip.version)
    return report.parse(_read(place), request)


def _unanswered(log: str) -> str:
    """Return the lines about indexes that gave no answer, which pip only prints when it is told to talk a lot."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOOKED_AT))
            lines = file.read(_LOOKED_AT).decode(errors="replace").splitlines(keepends=True)
    except OSError:
        return ""
    return "".join(line for line in lines if "Could not fetch URL" in line and " 404 " not in line)


def _written(place: str, wanted: Sequence[Wanted]) -> str:
    with open(place, "w", encoding="utf-8", opener=private) as file:
        file.writelines(f"{requirement.rewritten(one)}\n" for one in wanted)
    return place


def _page(folder: str | os.PathLike[str], links: Sequence[str]) -> str:
    place = os.path.join(folder, "locked.html")
    with open(place, "w", encoding="utf-8", opener=private) as file:
        file.write(locked.page(links))
    return place


def private(path: str, flags: int) -> int:
    """Open a file that only this user may read."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _read(place: str) -> bytes:
    try:
        with open(place, "rb") as file:
            data = file.read(report.MOST_BYTES + 1)
    except OSError as error:
        raise SourceError(f"pip left no report: {error.strerror}") from None
    if len(data) > report.MOST_BYTES:
        raise SourceError(f"pip's report is larger than {report.MOST_BYTES} bytes")
    return data
