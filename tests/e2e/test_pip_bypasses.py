"""Nothing of a package runs before the verdict, under the oldest pip that is supported and under that of today."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import matrix, pip_matrix
from tests.e2e.pip_bypasses import Way, Workbench, failures
from weighlock.demo.index import LoopbackIndex
from weighlock.sources.pip.no_build import OLDEST

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with LoopbackIndex() as index:
        bench = Workbench(tmp_path_factory.mktemp("newest"), index)
        yield bench
        bench.close()


def test_no_way_runs_anything(bench: Workbench):
    assert failures(bench) == []


def test_no_way_runs_anything_under_the_oldest_pip(tmp_path: Path):
    assert pip_matrix.VERSIONS[0] == str(OLDEST)
    try:
        pip = pip_matrix.provide(str(OLDEST))
    except matrix.NoIndexError as error:
        pytest.skip(str(error))
    with LoopbackIndex() as index:
        bench = Workbench(tmp_path, index, pip)
        assert failures(bench, ask=False) == []
        bench.close()
        assert bench.ask(Way("a wheel", ["plain"])) == "plain==1.0"


def test_plain_pip_does_run_them_so_that_the_marker_proves_something(bench: Workbench):
    assert bench.plain(Way("the URL of an sdist", [f"marker @ {bench.url}"]))
    assert bench.plain(Way("a wheel that needs a URL", ["--only-binary=:all:", "leads-to-url"]))
