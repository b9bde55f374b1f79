"""The Hub tests under the generations of huggingface_hub that are not in this environment."""

from __future__ import annotations

from importlib.metadata import version as installed_version

import pytest

from tests.e2e import matrix

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

OTHERS = [version for version in matrix.VERSIONS if version != installed_version("huggingface_hub")]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", OTHERS)
def test_the_guard_holds_under(version):
    # The rest of them is for `make matrix`: it takes minutes.
    wanted = "test_hub or test_huggingface_hub or tampered_cache"
    try:
        done = matrix.run(version, "--quiet", "-p", "no:cacheprovider", "-k", wanted)
    except matrix.NoIndexError as error:
        pytest.skip(str(error))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


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
