"""A sample of the matrix of library versions.

The suite runs, under each huggingface_hub that this environment does not have, the tests of its hooks and of the
source that locks from it; under the oldest one also a model of transformers from a tampered cache; and the tests of
safetensors under its oldest version. That takes about a minute of one core. `make matrix` runs the rest: all tests that
are marked ``hub`` under each huggingface_hub, the tests of safetensors under each version, and the look at the choke
points in the wheels of still other versions of every library.
"""

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

from tests.e2e import matrix

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

OTHERS = [version for version in matrix.VERSIONS if version != installed_version("huggingface_hub")]
HOOKS = [
    "tests/runtime/hooks/test_huggingface_hub.py",
    "tests/runtime/hooks/test_huggingface_hub_files.py",
    "tests/runtime/hooks/test_huggingface_hub_repositories.py",
    "tests/sources/test_hub.py",
]
TAMPERED = "test_a_locked_repository_loads_and_its_tampered_cache_is_refused and bert and not pickled"


def passed(run):
    try:
        done = run("--quiet", "-p", "no:cacheprovider")
    except matrix.NoIndexError as error:
        pytest.skip(str(error))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "failed" not in done.stdout
    return True


@pytest.mark.parametrize("version", OTHERS)
def test_the_hooks_hold_under(version):
    assert passed(lambda *options: matrix.run(version, *options, files=HOOKS))


def test_a_tampered_cache_is_refused_under_the_oldest_version():
    files = ["tests/e2e/test_transformers.py"]
    assert passed(lambda *options: matrix.run(OTHERS[0], *options, "-k", TAMPERED, files=files))


def test_the_hook_of_safetensors_holds_under_its_oldest_version():
    assert passed(lambda *options: matrix.run_safetensors(matrix.SAFETENSORS[0], *options))


def test_another_version_than_the_one_that_was_asked_for_is_noticed(tmp_path):
    with pytest.raises(RuntimeError, match=r"safetensors 0\.1 is not what is imported"):
        matrix._run("safetensors", "0.1", tmp_path)


def test_no_file_with_tests_for_the_hub_is_left_out():
    names = {Path(path).name for path in matrix.hub_files()}
    assert {"test_remote_code.py", "test_sync.py", "test_hub.py"} <= names
    assert all((matrix.ROOT / file).is_file() for file in HOOKS)


def test_every_generation_is_in_the_matrix():
    assert {version.partition(".")[0] for version in matrix.VERSIONS} == {"0", "1", "2"}


def test_an_absent_index_is_told_from_a_failure(tmp_path, monkeypatch):
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(matrix.NoIndexError):
        matrix.install(("huggingface_hub==0.36.2",), "--no-deps", "--target", str(tmp_path / "new"))
    with pytest.raises(RuntimeError, match="Invalid requirement"):
        matrix.install(("not a requirement",), "--no-deps", "--target", str(tmp_path / "new"))
