"""`weighlock check --bom` as a person runs it: what real generators wrote, an index, a small advisory database."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import osv
from tests.output.sarif_schema import valid_run
from weighlock._cli import main
from weighlock.demo.packages import wheel

BILLS = Path(__file__).parents[1] / "vectors" / "_bills"
OLD = datetime.now(UTC) - timedelta(days=400)
PINS = ("click==8.1.7", "idna==3.3", "requests==2.31.0")


class Bench:
    """A folder with bills, an index that has their packages, and an advisory about one of them."""

    def __init__(self, folder: Path, index, monkeypatch, capsys) -> None:
        self.folder, self.index, self.capsys = folder, index, capsys
        database = osv.database(folder, osv.record("PYSEC-2024-60", "idna", fixed="3.7", summary="slow"))
        for pin in PINS:
            name, _, version = pin.partition("==")
            index.add(wheel(name, version, {f"{name}.py": ""}), uploaded=OLD)
        monkeypatch.setenv("PIP_INDEX_URL", index.url("simple"))
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(database))
        monkeypatch.setenv("WEIGHLOCK_CACHE", str(folder / "cache"))
        monkeypatch.chdir(folder)

    def check(self, *arguments: str, code: int) -> tuple[str, str]:
        answer = main(["check", *arguments])
        told = self.capsys.readouterr()
        assert answer == code, told.out + told.err
        return told.out, told.err

    def facts(self, *arguments: str) -> dict[str, set[str]]:
        document = json.loads(self.check(*arguments, "--format", "json", code=1)[0])
        return {
            f"{item['name']}=={item['version']}": {one["advisory"]["id"] for one in item["findings"] if one["advisory"]}
            for item in document["packages"]
        }


@pytest.fixture
def bench(tmp_path: Path, package_index, monkeypatch, capsys) -> Bench:
    return Bench(tmp_path, package_index, monkeypatch, capsys)


@pytest.mark.parametrize("name", sorted(path.name for path in BILLS.glob("*") if path.suffix != ".md"))
def test_a_bill_has_the_advisories_that_the_same_pins_have_as_requirements(bench: Bench, name):
    shutil.copy(BILLS / name, bench.folder / name)
    told = bench.facts("--bom", name)
    told.pop("pj==latest", None)  # the project itself
    (bench.folder / "requirements.txt").write_text("".join(f"{pin}\n" for pin in PINS if pin in told))
    assert told == bench.facts("-r", "requirements.txt", "--no-deps")
    assert told["idna==3.3"] == {"PYSEC-2024-60"}
    assert told["click==8.1.7"] == set()


def test_a_report_says_where_in_the_bill_a_package_stands(bench: Bench):
    shutil.copy(BILLS / "cdxgen.cdx.json", bench.folder / "bom.json")
    out, _ = bench.check("--bom", "bom.json", "--also", "sarif=bom.sarif", "--also", "junit=bom.xml", code=1)
    assert "asked in  bom.json (components[1])" in out
    assert "no version is known that is free of PYSEC-2024-60" in " ".join(out.split())
    results = valid_run((bench.folder / "bom.sarif").read_text(encoding="utf-8"))["results"]
    assert {one["ruleId"] for one in results} == {"PYSEC-2024-60"}
    assert 'failures="1"' in (bench.folder / "bom.xml").read_text(encoding="utf-8")


def test_a_bill_without_anything_bad_passes(bench: Bench):
    document = json.loads((BILLS / "cdxgen.cdx.json").read_text(encoding="utf-8"))
    document["components"] = document["components"][:1]
    (bench.folder / "bom.json").write_text(json.dumps(document))
    out, _ = bench.check("--bom", "bom.json", code=0)
    assert "2 packages of bom.json: 2 ALLOW, 0 DENY" in out


def test_a_broken_bill_decides_nothing(bench: Bench):
    (bench.folder / "bom.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}]}')
    _, err = bench.check("--bom", "bom.json", code=2)
    assert "bom.json, components[0].type" in err
    (bench.folder / "bom.xml").write_text("<bom/>")
    _, err = bench.check("--bom", "bom.xml", code=2)
    assert "hint: let its generator write JSON" in err


def test_hostile_names_in_a_bill_reach_no_terminal_and_no_log(bench: Bench):
    evil = "\x1b[2J\u202e::error::x\n##[command]"
    component = {"type": "library", "name": evil, "version": evil, "purl": "pkg:pypi/%1b%5b2J@%0a"}
    model = {"type": "machine-learning-model", "name": evil, "properties": [{"name": f"import{evil}", "value": evil}]}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component, model]}
    (bench.folder / "bom.json").write_text(json.dumps(document))
    for form in ("text", "json", "sarif", "junit", "markdown", "github"):
        out, _ = bench.check("--bom", "bom.json", "--format", form, code=1)
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "##[" not in out


def test_a_model_of_a_bill_is_compared_with_the_lockfile_of_the_project(bench: Bench):
    files = [{"type": "file", "name": "model.safetensors", "hashes": [{"alg": "SHA-256", "content": "ab" * 32}]}]
    model = {"type": "machine-learning-model", "name": "org/name", "components": files}
    (bench.folder / "bom.json").write_text(
        json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [model]})
    )
    out, _ = bench.check("--bom", "bom.json", code=1)
    assert "there is no models.lock" in " ".join(out.split())
    lock = """lock-version = "1.0"
created-by = "weighlock"

[[models]]
name = "org/name"
source = { path = "./model" }

[[models.files]]
path = "model.safetensors"
size = 9
sha256 = "%s"
format = "safetensors"
"""
    (bench.folder / "models.lock").write_text(lock % ("ab" * 32))
    bench.check("--bom", "bom.json", code=0)
    (bench.folder / "models.lock").write_text(lock % ("cd" * 32))
    out, _ = bench.check("--bom", "bom.json", code=1)
    assert "changed-file" in out
