"""The last step installs the judged bytes and nothing else, and leaves what plain pip leaves."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sources.pip.conftest import ALPHA, BETA, GAMMA, OLD_ALPHA, judged, put
from weighlock.demo.packages import marking, wheel
from weighlock.errors import AdmissionError, DigestMismatchError, SourceError, UsageError
from weighlock.sources.pip.install import install, isolated
from weighlock.sources.pip.interface import PipRequest

pytestmark = pytest.mark.e2e


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_the_environment_is_what_plain_pip_leaves_file_by_file(environment, quarantine, package_index):
    venv = environment()
    for package in (ALPHA, BETA, GAMMA, OLD_ALPHA):
        package_index.add(package)
    url = package_index.file_url(GAMMA)
    for step in (["alpha==0.9"], ["alpha==1.0", f"gamma @ {url}"]):
        done = venv.plain_pip("install", "--no-cache-dir", "--index-url", package_index.url(), *step)
        assert done.returncode == 0, done.stderr
    plain = venv.content()
    info = json.loads((venv.packages / "gamma-3.0.dist-info" / "direct_url.json").read_text())  # as in pip's report
    shutil.rmtree(venv.folder)
    ours = environment()  # in the same place, which scripts and their digests have in them
    put(ours, [judged(OLD_ALPHA, quarantine, requested=True)], quarantine)
    wheels = [
        judged(ALPHA, quarantine, requested=True, extras=("fast",)),
        judged(BETA, quarantine),
        judged(GAMMA, quarantine, requested=True, direct_url=info),
    ]
    (quarantine / "again").mkdir()
    done = put(ours, wheels, quarantine / "again")
    assert ours.content() == plain
    assert "Successfully installed" in done.output
    assert not (ours.packages / "Beta-2.0.dist-info" / "REQUESTED").exists()


def test_a_target_is_what_plain_pip_leaves(environment, quarantine, package_index, tmp_path):
    venv = environment()
    for package in (ALPHA, BETA, OLD_ALPHA):
        package_index.add(package)
    options = ["install", "--no-cache-dir", "--index-url", package_index.url(), "--target"]
    for step in (["beta"], ["alpha==0.9", "beta"], ["alpha==1.0", "beta", "--upgrade"]):
        assert venv.plain_pip(*options, str(tmp_path / "plain"), *step).returncode == 0
    for number, (packages, installing) in enumerate((((), ()), ((OLD_ALPHA,), ()), ((ALPHA,), ("--upgrade",)))):
        folder = quarantine / str(number)
        folder.mkdir()
        wheels = [judged(package, folder, requested=True) for package in (*packages, BETA)]
        put(venv, wheels, folder, "--target", str(tmp_path / "ours"), *installing)
    ours, plain = (type(venv)(tmp_path / name).content() for name in ("ours", "plain"))
    assert {name: body for name, body in ours.items() if body} == {name: body for name, body in plain.items() if body}


@pytest.mark.parametrize("what", ["folder", "link"])
def test_code_that_lies_in_a_target_is_not_taken_for_the_judged_package(what, environment, quarantine, tmp_path):
    venv, target, elsewhere = environment(), tmp_path / "target", tmp_path / "elsewhere"
    (elsewhere if what == "link" else target / "alpha").mkdir(parents=True)
    if what == "link":
        target.mkdir()
        (target / "alpha").symlink_to(elsewhere)
    before = sorted(target.rglob("*"))
    with pytest.raises(UsageError, match="alpha is in that folder already"):
        put(venv, [judged(ALPHA, quarantine), judged(BETA, quarantine)], quarantine, "--target", str(target))
    assert sorted(target.rglob("*")) == before
    assert not any(elsewhere.iterdir() if what == "link" else ())


def test_a_wheel_changed_after_it_was_judged_is_not_installed(environment, quarantine):
    venv = environment()
    before = venv.content()
    wheels = [judged(ALPHA, quarantine), judged(BETA, quarantine)]
    evil = wheel("Beta", "2.0", {"beta/__init__.py": marking(str(quarantine / "marker"))})
    wheels[1].path.write_bytes(evil.data)
    with pytest.raises(DigestMismatchError):
        put(venv, wheels, quarantine)
    assert venv.content() == before


def test_a_wheel_changed_after_the_last_look_is_refused_by_pip(environment, quarantine, monkeypatch):
    from weighlock.sources.pip.install import Pip

    venv = environment()
    before = venv.content()
    work = Pip.work

    def tampering(self, hold):
        path = quarantine / "judged" / BETA.filename
        path.unlink()
        path.write_bytes(wheel("Beta", "2.0", {"beta/evil.py": "x = 1\n"}).data)
        return work(self, hold)

    monkeypatch.setattr(Pip, "work", tampering)
    with pytest.raises(DigestMismatchError, match="changed after it was judged"):
        put(venv, [judged(ALPHA, quarantine), judged(BETA, quarantine)], quarantine)
    assert venv.content() == before


def test_variables_and_configuration_of_an_attacker_do_not_reach_pip(
    environment, quarantine, package_index, tmp_path, monkeypatch
):
    venv = environment()
    evil = package_index.add(wheel("beta", "9.9"))
    (tmp_path / "pip.conf").write_text(f"[install]\ntarget = {tmp_path / 'elsewhere'}\nno-binary = :all:\n")
    (tmp_path / "constraints.txt").write_text(f"beta @ {package_index.file_url(evil)}\n")
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "sitecustomize.py").write_text(marking(str(tmp_path / "marker")))
    for name, value in {
        "PIP_INDEX_URL": package_index.url(),
        "PIP_EXTRA_INDEX_URL": package_index.url(),
        "PIP_FIND_LINKS": package_index.url() + "beta/",
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_PREFIX": str(tmp_path / "elsewhere"),
        "PIP_PYTHON": "/bin/false",
        "PIP_CONSTRAINT": str(tmp_path / "constraints.txt"),
        "PIP_REQUIREMENT": str(tmp_path / "constraints.txt"),
        "PIP_NO_INDEX": "0",
        "PIP_REQUIRE_HASHES": "0",
        "pip_target": str(tmp_path / "elsewhere"),
        "PYTHONPATH": str(tmp_path / "evil"),
        "PYTHONHOME": str(tmp_path / "evil"),
    }.items():
        monkeypatch.setenv(name, value)
    put(venv, [judged(BETA, quarantine, requested=True)], quarantine)
    assert "Beta-2.0.dist-info" in _names(venv.packages)
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "marker").exists()
    assert package_index.paths() == []


def test_modules_of_the_current_folder_are_not_imported(environment, quarantine, tmp_path, monkeypatch):
    venv = environment()
    for name in ("json", "pip", "tempfile", "runpy", "fcntl"):
        (tmp_path / f"{name}.py").write_text(marking(str(tmp_path / "marker")))
    monkeypatch.chdir(tmp_path)
    put(venv, [judged(BETA, quarantine)], quarantine)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "path",
    ["../evil.py", "/tmp/evil.py", "a/../../evil.py", ".weighlock-install/journal.json", "x-1.data/nowhere/a",
     "x-1.data/purelib/.Weighlock-Install/journal.json", "C:/evil.py", "a\\..\\..\\evil.py"],
)  # fmt: skip
def test_a_wheel_that_writes_outside_or_into_the_journal_is_refused(path, environment, quarantine):
    venv = environment()
    before = venv.content()
    with pytest.raises(AdmissionError):
        put(venv, [judged(wheel("x", "1", [(path, "x = 1\n")]), quarantine)], quarantine)
    assert venv.content() == before


def test_a_script_that_leaves_its_folder_is_refused(environment, quarantine):
    venv = environment()
    package = wheel("x", "1", dist_info={"entry_points.txt": "[console_scripts]\n../../evil = x:y\n"})
    with pytest.raises(AdmissionError):
        put(venv, [judged(package, quarantine)], quarantine)


def test_a_failing_pip_is_one_line_and_changes_nothing(environment, quarantine):
    venv = environment()
    put(venv, [judged(OLD_ALPHA, quarantine)], quarantine)
    before = venv.content()
    (quarantine / "again").mkdir()
    wrong = wheel("beta", "2.0", tag="cp27-cp27m-win32")
    with pytest.raises(SourceError, match="could not install"):
        put(venv, [judged(ALPHA, quarantine), judged(wrong, quarantine)], quarantine / "again")
    assert venv.content() == before


def test_a_file_that_is_no_wheel_is_refused(environment, quarantine):
    package = replace(BETA, data=b"not a zip")
    with pytest.raises(SourceError.__mro__[1], match="not a wheel"):
        put(environment(), [judged(package, quarantine)], quarantine)


def test_a_pip_that_does_not_understand_is_no_pip(environment, quarantine):
    with pytest.raises(SourceError, match="cannot say where"):
        put(environment(), [judged(BETA, quarantine)], quarantine, "--no-such-option")


def test_an_interpreter_that_is_not_there(quarantine):
    with pytest.raises(UsageError):
        install([judged(BETA, quarantine)], PipRequest(python="/no/such/python", resolving=()), quarantine)


def test_without_any_pip_nothing_is_done(environment, quarantine, monkeypatch):
    monkeypatch.setattr("weighlock.sources.pip.install.own_pip", lambda: None)
    with pytest.raises(SourceError, match="No module named"):
        put(environment(), [judged(BETA, quarantine)], quarantine)


def test_nothing_to_install_starts_nothing(quarantine):
    assert install([], PipRequest(python="/no/such/python", resolving=()), quarantine).output == ""


def test_what_says_where_the_user_keeps_packages_stays():
    kept = isolated({"PYTHONUSERBASE": "/u", "PYTHONPATH": "/p", "PIP_X": "1", "HOME": "/h"}, Path("/q"))
    assert kept == {
        "PYTHONUSERBASE": "/u", "HOME": "/h", "PIP_CONFIG_FILE": os.devnull, "WEIGHLOCK_MODE": "off", "TMPDIR": "/q"
    }  # fmt: skip


def test_the_same_version_is_installed_again_where_the_resolution_wants_it(environment, quarantine):
    venv = environment()
    put(venv, [judged(BETA, quarantine)], quarantine)
    module = venv.packages / "Beta" / "__init__.py"
    module.write_text("changed = 1\n")
    (quarantine / "again").mkdir()
    put(venv, [judged(BETA, quarantine)], quarantine / "again")
    assert "changed" not in module.read_text()
