"""What `weighlock bom` writes, `weighlock check --bom` judges: in both forms, and by the same digests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import osv
from weighlock._cli import main
from weighlock.demo.packages import wheel

CARD = "---\nlicense: mit\ndatasets: [org/d]\nbase_model: org/b\n---\n# M\n\nIt is a model.\n"


@pytest.fixture
def project(tmp_path: Path, package_index, monkeypatch) -> Path:
    old = datetime.now(UTC) - timedelta(days=400)
    for name, version in (("fine", "1.0"), ("holed", "1.0")):
        package_index.add(wheel(name, version, {f"{name}.py": ""}), uploaded=old)
    database = osv.database(tmp_path, osv.record("PYSEC-2026-1", "holed", fixed="2.0", summary="a hole"))
    monkeypatch.setenv("PIP_INDEX_URL", package_index.url("simple"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(database))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    (folder / "model").mkdir(parents=True)
    monkeypatch.chdir(folder)
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / "model" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    (folder / "model" / "README.md").write_text(CARD)
    return folder


def described(form: str, requirement: str) -> str:
    Path("requirements.txt").write_text(f"{requirement}\n")
    name = f"bom.{form}.json"
    assert main(["bom", "--lockfile", "models.lock", "-r", "requirements.txt", "--format", form, "--output", name]) == 0
    return name


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_a_locked_model_and_a_clean_package_pass_and_one_changed_digest_does_not(project: Path, capsys, form):
    assert main(["lock", "./model", "--offline"]) == 0
    name = described(form, "fine==1.0")
    capsys.readouterr()
    assert main(["check", "--bom", name]) == 0, capsys.readouterr()
    text = Path(name).read_text(encoding="utf-8")
    digest = next(part for part in text.split('"') if len(part) == 64 and part in Path("models.lock").read_text())
    Path(name).write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    capsys.readouterr()
    assert main(["check", "--bom", name]) == 1
    out = capsys.readouterr().out
    assert "changed-file" in out or "not-in-lock" in out


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_an_advisory_that_the_policy_ignored_when_it_was_written_is_not_believed_elsewhere(project: Path, capsys, form):
    assert main(["lock", "./model", "--offline"]) == 0
    policy = project / "weighlock.toml"
    expires = (datetime.now(UTC) + timedelta(days=9)).date()
    ignored = f'{{ id = "PYSEC-2026-1", reason = "not_affected: never called", expires = {expires} }}'
    policy.write_text(f"[tool.weighlock.install]\nignore-advisories = [{ignored}]\n")
    name = described(form, "holed==1.0")
    capsys.readouterr()
    assert main(["check", "--bom", name, "--format", "json"]) == 0
    capsys.readouterr()
    policy.unlink()
    assert main(["check", "--bom", name, "--format", "json"]) == 1
    (package,) = json.loads(capsys.readouterr().out)["packages"]
    assert [reason["rule"] for reason in package["verdict"]["reasons"]] == ["advisory"]
    assert any("not believed" in finding["message"] for finding in package["findings"])


def test_a_model_that_was_never_locked_is_refused_in_a_document_of_ours_too(project: Path, capsys):
    assert main(["bom", "model", "--output", "bom.json"]) == 0
    assert main(["check", "--bom", "bom.json"]) == 1
    assert "there is no models.lock" in " ".join(capsys.readouterr().out.split())
