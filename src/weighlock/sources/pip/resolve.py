"""What pip would install: one dry run, of which every answer is checked before anybody believes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.sources.pip import locked, report, requirement
from weighlock.sources.pip.no_build import NoBuildPip
from weighlock.sources.pip.problems import problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.sources.pip.interface import PipRequest, Resolution, Wanted

QUIET = ("-q", "--disable-pip-version-check", "--no-color", "--progress-bar=off")
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
    answer = pip.run(arguments)
    if answer.code != 0:
        raise problem(answer.output, request, pip.version)
    return report.parse(_read(place), request)


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
