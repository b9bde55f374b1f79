"""A slice of the matrix of loaders, and the document that the whole of it writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.loaders.__main__ import WITHOUT_ROWS
from tests.loaders.matrix import NO_GUARD, Column, rows, run

ROOT = Path(__file__).parent.parent
HOOKS = {path.stem for path in (ROOT / "src" / "weighlock" / "runtime" / "hooks").glob("[!_]*.py")}
QUICK = [row for row in rows() if not row.slow and "pandas" not in row.name and "joblib" not in row.name]
COLUMNS = [
    NO_GUARD,
    Column("early", "plain"),
    Column("late", "plain"),
    Column("late", "fork"),
    Column("early", "spawn"),
]


@pytest.mark.e2e
def test_a_slice_of_the_matrix_refuses_every_payload_and_each_is_real(tmp_path):
    for name, answers in run(QUICK, COLUMNS, tmp_path).items():
        assert answers.pop(str(NO_GUARD)) == "ran", name
        assert set(answers.values()) == {"refused"}, name


def test_the_document_has_every_loader_and_no_cell_in_which_a_payload_ran():
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    table = [line.split(" | ") for line in text.splitlines() if re.match(r"\| .* \| `\w+` \|", line)]
    cells = {line[0].removeprefix("| "): line[2:] for line in table if len(line) > 2}
    assert [name for name in (row.name for row in rows()) if name not in cells] == [], "run make coverage"
    for row in rows():
        control, *guarded = cells[row.name]
        assert row.never or control == "ran", row.name
        assert all(re.fullmatch(r"refused( \|)?|not applicable, because .+", cell) for cell in guarded), row.name


def test_every_hook_has_a_row_or_a_reason():
    assert {row.hook for row in rows()} | set(WITHOUT_ROWS) == HOOKS
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert [hook for hook in sorted(HOOKS) if f"`{hook}`" not in text] == []
