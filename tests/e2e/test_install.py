"""`weighlock install` with the real pip, a loopback index and an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import osv
from weighlock.demo.packages import Package, sdist, wheel

pytestmark = pytest.mark.e2e

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


class Bench:
    """An environment, an index and an advisory database."""

    def __init__(self, folder: Path, index) -> None:
        self.folder, self.index = folder, index
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.site = folder / "venv" / SITE
        self.database = osv.database(folder, osv.record("PYSEC-2026-1", "vulnerable", fixed="2.0"))
        self.marker = folder / "ran"

    def install(self, *arguments, **environ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "WEIGHLOCK_"))}
        python = str(self.folder / "venv" / "bin" / "python")
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "weighlock",
                "install",
                "--python",
                python,
                "-i",
                self.index.url("simple"),
                *arguments,
            ],
            env=kept
            | {"PIP_CONFIG_FILE": os.devnull, "WEIGHLOCK_ADVISORIES": str(self.database)}
            | {"WEIGHLOCK_CACHE": str(self.folder / "cache"), **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def refused(self, *arguments, code=1, **environ):
        before = self.files()
        done = self.install(*arguments, **environ)
        assert done.returncode == code, done.stdout + done.stderr
        assert self.files() == before
        assert not self.marker.exists()
        return done.stdout + done.stderr

    def files(self):
        return sorted(
            str(path.relative_to(self.site)) for path in self.site.rglob("*") if "__pycache__" not in str(path)
        )

    def policy(self, text):
        (self.folder / "weighlock.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def bench(tmp_path, package_index):
    return Bench(tmp_path, package_index)


def test_what_is_asked_for_is_installed_with_what_it_needs(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}, requires=["dependency"]))
    bench.index.add(wheel("dependency", "2.0", {"dependency/__init__.py": ""}))
    done = bench.install("gantry")
    assert done.returncode == 0, done.stderr
    assert (bench.site / "gantry-1.0.dist-info" / "REQUESTED").exists()
    assert not (bench.site / "dependency-2.0.dist-info" / "REQUESTED").exists()
    assert "2 packages: 2 ALLOW" in done.stdout
    assert not list((bench.folder / "cache").rglob("*.whl"))
    again = bench.install("gantry")
    assert again.returncode == 0
    assert "nothing to do" in again.stderr


def test_one_bad_dependency_leaves_the_environment_alone(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}, requires=["hook"]))
    bench.index.add(wheel("hook", "1.0", {"hook.pth": f"import os; os.mkdir({str(bench.marker)!r})\n"}))
    said = bench.refused("gantry")
    assert "hook" in said
    assert "startup-files" in said
    assert "accept = [{" in said
    assert said.endswith("nothing was installed\n")


def test_what_is_known_to_be_vulnerable_is_not_even_fetched(bench):
    bench.index.add(wheel("vulnerable", "1.0", {"vulnerable.py": ""}))
    assert "PYSEC-2026-1" in bench.refused("vulnerable")
    assert not [request for request in bench.index.requests if request.path.endswith(".whl")]


def test_a_young_release_is_refused_and_its_fix_is_not(bench):
    young = datetime.now(UTC) - timedelta(hours=5)
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}))
    bench.index.add(wheel("gantry", "1.1", {"gantry.py": ""}), uploaded=young)
    assert "release-age" in bench.refused("gantry")
    assert bench.install("gantry<1.1").returncode == 0


def test_an_sdist_is_refused_before_it_can_run(bench):
    source = bench.index.add(sdist("source", "1.0", setup_py=f"import os; os.mkdir({str(bench.marker)!r})\n"))
    assert "allow-build" in bench.refused("source", code=2)
    said = bench.refused(f"source @ {bench.index.file_url(source)}")
    assert "needs-build" in said


def test_wrong_bytes_for_the_right_name_are_refused(bench):
    package = wheel("gantry", "1.0", {"gantry.py": ""})
    bench.index.add(package, sha256="0" * 64)
    bench.refused("gantry", code=1)


def test_a_finding_that_the_policy_accepts_is_said(bench):
    bench.index.add(wheel("hook", "1.0", {"hook.pth": "import hook\n", "hook.py": ""}))
    bench.policy('[install]\naccept = [{ package = "hook", check = "startup-files", reason = "we wrote it" }]\n')
    done = bench.install("hook")
    assert done.returncode == 0, done.stdout
    assert "we wrote it" in done.stdout


def test_a_dry_run_judges_all_and_installs_nothing(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}))
    before = bench.files()
    done = bench.install("--dry-run", "gantry")
    assert done.returncode == 0
    assert "would install: gantry==1.0" in done.stderr
    assert bench.files() == before


def test_without_advisories_nothing_is_decided(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}))
    bench.database.unlink()
    said = bench.refused("gantry", code=2, WEIGHLOCK_ADVISORIES_URL=bench.index.url("nothing"))
    assert "there is no advisory database" in said
    assert "weighlock advisories update --from FILE" in said


def test_the_first_install_fetches_the_advisories(bench):
    bench.index.add(wheel("vulnerable", "1.0", {"vulnerable.py": ""}))
    bench.database.unlink()
    records = osv.archive(osv.record("PYSEC-2026-1", "vulnerable", fixed="2.0"))
    published = bench.index.add(Package("records-1.zip", records, b""))
    said = bench.refused("vulnerable", WEIGHLOCK_ADVISORIES_URL=bench.index.file_url(published))
    assert "PYSEC-2026-1" in said


def test_the_report_of_pip_is_written_where_it_is_asked_for(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}))
    assert bench.install("--dry-run", "gantry", "--report", "pip.json").returncode == 0
    told = json.loads((bench.folder / "pip.json").read_text(encoding="utf-8"))
    assert [one["metadata"]["name"] for one in told["install"]] == ["gantry"]
    assert "--report" in bench.refused("gantry", "--report", "-", code=2)


def test_a_report_for_programs_names_every_package(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}))
    done = bench.install("--format", "json", "--dry-run", "gantry")
    assert done.returncode == 0
    assert json.loads(done.stdout)["command"] == "install"


def test_pip_install_goes_through_the_gate_where_the_shim_is_on(bench):
    from tests._cli.test_pip_shim import Shimmed
    from weighlock._cli import main

    (bench.folder / "shimmed").mkdir()
    shimmed = Shimmed(bench.folder / "shimmed", python_of=bench.folder / "venv")
    python = str(bench.folder / "venv" / "bin" / "python")
    assert main(["activate", "--pip", "--python", python]) == 0
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}))
    bench.index.add(wheel("hook", "1.0", {"hook.pth": f"import os; os.mkdir({str(bench.marker)!r})\n"}))
    settings = {"WEIGHLOCK_ADVISORIES": str(bench.database), "WEIGHLOCK_CACHE": str(bench.folder / "cache")}
    for words, code in ((["gantry"], 0), (["hook"], 1), (["--no-such-option", "gantry"], 2)):
        done = shimmed.run("python", "-m", "pip", "install", "-i", bench.index.url("simple"), *words, **settings)
        assert done.returncode == code, done.stdout + done.stderr
    assert (bench.site / "gantry-1.0.dist-info").exists()
    assert not bench.marker.exists()
    assert shimmed.run("python", "-m", "pip", "uninstall", "-y", "gantry").returncode == 0
    assert not (bench.site / "gantry-1.0.dist-info").exists()
    assert main(["deactivate", "--pip", "--python", python]) == 0


def test_an_environment_whose_models_are_guarded_is_installed_into_without_a_lockfile(bench):
    from weighlock._cli import main

    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}))
    assert main(["activate", "--python", str(bench.folder / "venv" / "bin" / "python")]) == 0
    done = bench.install("gantry")
    assert done.returncode == 0, done.stderr
    assert (bench.site / "gantry-1.0.dist-info").exists()


def test_an_installation_that_was_cut_off_is_rolled_back_by_the_next_one(bench):
    """What a kill leaves behind: a journal, a package half gone, another one half there."""
    from weighlock.sources.pip.journal import begin
    from weighlock.sources.pip.transaction import _note, _write_note

    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": "x = 1\n"}))
    bench.index.add(wheel("other", "1.0", {"other.py": ""}))
    assert bench.install("gantry").returncode == 0
    before = bench.files()
    folder = bench.site / ".weighlock-install"
    folder.mkdir(mode=0o700)
    kept, fresh = bench.site / "gantry" / "__init__.py", bench.site / "half"
    begin(folder, [str(kept), str(fresh / "there.py")], [str(bench.site)])
    _write_note(_note(str(bench.site), os.environ), str(bench.site))
    kept.unlink()
    fresh.mkdir()
    done = bench.install("gantry==9.9")  # nothing comes of it, but it is the next one
    assert done.returncode == 2
    assert "had been cut off and is rolled back" in done.stderr
    assert bench.files() == before
    assert kept.read_text() == "x = 1\n"
    assert not folder.exists()


@pytest.fixture
def sandbox():
    from weighlock.errors import SourceError
    from weighlock.sources.builds.sandbox import find

    try:
        find()
    except SourceError as error:
        pytest.skip(str(error))


BACKEND = """
import base64, hashlib, os, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    assert not os.path.exists({marker!r}) and not os.access(os.path.dirname({marker!r}), os.W_OK)
    name = "gantry-1.0-py3-none-any.whl"
    files = {{"gantry.py": "BUILT = True\\n", "gantry-1.0.dist-info/METADATA":
        "Metadata-Version: 2.1\\nName: gantry\\nVersion: 1.0\\n", "gantry-1.0.dist-info/WHEEL":
        "Wheel-Version: 1.0\\nGenerator: here\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n", {more}}}
    rows = []
    for place, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        rows.append(f"{{place}},sha256={{digest}},{{len(text)}}")
    files["gantry-1.0.dist-info/RECORD"] = "\\n".join([*rows, "gantry-1.0.dist-info/RECORD,,"]) + "\\n"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for place, text in files.items():
            wheel.writestr(place, text)
    return name
"""


def source_of(bench, more=""):
    toml = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    backend = BACKEND.format(marker=str(bench.marker), more=more)
    return sdist("gantry", "1.0", files={"backend.py": backend}, pyproject=toml)


def test_what_the_policy_lets_build_is_built_apart_and_installed(bench, sandbox):
    bench.index.add(source_of(bench))
    bench.policy('[install]\nallow-build = ["gantry"]\n')
    done = bench.install("gantry")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (bench.site / "gantry.py").read_text(encoding="utf-8") == "BUILT = True\n"


def test_what_comes_out_of_a_build_is_judged_like_any_wheel(bench, sandbox):
    bench.index.add(source_of(bench, more='"gantry.pth": "import os; os.system(\'true\')\\n"'))
    bench.policy('[install]\nallow-build = ["gantry"]\n')
    assert "startup-files" in bench.refused("gantry")


def test_a_young_sdist_is_refused_though_it_may_be_built(bench, sandbox):
    bench.index.add(source_of(bench), uploaded=datetime.now(UTC) - timedelta(hours=1))
    bench.policy('[install]\nallow-build = ["gantry"]\n')
    assert "refused before it is built" in bench.refused("gantry")


def test_not_one_line_of_a_yanked_or_shared_sdist_runs(bench):
    bench.index.add(source_of(bench), yanked="it is malicious")
    bench.policy('[install]\nallow-build = ["gantry"]\n')
    assert "refused before it is built" in bench.refused("gantry==1.0")
    bench.index.change(source_of(bench), yanked=None)
    bench.index.add(source_of(bench, more='"other.py": ""'), prefix="other")
    assert "refused before it is built" in bench.refused("--extra-index-url", bench.index.url("other"), "gantry")


def test_an_index_that_hides_what_a_wheel_needs_is_refused(bench):
    bench.index.add(wheel("dependency", "1.0"))
    hiding = wheel("gantry", "1.0", {"gantry/__init__.py": ""}, requires=["dependency"])
    bench.index.add(replace(hiding, metadata=wheel("gantry", "1.0").metadata))
    assert "wheel-metadata" in bench.refused("gantry")


def test_news_in_a_young_release_are_found(bench):
    month = datetime.now(UTC) - timedelta(days=5)
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}))
    news = "import subprocess\nsubprocess.run(['true'])\n"
    bench.index.add(wheel("gantry", "1.1", {"gantry/__init__.py": news}), uploaded=month)
    bench.policy('[install]\naccept = [{ package = "gantry", check = "import-time-behaviour", reason = "a test" }]\n')
    assert "new-in-release" in bench.refused("gantry")


def test_offline_the_configured_index_is_not_asked(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}))
    assert "gantry" in bench.refused("gantry", "--offline", code=2)
    assert not bench.index.requests
