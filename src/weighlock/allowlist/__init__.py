"""The exact allowlist: every name that plain data needs, how it may be called, and profiles of further names.

A room of its own because the checks and the runtime guard both ask it. It holds no prefixes: libraries whose
data is harmless also hold functions that are not.
"""

from __future__ import annotations

import _compat_pickle
import os
from functools import cache

from weighlock.allowlist import numpy, pandas, python, torch, torch_distributed
from weighlock.allowlist.dangerous import STANDARD_LIBRARY, is_dangerous
from weighlock.allowlist.trace import Role

ENTRIES = {**python.ENTRIES, **numpy.ENTRIES, **torch.ENTRIES, **torch_distributed.ENTRIES, **pandas.ENTRIES}
STATES = {**python.STATES, **numpy.STATES, **torch.STATES, **pandas.STATES}

_PROFILES = os.path.join(os.path.dirname(__file__), "profiles")
PROFILES = tuple(sorted(name.removesuffix(".txt") for name in os.listdir(_PROFILES) if name.endswith(".txt")))

__all__ = ["ENTRIES", "PROFILES", "STATES", "Role", "is_data", "is_harmless", "names_of", "profile", "role"]


def role(module: str, name: str) -> Role | None:
    """Return what the allowlist says of a name of Python 3, or ``None`` where a person has to approve it."""
    full = f"{module}.{name}"
    if full in ENTRIES:
        return Role.DATA
    return Role.DANGEROUS if is_dangerous(full) else None


def is_data(module: str, name: str, *, legacy: bool = False) -> bool:
    """Tell whether plain data needs the name.

    Args:
        module: As written in the stream.
        name: As written in the stream.
        legacy: The stream may be of a protocol below 3, so that Python 2 names are mapped.
    """
    return all(full in ENTRIES for full in names_of(module, name, legacy=legacy))


def is_harmless(module: str, name: str) -> bool:
    """Tell whether a name of Python 3 does no harm however a pickle uses it."""
    return f"{module}.{name}" in python.HARMLESS


def names_of(module: str, name: str, *, legacy: bool) -> tuple[str, ...]:
    """Return every ``module.name`` that an unpickler could resolve a name of a stream to.

    Below protocol 3 unpicklers map the names of Python 2, unless they are told not to. The unmapped name counts
    as well where Python 3 has a module of that name.

    Source:
        ``Lib/_compat_pickle.py``; ``Unpickler.find_class``.
    """
    raw = f"{module}.{name}"
    if not legacy:
        return (raw,)
    if (module, name) in _compat_pickle.NAME_MAPPING:
        mapped = ".".join(_compat_pickle.NAME_MAPPING[module, name])
    elif module in _compat_pickle.IMPORT_MAPPING:
        mapped = f"{_compat_pickle.IMPORT_MAPPING[module]}.{name}"
    else:
        return (raw,)
    return (mapped, raw) if module.split(".", maxsplit=1)[0] in _MODERN else (mapped,)


@cache
def profile(name: str) -> frozenset[str]:
    """Return the exact names of a profile.

    Raises:
        KeyError: There is no such profile.
    """
    if name not in PROFILES:
        raise KeyError(name)
    with open(os.path.join(_PROFILES, f"{name}.txt"), encoding="utf-8") as file:
        lines = [line.partition("#")[0].strip() for line in file]
    return frozenset(line for line in lines if line)


# Modules that only Python 2 had: an unmapped import of them fails.
_MODERN = STANDARD_LIBRARY - {
    "__builtin__", "commands", "copy_reg", "cPickle", "cStringIO", "StringIO", "popen2", "posixfile", "new",
    "sets", "user", "exceptions", "dl", "compiler", "bsddb", "anydbm", "whichdb", "dumbdbm", "dbhash", "gdbm",
    "urllib2", "urlparse", "httplib", "thread", "Queue", "SocketServer", "BaseHTTPServer", "SimpleHTTPServer",
    "CGIHTTPServer", "xmlrpclib", "SimpleXMLRPCServer", "DocXMLRPCServer",
}  # fmt: skip
