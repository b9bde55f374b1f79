"""What is signed about a document, and what a statement about another one is worth."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from weighlock.errors import ForgedError, FormatError, LockfileError
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.signing.documents import BOM, LOCKFILE, REPORT, model_document, read_document
from weighlock.signing.lockfile_statement import require_about
from weighlock.signing.statement import Subject

A, B = "a" * 64, "b" * 64


def lock(*files):
    locked = tuple(LockedFile(path=path, size=1, sha256=digest) for path, digest in files)
    return Lockfile(models=(LockedModel(name="m", source=PathSource(path="m"), files=locked),)).dumps().encode()


LOCK = lock(("x", A), ("y", B))
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {"component": {"name": "main", "version": "1", "hashes": [{"alg": "SHA-512", "content": "c" * 128}]}},
    "components": [
        {
            "name": "x",
            "bom-ref": "r",
            "hashes": [{"alg": "SHA-256", "content": A}, {"alg": "MD5", "content": "d" * 32}],
        },
        {"name": "w", "hashes": [{"alg": "MD5", "content": "d" * 32}]},
        {
            "name": "n",
            "purl": "pkg:pypi/n@1",
            "components": [{"name": "y", "hashes": [{"alg": "SHA-256", "content": B}]}],
        },
    ],
}


def names(document):
    return [subject.name for subject in document.subjects]


def test_a_lockfile_vouches_for_itself_and_every_file():
    document = read_document(LOCK, "models.lock")
    assert (document.kind, names(document)) == (LOCKFILE, ["models.lock", "m:x", "m:y"])
    assert document.statement.sha256s() == {sha256(LOCK).hexdigest(), A, B}


def test_the_guard_and_the_command_agree_about_what_a_signed_lockfile_is():
    require_about(read_document(LOCK, "anything").statement, LOCK)


def test_a_bill_of_materials_vouches_for_every_component_that_it_has_a_digest_of():
    document = read_document(json.dumps(CYCLONEDX).encode(), "b.json")
    assert (document.kind, names(document)) == (BOM, ["b.json", "main@1", "r", "y"])
    assert document.subjects[2].digests == {"sha256": A}


def test_bills_of_the_other_kind_are_read_too():
    spdx2 = {
        "spdxVersion": "SPDX-2.3",
        "files": [{"SPDXID": "f", "checksums": [{"algorithm": "SHA256", "checksumValue": A}]}],
    }
    spdx3 = {
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [{"spdxId": "f", "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": A}]}],
    }
    for document in (spdx2, spdx3):
        assert names(read_document(json.dumps(document).encode(), "b")) == ["b", "f"]


def test_a_report_vouches_for_itself():
    document = read_document(b'{"weighlock": "1", "command": "scan"}', "r.json")
    assert (document.kind, names(document)) == (REPORT, ["r.json"])


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04N.", b'{"model_type": "bert"}', b"{", b'lock-version = "1.0"\n[[packages]]\nname = "a"\n']
)
def test_any_other_file_is_a_model(data):
    assert read_document(data, "x") is None


def test_a_broken_document_is_not_signed_as_a_model():
    with pytest.raises(LockfileError):
        read_document(b'lock-version = "1.0"\nnonsense = 1\n', "models.lock")
    for spoiled in ({"components": [1]}, {"components": [{"hashes": [{}], "name": "a"}]}, {"metadata": []}):
        with pytest.raises(FormatError):
            read_document(json.dumps({**CYCLONEDX, **spoiled}).encode(), "b")


def test_components_without_end_are_refused():
    deep = {"name": "x"}
    for _ in range(200):
        deep = {"name": "x", "components": [deep]}
    with pytest.raises(FormatError):
        read_document(json.dumps({"bomFormat": "CycloneDX", "components": [deep]}).encode(), "b")


def _swap(subjects):
    return (subjects[0], *(Subject(name=n, digests=d.digests) for n, d in zip("rs", subjects[1:], strict=False)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda it: replace(it, predicate_type="https://weighlock.dev/bom/v1"), id="as a bill of materials"
        ),
        pytest.param(
            lambda it: replace(it, predicate_type="https://weighlock.dev/lockfile/v2"), id="of another version"
        ),
        pytest.param(lambda it: replace(it, predicate={}), id="about nothing certain"),
        pytest.param(lambda it: replace(it, predicate={"lockfile": {"sha256": A}}), id="about other bytes"),
        pytest.param(lambda it: replace(it, predicate={**it.predicate, "more": 1}), id="with more said"),
        pytest.param(lambda it: replace(it, subjects=it.subjects[:1]), id="about the lockfile alone"),
        pytest.param(lambda it: replace(it, subjects=it.subjects[:-1]), id="without the last file"),
        pytest.param(lambda it: replace(it, subjects=it.subjects[1:]), id="without the lockfile"),
        pytest.param(lambda it: replace(it, subjects=(*it.subjects, Subject.sha256("z", A))), id="with one more"),
        pytest.param(lambda it: replace(it, subjects=(*it.subjects, it.subjects[-1])), id="with one twice"),
        pytest.param(lambda it: replace(it, subjects=_swap(it.subjects)), id="with other names"),
        pytest.param(
            lambda it: replace(it, subjects=(*it.subjects[:-1], Subject.sha256("m:y", A))), id="with another digest"
        ),
    ],
)
def test_a_statement_about_another_lockfile_is_refused(change):
    document = read_document(LOCK, "models.lock")
    document.require(document.statement)
    with pytest.raises(ForgedError):
        document.require(change(document.statement))


def test_a_lockfile_may_be_renamed_and_one_changed_byte_is_found():
    signed = read_document(LOCK, "models.lock").statement
    read_document(LOCK, "renamed.lock").require(signed)
    with pytest.raises(ForgedError, match="other bytes"):
        read_document(LOCK + b"\n", "models.lock").require(signed)


def test_a_lockfile_among_the_files_of_a_model_is_not_signed_as_one():
    """Whoever signs a model that somebody else made says nothing about the lockfile in it."""
    digest = sha256(LOCK).hexdigest()
    signed = model_document("m", [("models.lock", digest)]).statement
    with pytest.raises(ForgedError):
        read_document(LOCK, "models.lock").require(signed)


def test_a_model_of_another_name_is_not_the_signed_one():
    signed = model_document("good", [("model.safetensors", A)]).statement
    with pytest.raises(ForgedError, match="signed as 'good'"):
        model_document("evil", [("model.safetensors", A)]).require(signed)


@pytest.mark.parametrize(
    "files", [[("a", B)], [("b", A)], [("a", A), ("modeling_x.py", B)], [("a", A), (".github/x.py", B)]]
)
def test_the_files_of_a_model_are_all_that_were_signed(files):
    signed = model_document("m", [("a", A)]).statement
    with pytest.raises(ForgedError):
        model_document("m", files).require(signed)


def test_nothing_is_no_model():
    with pytest.raises(ForgedError):
        model_document("m", [])
