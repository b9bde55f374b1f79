"""`weighlock bom` as a person runs it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import files, version

import pytest

from tests.bom import folders
from tests.sealed import entries
from weighlock._cli import main
from weighlock.gates.bom_inputs import inspected
from weighlock.lockfile import LockedModel, Lockfile, PathSource
from weighlock.sources.interface import Silence

DIGEST = "58cd2187c01e70e6e26505bca751777aa9f2ee0b7f4300988b709f44e013003f"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)

    def call(*arguments: str, code: int = 0) -> tuple[str, str]:
        answer = main(["bom", *arguments])
        told = capsys.readouterr()
        assert answer == code, told.out + told.err
        return told.out, told.err

    return call


def names(text: str) -> list[str]:
    return [one["name"] for one in json.loads(text)["components"]]


def lock(folder, *paths: str) -> None:
    models = []
    for path in paths:
        files = inspected(path, path, Silence()).model.files
        models.append(LockedModel(name=path, source=PathSource(path=path), files=files))
    (folder / "models.lock").write_text(Lockfile(models=tuple(models)).dumps())


def test_the_document_goes_to_standard_output_and_words_to_standard_error(run, tmp_path):
    folders.model(tmp_path / "m")
    out, err = run("m", "--author", "A. Person")
    document = json.loads(out)
    assert (document["specVersion"], document["metadata"]["authors"]) == ("1.6", [{"name": "A. Person"}])
    assert "1 model," in err
    assert "card read (its bytes verified, its claims not)" in err


def test_the_same_inputs_give_the_same_file(run, tmp_path):
    folders.model(tmp_path / "m")
    for name in ("a.json", "b.json"):
        run("m", "--spec-version", "1.7", "--output", name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_another_order_of_hashing_gives_the_same_bytes(tmp_path):
    folders.model(tmp_path / "m")
    folders.adapter(tmp_path / "a")
    (tmp_path / "requirements.txt").write_text(f"requests==2.31.0 --hash=sha256:{DIGEST}\nurllib3==2.0\n")
    command = [sys.executable, "-m", "weighlock", "bom", "m", "a", "-r", "requirements.txt"]
    answers = set()
    for seed in ("1", "2"):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": "1700000000"}
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=True)
        answers.add(done.stdout)
    assert len(answers) == 1


def test_a_real_environment_is_described_by_its_records(run):
    document = json.loads(run("--env", "--python", sys.executable)[0])
    (package,) = [one for one in document["components"] if one["name"] == "packaging"]
    assert package["purl"] == f"pkg:pypi/packaging@{version('packaging')}"
    (record,) = package["components"]
    (place,) = [file for file in files("packaging") if file.name == "RECORD"]
    assert record["hashes"][0]["content"] == hashlib.sha256(place.locate().read_bytes()).hexdigest()
    graph = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    assert set(graph) == {
        document["metadata"]["component"]["bom-ref"],
        *(one["bom-ref"] for one in document["components"]),
    }


def test_without_arguments_it_is_the_lockfile_and_the_lists_of_this_folder(run, tmp_path):
    folders.model(tmp_path / "m")
    lock(tmp_path, "m")
    (tmp_path / "requirements.txt").write_text(f"requests==2.31.0 --hash=sha256:{DIGEST}\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "3"\nauthors = [{name = "Ada"}]\n')
    document = json.loads(run()[0])
    assert {"m", "requests"} <= {one["name"] for one in document["components"]}
    subject = document["metadata"]["component"]
    assert (subject["name"], subject["version"], subject["supplier"]) == ("shop", "3", {"name": "Ada"})
    (package,) = [one for one in document["components"] if one["name"] == "requests"]
    assert package["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]
    inputs = [one["value"] for one in document["metadata"]["properties"] if one["name"] == "weighlock:input"]
    assert inputs[0].startswith("requirements.txt sha256:")


def test_a_name_of_the_lockfile_is_the_locked_model_and_a_path_is_what_lies_there(run, tmp_path):
    folders.model(tmp_path / "m")
    folders.model(tmp_path / "other")
    lock(tmp_path, "m")
    (tmp_path / "m" / "new.txt").write_text("not locked")
    locked = json.loads(run("m")[0])["components"]
    there = json.loads(run("./m")[0])["components"]
    files = [[part["name"] for part in one["components"]] for one in (locked[0], there[0])]
    assert "new.txt" not in files[0]
    assert "new.txt" in files[1]
    assert "other" not in names(run("m")[0])


def test_a_pylock_lists_every_wheel_with_its_digest(run, tmp_path):
    wheel = f'{{ url = "https://h.example/a-1-py3-none-any.whl", hashes = {{ sha256 = "{DIGEST}" }} }}'
    (tmp_path / "pylock.toml").write_text(
        f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "a"\nversion = "1"\n'
        f'index = "https://index.example/simple"\nwheels = [{wheel}]\n'
    )
    (one,) = json.loads(run("--pylock", "pylock.toml")[0])["components"]
    assert one["purl"] == "pkg:pypi/a@1?repository_url=https:%2F%2Findex.example%2Fsimple"
    assert one["externalReferences"][0]["hashes"][0]["content"] == DIGEST


def test_a_requirement_without_a_version_is_listed_and_its_version_unknown(run, tmp_path):
    (tmp_path / "requirements.txt").write_text("requests>=2\n")
    (one,) = json.loads(run("-r", "requirements.txt")[0])["components"]
    assert "version" not in one
    assert {"name": "weighlock:unknown", "value": "version"} in one["properties"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nowhere",),
        ("--lockfile", "nowhere.lock"),
        ("-r", "nowhere.txt"),
        ("--pylock", "nowhere.toml"),
        ("--spec-version", "1.4"),
        ("--env", "--python", "nowhere"),
        ("m", "--output", "no/such/folder.json"),
        (),
    ],
)
def test_what_cannot_be_read_is_an_error_and_no_document(run, tmp_path, arguments):
    folders.model(tmp_path / "m")
    out, err = run(*arguments, code=2)
    assert not out
    assert err


def test_a_written_document_is_recorded_with_its_digest(run, tmp_path, monkeypatch):
    folders.model(tmp_path / "m")
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(tmp_path / "ledger"))
    run("m", "--output", "models.cdx.json")
    digest = hashlib.sha256((tmp_path / "models.cdx.json").read_bytes()).hexdigest()
    assert [(one.kind, str(one.digest)) for one in entries()] == [("document", f"sha256:{digest}")]


def test_a_hostile_name_does_nothing_to_the_terminal(run, tmp_path):
    folders.model(tmp_path / "\x1b[31mm")
    out, err = run("\x1b[31mm")
    assert "\x1b" not in out + err


def test_packages_without_advisories_are_not_said_to_have_no_vulnerabilities(run, tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(tmp_path / "none.sqlite"))
    (tmp_path / "requirements.txt").write_text("example==1.0\n")
    _, err = run("-r", "requirements.txt")
    assert "0 vulnerabilities of files alone, as advisories about packages are not known" in err
