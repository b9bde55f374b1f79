"""Attestations: real documents of the public index verify for their file, and for nothing else."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from weighlock.artifact import Digest, PackageFile
from weighlock.errors import ForgedError, UnsupportedError
from weighlock.release import Publisher
from weighlock.signing import pypi_attestations

RECORDED = Path(__file__).parent / "recorded"
FILES = json.loads((RECORDED / "files.json").read_text(encoding="utf-8"))
GITHUB = "pypi_attestations-0.0.19.tar.gz"

needs_library = pytest.mark.skipif(not pypi_attestations.is_available(), reason="weighlock[sign] is not installed")


def artifact(filename: str) -> PackageFile:
    name, version = filename.removesuffix(".tar.gz").split("-")[:2]
    return PackageFile(name=name, version=version, filename=filename, digest=Digest.sha256(FILES[filename]))


def document(filename: str) -> bytes:
    return (RECORDED / f"{filename}.provenance").read_bytes()


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    body = json.loads(document(GITHUB))
    change(body)
    return json.dumps(body).encode()


def first(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["attestation_bundles"][0]
    return found


@needs_library
@pytest.mark.parametrize(
    ("filename", "publisher"),
    [
        (GITHUB, Publisher(kind="GitHub", repository="trailofbits/pypi-attestations", workflow="release.yml")),
        (
            "gcb_attestation_test-0.0.0.tar.gz",
            Publisher(kind="Google", repository="919436158236-compute@developer.gserviceaccount.com"),
        ),
        (
            "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl",
            Publisher(
                kind="CircleCI",
                repository="fdd9283f-e619-46af-8f9c-851f7d3e8b2b",
                workflow="8e4f8ab2-8d7c-4827-9f15-de076d6d647f",
            ),
        ),
    ],
)
def test_a_real_document_verifies_without_asking_anybody(
    filename: str, publisher: Publisher, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pypi_attestations.verify(document(filename), artifact(filename)) == publisher
    assert capfd.readouterr() == ("", "")


@needs_library
def test_other_bytes_do_not_verify() -> None:
    other = replace(artifact(GITHUB), digest=Digest.sha256("0" * 64))
    with pytest.raises(ForgedError, match="digest"):
        pypi_attestations.verify(document(GITHUB), other)


@needs_library
def test_the_attestations_of_another_file_do_not_verify() -> None:
    with pytest.raises(ForgedError, match="distribution name"):
        pypi_attestations.verify(document(GITHUB), replace(artifact(GITHUB), filename="evil-0.0.19.tar.gz"))


def _other_signature(body: dict[str, Any]) -> None:
    envelope = first(body)["attestations"][0]["envelope"]
    raw = bytearray(base64.b64decode(envelope["signature"]))
    raw[-1] ^= 1
    envelope["signature"] = base64.b64encode(bytes(raw)).decode()


def _other_statement(body: dict[str, Any]) -> None:
    envelope = first(body)["attestations"][0]["envelope"]
    statement = base64.b64decode(envelope["statement"]).replace(b"0.0.19", b"0.0.20")
    envelope["statement"] = base64.b64encode(statement).decode()


def _forged_second(body: dict[str, Any]) -> None:
    first(body)["attestations"].append(json.loads(json.dumps(first(body)["attestations"][0])))
    envelope = first(body)["attestations"][1]["envelope"]
    envelope["statement"] = base64.b64encode(b"{}").decode()


@needs_library
@pytest.mark.parametrize(
    "change",
    [
        lambda body: first(body)["publisher"].update(repository="evil/pypi-attestations"),
        lambda body: first(body)["publisher"].update(workflow="evil.yml"),
        lambda body: first(body).update(publisher={"kind": "GitLab", "repository": "a/b", "workflow_filepath": "c"}),
        lambda body: first(body).update(publisher={"kind": "Google", "email": "a@example.org"}),
        lambda body: first(body).update(attestations=[]),
        lambda body: body.update(attestation_bundles=[]),
        lambda body: first(body)["attestations"][0]["verification_material"].update(transparency_entries=[]),
        lambda body: first(body)["attestations"][0]["verification_material"].update(certificate="AAAA"),
        _other_signature,
        _other_statement,
        _forged_second,
    ],
)
def test_a_document_with_anything_changed_does_not_verify(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises((ForgedError, UnsupportedError)):
        pypi_attestations.verify(changed(change), artifact(GITHUB))


@needs_library
def test_another_signature_or_publisher_is_a_forgery_and_not_something_unknown() -> None:
    for change in (_other_signature, lambda body: first(body)["publisher"].update(repository="evil/x")):
        with pytest.raises(ForgedError):
            pypi_attestations.verify(changed(change), artifact(GITHUB))


@needs_library
@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"{}", b"[" * 100_000, b'{"attestation_bundles": [1]}'])
def test_what_is_no_document_is_a_forgery(data: bytes) -> None:
    with pytest.raises(ForgedError, match="not built"):
        pypi_attestations.verify(data, artifact(GITHUB))


@needs_library
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: body.update(version=2), "version 2"),
        (lambda body: first(body)["publisher"].update(kind="Forgejo"), "Forgejo"),
        (lambda body: first(body)["publisher"].update(kind=["GitHub"]), "kind"),
        (lambda body: first(body).update(attestations=first(body)["attestations"] * 65), "more than 64"),
    ],
)
def test_what_is_newer_than_the_library_is_not_a_forgery(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        pypi_attestations.verify(changed(change), artifact(GITHUB))


def test_without_a_digest_nothing_can_be_verified() -> None:
    with pytest.raises(UnsupportedError, match="digest"):
        pypi_attestations.verify(b"{}", replace(artifact(GITHUB), digest=None))


def test_without_the_extra_nothing_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)
    with pytest.raises(UnsupportedError, match=r"weighlock\[sign\]"):
        pypi_attestations.verify(document(GITHUB), artifact(GITHUB))
