"""weighlock: nothing is installed or loaded before it was judged, and what was judged is what gets in.

This package imports nothing at start-up, because it is imported by every guarded interpreter.
Public names are resolved on first use.
"""

__version__ = "0.1.0"

SITE_FOLDER = "/etc/weighlock"
"""Holds an organisation's policy. Not platformdirs' folder, which an environment can move."""

_PUBLIC = {
    "activate": "weighlock.runtime",
    "deactivate": "weighlock.runtime",
    "LoadRefused": "weighlock.errors",
    "WeighlockError": "weighlock.errors",
}


def __getattr__(name: str) -> object:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'weighlock' has no attribute {name!r}")
    __import__(module)
    import sys

    return getattr(sys.modules[module], name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
