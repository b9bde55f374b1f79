"""`torch.hub` under the guard: Python files of a locked folder only, downloads that were judged only."""

from __future__ import annotations

import hashlib
import importlib
import os
import py_compile
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch.hub import load as early_load
from torch.utils import model_zoo

from tests.runtime.hooks.torch_files import save
from weighlock.errors import LoadRefused
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource

pytestmark = pytest.mark.filterwarnings("ignore")

HUBCONF = """\
from hub_parts.answers import ANSWER

def model(n=0):
    "A model."
    return ANSWER + n

def lazy():
    from hub_parts import later
    return later.VALUE
"""
PARTS = {"hub_parts/__init__.py": "", "hub_parts/answers.py": "ANSWER = 41\n", "hub_parts/later.py": "VALUE = 5\n"}


@pytest.fixture
def repository(bench):
    folder = bench.folder / "repository"
    for name, text in {"hubconf.py": HUBCONF, **PARTS}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    yield folder
    for name in [name for name in sys.modules if name.startswith("hub_parts")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def lock(bench, folder, *, remote_code=True, left_out=()):
    files = tuple(
        LockedFile(
            path=str(path.relative_to(folder)), size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*.py")) if path.name not in left_out
    )  # fmt: skip
    model = LockedModel(name="repository", source=PathSource(path="repository"), remote_code=remote_code, files=files)
    bench.guard()
    (bench.folder / "models.lock").write_text(Lockfile(models=(model,)).dumps())


def marking(bench):
    return f"open({str(bench.marker)!r}, 'w').close()\n"


def local(folder, name="model", *args):
    return torch.hub.load(str(folder), name, *args, source="local")


def test_a_locked_folder_with_remote_code_loads(bench, repository):
    lock(bench, repository)
    assert local(repository, "model", 1) == 42
    assert early_load("repository", "lazy", source="local") == 5
    assert not list(repository.rglob("*.pyc"))


@pytest.mark.parametrize("locked", ["not at all", "without remote code"])
def test_a_folder_that_may_not_run_code_is_refused_with_the_way_to_allow_it(bench, repository, locked):
    (repository / "hubconf.py").write_text(marking(bench))
    if locked == "without remote code":
        lock(bench, repository, remote_code=False)
    bench.policy('unlocked = "inspect"\n')
    if locked == "not at all":
        bench.guard()
    with pytest.raises(LoadRefused, match=r"weighlock lock .*repository --remote-code"):
        local(repository)
    assert not bench.marker.exists()


@pytest.mark.parametrize("name", ["hubconf.py", "hub_parts/answers.py", "hub_parts/later.py"])
def test_a_tampered_python_file_is_not_executed(bench, repository, name):
    lock(bench, repository)
    with open(repository / name, "a") as file:
        file.write(marking(bench))
    with pytest.raises(LoadRefused):
        local(repository, "lazy")
    assert not bench.marker.exists()


def test_a_python_file_that_is_not_locked_is_not_executed(bench, repository):
    (repository / "hub_parts/later.py").write_text(marking(bench))
    lock(bench, repository, left_out=("later.py",))
    assert local(repository, "model") == 41
    with pytest.raises(LoadRefused, match="not the file that the lockfile has"):
        local(repository, "lazy")
    assert not bench.marker.exists()


def test_a_module_put_before_another_is_not_executed(bench, repository):
    lock(bench, repository)
    shutil.copytree(repository / "hub_parts", repository / "hub_parts/answers")
    (repository / "hub_parts/answers/__init__.py").write_text(marking(bench))
    with pytest.raises(LoadRefused):
        local(repository)
    assert not bench.marker.exists()


def test_a_compiled_cache_and_a_compiled_module_are_not_executed(bench, repository):
    lock(bench, repository)
    evil = bench.folder / "evil.py"
    evil.write_text(marking(bench))
    source = repository / "hub_parts/answers.py"
    cache = Path(importlib.util.cache_from_source(str(source)))
    compiled = py_compile.compile(
        str(evil), cfile=str(cache), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    shutil.copy(compiled, repository / "torchaudio_of_mine.pyc")
    assert local(repository) == 41
    with pytest.raises(ImportError), torch.hub._add_to_sys_path(str(repository)):
        importlib.import_module("torchaudio_of_mine")
    assert not bench.marker.exists()


def test_a_github_repository_in_the_cache_is_refused_unless_locked(bench, repository, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(bench.folder / "home"))
    cached = bench.folder / "home/hub/org_repo_main"
    shutil.copytree(repository, cached)
    bench.guard()
    for call in (
        lambda: torch.hub.load("org/repo:main", "model", trust_repo=True),
        lambda: torch.hub.list("org/repo:main", trust_repo=True),
        lambda: torch.hub.help("org/repo:main", "model", trust_repo=True),
    ):
        with pytest.raises(LoadRefused, match="--remote-code"):
            call()
    import weighlock.runtime

    weighlock.runtime.uninstall()
    lock(bench, cached)
    assert torch.hub.load("org/repo:main", "model", trust_repo=True) == 41
    assert torch.hub.help("org/repo:main", "model", trust_repo=True) == "A model."


def test_downloads_are_judged_before_they_have_their_name(bench):
    save("listed.pt")
    save("unlisted.pt", 1)
    bench.lock("listed.pt", outcome="data-only")
    bench.guard()
    url = f"file://{bench.folder}"
    torch.hub.download_url_to_file(f"{url}/listed.pt", "here.pt", progress=False)
    assert Path("here.pt").read_bytes() == Path("listed.pt").read_bytes()
    with pytest.raises(LoadRefused, match=r"weighlock lock file://.*unlisted\.pt|not-in-lock"):
        torch.hub.download_url_to_file(f"{url}/unlisted.pt", "there.pt", progress=False)
    assert sorted(os.listdir()) == ["here.pt", "listed.pt", "models.lock", "unlisted.pt", "weighlock.toml"]


def test_weights_by_url_load_where_they_are_locked(bench):
    save("listed.pt")
    save("unlisted.pt", 1)
    bench.lock("listed.pt", outcome="data-only")
    bench.guard()
    for load in (torch.hub.load_state_dict_from_url, model_zoo.load_url):
        loaded = load(f"file://{bench.folder}/listed.pt", model_dir="cache", progress=False)
        assert torch.equal(loaded["w"], torch.zeros(4))
        with pytest.raises(LoadRefused):
            load(f"file://{bench.folder}/unlisted.pt", model_dir="cache", progress=False)
    shutil.copy("unlisted.pt", "cache/listed.pt")  # what the cache has is judged again when it is loaded
    with pytest.raises(LoadRefused):
        torch.hub.load_state_dict_from_url(f"file://{bench.folder}/listed.pt", model_dir="cache", progress=False)


def test_taking_the_guard_back_lets_python_find_everything_again(bench, repository):
    import weighlock.runtime

    lock(bench, repository)
    assert local(repository) == 41
    weighlock.runtime.uninstall()
    (repository / "hub_parts/later.py").write_text("VALUE = 6\n")
    assert local(repository, "lazy") == 6
