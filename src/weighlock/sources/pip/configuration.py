"""The settings of pip that stand in its configuration files and in ``PIP_*`` variables.

pip itself gets to see neither: weighlock reads them as pip would, and hands on what is in force as options. A setting
of a name that ``pip install`` does not have is ignored, as by pip: such files serve every command.

Source:
    https://pip.pypa.io/en/stable/topics/configuration/
"""

from __future__ import annotations

import configparser
import os
import sys
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.sources.pip.options import NAMED, Given, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECTIONS = ("global", "install")
_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})
_MOST_BYTES = 1 << 20
_FILE = "pip.conf"


def read(environ: Mapping[str, str], prefix: str, *, isolated: bool = False) -> list[tuple[Given, str]]:
    """Return every setting that is in force, weakest first, each with the place that it comes from.

    Args:
        environ: Variables; ``HOME`` and ``XDG_*`` say where the files are.
        prefix: ``sys.prefix`` of the environment that is installed into; it may have a file of its own.
        isolated: Neither variables nor the user's own file count, as for ``--isolated``.

    Raises:
        UsageError: A file cannot be read, or a value does not fit.
    """
    found: dict[str, list[tuple[str, str, str]]] = {section: [] for section in _SECTIONS}
    for path in _files(environ, prefix, isolated=isolated):
        for section, name, value in _settings(path):
            if section in found:
                found[section].append((name, value, path))
    rows = [row for section in _SECTIONS for row in found[section]]
    if not isolated:
        rows.extend(_variables(environ))
    stronger: dict[str, tuple[str, str, str]] = {}
    for name, value, where in rows:
        option = NAMED.get(name)
        if option is not None and value:
            stronger.pop(option.name, None)  # A stronger setting takes the place of a weaker one, lists included.
            stronger[option.name] = (name, value, where)
    return [given for name, value, where in stronger.values() for given in _given(name, value, where)]


def _files(environ: Mapping[str, str], prefix: str, *, isolated: bool) -> Iterator[str]:
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    yield from (os.path.join(folder, _FILE) for folder in _global_folders(environ))
    if not isolated and not (named and os.path.exists(named)):
        home = environ.get("HOME") or os.path.expanduser("~")
        yield os.path.join(home, ".pip", _FILE)
        yield os.path.join(_user_folder(environ, home), _FILE)
    yield os.path.join(prefix, _FILE)
    if named:
        yield os.path.abspath(named)


def _global_folders(environ: Mapping[str, str]) -> list[str]:
    if sys.platform == "darwin":
        return ["/Library/Application Support/pip"]
    shared = environ.get("XDG_CONFIG_DIRS", "").strip() or "/etc/xdg"
    return [*(os.path.join(folder, "pip") for folder in shared.split(os.pathsep)), "/etc"]


def _user_folder(environ: Mapping[str, str], home: str) -> str:
    if sys.platform == "darwin":
        folder = os.path.join(home, "Library", "Application Support", "pip")
        return folder if os.path.isdir(folder) else os.path.join(home, ".config", "pip")
    return os.path.join(environ.get("XDG_CONFIG_HOME", "").strip() or os.path.join(home, ".config"), "pip")


def _settings(path: str) -> Iterator[tuple[str, str, str]]:
    parser = configparser.RawConfigParser()
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UsageError("is too large for a configuration of pip", where=path)
        parser.read_string(content.decode(), path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=path) from None
    except (configparser.Error, UnicodeDecodeError):
        raise UsageError("is not a configuration file of pip", where=path, hint="see `pip config debug`") from None
    for section in parser.sections():
        for name, value in parser.items(section):
            yield section, _normal(name), value


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for key, value in environ.items():
        if key.startswith("PIP_") and key not in {"PIP_VERSION", "PIP_HELP"}:
            yield _normal(key[4:]), value, key


def _normal(name: str) -> str:
    name = name.lower().replace("_", "-")
    return name.removeprefix("--")


def _given(name: str, value: str, where: str) -> Iterator[tuple[Given, str]]:
    option = NAMED[name]
    if option.name == "no-cache-dir":
        _truth(value, name, where)
        yield Given(option), where  # pip takes even a false value for "no cache"
    elif option.kind in {Kind.FLAG, Kind.OFF}:
        if _truth(value, name, where) is (option.kind is Kind.FLAG):
            yield Given(option), where
    elif option.kind is Kind.COUNT:
        for _ in range(_number(value, name, where)):
            yield Given(option), where
    elif option.kind is Kind.LIST:
        for part in value.split():
            yield Given(option, part), where
    else:
        yield Given(option, value), where


def _truth(value: str, name: str, where: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise UsageError(f"{name} must be a boolean such as true or false", where=where)


def _number(value: str, name: str, where: str) -> int:
    if value.lower() in _TRUE | _FALSE and not value.isdigit():
        return int(value.lower() in _TRUE)
    if not value.isascii() or not value.isdigit() or len(value) > 2:
        raise UsageError(f"{name} must be a small number", where=where)
    return int(value)
