"""The audit of models on this disk: nothing that is wrong with them, or not known of them, passes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.gates.conftest import DATA, NEEDS, evil, safetensors
from weighlock.audit.item import Status
from weighlock.audit.parts import QUESTIONS
from weighlock.audit.verdict import Audit
from weighlock.errors import LockfileError, RecordError, UsageError
from weighlock.gates.audit import Request, audit
from weighlock.gates.lock import LockOptions, lock
from weighlock.gates.places import Places
from weighlock.gates.project import Project
from weighlock.gates.request import parse_request
from weighlock.policy import Policy
from weighlock.sources.interface import Silence

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CARD = "---\nlicense: apache-2.0\nbase_model: org/base\ndatasets:\n- squad\n---\n# A model\n"


class Room:
    """A folder with a model and a lockfile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "m"
        self.model.mkdir()
        self.project = Project(policy=Policy(), lock=folder / "models.lock")
        self.write("model.safetensors", safetensors())
        self.write("README.md", CARD)

    def write(self, name: str, data: bytes | str) -> Path:
        path = self.model / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def lock(self, **request: object) -> Room:
        asked = replace(parse_request("./m", self.folder), **request)
        lock([asked], self.project, LockOptions(all_formats=True), Silence())
        return self

    def audit(self, target: str = "./m", **request: object) -> Audit:
        asked = Request(target=target, environ={}, now=NOW, **request)
        return audit(asked, self.project, Places(folder=self.folder), Silence())

    def status(self, item: str, **request: object) -> Status:
        return next(one.status for one in self.audit(**request).items if one.question.id == item)

    def text(self, item: str) -> str:
        return next(one.text for one in self.audit().items if one.question.id == item)

    def record(self, text: str = "", *, digest: str | None = None) -> None:
        digest = digest or self.audit().facts.digest
        top = f'audit-version = "1.0"\nlicenses = ["apache-2.0"]\n[[models]]\nname = "./m"\ndigest = "{digest}"\n'
        (self.folder / "audit.toml").write_text(top + text, "utf-8")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.chdir(tmp_path)
    return Room(tmp_path)


def answers(*left_out: str) -> str:
    return "".join(
        f'[[models.answers]]\nitem = "{one.id}"\nanswer = "pass"\ntext = "t"\nby = "Jo"\nat = 2026-11-25\n'
        for one in QUESTIONS
        if (one.assess is None or one.id == "source-known") and one.id not in left_out
    )


def waivers(*items: str, expires: str = "2027-01-31") -> str:
    return "".join(
        f'[[models.waivers]]\nitem = "{item}"\nreason = "r"\nby = "Jo"\napprover = "Ann"\nat = 2026-11-20\n'
        f"expires = {expires}\n"
        for item in items
    )


OPEN = ("signature", "base-models", "packages-admitted", "no-advisories")


def test_an_honest_model_passes_once_people_answered(room: Room):
    room.lock().record(answers() + waivers(*OPEN))
    audited = room.audit()
    assert audited.verdict.allowed, audited.verdict.reasons
    assert audited.record is not None
    assert audited.facts.lock == "sha256:" + hashlib.sha256(room.project.lock.read_bytes()).hexdigest()


def test_an_honest_model_does_not_pass_by_itself(room: Room):
    assert not room.lock().audit().verdict.allowed


def test_waivers_end(room: Room):
    room.lock().record(answers() + waivers(*OPEN, expires="2026-11-24"))
    assert {reason.rule for reason in room.audit().verdict.reasons} == set(OPEN)


def test_a_changed_byte_is_found_and_nothing_that_was_answered_hides_it(room: Room):
    room.lock().record(answers() + waivers(*OPEN))
    weights = room.model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert room.status("disk-equals-lock") is Status.FAIL
    assert room.status("policy-admits") is Status.FAIL
    assert not room.audit().verdict.allowed


def test_a_model_that_is_locked_anew_has_to_be_answered_for_again(room: Room):
    room.lock().record(answers() + waivers(*OPEN))
    room.write("model.safetensors", safetensors())
    room.lock()
    audited = room.audit()
    assert not audited.verdict.allowed
    assert audited.count(Status.WAIVED) == 0
    assert "for other bytes" in audited.notes[0]


def test_a_pickle_that_does_harm_is_found_beside_the_locked_files(room: Room, tmp_path: Path):
    room.lock()
    room.write("extra.bin", evil(tmp_path / "marker"))
    assert room.status("disk-equals-lock") is Status.FAIL
    assert room.status("no-harm") is Status.FAIL
    assert not (tmp_path / "marker").exists()


def test_a_script_beside_the_locked_files_is_found(room: Room):
    room.lock()
    room.write("modeling.py", "import os\n")
    assert room.status("disk-equals-lock") is Status.FAIL
    assert room.status("no-code") is Status.FAIL


def test_harmless_files_beside_the_model_are_no_matter(room: Room):
    room.lock()
    room.write("notes.txt", "nothing\n")
    assert room.status("disk-equals-lock") is Status.PASS


def test_a_missing_file_is_not_a_clean_file(room: Room):
    room.lock()
    (room.model / "model.safetensors").unlink()
    for item in ("disk-equals-lock", "no-harm", "imports-approved", "policy-admits", "chat-template"):
        assert room.status(item) is Status.NOT_ASSESSED, item


def test_a_file_that_became_a_pipe_hangs_nobody(room: Room):
    import os

    room.lock()
    (room.model / "model.safetensors").unlink()
    os.mkfifo(room.model / "model.safetensors")
    assert room.status("disk-equals-lock") is Status.FAIL


def test_a_pickle_that_waits_for_its_approval_fails(room: Room):
    room.write("pytorch_model.bin", NEEDS)
    room.lock()
    assert room.status("imports-approved") is Status.FAIL
    assert room.status("without-unpickling") is Status.FAIL
    assert room.status("policy-admits") is Status.FAIL
    assert "mypackage.models.Thing" in room.text("imports-approved")


def test_a_pickle_of_data_is_still_a_pickle(room: Room):
    room.write("pytorch_model.bin", DATA)
    room.lock()
    assert room.status("imports-approved") is Status.PASS
    assert room.status("without-unpickling") is Status.FAIL


def test_an_unlocked_folder_is_audited_and_fails(room: Room):
    audited = room.audit()
    failing = {one.question.id for one in audited.items if one.status is Status.FAIL}
    assert {"pinned", "disk-equals-lock", "policy-admits"} <= failing
    assert audited.facts.lock is None
    assert audited.facts.digest != room.lock().audit().facts.lock


def test_an_unlocked_file_with_a_payload_is_found(room: Room, tmp_path: Path):
    room.write("evil.pkl", evil(tmp_path / "marker"))
    audited = room.audit("m/evil.pkl")
    assert [one.status for one in audited.items if one.question.id == "no-harm"] == [Status.FAIL]
    assert not (tmp_path / "marker").exists()


def test_the_locked_model_is_found_by_its_folder(room: Room):
    room.lock()
    for name in ("m", "./m", "m/", str(room.model)):
        assert room.audit(name).facts.model == "./m"


def test_what_is_nowhere_is_an_error(room: Room):
    with pytest.raises(UsageError, match="neither a locked model nor a path"):
        room.audit("org/nothing")


def test_a_broken_lockfile_is_an_error_and_not_an_unlocked_model(room: Room):
    room.project.lock.write_text("lock-version = ", "utf-8")
    with pytest.raises(LockfileError):
        room.audit()


# The card


@pytest.mark.parametrize(
    "card",
    [
        "---\nlicense: [apache-2.0\n---\n",
        "---\nlicense: " + "[" * 10_000 + "\n---\n",
        "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n",
        "---\n- a\n---\n",
        "---\nlicense: mit\nlicense: apache-2.0\n---\n",
        b"\xff\xfe---\n",
        "# A card\n" + "words, words " * 800_000,
    ],
)
def test_a_card_that_cannot_be_read_fails_and_ends_nothing(room: Room, card: str | bytes):
    room.write("README.md", card)  # not locked: some of them are nothing that a lockfile takes
    assert room.status("model-card") is Status.FAIL


def test_a_model_without_a_card_fails(room: Room):
    (room.model / "README.md").unlink()
    assert room.lock().status("model-card") is Status.FAIL


def test_a_card_that_changed_says_nothing(room: Room):
    room.lock()
    room.write("README.md", CARD.replace("apache-2.0", "mit"))
    assert room.audit().facts.card is None


def test_the_country_of_norway_is_a_text(room: Room):
    room.write("README.md", "---\nlicense: no\n---\n")
    assert room.lock().audit().facts.card is not None


def test_base_models_that_are_not_locked_fail(room: Room):
    assert room.lock().status("base-models") is Status.FAIL
    assert "org/base" in room.text("base-models")


def test_the_base_of_an_adapter_counts_though_its_card_is_silent(room: Room):
    room.write("README.md", "---\nlicense: mit\n---\n")
    room.write("adapter_config.json", '{"base_model_name_or_path": "org/other"}')
    assert "org/other" in room.lock().text("base-models")


def test_code_of_another_repository_is_a_dependency(room: Room):
    room.write("config.json", '{"auto_map": {"AutoModel": "evil/repo--modeling.Model"}}')
    assert ("evil/repo", "code", False) in {(one.name, one.kind, one.locked) for one in room.audit().facts.relatives}
    assert room.status("no-code") is Status.FAIL


def test_licences_are_compared_with_the_list(room: Room):
    room.lock().record()
    assert room.status("licence-allowed") is Status.PASS
    room.write("README.md", "---\nlicense: cc-by-nc-4.0\n---\n")
    room.lock().record()
    assert room.status("licence-allowed") is Status.FAIL


# The bill of materials


def _bom(room: Room, *digests: str) -> None:
    files = [
        {"type": "file", "name": f"f{n}", "hashes": [{"alg": "SHA-256", "content": one}]}
        for n, one in enumerate(digests)
    ]
    model = {"type": "machine-learning-model", "name": "m", "components": files}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [model]}
    (room.folder / "models.cdx.json").write_text(json.dumps(document), "utf-8")


def test_a_bill_of_materials_names_every_file_or_fails(room: Room):
    digests = [file.sha256 for file in room.lock().audit().facts.files]
    assert room.status("bill-of-materials") is Status.NOT_ASSESSED
    _bom(room, *digests)
    assert room.status("bill-of-materials") is Status.PASS
    _bom(room, *digests[1:])
    assert room.status("bill-of-materials") is Status.FAIL
    assert not room.audit().verdict.allowed


@pytest.mark.parametrize("text", ["", "{", "[]", '{"bomFormat": "CycloneDX"}', "[" * 200_000, '{"components": ' * 5000])
def test_a_broken_bill_of_materials_fails(room: Room, text: str):
    room.lock()
    (room.folder / "models.cdx.json").write_text(text, "utf-8")
    assert room.status("bill-of-materials") is Status.FAIL


def test_a_named_bill_of_materials_that_is_not_there_fails(room: Room):
    assert room.lock().status("bill-of-materials", bom=room.folder / "nothing.json") is Status.FAIL


# The record


def _with_evidence(room: Room, sha256: str) -> None:
    named = f'evidence = "bias.md"\nsha256 = "{sha256}"\n'
    more = f'[[models.answers]]\nitem = "bias-report"\nanswer = "pass"\ntext = "t"\nby = "Jo"\nat = 2026-11-25\n{named}'
    room.record(answers("bias-report") + more)


def test_evidence_has_to_be_there_with_the_same_bytes(room: Room):
    room.lock()
    report = room.folder / "bias.md"
    report.write_text("fair", "utf-8")
    _with_evidence(room, hashlib.sha256(b"fair").hexdigest())
    assert room.status("bias-report") is Status.PASS
    report.write_text("unfair", "utf-8")
    assert room.status("bias-report") is Status.NOT_ASSESSED
    report.unlink()
    assert room.status("bias-report") is Status.NOT_ASSESSED


def test_a_named_record_that_is_not_there_is_an_error(room: Room):
    with pytest.raises(RecordError, match="cannot be read"):
        room.lock().audit(record=room.folder / "nothing.toml")


def test_a_broken_record_is_an_error_with_its_path(room: Room):
    room.lock()
    (room.folder / "audit.toml").write_text('audit-version = "1.0"\nmodel = 1\n', "utf-8")
    with pytest.raises(RecordError, match=r"audit\.toml"):
        room.audit()


def test_a_record_that_is_a_pipe_hangs_nobody(room: Room):
    import os

    room.lock()
    os.mkfifo(room.folder / "audit.toml")
    with pytest.raises(RecordError):
        room.audit()


def test_a_record_about_another_digest_counts_for_nothing(room: Room):
    room.lock().record(answers() + waivers(*OPEN), digest="sha256:" + "0" * 64)
    audited = room.audit()
    assert audited.count(Status.WAIVED) == 0
    assert not audited.verdict.allowed


def test_time_is_an_argument(room: Room):
    room.lock().record(answers() + waivers(*OPEN))
    late = Request(target="./m", environ={}, now=NOW + timedelta(days=90))
    assert not audit(late, room.project, Places(folder=room.folder), Silence()).verdict.allowed
