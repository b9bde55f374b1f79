"""A child that is killed while it writes down what it covered costs its own lines, and not the report."""

from __future__ import annotations

import pytest
from coverage import CoverageData

from tests.measured import drop_torn

PAGE = 4096


@pytest.fixture
def data(tmp_path):
    measured = CoverageData(str(tmp_path / ".coverage"), suffix="pid1.whole")
    measured.add_arcs({f"/project/{number}.py": [(line, line + 1) for line in range(500)] for number in range(40)})
    measured.close(force=True)
    return tmp_path / ".coverage"


def test_a_file_that_is_torn_at_any_page_is_dropped_and_no_other(data):
    (whole,) = data.parent.iterdir()
    pages = [whole.read_bytes()[start : start + PAGE] for start in range(0, whole.stat().st_size, PAGE)]
    torn = {f".coverage.torn-{n}": b"".join([*pages[:n], b"\xff" * PAGE, *pages[n + 1 :]]) for n in range(len(pages))}
    torn |= {".coverage.begun": b"", ".coverage.short": b"".join(pages[:-3]), ".coverage.text": b"!coverage\n"}
    for name, content in torn.items():
        whole.with_name(name).write_bytes(content)
    assert drop_torn(data) == sorted(torn)
    assert [file.name for file in data.parent.iterdir()] == [whole.name]
    kept = CoverageData(str(whole))
    kept.read()
    assert len(kept.measured_files()) == 40


def test_the_report_itself_and_files_of_others_are_left_alone(data):
    for name in (".coverage", "coverage.xml", ".coveragerc"):
        data.with_name(name).write_bytes(b"not a database")
    assert drop_torn(data) == []
    assert {".coverage", "coverage.xml", ".coveragerc"} <= {file.name for file in data.parent.iterdir()}
