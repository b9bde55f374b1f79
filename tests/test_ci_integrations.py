"""What other people's services read, as far as it runs without them: an action, hooks, templates, an expression."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import osv
from tests.output.sarif_schema import valid_run
from weighlock._cli import check as check_command
from weighlock._cli import lock as lock_command
from weighlock.lockfile import HubSource, LockedFile, LockedModel, Lockfile, UrlSource, parse

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step.get("id") or step["name"]: step for step in ACTION["runs"]["steps"]}
DOCUMENT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
OPTIONS = {name for parameter in check_command.command.params for name in parameter.opts}
REVISION, NEXT = "1a" * 20, "2b" * 20


def _block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found, mark
    return found[1]


class Runner:
    """What GitHub's runner gives a step: a folder, files for outputs, and values in the environment."""

    def __init__(self, folder: Path) -> None:
        self.temp = folder / "temp"
        self.work = folder / "work"
        self.summary, self.output = folder / "summary.md", folder / "output"
        for place in (self.temp / "weighlock" / "bin", self.work):
            place.mkdir(parents=True)

    def run(
        self, step: str, *, status: int | None = 0, more: dict[str, str] | None = None, **values: str
    ) -> subprocess.CompletedProcess[str]:
        declared = STEPS[step]["env"]
        assert set(values) <= set(declared), "a value that the step does not take"
        environ = {
            **{name: values.get(name, "") for name in declared},
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(self.temp),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            **(more or {}),
        }
        done = subprocess.run(
            ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]["run"]],
            cwd=self.work, env=environ, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert status is None or done.returncode == status, done.stderr
        return done

    def program(self, place: Path, text: str) -> Path:
        place.write_text(text, encoding="utf-8")
        place.chmod(0o755)
        return place

    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.output.read_text(encoding="utf-8").splitlines())


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def _weighlock(runner: Runner) -> None:
    """Put a `python` where the action installs weighlock, with which the real command runs."""
    runner.program(
        runner.temp / "weighlock" / "bin" / "python", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    )


def _recorder(runner: Runner, *, code: int = 0) -> Path:
    """Put a `python` there that writes down its words and exits."""
    log = runner.temp / "log"
    text = f'#!/bin/bash\nprintf "%s\\n" "$@" >> {shlex.quote(str(log))}\nexit {code}\n'
    runner.program(runner.temp / "weighlock" / "bin" / "python", text)
    return log


def test_no_expression_stands_inside_a_script_of_the_action():
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), step


def test_every_input_of_the_action_is_used_and_documented():
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in text
        assert f"| `{name}` |" in DOCUMENT


def test_the_action_gives_check_options_that_it_has():
    for option in re.findall(r"(?<![\w-])--[a-z-]+", STEPS["check"]["run"]):
        assert option in OPTIONS, option


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, "weighlock"),
        ({"WEIGHLOCK_ACTION_VERSION": "0.1.0"}, "weighlock==0.1.0"),
        ({"WEIGHLOCK_ACTION_VERSION": "0.1.0", "WEIGHLOCK_ACTION_SOURCE": "./dist/x.whl"}, "./dist/x.whl"),
    ],
)
def test_the_action_installs_weighlock_into_an_environment_of_its_own(runner: Runner, values, wanted: str):
    log = _recorder(runner)
    fake = runner.program(runner.temp / "python", f'#!/bin/sh\nprintf "%s\\n" "$@" >> {shlex.quote(str(log))}\n')
    runner.run("install", WEIGHLOCK_ACTION_PYTHON=str(fake), **values)
    words = log.read_text(encoding="utf-8").splitlines()
    assert words[:3] == ["-m", "venv", str(runner.temp / "weighlock")]
    assert words[-3:] == ["--only-binary", ":all:", wanted]


def test_arguments_of_the_action_are_words_and_never_commands(runner: Runner):
    log = _recorder(runner)
    evil = "-r 'a b.txt' \"c d\" $(touch marker) `touch marker` ; touch marker && x *"
    runner.run(
        "check", WEIGHLOCK_ACTION_ARGUMENTS=evil, WEIGHLOCK_ACTION_FAIL_ON="high", WEIGHLOCK_ACTION_SARIF="w.sarif",
        WEIGHLOCK_ACTION_PYTHON="python3",
    )  # fmt: skip
    words = log.read_text(encoding="utf-8").splitlines()
    assert not (runner.work / "marker").exists()
    start = words.index("-r")
    assert words[start : start + 5] == ["-r", "a b.txt", "c d", "$(touch", "marker)"]
    assert words[-2:] == ["*", "--fail-on=high"]


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_no_arguments_of_the_action_are_no_words(runner: Runner, blank: str):
    log = _recorder(runner)
    runner.run("check", WEIGHLOCK_ACTION_ARGUMENTS=blank, WEIGHLOCK_ACTION_SARIF="w.sarif")
    assert log.read_text(encoding="utf-8").splitlines()[-1].startswith("markdown=")


def test_the_action_fails_closed_where_the_check_could_not_run(runner: Runner):
    _recorder(runner, code=2)
    runner.run("check", WEIGHLOCK_ACTION_SARIF="w.sarif")
    assert runner.outputs() == {"exit-code": "2"}
    assert "could not decide" in runner.summary.read_text(encoding="utf-8")
    assert runner.run("Refuse", status=None, WEIGHLOCK_ACTION_EXIT_CODE="2").returncode == 2
    assert runner.run("Refuse", status=None, WEIGHLOCK_ACTION_EXIT_CODE="").returncode != 0


def test_the_action_shows_what_is_refused_where_people_look_and_then_refuses(runner: Runner, tmp_path: Path):
    _weighlock(runner)
    database = osv.database(tmp_path, osv.record("PYSEC-2026-1", "vulnerable", fixed="2.0", summary="::error::a hole"))
    (runner.work / "requirements.txt").write_text("# ours\nvulnerable==1.0\n", encoding="utf-8")
    done = runner.run(
        "check",
        more={"WEIGHLOCK_ADVISORIES": str(database), "PIP_CONFIG_FILE": os.devnull},
        WEIGHLOCK_ACTION_PYTHON=sys.executable,
        WEIGHLOCK_ACTION_ARGUMENTS="-r requirements.txt --no-deps --offline",
        WEIGHLOCK_ACTION_SARIF="weighlock.sarif",
    )
    assert runner.outputs() == {"exit-code": "1", "sarif-file": str(runner.work / "weighlock.sarif")}
    commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert any(line.startswith("::error file=requirements.txt,line=2,") for line in commands)
    assert not any(line.startswith("::error::a hole") for line in commands)
    assert "weighlock check: refused" in runner.summary.read_text(encoding="utf-8")
    run = valid_run((runner.work / "weighlock.sarif").read_text(encoding="utf-8"))
    assert "PYSEC-2026-1" in {result["ruleId"] for result in run["results"]}


def test_hooks_of_pre_commit_call_commands_with_options_that_they_have():
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    known = {"check": check_command.command, "lock": lock_command.command}
    for hook in hooks:
        assert {"id", "name", "entry", "language", "files"} <= set(hook)
        program, name, *options = hook["entry"].split()
        assert program == "weighlock"
        assert set(options) <= {option for parameter in known[name].params for option in parameter.opts}
        assert f"- id: {hook['id']}" in DOCUMENT


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("requirements.txt", 0), ("sub/requirements-gpu.txt", 0), ("pylock.toml", 0), ("pylock.dev.toml", 0),
        ("uv.lock", 0), ("models.lock", 1), ("pyproject.toml", 1),
    ],
)  # fmt: skip
def test_hooks_of_pre_commit_run_when_a_file_of_theirs_changes(name: str, hook: int):
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert re.search(hooks[hook]["files"], name)
    assert not re.search(hooks[hook]["files"], f"{name}.bak")


def test_the_template_for_gitlab_gives_check_options_that_it_has_and_keeps_its_report():
    (job,) = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text(encoding="utf-8")).values()
    assert all(isinstance(line, str) for line in job["script"])
    line = job["script"][-1]
    assert set(re.findall(r"--[a-z-]+", line)) <= OPTIONS
    report = job["artifacts"]["reports"]["junit"]
    assert f"--also junit={report} " in line
    assert job["artifacts"]["when"] == "always"
    assert "$WEIGHLOCK_CHECK" in line


def _lockfile() -> Lockfile:
    def model(name: str, source) -> LockedModel:
        file = LockedFile(path="model.safetensors", size=1, sha256="ab" * 32)
        return LockedModel(name=name, source=source, files=(file,))

    return Lockfile(
        models=(
            model("google-bert/bert-base-uncased", HubSource(repo="google-bert/bert-base-uncased", revision=REVISION)),
            model("gpt2", HubSource(repo="gpt2", ref="v1.0", revision=REVISION)),
            model("org/data", HubSource(repo="org/data", type="dataset", revision=REVISION)),
            model("https://models.example/x.pt", UrlSource(url="https://models.example/x.pt")),
        )
    )


def _managers() -> list[dict]:
    return json.loads(_block("renovate"))["customManagers"]


def test_the_expression_for_renovate_finds_every_model_of_a_lockfile_that_lock_writes():
    text = _lockfile().dumps()
    found = {}
    for manager in _managers():
        (expression,) = manager["matchStrings"]
        for match in re.finditer(expression.replace("(?<", "(?P<"), text):
            template = manager["packageNameTemplate"]
            for key, value in match.groupdict().items():
                template = template.replace(f"{{{{{{{key}}}}}}}", value)
            assert match["currentDigest"] == REVISION
            found[template] = match["currentValue"]
    assert found == {
        "https://huggingface.co/google-bert/bert-base-uncased": "main",
        "https://huggingface.co/gpt2": "v1.0",
        "https://huggingface.co/datasets/org/data": "main",
    }


def test_what_renovate_changes_is_a_lockfile_with_the_new_revision_and_the_old_digests():
    text = _lockfile().dumps()
    (expression,) = _managers()[0]["matchStrings"]
    moved = re.sub(
        expression.replace("(?<", "(?P<"), lambda match: match[0].replace(match["currentDigest"], NEXT), text
    )
    models = {model.name: model.source for model in parse(moved).models}
    assert models["gpt2"] == HubSource(repo="gpt2", ref="v1.0", revision=NEXT)
    assert models["org/data"] == HubSource(repo="org/data", type="dataset", revision=REVISION)
    assert "ab" * 32 in moved


def test_the_patterns_for_renovate_match_the_lockfile_and_nothing_else():
    for manager in _managers():
        (pattern,) = manager["managerFilePatterns"]
        expression = re.compile(pattern.strip("/"))
        assert expression.search("models.lock")
        assert expression.search("sub/models.lock")
        assert not expression.search("my-models.lock")
        assert not expression.search("models.lock.bak")


def test_the_recipe_refreshes_digests_with_commands_that_there_are_and_an_author_that_renovate_ignores():
    (job,) = yaml.safe_load(_block("refresh"))["jobs"].values()
    script = job["steps"][-1]["run"]
    options = {option for parameter in lock_command.command.params for option in parameter.opts}
    (line,) = [line for line in script.splitlines() if line.startswith("weighlock ")]
    assert line.split()[1] == "lock"
    assert set(line.split()[2:]) <= options
    (author,) = json.loads(_block("renovate"))["gitIgnoredAuthors"]
    assert f"git config user.email {author}" in script


@pytest.mark.parametrize("block", re.findall(r"```(yaml|json)\n(.*?)```", DOCUMENT, re.DOTALL), ids=lambda block: "")
def test_every_example_can_be_parsed(block: tuple[str, str]):
    kind, text = block
    assert (yaml.safe_load if kind == "yaml" else json.loads)(text)
