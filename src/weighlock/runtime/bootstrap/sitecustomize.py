"""Starts the guard in children: this folder is put on ``PYTHONPATH`` by `weighlock run` and by an active guard.

Python imports only one ``sitecustomize``, so the one that this file hides is loaded afterwards.
"""

import os
import sys


def _start() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
    bound = "WEIGHLOCK_ORG_POLICY" in os.environ or os.path.lexists("/etc/weighlock")
    if os.environ.get("WEIGHLOCK_MODE") == "off" and not bound:
        return
    try:
        location = os.path.dirname(os.path.dirname(os.path.dirname(folder)))
        sys.path.insert(0, location)
        try:
            from weighlock.runtime import start
        finally:
            sys.path.remove(location)
        start()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the program must not run unguarded
        try:
            os.write(2, f"weighlock: the guard cannot start: {error!a}\n".encode())
        finally:
            os._exit(2)


def _load_hidden() -> None:
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401 - its import is its effect; this one is not on the path any more
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


_start()
_load_hidden()
