"""What `weighlock install` leaves behind is what `pip install` leaves behind, whatever of pip is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pip
import pytest
from packaging.version import Version

from tests import osv
from tests.index_faults import FaultyIndex, pip_environ
from weighlock._cli import main
from weighlock.demo.packages import Package, wheel

pytestmark = pytest.mark.e2e

PIP = Version(pip.__version__)
RUNNER = os.path.join(os.path.dirname(os.path.abspath(pip.__file__)), "__pip-runner__.py")
SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
SCRIPTS = {"entry_points.txt": "[console_scripts]\nweigh-it = gantry:main\n"}


@dataclass(frozen=True)
class Case:
    """One way to call pip.

    Args:
        given: Arguments; ``{…}`` are places.
        files: Written before, by name.
        before: Arguments of an earlier installation.
        environ: More variables.
        needs: The oldest pip that can do it.
        python: Another interpreter than that of the environment.
    """

    given: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    needs: str = "23.0"
    python: str = "{folder}/venv/bin/python"


CASES = {
    "extras": Case(["gantry[all]", "Dependency ; python_version > '3'", "absent; python_version < '3'"]),
    "nested files, markers, digests": Case(
        ["-r", "r.txt"],
        {
            "r.txt": "-r deep/s.txt\n--require-hashes\n# nothing\n",
            "deep/s.txt": "gantry==1.0 ; sys_platform != 'none' \\\n  --hash=sha256:{gantry_1_0}\n-r t.txt\n",
            "deep/t.txt": "dependency==1.1 --hash=sha256:{dependency_1_1} --hash=sha256:{gantry_1_0}\n"
            "absent; python_version < '3'\n",
        },
    ),
    "a target": Case(["--target", "{folder}/there", "gantry", "--no-deps"]),
    "a prefix below a root": Case(["--root", "{folder}/there", "--prefix=/in", "gantry", "--no-warn-script-location"]),
    "the user": Case(
        ["--user", "--break-system-packages", "gantry"],
        environ={"PYTHONUSERBASE": "{folder}/there"},
        python=os.path.join(sys.base_prefix, "bin", "python3"),
    ),
    "upgrade": Case(["--upgrade", "gantry"], before=["gantry==1.0", "dependency==1.0"]),
    "eager": Case(
        ["-U", "--upgrade-strategy", "eager", "gantry"], before=["gantry==1.0", "dependency==1.0"]
    ),
    "pre": Case(["--pre", "gantry"]),
    "force": Case(["--force-reinstall", "gantry==1.0"], before=["gantry==1.0", "dependency==1.0"]),
    "a group": Case(
        ["--group", "tools"],
        {
            "pyproject.toml": '[dependency-groups]\ntools = [{ include-group = "more" }, "more"]\n'
            'more = ["dependency"]\n'
        },
        needs="25.1",
    ),
    "a lockfile": Case(
        ["-r", "pylock.toml"],
        {
            "pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n'
            '[[packages]]\nname = "dependency"\nversion = "1.0"\n'
            'wheels = [{ url = "{dependency_url}", hashes = { sha256 = "{dependency_1_0}" } }]\n'
        },
        needs="26.1",
    ),
    "a local wheel, and links alone": Case(
        ["--no-index", "-f", "wheels", "./wheels/dependency-1.0-py3-none-any.whl", "more"]
    ),
    "URLs of wheels": Case(["dependency @ {dependency_url}#sha256={dependency_1_0}", "{more_url}"]),
    "credentials in the URL": Case(["-i", "{private}", "--pre", "secret"]),
    "credentials in netrc": Case(["-i", "{bare}", "secret"], {"netrc": "machine 127.0.0.1 login me password s3cret\n"},
                                 environ={"NETRC": "{folder}/work/netrc"}),
    "the configuration, constraints, not compiled": Case(
        ["gantry"], {"pip.conf": "[install]\nno-compile = true\nconstraint = c.txt\n", "c.txt": "gantry==1.0\n"},
        environ={"PIP_CONFIG_FILE": "{folder}/work/pip.conf", "PIP_NO_DEPS": "1"},
    ),
}  # fmt: skip


class Bench:
    """One environment, in which pip and weighlock do the same one after the other.

    Args:
        folder: For everything.
        index: Open to all.
        private: Open to one user.
    """

    def __init__(self, folder: Path, index: FaultyIndex, private: FaultyIndex) -> None:
        self.folder, self.index = folder, index
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.database = osv.database(folder, osv.record("PYSEC-2026-1", "vulnerable", fixed="2.0"))
        self.work = folder / "work"
        self.places = {"folder": str(folder)}
        for version in ("1.0", "1.1", "2.0rc1"):
            needs = ["dependency", "more ; extra == 'all'"]
            files = {"gantry/__init__.py": "def main(): pass\n", f"gantry-{version}.data/data/share/gantry": "data"}
            self._add(wheel("gantry", version, files, requires=needs, metadata={"Provides-Extra": "all"},
                            dist_info=SCRIPTS))  # fmt: skip
        for version in ("1.0", "1.1"):
            package = self._add(wheel("dependency", version, {"dependency.py": f"x = {version!r}\n"}))
            if version == "1.0":
                self._keep(package)
        self._keep(self._add(wheel("more", "1.0")))
        private.add(wheel("secret", "1.0"))
        self.places |= {"private": private.url(user="me:s3cret"), "bare": private.url()}

    def _add(self, package: Package) -> Package:
        self.index.add(package)
        name, version, *_ = package.filename.split("-")
        self.places[f"{name}_{version}".replace(".", "_")] = package.sha256
        return package

    def _keep(self, package: Package) -> None:
        (self.folder / "wheels").mkdir(exist_ok=True)
        (self.folder / "wheels" / package.filename).write_bytes(package.data)
        self.places[f"{package.project}_url"] = self.index.file_url(package)

    def fill(self, text: str) -> str:
        for name, value in self.places.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def begin(self, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.folder / "wheels", self.work / "wheels")
        for name, text in case.files.items():
            (self.work / name).parent.mkdir(exist_ok=True)
            (self.work / name).write_text(self.fill(text))
        accept = [f'{{ package = "{name}", check = "direct-url", reason = "ours" }}' for name in ("dependency", "more")]
        (self.work / "weighlock.toml").write_text(f"[install]\naccept = [{', '.join(accept)}]\n")
        environ = pip_environ(PIP_INDEX_URL=self.index.url(), HOME=str(self.folder), PIP_NO_CACHE_DIR="1")
        environ |= {"WEIGHLOCK_ADVISORIES": str(self.database), "WEIGHLOCK_CACHE": str(self.folder / "cache")}
        environ |= {name: self.fill(value) for name, value in case.environ.items()}
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(self.work)

    def plain(self, case: Case, given: Sequence[str]) -> str:
        runner = [RUNNER] if case.python == Case.python else ["-m", "pip"]
        command = [self.fill(case.python), *runner, "install", *map(self.fill, given)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self, case: Case) -> Path:
        """Go back to what is there before a case, and return where that is kept."""
        self.restore(self.folder / "empty")
        if not case.before:
            return self.folder / "empty"
        kept = self.folder / f"before-{'-'.join(case.before)}"
        if kept.exists():
            self.restore(kept)
        else:
            self.plain(case, case.before)
            shutil.copytree(self.folder / "venv", kept, symlinks=True)
        return kept

    def left(self) -> dict[str, bytes]:
        """Return every file that is not of the empty environment, with what is in it."""
        found = {}
        for top in (self.folder / "venv", self.folder / "there"):
            for path in sorted(top.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    found[str(path.relative_to(self.folder))] = _contents(path)
        return found

    def restore(self, saved: Path) -> None:
        shutil.rmtree(self.folder / "there", ignore_errors=True)
        for part in ("lib", "bin", "share"):
            shutil.rmtree(self.folder / "venv" / part, ignore_errors=True)
            if (saved / part).exists():
                shutil.copytree(saved / part, self.folder / "venv" / part, symlinks=True)


def _contents(path: Path) -> bytes:
    if path.suffix == ".pyc":
        return b"compiled"
    data = path.read_bytes()
    return b"\n".join(sorted(data.splitlines())) if path.name == "RECORD" else data


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with FaultyIndex() as index, FaultyIndex() as private:
        private.require("me:s3cret")
        folder = tmp_path_factory.mktemp("features")
        bench = Bench(folder, index, private)
        shutil.copytree(folder / "venv", folder / "empty", symlinks=True)
        yield bench


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_left_as_by_pip(bench: Bench, name: str, monkeypatch, capfd):
    case = CASES[name]
    if Version(case.needs) > PIP:
        pytest.skip(f"pip {PIP} cannot do it")
    bench.begin(case, monkeypatch)
    start = bench.start(case)
    bench.plain(case, case.given)
    expected = bench.left()
    assert expected != {}
    bench.restore(start)
    code = main(["install", "--python", bench.fill(case.python), *map(bench.fill, case.given)])
    said = capfd.readouterr()
    assert code == 0, said.out + said.err
    left = bench.left()
    assert sorted(left) == sorted(expected)
    assert {path: data for path, data in left.items() if data != expected[path]} == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "there is nothing to install"),
        (["--no-binary", "x", "y"], "--no-binary is refused"),
        (["-r", "missing.txt"], "missing.txt"),
        (["--nonsense"], "--nonsense"),
        (["not a requirement"], "not a requirement"),
        (["-c", "missing.txt", "gantry"], "missing.txt"),
        (["./missing-1.0-py3-none-any.whl"], "nothing is there"),
        (["requirements.txt"], "is a file of requirements"),
        (["--target"], "requires 1 argument"),
        (["--group", "nothing"], "pyproject.toml"),
    ],
)
def test_wrong_arguments_get_one_line_and_a_hint(tmp_path, monkeypatch, capsys, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").touch()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert main(["install", *given]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 2, err
    assert said in lines[0]
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")
