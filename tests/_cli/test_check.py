"""`weighlock check` as a person runs it: real pip, an index of this machine, a small advisory database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import osv
from tests.output.sarif_schema import valid_run
from tests.vectors.environments import folder as installed_folder
from weighlock._cli import main
from weighlock.demo.packages import marking, sdist, wheel
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource

OLD = datetime.now(UTC) - timedelta(days=400)


class Bench:
    """A project folder, an index and an advisory database."""

    def __init__(self, folder: Path, index, monkeypatch, capsys) -> None:
        self.folder, self.index, self.capsys = folder, index, capsys
        self.database = osv.database(folder, osv.record("PYSEC-2026-1", "vulnerable", fixed="2.0", summary="a hole"))
        self.project = folder / "project"
        self.project.mkdir()
        self.marker = folder / "ran"
        for name in [name for name in os.environ if name.startswith(("PIP_", "VIRTUAL_ENV"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index.url("simple"))
        monkeypatch.setenv("PIP_NO_INPUT", "1")
        monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(self.database))
        monkeypatch.setenv("WEIGHLOCK_CACHE", str(folder / "cache"))
        monkeypatch.chdir(self.project)

    def add(self, name: str, version: str, *, requires: list[str] | None = None):
        return self.index.add(wheel(name, version, {f"{name}.py": ""}, requires=requires or []), uploaded=OLD)

    def write(self, name: str, text: str) -> None:
        (self.project / name).write_text(text, encoding="utf-8")

    def check(self, *arguments: str, code: int) -> tuple[str, str]:
        answer = main(["check", *arguments])
        told = self.capsys.readouterr()
        assert answer == code, told.out + told.err
        assert not self.marker.exists()
        return told.out, told.err

    def report(self, *arguments: str, code: int) -> dict:
        return json.loads(self.check(*arguments, "--format", "json", code=code)[0])


@pytest.fixture
def bench(tmp_path: Path, package_index, monkeypatch, capsys) -> Bench:
    return Bench(tmp_path, package_index, monkeypatch, capsys)


def test_requirements_are_resolved_and_what_comes_along_is_judged_at_the_line_that_brings_it(bench: Bench):
    bench.add("platypus", "1.0", requires=["vulnerable<2"])
    bench.add("vulnerable", "1.5")
    bench.add("vulnerable", "2.0")
    bench.write("requirements.txt", "# ours\nplatypus==1.0\n")
    outputs = [f"--also={form}=report.{form}" for form in ("sarif", "junit", "markdown", "github", "text")]
    document = bench.report("-r", "requirements.txt", *outputs, code=1)
    told = {item["name"]: item for item in document["packages"]}
    assert told["platypus"]["verdict"]["decision"] == "ALLOW", told["platypus"]
    assert told["vulnerable"]["verdict"]["decision"] == "DENY"
    assert told["vulnerable"]["origin"] == {"path": "requirements.txt", "line": 2, "text": "platypus==1.0"}
    (suggestion,) = document["suggestions"]
    assert (suggestion["upgrade"], suggestion["line"]) == ("2.0", "vulnerable>=2.0")
    results = valid_run((bench.project / "report.sarif").read_text(encoding="utf-8"))["results"]
    (result,) = [one for one in results if one["ruleId"] == "PYSEC-2026-1"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "requirements.txt"}, "region": {"startLine": 2}}
    assert "::error file=requirements.txt,line=2" in (bench.project / "report.github").read_text(encoding="utf-8")
    assert 'failures="1"' in (bench.project / "report.junit").read_text(encoding="utf-8")
    assert "refused" in (bench.project / "report.markdown").read_text(encoding="utf-8")


def test_a_clean_file_passes_and_a_failing_severity_is_said_to_be_another_one(bench: Bench):
    bench.add("platypus", "1.0")
    bench.write("requirements.txt", "platypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", "--no-deps", "--fail-on", "critical", code=0)
    assert "1 package of requirements.txt: 1 ALLOW, 0 DENY" in out
    assert "by --fail-on; the policy says high" in out


def test_an_sdist_does_not_run_when_requirements_are_checked(bench: Bench):
    bench.index.add(sdist("platypus", "1.0", setup_py=marking(str(bench.marker))), uploaded=OLD)
    bench.write("requirements.txt", "platypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", code=1)
    assert "needs-build" in out
    out, _ = bench.check("-r", "requirements.txt", "--no-deps", code=1)
    assert "needs-build" in out
    bench.write("requirements.txt", "platypus\n")
    bench.check("-r", "requirements.txt", code=2)


def test_an_index_that_does_not_answer_decides_nothing(bench: Bench, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    bench.write("requirements.txt", "platypus==1.0\n")
    _, err = bench.check("-r", "requirements.txt", "--no-deps", code=2)
    assert err.splitlines()[-1].startswith(("error: ", "hint: "))


def test_without_a_database_the_two_ways_out_are_named(bench: Bench):
    bench.database.unlink()
    bench.write("requirements.txt", "platypus==1.0\n")
    _, err = bench.check("-r", "requirements.txt", "--offline", code=2)
    assert "weighlock advisories update" in err
    assert "--from FILE" in err


def test_offline_pins_without_digests_are_refused_unless_a_person_says_that_they_are_all(bench: Bench):
    bench.write("requirements.txt", "platypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", "--offline", code=1)
    assert "what it depends on is not listed" in out
    assert bench.index.requests == []


def test_a_second_source_that_asks_a_server_and_offline_contradict_each_other(bench: Bench):
    bench.write("requirements.txt", "platypus==1.0\n")
    _, err = bench.check("--offline", "--with", "pip-audit", code=2)
    assert "leave one of them out" in err


def test_a_folder_with_nothing_to_check_is_no_success(bench: Bench):
    _, err = bench.check(code=2)
    assert "there is no requirements file and no lockfile" in err


@pytest.mark.parametrize("value", ["sarif", "sarif=", "moon=x", "=x", "text:x"])
def test_a_report_that_nobody_can_write_is_refused_before_anything_is_asked(bench: Bench, value: str):
    bench.write("requirements.txt", "platypus==1.0\n")
    _, err = bench.check("--also", value, code=2)
    assert "FORM=FILE" in err
    assert bench.index.requests == []


@pytest.mark.parametrize("arguments", [("--output", "nowhere/x"), ("--also", "json=nowhere/x"), ("--output", ".")])
def test_a_place_where_no_report_can_lie_is_refused_before_anything_is_asked(bench: Bench, arguments: tuple[str, str]):
    bench.write("requirements.txt", "platypus==1.0\n")
    _, err = bench.check(*arguments, code=2)
    assert "hint: " in err
    assert bench.index.requests == []


def test_without_arguments_what_is_there_is_checked_and_named(bench: Bench):
    bench.add("platypus", "1.0")
    bench.write("requirements.txt", "platypus==1.0\n")
    bench.write("pylock.toml", 'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n')
    file = LockedFile(path="model.safetensors", size=1, sha256="ab" * 32)
    locked = LockedModel(name="m", source=PathSource(path="m"), files=(file,))
    bench.write("models.lock", Lockfile(models=(locked,)).dumps())
    out, err = bench.check("--no-deps", code=0)
    assert "checking requirements.txt, pylock.toml, models.lock" in err
    assert "1 of 1 locked model files are not on this machine" in out


def test_a_stale_or_changed_lockfile_of_models_is_refused(bench: Bench):
    model = bench.project / "m"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"other bytes")
    file = LockedFile(path="model.safetensors", size=1, sha256="ab" * 32)
    locked = LockedModel(name="m", source=PathSource(path="m"), files=(file,))
    bench.write("models.lock", Lockfile(models=(locked,)).dumps())
    bench.write("weighlock.toml", '[models]\n"org/absent" = "main"\n')
    out, _ = bench.check("--models", "models.lock", "--offline", code=1)
    assert "stale-lock: org/absent is not in the lockfile" in out
    assert "changed-file" in out


def test_a_broken_lockfile_is_one_clear_line(bench: Bench):
    bench.write("uv.lock", "version = 99\n")
    _, err = bench.check("--uv-lock", "uv.lock", "--offline", code=2)
    assert "error: uv.lock, version: is 99, and only 1 is known" in err


def test_an_environment_is_checked_offline_and_none_of_it_runs(bench: Bench):
    venv = bench.folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next((venv / "lib").glob("python*")) / "site-packages"
    evil = f"import pathlib; pathlib.Path({str(bench.marker)!r}).touch()\n".encode()
    files = {
        path.replace("demo", "vulnerable"): data.replace(b"demo", b"vulnerable")
        for path, data in installed_folder({"demo.py": b"VALUE = 1\n"}).items()
    }
    for name, data in {**files, "zz.pth": evil}.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_bytes(data)
    python = str(venv / "bin" / "python")
    document = bench.report("--env", "--python", python, "--offline", code=1)
    assert {reason["rule"] for reason in document["packages"][0]["verdict"]["reasons"]} >= {"advisory"}
    (stray,) = document["files"]
    assert stray["path"].endswith("zz.pth")
    assert bench.index.requests == []
    accepted = f'{{ package = "zz.pth", version = "sha256:{stray["sha256"]}", check = "stray-files", reason = "x" }}'
    bench.write("weighlock.toml", f"[install]\naccept = [{accepted}]\n")
    document = bench.report("--env", "--python", python, "--offline", code=1)
    assert document["files"][0]["verdict"]["decision"] == "ALLOW"


@pytest.mark.parametrize("form", ["text", "github", "markdown", "junit", "json", "sarif"])
def test_what_an_index_says_gives_no_commands_to_the_log_of_a_build(bench: Bench, form: str):
    reason = "::set-output name=a::b\n::add-mask::x\r##[add-path]/tmp \x1b[2J<script>|"
    package = wheel("platypus", "1.0", {"platypus.py": ""})
    bench.index.add(package, uploaded=OLD, yanked=reason)
    bench.write("requirements.txt", "platypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", "--no-deps", "--format", form, code=1)
    lines = out.splitlines()
    commands = [line for line in lines if line.lstrip().startswith("::")]
    assert all(line.startswith("::error file=requirements.txt,line=1,title=weighlock") for line in commands)
    assert bool(commands) == (form == "github")
    assert "##[" not in out
    assert "\x1b" not in out
    assert "add-mask" in out.replace("&#45;", "-"), "the reason is shown"


def test_a_mirror_that_knows_nothing_about_a_pin_does_not_make_it_clean(bench: Bench):
    bench.write("requirements.txt", "platypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", "--no-deps", code=1)
    assert "no configured index lists this version" in out


def test_a_page_of_an_index_that_is_no_page_decides_nothing(bench: Bench):
    bench.add("platypus", "1.0")
    bench.index.fault("/simple/platypus/", lambda handler, answer: replace(answer, body=b'{"files": ['))
    bench.write("requirements.txt", "platypus==1.0\n")
    bench.check("-r", "requirements.txt", "--no-deps", code=2)


def test_a_young_release_is_refused_and_the_policy_can_say_otherwise(bench: Bench):
    bench.index.add(wheel("platypus", "1.0", {"platypus.py": ""}), uploaded=datetime.now(UTC))
    bench.write("requirements.txt", "platypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", "--no-deps", code=1)
    assert "release-age" in out
    bench.write("weighlock.toml", '[install]\nmin-age = "0 hours"\n')
    bench.check("-r", "requirements.txt", "--no-deps", code=0)


def test_an_index_that_only_the_requirements_file_names_is_asked_who_else_serves_the_name(bench: Bench):
    bench.add("platypus", "1.0")
    bench.index.add(wheel("platypus", "9.9", {"platypus.py": ""}), "attacker", uploaded=OLD)
    bench.write("requirements.txt", f"--extra-index-url {bench.index.url('attacker')}\nplatypus==1.0\n")
    out, _ = bench.check("-r", "requirements.txt", "--no-deps", code=1)
    assert "index-ownership" in out
    bench.write("requirements.txt", f"--index-url {bench.index.url('attacker')}\nplatypus==9.9\n")
    bench.check("-r", "requirements.txt", "--no-deps", code=0)


def test_a_project_without_a_lockfile_is_checked_by_its_own_dependencies(bench: Bench):
    bench.add("platypus", "1.0", requires=["vulnerable<2"])
    bench.add("vulnerable", "1.5")
    bench.write("pyproject.toml", '[project]\nname = "x"\ndependencies = [\n    "platypus >= 1",\n]\n')
    document = bench.report(code=1)
    told = {item["name"]: item for item in document["packages"]}
    assert document["inputs"] == ["pyproject.toml"]
    assert told["vulnerable"]["origin"] == {"path": "pyproject.toml", "line": 4, "text": "platypus >= 1"}
    assert told["vulnerable"]["verdict"]["decision"] == "DENY"


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "x"\ndynamic = ["dependencies"]\n',
        '[project]\nname = "x"\ndependencies = ["--extra-index-url=http://127.0.0.1:9/simple"]\n',
        '[project]\nname = "x"\ndependencies = ["-r other.txt"]\n',
        '[project]\nname = "x"\ndependencies = [1]\n',
        '[project]\nname = "x"\ndependencies = "platypus"\n',
        '[project]\nname = "x"\n',
        "[tool.weighlock]\n",
    ],
)
def test_a_project_whose_dependencies_are_not_known_is_no_success(bench: Bench, text: str):
    bench.write("pyproject.toml", text)
    bench.check(code=2)
    assert bench.index.requests == []


def test_requirements_beside_a_project_are_both_checked(bench: Bench):
    bench.add("platypus", "1.0")
    bench.add("vulnerable", "1.5")
    bench.write("pyproject.toml", '[project]\nname = "x"\ndependencies = ["platypus"]\n')
    bench.write("requirements.txt", "vulnerable==1.5\n")
    document = bench.report("-r", "pyproject.toml", "-r", "requirements.txt", code=1)
    assert [item["name"] for item in document["packages"]] == ["platypus", "vulnerable"]
