"""Runs the matrix: every row in every column, and once without the guard to prove that the payload is real."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tests.loaders.rows
from tests.loaders.row import Row

ROOT = Path(__file__).parent.parent.parent

_LOCKFILE = 'lock-version = "1.0"\ncreated-by = "weighlock"\nmodels = []\n'
_LONGEST = 600


@dataclass(frozen=True)
class Column:
    """One kind of process.

    Args:
        guard: ``none``, or activated ``early`` or ``late``: before or after the libraries were imported and bound.
        process: ``plain``, a child by ``fork`` or ``spawn``, or a ``subinterpreter``.
    """

    guard: str
    process: str

    def __str__(self) -> str:
        return f"{self.process}, {self.guard}" if self.guard != "none" else "no guard"

    @classmethod
    def parse(cls, text: str) -> Column:
        """Read what `words` wrote."""
        return cls(*text.split("/"))

    @property
    def words(self) -> str:
        """The column as one argument."""
        return f"{self.guard}/{self.process}"


NO_GUARD = Column("none", "plain")
COLUMNS = tuple(
    Column(guard, process) for process in ("plain", "fork", "spawn", "subinterpreter") for guard in ("early", "late")
)


def rows() -> tuple[Row, ...]:
    """Return every row, family by family."""
    modules = sorted(module.name for module in pkgutil.iter_modules(tests.loaders.rows.__path__))
    return tuple(row for name in modules for row in importlib.import_module(f"tests.loaders.rows.{name}").ROWS)


def selected(names: Iterable[str]) -> list[Row]:
    """Return the rows with these names, in this order."""
    known = {row.name: row for row in rows()}
    return [known[name] for name in names]


def run(chosen: Iterable[Row], columns: Iterable[Column], folder: Path, jobs: int = 1) -> dict[str, dict[str, str]]:
    """Load each row in each column.

    Args:
        chosen: The rows.
        columns: The columns.
        folder: Where files may be written.
        jobs: How many columns run at once.

    Returns:
        For each row and column (as text), one of ``refused``, ``ran``, or what else happened.
    """
    chosen, columns = list(chosen), list(columns)
    written = folder / "written"
    for row in chosen:
        (written / row.slug).mkdir(parents=True)
        row.write(row.marker, written / row.slug)
    with ThreadPoolExecutor(jobs) as pool:
        answers = pool.map(lambda column: _column(column, chosen, written, folder), columns)
        found = dict(zip(map(str, columns), answers, strict=True))
    return {row.name: {name: found[name].get(row.name, "no answer") for name in found} for row in chosen}


def _column(column: Column, chosen: list[Row], written: Path, folder: Path) -> dict[str, str]:
    """Run one column: payloads under the weakest policy that enforces, changed bytes under the default."""
    answers: dict[str, str] = {}
    for unlocked in ("inspect", "refuse"):
        names = [row.name for row in chosen if row.locked == (unlocked == "refuse")]
        if names:
            place = folder / f"{column.words.replace('/', '-')}-{unlocked}"
            shutil.copytree(written, place)
            (place / "models.lock").write_text(_LOCKFILE)
            (place / "weighlock.toml").write_text(f'unlocked = "{unlocked}"\n')
            answers |= _child(column, names, place)
    return answers


def _child(column: Column, names: list[str], place: Path) -> dict[str, str]:
    output = place / "answers"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("WEIGHLOCK_", "COV"))}
    environ["PYTHONPATH"] = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    environ |= {"KERAS_BACKEND": "torch", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.loaders.child", column.words, str(output), json.dumps(names)]
    done = subprocess.run(
        command, cwd=place, env=environ, capture_output=True, text=True, timeout=_LONGEST, check=False
    )
    if not output.is_file():
        return dict.fromkeys(names, f"failed: the process ended with {done.returncode}: {done.stderr[-800:]}")
    return dict(json.loads(line) for line in output.read_text().splitlines())
