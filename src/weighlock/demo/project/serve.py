"""Serve a model as a program does that runs for weeks: ``python serve.py FILE`` loads it again and again.

Each line says when a load began, and what came of it.
"""

from __future__ import annotations

import pickle
import sys
import time

_PAUSE = 0.1
"""Seconds between two loads."""


def main() -> None:
    """Load until somebody ends the program; a refusal is told, and does not end it here."""
    while True:
        begin = time.time()
        try:
            with open(sys.argv[1], "rb") as file:
                weights = pickle.load(file)["weights"]
            told = f"loaded {weights}"
        except BaseException as error:  # noqa: BLE001 - a refusal is no `Exception`
            told = f"refused {type(error).__name__}"
        print(f"{begin:.6f} {told}", flush=True)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
