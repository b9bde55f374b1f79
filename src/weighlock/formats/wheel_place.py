"""Where an installer puts the members of a wheel, and what Python would import them as."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Below the prefix, as the schemes of sysconfig and of distributions have it.
_LIBRARY = re.compile(
    r"(?:local/)?(?:lib(?:32|64)?/(?:python[0-9.]+t?|pypy[0-9.]+)/|Lib/|lib/python3/)(?:site|dist)-packages/(?P<path>.+)",
    re.IGNORECASE,
)
_STANDARD_LIBRARY = re.compile(
    r"(?:local/)?(?:lib(?:32|64)?/(?:python[0-9.]+t?|pypy[0-9.]+)/|Lib/)(?P<path>.+)", re.IGNORECASE
)
_MODULE = re.compile(r"(?P<name>[^./]+)(?:\.(?:pyc?|pyw)|(?:\.[^/]*)?\.(?:so|pyd|dylib))\Z", re.IGNORECASE)
_SCHEMES = frozenset({"purelib", "platlib", "scripts", "headers", "data"})

GENERIC = frozenset(
    "benchmark benchmarks bin common config core doc docs example examples helpers lib misc samples script scripts src "
    "test testing tests tools util utils".split()
)
"""Top names that belong to nobody."""

_NATIVE = re.compile(r"\.(?:so(?:\.[0-9.]+)?|pyd|dll|dylib|exe)\Z", re.IGNORECASE)
_CODE = re.compile(r"\.(?:py|pyw|pyc|pyo|pth|start|sh|bat|cmd|ps1)\Z", re.IGNORECASE)


def is_native(name: str) -> bool:
    """Tell whether a file is called like a shared library or a program."""
    return _NATIVE.search(name) is not None


def is_code(name: str) -> bool:
    """Tell whether a file is called like something that is run."""
    return _CODE.search(name) is not None or is_native(name)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member is installed.

    Args:
        scheme: ``purelib``, ``platlib``, ``scripts``, ``headers`` or ``data`` (the prefix); ``root`` for what stands
            outside of a ``.data`` folder and goes to purelib or platlib; ``unknown`` for any other in a ``.data`` one.
        path: Below the folder of that scheme.
    """

    scheme: str
    path: str

    @property
    def library(self) -> str | None:
        """The path below site-packages, however it gets there."""
        if self.scheme in {"root", "purelib", "platlib"}:
            return self.path
        match = _LIBRARY.match(self.path) if self.scheme == "data" else None
        return match["path"] if match else None

    @property
    def standard_library(self) -> str | None:
        """The path below the folder of the standard library of the prefix that it is installed into."""
        if self.scheme != "data" or self.library is not None:
            return None
        match = _STANDARD_LIBRARY.match(self.path)
        return match["path"] if match else None

    @property
    def startup(self) -> str | None:
        """The path below a folder in which Python looks for files that it reads at its start."""
        # On Windows the prefix itself is such a folder.
        return self.path if self.scheme == "data" and "/" not in self.path else self.library

    @property
    def script(self) -> str | None:
        """The name of the command that it becomes."""
        if self.scheme == "scripts":
            return self.path
        folder, _, name = self.path.partition("/")
        return name if self.scheme == "data" and folder.lower() in {"bin", "scripts"} and name else None

    @property
    def top_level(self) -> str | None:
        """The name that can be imported, of the module or of the folder that it lies in."""
        path = self.library
        if path is None:
            return None
        folder, slash, _ = path.partition("/")
        if slash:
            return folder if folder.isidentifier() else None
        match = _MODULE.match(path)
        return match["name"] if match else None

    @property
    def key(self) -> str:
        """The path in the form of `weighlock.formats.record.owner_key`."""
        if self.library is not None:
            return self.library
        if self.script is not None:
            return command_key(self.script)
        return f"../{self.path}"

    @property
    def replaces(self) -> tuple[str, ...]:
        """The `key` of everything that it takes the place of: of a file there, and of modules that it comes before.

        Source:
            ``importlib.machinery.FileFinder``: in one folder a package is found before a module of its name, and native
            code before source.
        """
        folder, slash, name = self.key.rpartition("/")
        match = _MODULE.match(name)
        if match is None:
            return (self.key,)
        found = [self.key]
        if _NATIVE.search(name):
            found.append(f"{folder}{slash}{match['name']}.py")
        if match["name"] == "__init__" and folder:
            found.append(f"{folder}.py")
        return tuple(dict.fromkeys(found))


def command_key(name: str) -> str:
    """Return the `Place.key` of a command, also of one that an installer makes of an entry point."""
    return f"../bin/{name}"


def place_of(name: str) -> Place:
    """Return where a file of a wheel is installed.

    Args:
        name: Of the member, with ``/``.

    Source:
        The binary distribution format, "The .data directory"; pip takes any top folder that ends with ``.data``.
    """
    top, _, rest = name.partition("/")
    if not rest or not top.endswith(".data"):
        return Place("root", name)
    scheme, _, path = rest.partition("/")
    if scheme not in _SCHEMES or not path:
        return Place("unknown", rest)
    return Place(scheme, path)
