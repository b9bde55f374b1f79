"""An installed environment: what its distributions say about themselves, read without running anything of it.

The interpreter is asked for its folders with ``-S``, so that not even start-up files of the environment run. All else
is read from the disk: metadata, RECORD, and every file that RECORD lists, hashed on every core.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.digests import cores
from weighlock.errors import FormatError, SourceError
from weighlock.formats import core_metadata, record
from weighlock.formats.installed import (
    InstalledDistribution,
    StrayFile,
    code_lines,
    direct_url,
    is_start_up_file,
    obeys,
)
from weighlock.install_policy import canonical_name
from weighlock.sources.own_start_up import own_files
from weighlock.sources.stray_files import is_below, open_file, read_file, strays_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.formats.record import Row

# Asked with -I -S: no start-up file runs, so the folders of a virtual environment have to be worked out.
_QUESTION = """
import json, os, site, sys, sysconfig
here = os.path.dirname(os.path.abspath(sys.executable))
prefix = next((d for d in (here, os.path.dirname(here)) if os.path.isfile(os.path.join(d, "pyvenv.cfg"))), None)
if prefix:
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else sysconfig.get_default_scheme()
    names = {"base": prefix, "platbase": prefix, "installed_base": sys.base_prefix}
    paths = [sysconfig.get_path(name, scheme, vars=names) for name in ("purelib", "platlib")]
else:
    prefix = sys.prefix
    paths = [*site.getsitepackages(), site.getusersitepackages()]
print(json.dumps({"prefix": prefix, "paths": paths}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledEnvironment:
    """What was found.

    Args:
        python: The interpreter that was asked.
        folders: Its library folders that exist.
        distributions: In the order of their names.
        strays: What nobody installed and Python could run.
        inert: How many other files nobody installed.
    """

    python: str
    folders: tuple[str, ...]
    distributions: tuple[InstalledDistribution, ...]
    strays: tuple[StrayFile, ...] = ()
    inert: int = 0


def read_environment(python: str) -> InstalledEnvironment:
    """Read the environment of an interpreter.

    Raises:
        SourceError: The interpreter cannot be asked, or a folder cannot be read.
    """
    prefix, folders = folders_of(python)
    return read_folders(folders, prefix, python)


def read_folders(folders: Sequence[str], prefix: str, python: str = "") -> InstalledEnvironment:
    """Read library folders.

    Args:
        folders: Where distributions are installed.
        prefix: Of the environment; what RECORD lists outside of it is not opened.
        python: For the report.

    Raises:
        SourceError: A folder cannot be read.
    """
    owned: set[str] = set()
    distributions: list[InstalledDistribution] = []
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        for folder in folders:
            names = [name for name in sorted(_listdir(folder)) if name.lower().endswith((".dist-info", ".egg-info"))]
            distributions += [_Reader(folder, name, prefix, owned, pool).read() for name in names]
    strays: list[StrayFile] = []
    inert = 0
    for folder in folders:
        found, others = strays_in(folder, owned | own_files(folder, folders))
        strays += found
        inert += others
    distributions.sort(key=lambda item: (item.name, item.version))
    return InstalledEnvironment(
        python=python, folders=tuple(folders), distributions=tuple(distributions), strays=tuple(strays), inert=inert
    )


def folders_of(python: str) -> tuple[str, tuple[str, ...]]:
    """Ask an interpreter for its prefix and its library folders; not even its start-up files run.

    Raises:
        SourceError: It cannot be asked.
    """
    hint = "give an interpreter, such as venv/bin/python"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WEIGHLOCK_"))}
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that the user named
            [python, "-I", "-S", "-c", _QUESTION], env=environ, capture_output=True, timeout=60, check=False
        )
        told = json.loads(answer.stdout)
        paths = dict.fromkeys(os.path.realpath(path) for path in told["paths"])
        prefix = os.path.realpath(told["prefix"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise SourceError("does not answer like a Python interpreter", where=python, hint=hint) from error
    return prefix, tuple(path for path in paths if os.path.isdir(path))


def _listdir(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=folder) from error


class _Reader:
    """Reads one distribution.

    Args:
        folder: The library folder.
        name: Of its ``dist-info`` or ``egg-info``.
        prefix: Of the environment.
        owned: Takes the path of every file that RECORD lists.
        pool: Hashes files.
    """

    def __init__(self, folder: str, name: str, prefix: str, owned: set[str], pool: ThreadPoolExecutor) -> None:
        self._folder = folder
        self._place = os.path.join(folder, name)
        self._prefix = prefix
        self._owned = owned
        self._pool = pool

    def read(self) -> InstalledDistribution:
        """Return all that is known about it; what cannot be read is a problem of it and ends nothing."""
        folder, _, version = os.path.basename(self._place).rpartition(".")[0].partition("-")
        fallback = folder
        version = version.partition("-py")[0]
        facts: dict[str, Any] = {}
        try:
            headers = core_metadata.parse(self._metadata())
            fallback, version = headers.first("name") or fallback, headers.first("version") or version
            facts |= self._origin()
            facts |= self._compare()
            if canonical_name(folder) != canonical_name(fallback):
                # Tools differ about which of the two names counts, and advisories are looked up by a name.
                facts["problem"] = f"its metadata names another project than its folder: {fallback[:100]}"
        except FormatError as error:
            facts["problem"] = str(error)
        except OSError as error:
            facts["problem"] = f"{os.path.basename(error.filename or self._place)} cannot be read: {error.strerror}"
        return InstalledDistribution(
            name=canonical_name(fallback),
            version=version,
            place=self._place,
            **facts,
        )

    def _metadata(self) -> bytes:
        if os.path.isfile(self._place):  # an old .egg-info file is the metadata itself
            return read_file(self._place)
        egg = self._place.lower().endswith(".egg-info")
        return read_file(os.path.join(self._place, "PKG-INFO" if egg else "METADATA"))

    def _origin(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"requested": os.path.isfile(os.path.join(self._place, "REQUESTED"))}
        try:
            facts["installer"] = (
                read_file(os.path.join(self._place, "INSTALLER")).decode("utf-8", "replace").strip()[:100]
            )
        except OSError:
            facts["installer"] = None
        path = os.path.join(self._place, "direct_url.json")
        if os.path.lexists(path):
            told = direct_url(read_file(path))
            facts["editable" if told.editable else "direct"] = told.url
        return facts

    def _compare(self) -> dict[str, Any]:
        path = os.path.join(self._place, "RECORD")
        if not os.path.isfile(path):
            return {"problem": "it has no RECORD of its files"}
        table = record.parse(read_file(path))
        if table.twice or table.odd:
            return {"problem": f"its RECORD is broken: {(*table.twice, *table.odd)[0]}"}
        rows = [(row, os.path.normpath(os.path.join(self._folder, row.path))) for row in table.rows.values()]
        self._owned.update(place for _, place in rows)
        inside = [(row, place) for row, place in rows if is_below(place, self._prefix) and not _is_compiled(row, place)]
        answers = list(self._pool.map(lambda item: _difference(*item), inside))
        changed = [f"{row.path} ({why})" for (row, _), why in zip(inside, answers, strict=True) if why]
        missing = [row.path for (row, _), why in zip(inside, answers, strict=True) if why is None]
        return {
            "changed": tuple(changed),
            "missing": tuple(missing),
            "outside": tuple(row.path for row, place in rows if not is_below(place, self._prefix)),
            "undigested": tuple(
                row.path
                for (row, place), why in zip(inside, answers, strict=True)
                if not row.algorithm and why is not None and not self._may_lack(place)
            ),
            "starting": tuple(self._starting(rows)),
        }

    def _may_lack(self, place: str) -> bool:
        """Say whether a file needs no digest: RECORD itself, and what installers write beside it."""
        may = {"RECORD", "RECORD.jws", "RECORD.p7s", "REQUESTED", "INSTALLER"}
        return os.path.dirname(place) == self._place and os.path.basename(place) in may

    def _starting(self, rows: Sequence[tuple[Row, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
        for row, place in rows:
            relative = os.path.relpath(place, self._folder).replace(os.sep, "/")
            if not is_start_up_file(relative) or not os.path.isfile(place):
                continue
            try:
                data = read_file(place)
            except OSError:
                yield row.path, ()
                continue
            if obeys(relative, data)[0]:
                yield row.path, code_lines(relative, data)


def _is_compiled(row: Row, place: str) -> bool:
    """Say whether RECORD lists a compiled file, or a folder of such files, which come and go and have no digest.

    Those that are there lie in ``__pycache__``. A compiled file anywhere else is imported in its own right.
    """
    folder, _, name = row.path.rstrip("/").rpartition("/")
    if row.algorithm or name == "__pycache__" or not name.endswith(".pyc"):
        return not row.algorithm and name == "__pycache__"
    return folder.rpartition("/")[2] == "__pycache__" or not os.path.lexists(place)


def _difference(row: Row, place: str) -> str | None:
    """Compare a file with its row: an empty string where they agree, `None` where there is no file."""
    try:
        with open_file(place) as file:
            size = os.fstat(file.fileno()).st_size
            if row.size is not None and row.size != size:
                return f"has {size} bytes, not {row.size}"
            if not row.algorithm:
                return ""
            if row.algorithm not in record.STRONG:
                return f"has a digest of {row.algorithm}, for which anybody can make another file"
            digest = hashlib.file_digest(file, row.algorithm).digest()
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if digest == row.digest else "has other bytes"
