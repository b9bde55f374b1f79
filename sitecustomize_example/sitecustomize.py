"""Switches the weighlock guard on in every interpreter that finds this file on its path.

Copy it to a folder on ``PYTHONPATH``, or into ``site-packages`` of an environment that has weighlock. Merge it with
the ``sitecustomize.py`` that is there already: Python imports only the first one.

Python prints an error in ``sitecustomize`` and runs the program all the same, so this file ends the process itself.
"""

# ruff: noqa: INP001 - it is copied from here, and never imported from this folder
import os

if os.environ.get("WEIGHLOCK_MODE") != "off":
    try:
        from weighlock.runtime import start

        start()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the program must not run unguarded
        try:
            os.write(2, f"weighlock: the guard cannot start: {error!a}\n".encode())
        finally:
            os._exit(2)
