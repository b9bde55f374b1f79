"""Where policies are, and what stands in them: the project's, and the organisations' that bind it.

The place of an organisation's policy is a constant. What an environment names in ``WEIGHLOCK_ORG_POLICY`` binds as
well and takes the place of nothing.
"""

from __future__ import annotations

import os
import stat
import tomllib
from typing import TYPE_CHECKING, Any

import weighlock
from weighlock.errors import PolicyError
from weighlock.files import read_regular
from weighlock.gates.profiles import known_profiles
from weighlock.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LARGEST = 4 << 20
"""Bytes of a policy; nobody writes more by hand."""


def organisation_files(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths of the organisation's policies that bind here, the highest first; they may be unreadable.

    Raises:
        PolicyError: It cannot be found out, or ``WEIGHLOCK_ORG_POLICY`` is there and names nothing.
    """
    site = os.path.join(weighlock.SITE_FOLDER, "weighlock.toml")
    found = [site] if _is_there(site) else []
    named = environ.get("WEIGHLOCK_ORG_POLICY")
    if named is not None:
        if not named.strip():  # a variable that came to nothing, such as a secret that is not there
            raise PolicyError("WEIGHLOCK_ORG_POLICY names no file", hint="name the organisation's policy, or unset it")
        found.append(os.path.join(root_of(environ), named))
    return tuple(found)


def root_of(environ: Mapping[str, str]) -> str:
    """Return the folder in which, and above which, the nearest files are looked for."""
    return os.path.abspath(environ.get("WEIGHLOCK_ROOT") or os.curdir)


def nearest_policy(root: str) -> str | None:
    """Return the path of a project's policy, or ``None`` where it has none."""
    for path in existing(root, "weighlock.toml", "pyproject.toml"):
        if os.path.basename(path) == "weighlock.toml" or table_of(path, read_text(path)) is not None:
            return path
    return None


def existing(root: str, *names: str) -> Iterator[str]:
    """Yield the files of these names in a folder and above it, the nearest first."""
    for folder in _upwards(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not _could_be_planted(folder, path):
                yield path


def read_policy(path: str) -> Policy:
    """Return a project's policy, where no organisation has one.

    Raises:
        PolicyError: It cannot be read.
    """
    table = table_of(path, read_text(path)) or {}
    try:
        return Policy.from_dict(table, profiles=profiles_for(table), checks=checks_for(table))
    except PolicyError as error:
        error.where = f"{path}, {error.where}" if error.where else path
        raise


def profiles_for(*tables: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all profiles, where a table names one."""
    return known_profiles() if any("profiles" in table for table in tables) else ()


def checks_for(*tables: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all checks, where a table may name one."""
    return known_checks() if any("install" in table for table in tables) else frozenset()


def known_checks() -> frozenset[str]:
    """Return the names of all checks."""
    from weighlock import checks

    return frozenset(name for family in checks.FAMILIES for name in checks.names(family))


def read_text(path: str) -> str:
    """Return the text of a policy file.

    Raises:
        PolicyError: It cannot be read, or is none.
    """
    try:
        data = read_regular(path, _LARGEST + 1)
    except OSError as error:
        hint = "it has to be a file that you may read"
        raise PolicyError(f"cannot be read: {error.strerror}", where=path, hint=hint) from error
    if len(data) > _LARGEST:
        raise PolicyError(f"is larger than {_LARGEST} bytes", where=path, hint="a policy is short")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PolicyError(f"not valid TOML: {error}", where=path, hint="correct it there") from error


def table_of(path: str, text: str) -> dict[str, Any] | None:
    """Return ``[tool.weighlock]``, which in ``weighlock.toml`` may also be the whole document.

    Raises:
        PolicyError: It is no TOML, or no table.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"not valid TOML: {error}", where=path, hint="correct it there") from error
    tool = document.get("tool")
    table = tool.get("weighlock") if isinstance(tool, dict) else None
    if table is None and os.path.basename(path) != "pyproject.toml" and "tool" not in document:
        return document
    if table is not None and not isinstance(table, dict):
        raise PolicyError("must be a table", where=f"{path}, tool.weighlock")
    return table


def _is_there(path: str) -> bool:
    """Say whether there is anything of that name. A folder that hides it from this user may hold it."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = "the organisation's policy has to be a file that everybody may read"
        raise PolicyError(f"cannot be read: {error.strerror}", where=path, hint=hint) from error
    return True


def _could_be_planted(folder: str, path: str) -> bool:
    """Say whether a file is somebody else's in a folder that anybody may write to, such as ``/tmp``."""
    if not hasattr(os, "geteuid"):
        return False
    anybody = os.stat(folder).st_mode & stat.S_IWOTH
    return bool(anybody) and os.lstat(path).st_uid != os.geteuid()


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:
        folder = parent
        yield folder
