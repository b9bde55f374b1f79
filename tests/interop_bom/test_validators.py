"""Documents are valid to three validators that others wrote; each of them can say no."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.advisories import osv_files
from tests.bom import folders
from weighlock.bom import to_cyclonedx
from weighlock.bom.spdx_ids import IDENTIFIERS
from weighlock.gates import bom as gate
from weighlock.gates.bom import BomRequest, describe
from weighlock.gates.check_inputs import Inputs
from weighlock.gates.project import Project
from weighlock.install_policy import IgnoredAdvisory, InstallPolicy
from weighlock.policy import Policy
from weighlock.sources.interface import Silence

pytestmark = pytest.mark.e2e

HOSTILE = """---
license: '<script>alert(1)</script>'
license_link: 'javascript:alert(1)'
pipeline_tag: "\\e[31m"
datasets: ['../..', 'a b', '<img src=x>', 'org/fine', "\\u202e"]
base_model: ['javascript:alert(1)', 'org/base', '/home/x']
tags: ["\\0", '<b>']
co2_eq_emissions: {emissions: -1, source: '<i>'}
model-index:
- results:
  - dataset: {name: '"><svg onload=alert(1)>'}
    metrics: [{type: '<b>', value: .nan}, {type: acc, value: 99999999999999999999999999}]
---
## Limitations
<script>alert(1)</script>
## Bias
"""


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> dict[str, Path]:
    """Return documents of all kinds in both versions, by name."""
    home = tmp_path_factory.mktemp("bom")
    found: dict[str, Path] = {}
    for name, value in (("models", _models(home)), ("hostile", _hostile(home)), ("packages", _packages(home))):
        for version in ("1.6", "1.7"):
            found[f"{name}-{version}"] = home / f"{name}-{version}.json"
            text = json.dumps(to_cyclonedx(value, version), ensure_ascii=False)
            found[f"{name}-{version}"].write_text(text, encoding="utf-8")
    return found


def _describe(home: Path, *paths: Path, policy: Policy | None = None, lists: Inputs | None = None):
    project = Project(policy=policy or Policy(), lock=home / "models.lock")
    request = BomRequest(paths=tuple(map(str, paths)), lists=lists or Inputs(), files=True, author="a person")
    environ = {"SOURCE_DATE_EPOCH": "1700000000", "WEIGHLOCK_ADVISORIES": str(home / "advisories.sqlite")}
    now = osv_files.NOW
    return describe(request, project, python="python", environ=environ, now=now, progress=Silence())


def _models(home: Path):
    folder = folders.model(home / "rich")
    folders.gguf(folder / "x.gguf")
    folders.dangerous(folder / "evil.bin")
    (folder / "model.sigstore.json").write_text("{}")
    return _describe(home, folder, folders.adapter(home / "adapter"))


def _hostile(home: Path):
    folder = folders.model(home / "hostile", card=HOSTILE)
    for name in (b"\x1b[31m", b"<script>", b"\xff\xfe", b"a#b%23 c", "\u202e".encode(), b"n" * 250):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    folders.gguf(folder / "x.gguf", {"general.license": "<script>", "general.author": "\x1b"})
    return _describe(home, folder)


def _packages(home: Path):
    hostile = "License-Expression: MIT AND <b>\nProject-URL: a, https://x.example/#/#y\nProject-URL: b, javascript:x\n"
    place = folders.environment(
        home / "lib" / "python3.12" / "site-packages",
        {"name": "app", "version": "1.0", "metadata": "License-Expression: MIT OR Apache-2.0\nRequires-Dist: lib"},
        {"name": "lib", "version": "2.0+cpu", "metadata": "Classifier: License :: OSI Approved :: BSD License\n"
         "Classifier: License :: OSI Approved :: MIT License"},
        {"name": "odd", "version": "1 <b>\x1b", "metadata": hostile},
        {"name": "direct", "version": "1", "direct_url__json": json.dumps({"url": "https://h.example/d-1-py3-none-any.whl",
         "archive_info": {"hashes": {"sha256": "0" * 64}}})},
    )  # fmt: skip
    osv_files.database(
        home,
        osv_files.record("PYSEC-2026-1", "app", ranges=[osv_files.span(fixed="2.0")], aliases=["CVE-2026-1", "<b>"]),
        osv_files.record("PYSEC-2026-2", "lib", summary="\x1b[31m<script>", severity=osv_files.CRITICAL),
    )
    ignored = IgnoredAdvisory(
        id="PYSEC-2026-1", reason="code_not_reachable: never", expires=(osv_files.NOW + timedelta(days=1)).date()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "folders_of", lambda _python: (str(home), (str(place),)))
        policy = Policy(install=InstallPolicy(ignore_advisories=(ignored,)))
        return _describe(home, policy=policy, lists=Inputs(environment=True))


def broken(path: Path, where: str, value: object) -> Path:
    """Return a copy of a document with one thing in it that no schema admits."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document["components"][0][where] = value
    copy = path.with_suffix(".broken.json")
    copy.write_text(json.dumps(document), encoding="utf-8")
    return copy


def test_cyclonedx_python_lib_takes_every_document(documents, python_library):
    assert {name: python_library(path) for name, path in documents.items()} == dict.fromkeys(documents)


def test_the_cyclonedx_javascript_library_takes_every_document(documents, javascript_library):
    answers = javascript_library(*documents.values())
    assert answers == {str(path): None for path in documents.values()}


def test_cdx_validate_takes_every_document(documents, cdx_validate):
    answers = {name: cdx_validate(path) for name, path in documents.items()}
    assert answers == dict.fromkeys(documents, (True, True))


def test_each_validator_can_say_no(documents, python_library, javascript_library, cdx_validate):
    path = broken(documents["models-1.7"], "type", "no-such-type")
    assert python_library(path)
    assert javascript_library(path)[str(path)]
    assert cdx_validate(path)[0] is False


def test_a_model_card_is_part_of_what_is_validated(documents, python_library, javascript_library, cdx_validate):
    path = broken(documents["models-1.6"], "modelCard", {"modelParameters": {"approach": {"type": "magic"}}})
    assert python_library(path)
    assert javascript_library(path)[str(path)]
    assert cdx_validate(path)[0] is False


def test_nothing_hostile_is_left_in_a_document(documents):
    for path in documents.values():
        text = path.read_text(encoding="utf-8")
        assert not any(char in text for char in "\x1b\u202e\x00")
        assert '"javascript:' not in json.dumps(
            [one.get("externalReferences") for one in json.loads(text)["components"]]
        )


def test_every_identifier_of_a_licence_is_one_that_the_schemas_know():
    from importlib.resources import files

    schema = json.loads(files("cyclonedx.schema._res").joinpath("spdx.SNAPSHOT.schema.json").read_text())
    assert set(schema["enum"]) >= IDENTIFIERS


def test_a_document_is_from_the_time_that_was_stated(documents):
    stated = datetime.fromtimestamp(1_700_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {json.loads(path.read_text())["metadata"]["timestamp"] for path in documents.values()} == {stated}
