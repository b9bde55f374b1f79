"""An organisation's policy on a disk: it binds, or nothing loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import weighlock
from weighlock._cli import main
from weighlock.errors import GuardError, PolicyError
from weighlock.gates.load_settings import find_policy, find_settings, read_locked
from weighlock.gates.project import find_project
from weighlock.runtime import _site

SOURCE = Path(weighlock.__file__).parent.parent


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The folder of the site's policy, in another place: no variable can move it."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setattr(weighlock, "SITE_FOLDER", str(folder))
    return folder / "weighlock.toml"


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("WEIGHLOCK_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def environ(project, **more) -> dict[str, str]:
    return {"WEIGHLOCK_ROOT": str(project), **{name: str(value) for name, value in more.items()}}


def test_the_sites_policy_binds_a_project_without_one(site, project):
    site.write_text('verify = "sealed"\n[install]\nmin-age = "9 days"\n')
    policy, place = find_policy(environ(project))
    assert (policy.verify, policy.install.min_age.days, place) == ("sealed", 9, None)
    assert find_project(environ(project)).policy == policy
    assert find_project(environ(project)).lock == project / "models.lock"


@pytest.mark.parametrize("name", ["weighlock.toml", "pyproject.toml"])
def test_a_project_that_loosens_loads_nothing(site, project, name):
    site.write_text("")
    (project / name).write_text('[tool.weighlock]\nunlocked = "inspect"\n')
    for read in (find_policy, find_settings, find_project):
        with pytest.raises(PolicyError, match=r'unlocked = "inspect" is weaker') as caught:
            read(environ(project))
        assert caught.value.exit_code == 2
        assert str(project / name) in str(caught.value)
        assert str(site) in str(caught.value)


def test_off_in_a_folder_above_and_dotted_keys_loosen_no_less(site, project):
    site.write_text("[tool.weighlock]\ninstall.min-age = '9 days'\n")
    (project.parent / "weighlock.toml").write_text('mode = "off"\n')
    with pytest.raises(PolicyError, match="mode"):
        find_settings(environ(project))
    (project.parent / "weighlock.toml").write_text("tool.weighlock.install.min-age = '3 days'\n")
    with pytest.raises(PolicyError, match="min-age"):
        find_settings(environ(project))


def test_a_policy_that_a_variable_or_an_option_names_is_a_projects(site, project):
    site.write_text("")
    (project / "mine.toml").write_text('mode = "off"\n')
    with pytest.raises(PolicyError, match="mode"):
        find_settings(environ(project, WEIGHLOCK_POLICY=project / "mine.toml"))


@pytest.mark.parametrize("mode", ["warn", "off"])
def test_a_variable_cannot_switch_off_what_the_organisation_enforces(site, project, mode):
    site.write_text("")
    with pytest.raises(
        GuardError, match=f"WEIGHLOCK_MODE is {mode}, and the organisation's policy {site} says enforce"
    ):
        find_settings(environ(project, WEIGHLOCK_MODE=mode))
    site.write_text('delegate = ["mode"]\n')
    (project / "models.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\nmodels = []\n')
    assert find_settings(environ(project, WEIGHLOCK_MODE=mode)).mode == mode


def test_a_variable_cannot_name_another_lockfile_or_ledger(site, project):
    site.write_text('lock = "models.lock"\n[evidence.ledger]\nplace = "/var/lib/corp"\n')
    assert find_settings(environ(project)).lock_path == str(site.parent / "models.lock")
    assert find_settings(environ(project, WEIGHLOCK_LOCK=site.parent / "models.lock"))
    for variable in ("WEIGHLOCK_LOCK", "WEIGHLOCK_LEDGER"):
        with pytest.raises(GuardError, match=variable):
            find_settings(environ(project, **{variable: project / "mine"}))


def test_no_variable_moves_the_sites_policy(site, project, tmp_path):
    site.write_text('verify = "sealed"\n')
    names = ("XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "HOME", "WEIGHLOCK_STATE", "WEIGHLOCK_CACHE", "WEIGHLOCK_POLICY_DIR")
    assert find_policy(environ(project, **dict.fromkeys(names, tmp_path)))[0].verify == "sealed"


def test_a_policy_named_by_a_variable_binds_beside_the_sites(site, project, tmp_path):
    site.write_text('verify = "sealed"\n')
    (tmp_path / "org.toml").write_text('[install]\nlicenses = ["MIT"]\n')
    policy, _ = find_policy(environ(project, WEIGHLOCK_ORG_POLICY=tmp_path / "org.toml"))
    assert (policy.verify, policy.install.licenses) == ("sealed", ("MIT",))
    (tmp_path / "org.toml").write_text('verify = "full"\n')
    with pytest.raises(PolicyError, match="verify"):
        find_policy(environ(project, WEIGHLOCK_ORG_POLICY=tmp_path / "org.toml"))


@pytest.mark.parametrize("value", ["", " ", "missing.toml", "/dev/null", "/"])
def test_a_variable_that_names_no_policy_is_an_error_and_not_no_policy(project, value):
    with pytest.raises(PolicyError):
        find_policy(environ(project, WEIGHLOCK_ORG_POLICY=value))


@pytest.mark.parametrize(
    "text",
    ["mode = enforce", "mood = 'off'", "[tool.weighlok]\nmode = 'enforce'", "delegate = ['everything']", "\udcff"],
)
def test_a_sites_policy_that_is_broken_is_an_error(site, project, text):
    site.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PolicyError, match=str(site)):
        find_policy(environ(project))


def test_a_sites_policy_that_is_no_file_is_an_error(site, project, tmp_path):
    site.symlink_to(tmp_path / "nothing")
    with pytest.raises(PolicyError, match="cannot be read"):
        find_policy(environ(project))
    site.unlink()
    site.mkdir()
    with pytest.raises(PolicyError, match="cannot be read"):
        find_policy(environ(project))
    site.rmdir()
    os.mkfifo(site)
    with pytest.raises(PolicyError, match="cannot be read"):
        find_policy(environ(project))


def test_a_link_of_the_administrator_is_followed(site, project, tmp_path):
    (tmp_path / "store.toml").write_text('verify = "sealed"\n')
    site.symlink_to(tmp_path / "store.toml")
    assert find_policy(environ(project))[0].verify == "sealed"


def test_a_sites_policy_that_everybody_may_write_binds_nobody_and_is_an_error(site, project):
    site.write_text("")
    site.chmod(0o666)
    with pytest.raises(PolicyError, match="everybody may write to it"):
        find_policy(environ(project))
    site.chmod(0o644)
    site.parent.chmod(0o777)
    with pytest.raises(PolicyError, match="everybody may write to its folder"):
        find_policy(environ(project))


def test_a_folder_that_hides_the_sites_policy_does_not_hide_that_there_may_be_one(site, project):
    site.write_text("")
    code = (
        f"import os, weighlock\nweighlock.SITE_FOLDER = {str(site.parent)!r}\n"
        "from weighlock.gates.load_settings import find_policy\n"
        "os.setuid(65533) if os.geteuid() == 0 else None\n"
        "try:\n    find_policy({'WEIGHLOCK_ROOT': '/'})\nexcept Exception as error:\n    print(error)\n"
    )
    site.parent.chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
        )
    finally:
        site.parent.chmod(0o755)
    assert "Permission denied" in done.stdout


def test_the_sites_own_folder_is_no_project(site):
    site.write_text('delegate = ["mode"]\n')
    assert find_policy({"WEIGHLOCK_ROOT": str(site.parent)})[1] is None


def test_options_of_commands_cannot_loosen(site, project, capsys):
    site.write_text("")
    (project / "requirements.txt").write_text("gantry==1.0\n")
    assert main(["check", "-r", "requirements.txt", "--offline", "--fail-on", "critical"]) == 2
    assert '--fail-on critical, tool.weighlock.install.fail-on: install.fail-on = "critical"' in capsys.readouterr().err
    (project / "data.pkl").write_bytes(b"N.")
    assert main(["scan", "data.pkl", "--profile", "scikit-learn"]) == 2
    assert "--profile scikit-learn is not among the profiles" in capsys.readouterr().err
    assert main(["scan", "data.pkl"]) == 0
    site.write_text('delegate = ["profiles"]\n')
    assert main(["scan", "data.pkl", "--profile", "scikit-learn"]) == 0


LOCKED_CODE = """\
lock-version = "1.0"
created-by = "weighlock"

[[models]]
name = "corp/ok"
source = { hf = "%s", ref = "main", revision = "86b5e0934494bd15c9632b12f734a8a67f723594" }
remote-code = true

[[models.files]]
path = "modeling.py"
size = 3
sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
"""


@pytest.mark.parametrize(
    ("policy", "repo", "admitted"),
    [
        ("", "corp/ok", False),
        ('[models]\n"corp/ok" = "main"\n', "corp/ok", False),
        ('[models]\n"corp/ok" = { remote-code = true }\n', "corp/ok", True),
        ('[models]\n"corp/ok" = { remote-code = true }\n', "evil/model", False),
        ('delegate = ["models.remote-code"]\n', "evil/model", True),
    ],
)
def test_a_lockfile_cannot_admit_code_that_the_organisation_does_not(site, project, policy, repo, admitted):
    site.write_text(policy)
    (project / "models.lock").write_text(LOCKED_CODE % repo)
    settings = find_settings(environ(project))
    if admitted:
        assert read_locked(settings, environ(project)) is not None
    else:
        with pytest.raises(GuardError, match=f"models.lock admits the code of {repo}"):
            read_locked(settings, environ(project))


def test_an_option_cannot_admit_code_that_the_organisation_does_not(site, project, capsys):
    site.write_text("")
    assert main(["lock", "corp/ok", "--remote-code", "--offline"]) == 2
    assert "--remote-code admits the code of corp/ok, and the organisation's policy" in capsys.readouterr().err


def _start(project, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WEIGHLOCK_", "COV"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**clean, "PYTHONPATH": str(SOURCE), **more},
        capture_output=True,
        text=True,
        check=False,
    )


LOAD = "import pickle\nwith open('data.pkl', 'rb') as file: pickle.load(file)\nprint('loaded')\n"


@pytest.fixture
def bound(project, tmp_path):
    (tmp_path / "org.toml").write_text("")
    (project / "data.pkl").write_bytes(b"N.")
    return {"WEIGHLOCK_ORG_POLICY": str(tmp_path / "org.toml")}


@pytest.mark.parametrize("mode", ["warn", "off"])
def test_a_guard_that_is_asked_to_be_weaker_than_the_organisation_does_not_start(project, bound, mode):
    done = _start(project, f"import weighlock\nweighlock.activate(mode={mode!r})\n{LOAD}", **bound)
    assert "loaded" not in done.stdout
    assert "GuardError: WEIGHLOCK_MODE is" in done.stderr


@pytest.mark.parametrize("mode", ["warn", "off"])
def test_start_up_files_that_a_variable_switches_off_start_all_the_same_and_the_first_load_is_refused(
    project, bound, mode
):
    line = _site.start_up_files("/site", str(SOURCE), mode=None, lock=None, policy=None)[f"/site/{_site.PTH}"]
    done = _start(project, f"{line}\nprint('started')\n{LOAD}", WEIGHLOCK_MODE=mode, **bound)
    assert done.stdout == "started\n"
    assert done.returncode == 2
    assert f"weighlock cannot judge any load: WEIGHLOCK_MODE is {mode}" in done.stderr
    free = _start(project, f"{line}\n{LOAD}", WEIGHLOCK_MODE="off")
    assert free.stdout == "loaded\n"


def test_what_loads_nothing_goes_on_working_where_a_variable_switches_the_guard_off(project, bound):
    line = _site.start_up_files("/site", str(SOURCE), mode=None, lock=None, policy=None)[f"/site/{_site.PTH}"]
    pip = "import runpy, sys; sys.argv = ['pip', '--version']; runpy.run_module('pip', run_name='__main__')"
    assert _start(project, f"{line}\n{pip}", WEIGHLOCK_MODE="off", **bound).stdout.startswith("pip ")
    lock = "import sys; from weighlock._cli import main; sys.exit(main(['lock', './data.pkl']))"
    done = _start(project, f"{line}\n{lock}", WEIGHLOCK_MODE="off", WEIGHLOCK_STATE=str(project), **bound)
    assert done.returncode == 0, done.stderr
    assert (project / "models.lock").exists()


def test_a_weaker_mode_is_not_recorded(site, project, capsys, monkeypatch):
    site.write_text("")
    monkeypatch.setattr(_site, "write", lambda files: pytest.fail("it was recorded"))
    assert main(["activate", "--mode", "warn", "--system"]) == 2
    assert "says enforce" in capsys.readouterr().err


def test_a_program_is_not_run_in_a_weaker_mode(project, bound):
    done = _start(
        project,
        "import sys; from weighlock._cli import main; sys.exit(main(['run', '--mode', 'off', '-m', 'this']))",
        **bound,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "says enforce" in done.stderr


def test_a_mode_that_is_recorded_in_start_up_files_binds_no_more_than_a_variable(project, bound):
    line = _site.start_up_files("/site", str(SOURCE), mode="off", lock=None, policy=None)[f"/site/{_site.PTH}"]
    done = _start(project, f"{line}\n{LOAD}", **bound)
    assert "loaded" not in done.stdout
    assert done.returncode == 2


def test_children_of_a_guarded_program_are_bound_in_every_folder(project, bound, tmp_path):
    (project / "models.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\nmodels = []\n')
    relative = {"WEIGHLOCK_ORG_POLICY": os.path.relpath(bound["WEIGHLOCK_ORG_POLICY"], project)}
    child = "import subprocess, sys, os; os.chdir('/'); os.environ['WEIGHLOCK_MODE'] = 'off'\n"
    load = f"with open({str(project / 'data.pkl')!r}, 'rb') as f: __import__('pickle').load(f); print('loaded')"
    code = f"import weighlock; weighlock.activate()\n{child}sys.exit(subprocess.call([sys.executable, '-c', {load!r}]))"
    done = _start(project, code, **relative)
    assert "loaded" not in done.stdout
    assert "WEIGHLOCK_MODE is off" in done.stderr


def test_every_start_up_file_looks_into_the_same_folder():
    text = (SOURCE / "weighlock" / "runtime" / "bootstrap" / "sitecustomize.py").read_text()
    assert f'os.path.lexists("{weighlock.SITE_FOLDER}")' in text
    files = _site.start_up_files("/s", "/l", mode=None, lock=None, policy=None)
    assert sum(f"os.path.lexists({weighlock.SITE_FOLDER!r})" in content for content in files.values()) == 2
