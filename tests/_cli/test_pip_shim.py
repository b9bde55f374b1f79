"""`weighlock activate --pip`: every way into `pip install` leads to `weighlock install`, until it is taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pip
import pytest

from weighlock._cli import main
from weighlock.demo.packages import marking, sdist
from weighlock.runtime import _pip_site, _site

pytestmark = pytest.mark.e2e

_PIP = Path(pip.__file__).parent
_STAND_IN = """\
import json, os
def main(arguments):
    print(json.dumps({"arguments": arguments, "subprocess": "_PIP_RUNNING_IN_SUBPROCESS" in os.environ}))
    return 7
"""


class Shimmed:
    """An environment with the shim, whose `weighlock install` says how it was called.

    Args:
        folder: For all of it.
        python_of: An environment that is there, in place of a new one.
    """

    def __init__(self, folder: Path, python_of: Path | None = None) -> None:
        if python_of is None:
            python_of = folder / "venv"
            venv.create(python_of, with_pip=False)
        self.folder = folder
        self.python = python_of / "bin" / "python"
        self.packages = next((python_of / "lib").glob("python3.*")) / "site-packages"
        for path in (_PIP, *_PIP.parent.glob("pip-*.dist-info")):
            (self.packages / path.name).symlink_to(path)
        script = f"#!{self.python}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
        for name in ("pip", "pip3"):
            (self.python.parent / name).write_text(script)
            (self.python.parent / name).chmod(0o755)
        self.stand_in = folder / "stand-in"
        (self.stand_in / "weighlock" / "_cli").mkdir(parents=True)
        (self.stand_in / "weighlock" / "__init__.py").write_text("")
        (self.stand_in / "weighlock" / "_cli" / "__init__.py").write_text(_STAND_IN)
        self.write(sys.executable)

    def write(self, python: str) -> None:
        _site.write(_pip_site.start_up_files(str(self.packages), python, str(self.stand_in)))

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON", "COV"))}
        return subprocess.run(
            [str(self.python.parent / command[0]), *command[1:]],
            env={**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="module")
def shimmed(tmp_path_factory) -> Shimmed:
    return Shimmed(tmp_path_factory.mktemp("shimmed"))


WAYS = {
    "pip": ["pip"],
    "pip3": ["pip3"],
    "module": ["python", "-m", "pip"],
    "isolated": ["python", "-I", "-m", "pip"],
    "function": ["python", "-c", "import pip, sys; sys.exit(pip.main(sys.argv[1:]))"],
    "folder": ["python", str(_PIP)],
    "runner": ["python", str(_PIP / "__pip-runner__.py")],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_into_pip_install_leads_to_the_gate(way, shimmed):
    done = shimmed.run(*WAYS[way], "install", "--no-index", "spam==1.0", "-q")
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout)["arguments"] == [
        "install", "--python", str(shimmed.python), "--no-index", "spam==1.0", "-q"
    ]  # fmt: skip


def test_pip_of_another_environment_that_is_sent_here_leads_to_the_gate(shimmed):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(shimmed.python), "install", "--no-index", "spam"],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 7, done.stderr
    said = json.loads(done.stdout)
    assert said["arguments"] == ["install", "--python", str(shimmed.python), "--no-index", "spam"]
    assert not said["subprocess"]


def test_no_variable_switches_it_off(shimmed):
    names = ("WEIGHLOCK_MODE", "WEIGHLOCK_PIP", "PIP_PYTHON", "_PIP_RUNNING_IN_SUBPROCESS", "PYTHONSAFEPATH")
    done = shimmed.run("pip", "install", "spam", **dict.fromkeys(names[:2], "off"), **dict.fromkeys(names[3:], "1"))
    assert done.returncode == 7, done.stderr
    (shimmed.folder / "_weighlock_pip.py").write_text("def start_here(): pass\n")
    (shimmed.folder / "weighlock").mkdir()
    done = shimmed.run("python", "-m", "pip", "install", "spam", PYTHONPATH=str(shimmed.folder / "nowhere"))
    assert done.returncode == 7, done.stderr


def test_an_sdist_does_not_run(shimmed, tmp_path):
    package = sdist("evil", "1.0", setup_py=marking(str(tmp_path / "marker")))
    (tmp_path / package.filename).write_bytes(package.data)
    for words in (["install"], ["download", "-d", str(tmp_path)], ["wheel", "-w", str(tmp_path)], ["lock"]):
        done = shimmed.run("pip", *words, "--no-index", str(tmp_path / package.filename))
        assert done.returncode in {2, 7}
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["download", "wheel", "lock"])
def test_commands_that_may_run_code_are_refused_by_name(name, shimmed):
    done = shimmed.run("pip", name, "spam")
    assert done.returncode == 2
    assert f"error: pip {name} does not go through weighlock here" in done.stderr
    assert "weighlock deactivate --pip" in done.stderr
    assert "Traceback" not in done.stderr
    assert shimmed.run("pip", name, "--help").returncode == 0


@pytest.mark.parametrize(
    "words", [["list"], ["show", "pip"], ["freeze"], ["check"], ["config", "list"], ["help", "install"], ["--version"]]
)
def test_everything_else_of_pip_works(words, shimmed):
    done = shimmed.run("pip", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_without_weighlock_it_fails_closed_and_says_how_to_undo_it(tmp_path):
    shimmed = Shimmed(tmp_path)
    (shimmed.stand_in / "weighlock" / "_cli" / "__init__.py").unlink()
    (shimmed.stand_in / "weighlock" / "_cli").rmdir()
    done = shimmed.run("pip", "install", "spam")
    assert done.returncode == 1
    assert "weighlock is gone" in done.stderr
    assert f"delete {shimmed.packages / _pip_site.PTH}" in done.stderr
    shimmed.write(str(tmp_path / "no-python"))
    done = shimmed.run("pip", "install", "spam")
    assert done.returncode == 2
    assert "cannot be run" in done.stderr
    assert "weighlock deactivate --pip" in done.stderr
    (shimmed.packages / _pip_site.MODULE).unlink()  # the start-up file stays, and the shim is gone
    done = shimmed.run("python", "-m", "pip", "install", "spam")
    assert done.returncode != 0
    assert f"delete {shimmed.packages / _pip_site.PTH}" in done.stderr
    assert shimmed.run("python", "-c", "import json").returncode == 0


def test_it_is_switched_on_shown_and_switched_off(tmp_path, capsys):
    shimmed = Shimmed(tmp_path)
    for name in _pip_site.NAMES:
        (shimmed.packages / name).unlink()
    before = sorted(os.listdir(shimmed.packages))
    python = str(shimmed.python)
    assert main(["activate", "--pip", "--python", python]) == 0
    assert f"undo: weighlock deactivate --pip --python {python}" in capsys.readouterr().err
    main(["doctor", "--python", python, "--format", "json"])
    assert json.loads(capsys.readouterr().out)["pip"]["gated"]
    assert main(["deactivate", "--pip", "--python", python]) == 0
    main(["doctor", "--python", python, "--format", "json"])
    assert json.loads(capsys.readouterr().out)["pip"] == {"gated": False, "activation": [], "problem": None}
    assert sorted(os.listdir(shimmed.packages)) == before


def test_a_pip_that_is_replaced_by_one_without_the_choke_point_is_told(tmp_path, capsys):
    shimmed = Shimmed(tmp_path)
    (shimmed.packages / "pip").unlink()
    (shimmed.packages / "pip" / "_internal" / "commands").mkdir(parents=True)
    for folder in ("", "_internal", "_internal/commands"):
        (shimmed.packages / "pip" / folder / "__init__.py").write_text("")
    python = str(shimmed.python)
    assert main(["doctor", "--python", python]) == 1
    assert "NOT GATED, though it was activated: AttributeError" in capsys.readouterr().out
    assert main(["activate", "--pip", "--python", python]) == 2
    assert not (shimmed.packages / _pip_site.PTH).exists()


def test_what_does_not_go_together_is_refused(tmp_path, capsys):
    shimmed = Shimmed(tmp_path)
    assert main(["activate", "--pip", "--mode", "warn", "--python", str(shimmed.python)]) == 2
    assert "--pip goes with none of" in capsys.readouterr().err
