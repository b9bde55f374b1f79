"""Write the corpora to a folder, for people who want to look at the files or to measure: nothing of them is committed.

Run as ``python -m tests.corpus.build FOLDER [benign|classes|malicious ...]``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

CORPORA = ("benign", "classes", "malicious")


def build(folder: Path, corpora: tuple[str, ...] = CORPORA) -> dict[str, int]:
    """Write each corpus to a folder of its name and return how many files each has.

    Args:
        folder: Where to write; created when it is not there.
        corpora: Which of `CORPORA`.
    """
    counts = {}
    for corpus in corpora:
        cases = import_module(f"tests.corpus.{corpus}").cases()
        (folder / corpus).mkdir(parents=True, exist_ok=True)
        for case in cases:
            (folder / corpus / case.name).write_bytes(case.data)
        counts[corpus] = len(cases)
    return counts


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]), tuple(sys.argv[2:]) or CORPORA)}\n")
