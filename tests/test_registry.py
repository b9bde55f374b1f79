"""Every check and every hook is complete: found by its file, documented in its docstring, proved by vectors."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from tests.vectors.build import vectors
from tests.vectors.candidates import candidate_from
from tests.vectors.wheels import SURROUNDINGS
from weighlock import checks, inspector
from weighlock.formats.source import BytesSource
from weighlock.formats.wheel_profile import ReleaseChange, WheelProfile
from weighlock.gates.scan import Judge, scan
from weighlock.gates.twins import Party, prove_model
from weighlock.inspector.packages import inspect_wheel
from weighlock.scanners.modelscan import Modelscan
from weighlock.sources.environment import read_folders
from weighlock.sources.interface import Silence

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "weighlock"
VECTORS = ROOT / "tests" / "vectors"
CHECKS = sorted([*(SOURCE / "checks").glob("[!_]*.py"), *(SOURCE / "checks" / "packages").glob("[!_]*.py")])
HOOKS = sorted((SOURCE / "runtime" / "hooks").glob("[!_]*.py"))


def _name(path: Path) -> str:
    return path.stem.replace("_", "-")


def _headings(path: Path) -> dict[str, str]:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def _vectors(check: str, kind: str) -> list[Path]:
    return sorted((VECTORS / check / kind).glob("[!_.]*"))


def _structure(path: Path) -> object:
    """Read what a vector in JSON says about releases."""
    if path.parts[-3] == "new-in-release":
        data = json.loads(path.read_bytes())
        return ReleaseChange(**{key: WheelProfile.from_dict(value) for key, value in data.items()})
    return candidate_from(path)


def _findings(path: Path) -> set[str]:
    if path.parts[-3] == "modelscan":  # not the inspector speaks, but another scanner
        pytest.importorskip("modelscan")
        with Modelscan() as second:
            report = scan([str(path)], Judge(), second=second)
        return {finding.check for judged in report.judged for finding in judged.inspection.findings}
    if path.suffix == ".json" and (SOURCE / "checks" / "packages" / f"{path.parts[-3].replace('-', '_')}.py").exists():
        return {finding.check for finding in checks.run(_structure(path), checks.PACKAGES)}
    if path.suffix == ".whl":
        inspection = inspect_wheel(BytesSource(path.read_bytes()), path.name, **SURROUNDINGS.get(path.name, {}))
        return {finding.check for finding in inspection.findings}
    if path.parts[-3] in {"installed-files", "stray-files"}:  # the library folder of an environment
        found = read_folders([str(path)], str(path))
        structures = (*found.distributions, *found.strays)
        return {finding.check for structure in structures for finding in checks.run(structure, checks.PACKAGES)}
    if path.is_dir():  # what only several files together show
        parties = {file.name: Party(place=file) for file in path.iterdir()}
        return {finding.check for proof in prove_model("", parties, Silence()) for finding in proof.findings}
    return {finding.check for finding in inspector.inspect(BytesSource(path.read_bytes())).findings}


def test_there_are_checks_and_hooks():
    assert CHECKS
    assert HOOKS


@pytest.mark.parametrize("path", CHECKS, ids=_name)
def test_a_check_documents_itself(path: Path):
    headings = _headings(path)
    assert list(headings) == ["What it does", "Why it matters", "Known limits", "Sources"]
    assert all(headings.values())


@pytest.mark.parametrize("path", CHECKS, ids=_name)
def test_a_check_finds_every_bad_vector_and_no_good_one(path: Path):
    bad, good = _vectors(_name(path), "bad"), _vectors(_name(path), "good")
    assert bad, f"tests/vectors/{_name(path)}/bad/ is empty"
    assert good, f"tests/vectors/{_name(path)}/good/ is empty"
    assert [vector.name for vector in bad if _name(path) not in _findings(vector)] == []
    assert [vector.name for vector in good if _name(path) in _findings(vector)] == []


def test_the_vectors_are_what_their_builder_writes():
    files = [path for depth in ("*/*/*", "*/*/*/*", "*/*/*/*/*") for path in VECTORS.glob(depth) if path.is_file()]
    there = {str(path.relative_to(VECTORS)): path.read_bytes() for path in files}
    assert there == vectors(), "run python -m tests.vectors.build"


def test_no_vectors_are_left_of_a_check_that_is_gone():
    folders = {path.name for path in VECTORS.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert folders <= {_name(path) for path in CHECKS}


@pytest.mark.parametrize("path", HOOKS, ids=_name)
def test_a_hook_says_what_it_covers_and_what_it_does_not(path: Path):
    headings = _headings(path)
    assert headings.get("Covers"), path.name
    assert headings.get("Does not cover"), path.name


@pytest.mark.parametrize("path", HOOKS, ids=_name)
def test_a_hook_stands_in_the_table_of_the_finder(path: Path):
    table = (SOURCE / "runtime" / "_finder.py").read_text(encoding="utf-8")
    assert re.search(rf"[\"'.]{path.stem}[\"']", table), f"runtime/_finder.py does not name {path.stem}"


@pytest.mark.parametrize("path", HOOKS, ids=_name)
def test_hooks_do_not_import_hooks(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("weighlock.runtime.hooks"), path.name


def test_every_finding_bears_the_name_of_a_check():
    named = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"(?:\bcheck=|_unverifiable\()\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    }
    assert named
    assert named <= {_name(path) for path in CHECKS}
