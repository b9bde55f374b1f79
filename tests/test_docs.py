"""The documents say what is there, all of it, and what they tell people to type works."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from weighlock import errors
from weighlock.install_policy import InstallPolicy
from weighlock.sources.pip import options

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "weighlock"
COMMANDS = sorted(path.stem.replace("_", "-") for path in (SOURCE / "_cli").glob("[!_]*.py"))
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
VARIABLES = sorted(
    {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"\bWEIGHLOCK_[A-Z][A-Z_]*\b", path.read_text("utf-8"))
    }
)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _generator():
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documents_are_not_stale():
    stale = [path.name for path, text in _generator().documents().items() if path.read_text("utf-8") != text]
    assert not stale, "run make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str):
    assert re.search(rf"^  {name} +\S", _text("README.md"), re.MULTILINE), (
        "in the README's list of commands, by make docs"
    )
    assert f"## weighlock {name}\n" in _text("docs/cli.md")
    for part in _generator().parts_of(name):
        assert f"### weighlock {name} {part}\n" in _text("docs/cli.md")


@pytest.mark.parametrize("name", sorted(path.stem.replace("_", "-") for path in (SOURCE / "checks").glob("[!_]*.py")))
def test_every_check_is_documented(name: str):
    assert f"## {name}\n" in _text("docs/checks.md")


@pytest.mark.parametrize("name", VARIABLES)
def test_every_environment_variable_is_documented(name: str):
    assert f"`{name}`" in _text("docs/exit-codes.md")


def test_every_documented_variable_exists():
    assert set(re.findall(r"`(WEIGHLOCK_[A-Z_]+)`", _text("docs/exit-codes.md"))) == set(VARIABLES)


@pytest.mark.parametrize("name", ["README.md", "docs/exit-codes.md"])
def test_every_exit_code_is_documented(name: str):
    codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.WeighlockError | errors.LoadRefused)
    }
    assert codes | {0} <= {int(code) for code in re.findall(r"^\| (\d+) \|", _text(name), re.MULTILINE)}


def test_every_policy_key_is_documented():
    tree = ast.parse(_text("src/weighlock/policy.py"))
    policy = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Policy")
    keys = [
        node.target.id.replace("_", "-")
        for node in policy.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    assert keys
    for name in ("README.md", "docs/policy.md"):
        for key in keys:
            assert f"| `{key}` |" in _text(name)
    for key in InstallPolicy.__dataclass_fields__:
        assert f"| `{key.replace('_', '-')}` |" in _text("docs/policy.md")


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target


def test_every_decision_has_a_number_a_status_and_its_negatives():
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.name[:4]}: ")
        for heading in ("**Status:**", "## Context", "## Decision", "## Consequences"):
            assert heading in text, page.name


def test_the_readme_opens_with_what_it_stops_what_it_does_not_and_the_two_commands():
    opening = _text("README.md").split("```")[0].split("\n\n")[1]
    assert opening.startswith("weighlock stops ")
    assert "It does not stop " in opening
    assert "make demo" in _text("README.md").split("```")[1]
    assert "make test" in _text("README.md").split("```")[1]


def _shell_lines(name: str, *, marked: bool) -> list[str]:
    blocks = re.findall(r"(<!-- runs -->\n)?```shell\n(.*?)```", _text(name), re.DOTALL)
    return [line for mark, block in blocks if bool(mark) == marked for line in block.splitlines() if line.strip()]


def _options() -> dict[tuple[str, ...], set[str]]:
    """Return the options of every command, pip's among them, and of every part of a command that has parts."""
    import click

    from weighlock._cli import commands

    context = click.Context(commands)
    found = {}
    for name in COMMANDS:
        command = commands.get_command(context, name)
        assert command is not None
        parts = {(name, part): inner for part, inner in getattr(command, "commands", {}).items()}
        for words, inner in {(name,): command, **parts}.items():
            found[words] = {
                option for parameter in inner.params for option in (*parameter.opts, *parameter.secondary_opts)
            }
    found["install",] |= {f"--{name}" for name in options.NAMED} | {"-r", "-c", "-e", "-i", "-U", "-t"}
    return found


@pytest.mark.parametrize("name", [str(path.relative_to(ROOT)) for path in MARKDOWN])
def test_every_command_that_people_are_told_to_type_exists_with_its_options(name: str):
    known = _options()
    for line in _shell_lines(name, marked=True) + _shell_lines(name, marked=False):
        words = line.split(" # ")[0].split()
        if words[0] != "weighlock":
            continue
        assert (words[1],) in known, line
        command = tuple(words[1:3]) if tuple(words[1:3]) in known else (words[1],)
        assert len(command) == 2 or not any(other[0] == words[1] for other in known if len(other) == 2), line
        for word in words[2:]:
            if words[1] == "run":
                break
            if word.startswith("-"):
                assert word.split("=")[0] in known[command], line


@pytest.mark.e2e
def test_the_commands_of_the_readme_run(tmp_path: Path):
    lines = _shell_lines("README.md", marked=True)
    assert lines
    models = tmp_path / "models"
    models.mkdir()
    header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (models / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    (models / "data.pkl").write_bytes(pickle.dumps({"a": 1}))
    (tmp_path / "train.py").write_text("print('trained')\n")
    folder = Path(sys.executable).parent
    assert shutil.which("weighlock", path=str(folder)), "the command is installed beside this interpreter"
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    for line in lines:
        done = subprocess.run(
            ["/bin/sh", "-c", line.split(" # ")[0]],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "docs", "matrix", "clean"])
def test_every_target_of_the_makefile_exists(target: str):
    assert re.search(rf"^{target}:", _text("Makefile"), re.MULTILINE)
