"""Fetching the chosen wheels, exactly those URLs with exactly those digests, into a folder of ours.

pip fetches them, because it has the user's credentials, keyring, proxies and certificates, and its cache has most of
what it read to resolve. Whether they are the right bytes is our own answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.digests import digest_of
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources.pip.no_build import NoBuildPip
from weighlock.sources.pip.problems import problem
from weighlock.sources.pip.resolve import QUIET, private

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.sources.pip.interface import PipRequest, Resolved

_SHARED = (
    "--platform=",
    "--python-version=",
    "--implementation=",
    "--abi=",
    "--ignore-requires-python",
    "--use-feature=",
)


def download(
    request: PipRequest,
    packages: Sequence[Resolved],
    folder: str | os.PathLike[str],
    *,
    scratch: str | os.PathLike[str],
    pip: NoBuildPip | None = None,
) -> dict[str, str]:
    """Fetch wheels.

    Args:
        request: How the indexes are to be reached.
        packages: What to fetch.
        folder: An empty, private folder for the wheels, and for nothing else.
        scratch: A private folder for everything else.
        pip: A process that is already there, for the same request.

    Returns:
        The path of each by its filename.

    Raises:
        SourceError: One cannot be fetched.
        DigestMismatchError: One has other bytes than those that were chosen.
    """
    if not packages:
        return {}
    if pip is None:
        with NoBuildPip(request, scratch) as started:
            return download(request, packages, folder, scratch=scratch, pip=started)
    names = [package.artifact.filename for package in packages]
    if len(set(names)) != len(names):
        raise SourceError("two of the chosen wheels have one name")
    pinned = [package for package in packages if package.artifact.digest is not None]
    for chosen in (pinned, [package for package in packages if package.artifact.digest is None]):
        if chosen:
            _fetch(request, chosen, os.fspath(folder), os.fspath(scratch), pip)
    return _verified(packages, os.fspath(folder))


def _fetch(request: PipRequest, packages: Sequence[Resolved], folder: str, scratch: str, pip: NoBuildPip) -> None:
    place = os.path.join(scratch, "wheels.txt")
    with open(place, "w", encoding="utf-8", opener=private) as file:
        file.writelines(_line(package) for package in packages)
    shared = [option for option in request.resolving if option.startswith(_SHARED)]
    hashes = ["--require-hashes"] if packages[0].artifact.digest is not None else []
    arguments = ["download", *QUIET, *request.fetching, *shared, *hashes, "--no-deps", "--only-binary=:all:"]
    answer = pip.run([*arguments, f"--dest={folder}", f"--requirement={place}"])
    if answer.code != 0:
        raise problem(answer.output, request, pip.version)


def _line(package: Resolved) -> str:
    url = package.url.partition("#")[0].replace("$", "%24")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise SourceError("is a URL that pip would read in another way", where=package.artifact.name)
    digest = package.artifact.digest
    pin = f" --hash={digest}" if digest is not None else ""
    return f"{package.artifact.name} @ {url}{pin}\n"


def _verified(packages: Sequence[Resolved], folder: str) -> dict[str, str]:
    """Hash every file ourselves, and make sure that there is no other."""
    paths = {package.artifact.filename: os.path.join(folder, package.artifact.filename) for package in packages}
    strange = sorted(set(os.listdir(folder)) - set(paths))
    if strange:
        raise SourceError("came under another name than the index gave it", where=strange[0][:200])
    for package in packages:
        expected, path = package.artifact.digest, paths[package.artifact.filename]
        try:
            found, _ = digest_of(path)
        except OSError as error:
            raise SourceError(f"pip did not fetch it: {error.strerror}", where=os.path.basename(path)) from None
        if expected is not None and found != expected:
            raise DigestMismatchError(f"has {found}, expected {expected}", where=package.artifact.filename)
    return paths
