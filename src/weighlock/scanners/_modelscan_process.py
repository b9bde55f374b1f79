"""The process in which modelscan works: reads a path from each line, writes its answer as a line of JSON.

``python -m weighlock.scanners._modelscan_process``. What modelscan prints, and what it imports on the way, stays here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any


def main() -> int:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    from modelscan.modelscan import ModelScan

    for line in sys.stdin:
        answers.write(json.dumps(_answer(ModelScan, json.loads(line))) + "\n")
        answers.flush()
    return 0


def _answer(kind: Any, path: str) -> dict[str, Any]:
    try:
        found = kind().scan(path)
    except Exception as error:  # noqa: BLE001 - whatever ends it is the answer
        return {"failure": f"{type(error).__name__}: {error}"}
    summary = found["summary"]
    return {
        "scanned": summary["scanned"].get("scanned_files", []),
        "skipped": summary["skipped"].get("skipped_files", []),
        "issues": found["issues"],
        "errors": found["errors"],
    }


if __name__ == "__main__":
    sys.exit(main())
