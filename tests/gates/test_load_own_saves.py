"""The load gate and what the project saved itself: trusted are these bytes, and what they import, and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import pickle

import numpy as np
import pytest

from weighlock.digest_cache import DigestCache
from weighlock.errors import LoadRefused
from weighlock.gates.load import LoadGate
from weighlock.gates.load_settings import find_settings, project_of
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.own_saves import OwnSaves
from weighlock.policy import Policy

DATA = pickle.dumps({"a": 1})
NEEDS = b"\x80\x02cmypackage.models\nThing\n)\x81."
REFUSED = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
UNVERIFIABLE = NEEDS[:-1]


def _sha(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def environ(tmp_path):
    return {"WEIGHLOCK_STATE": str(tmp_path / "state"), "WEIGHLOCK_ROOT": str(tmp_path)}


@pytest.fixture
def gate(environ):
    def make(*files, mode="enforce", project="/project", **policy):
        models = tuple(
            LockedModel(name=f"m{n}", source=PathSource(path=f"m{n}"), files=(file,)) for n, file in enumerate(files)
        )
        saves = OwnSaves(environ, project)
        return LoadGate(mode, Policy(**policy), Lockfile(models=models), DigestCache({}), saves)

    return make


@pytest.fixture
def opened(tmp_path):
    descriptors = []

    def make(data):
        (tmp_path / "file.bin").write_bytes(data)
        descriptors.append(os.open(tmp_path / "file.bin", os.O_RDONLY))
        return descriptors[-1]

    yield make
    for descriptor in descriptors:
        os.close(descriptor)


def _save(gate, data):
    gate.record_save(len(data), _sha(data))


def test_what_was_saved_is_admitted_from_a_file_from_memory_and_from_an_offset(gate, opened):
    _save(gate(), DATA)
    for admission in (
        gate().admit_file(opened(DATA), "f", "a test"),
        gate().admit_bytes(DATA, "f", "a test"),
        gate().admit_file(opened(b"12345" + DATA), "f", "a test", 5),
    ):
        assert admission.digest == _sha(DATA)
        assert not admission.approved
        assert not admission.anything


@pytest.mark.parametrize("data", [DATA + b"\0", DATA[:-2] + b"\x02.", b"", b"\0" * len(DATA)])
def test_other_bytes_are_refused(gate, opened, data):
    _save(gate(), DATA)
    with pytest.raises(LoadRefused, match="not-in-lock"):
        gate().admit_file(opened(data), "f", "a test")
    with pytest.raises(LoadRefused, match="not-in-lock"):
        gate().admit_bytes(data, "f", "a test")


def test_a_saved_file_may_be_loaded_from_the_middle_but_imports_only_what_all_of_it_says(gate, opened):
    """numpy reads its header first, and an attacker may own bytes in the middle of an array."""
    file = io.BytesIO()
    np.save(file, np.frombuffer(NEEDS, dtype=np.uint8))
    saved = file.getvalue()
    _save(gate(), saved)
    admission = gate().admit_file(opened(saved), "f", "a test", saved.index(NEEDS))
    assert admission.digest == _sha(saved)
    assert admission.imports == admission.approved == frozenset()


def test_bytes_that_an_offset_skips_do_not_vouch_for_the_rest(gate, opened):
    _save(gate(), DATA)
    with pytest.raises(LoadRefused):
        gate().admit_file(opened(b"12345" + DATA), "f", "a test")
    with pytest.raises(LoadRefused):
        gate().admit_file(opened(DATA + REFUSED), "f", "a test", len(DATA))


def test_the_names_that_its_bytes_import_are_approved_and_no_others(gate, opened):
    with pytest.raises(LoadRefused, match="not-in-lock"):
        gate().admit_file(opened(NEEDS), "f", "a test")
    _save(gate(), NEEDS)
    admission = gate().admit_file(opened(NEEDS), "f", "a test")
    assert admission.approved == admission.imports == {"mypackage.models.Thing"}
    assert not admission.anything


@pytest.mark.parametrize("unlocked", ["refuse", "inspect"])
@pytest.mark.parametrize(("data", "rule"), [(REFUSED, "refused"), (UNVERIFIABLE, "unverifiable")])
def test_what_is_refused_or_unverifiable_stays_so(gate, opened, data, rule, unlocked):
    _save(gate(), data)
    with pytest.raises(
        LoadRefused, match=rf"(?s)sha256:{_sha(data)}.*rule: {rule}.*hint: weighlock approve .* --unsafe"
    ):
        gate(unlocked=unlocked).admit_file(opened(data), "f", "a test")


@pytest.mark.parametrize("unlocked", ["refuse", "inspect"])
def test_trust_can_be_switched_off(gate, opened, unlocked):
    _save(gate(), NEEDS)
    with pytest.raises(LoadRefused):
        gate(trust_saved=False, unlocked=unlocked).admit_file(opened(NEEDS), "f", "a test")
    with pytest.raises(LoadRefused):
        gate(trust_saved=False, unlocked=unlocked).admit_bytes(NEEDS, "f", "a test")


@pytest.mark.parametrize("options", [{"trust_saved": False}, {"mode": "off"}])
def test_where_nothing_is_trusted_nothing_is_recorded(gate, environ, options):
    assert not gate(**options).records_saves
    _save(gate(**options), DATA)
    assert not os.path.exists(environ["WEIGHLOCK_STATE"])


def test_a_gate_that_only_warns_records_and_does_not_warn_of_it(gate, opened, capsys):
    _save(gate(mode="warn"), NEEDS)
    assert gate(mode="warn").admit_file(opened(NEEDS), "f", "a test").approved
    assert capsys.readouterr().err == ""


def test_another_project_refuses_it(gate, opened):
    _save(gate(), DATA)
    with pytest.raises(LoadRefused, match="not-in-lock"):
        gate(project="/other").admit_file(opened(DATA), "f", "a test")


def test_locking_a_file_does_not_take_away_what_its_project_could_load(gate, opened):
    names = ("mypackage.models.Thing",)
    locked = LockedFile(
        path="f", size=len(NEEDS), sha256=_sha(NEEDS), outcome="needs-approval", imports=names, needs=names
    )
    with pytest.raises(LoadRefused, match="needs-approval"):
        gate(locked).admit_file(opened(NEEDS), "f", "a test")
    _save(gate(), NEEDS)
    assert gate(locked).admit_file(opened(NEEDS), "f", "a test").approved == set(names)
    with pytest.raises(LoadRefused, match="needs-approval"):
        gate(locked, project="/other").admit_file(opened(NEEDS), "f", "a test")
    with pytest.raises(LoadRefused, match="needs-approval"):
        gate(locked, trust_saved=False).admit_file(opened(NEEDS), "f", "a test")


def test_a_locked_file_that_is_refused_stays_so_although_it_was_saved_here(gate, opened):
    locked = LockedFile(path="f", size=len(REFUSED), sha256=_sha(REFUSED), outcome="refused", imports=("os.system",))
    _save(gate(), REFUSED)
    with pytest.raises(LoadRefused, match="refused"):
        gate(locked).admit_file(opened(REFUSED), "f", "a test")


def test_a_save_never_fails_for_want_of_a_record_and_says_so_once(gate, environ, capsys):
    with open(environ["WEIGHLOCK_STATE"], "w", encoding="ascii"):
        pass
    one = gate()
    _save(one, DATA)
    _save(one, DATA)
    assert capsys.readouterr().err.count("not recorded") == 1


MAIN = b"\x80\x02c__main__\nNet\n)\x81."


def test_a_class_of_the_program_that_saved_it_is_no_gadget_there(gate, opened):
    saving = gate()
    saving.record_save(len(MAIN), _sha(MAIN))
    admission = saving.admit_file(opened(MAIN), "f", "torch.load")
    assert admission.approved == {"__main__.Net"}
    with pytest.raises(LoadRefused, match="__main__"):
        gate(project="/other", unlocked="inspect").admit_file(opened(MAIN), "f", "torch.load")


@pytest.mark.parametrize(
    "data", [MAIN[:-1] + b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.", b"c__main__\nNet\n0" * 300 + REFUSED]
)
def test_a_gadget_beside_a_class_of_the_program_stays_one(gate, opened, data):
    saving = gate()
    saving.record_save(len(data), _sha(data))
    with pytest.raises(LoadRefused, match="refused"):
        saving.admit_file(opened(data), "f", "torch.load")


def test_a_file_that_cannot_be_recorded_is_refused(gate, environ, opened):
    with open(environ["WEIGHLOCK_STATE"], "w", encoding="ascii"):
        pass
    one = gate()
    _save(one, DATA)
    with pytest.raises(LoadRefused, match="not-in-lock"):
        one.admit_file(opened(DATA), "f", "a test")


def _project(folder, **environ):
    environ = {"WEIGHLOCK_ROOT": str(folder), **{name: str(path) for name, path in environ.items()}}
    return project_of(find_settings(environ), environ)


def test_programs_in_different_folders_of_a_project_agree_and_a_policy_beside_the_lockfile_changes_nothing(tmp_path):
    (tmp_path / "models.lock").write_text("")
    (tmp_path / "scripts").mkdir()
    assert _project(tmp_path) == _project(tmp_path / "scripts") == os.path.realpath(tmp_path)
    (tmp_path / "weighlock.toml").write_text("")
    assert _project(tmp_path) == os.path.realpath(tmp_path)
    (tmp_path / "models.lock").unlink()
    assert _project(tmp_path / "scripts") == os.path.realpath(tmp_path)


def test_projects_that_share_a_lockfile_differ_by_their_policies_and_the_other_way_round(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weighlock.toml").write_text('lock = "../models.lock"')
    (tmp_path / "models.lock").write_text("")
    assert _project(tmp_path / "a") != _project(tmp_path / "b")
    policy = tmp_path / "a" / "weighlock.toml"
    for name in ("a", "b"):
        (tmp_path / name / "models.lock").write_text("")
    locks = [
        _project(tmp_path, WEIGHLOCK_POLICY=policy, WEIGHLOCK_LOCK=tmp_path / name / "models.lock") for name in "ab"
    ]
    assert len(set(locks)) == 2


def test_without_lockfile_and_policy_the_folder_is_the_project(tmp_path):
    (tmp_path / "a").mkdir()
    assert _project(tmp_path / "a") == os.path.realpath(tmp_path / "a") != _project(tmp_path)


def test_a_folder_with_a_link_to_the_lockfile_of_a_project_is_another_project(tmp_path):
    for name in ("project", "downloaded"):
        (tmp_path / name).mkdir()
    (tmp_path / "project" / "models.lock").write_text("")
    (tmp_path / "downloaded" / "models.lock").symlink_to(tmp_path / "project" / "models.lock")
    assert _project(tmp_path / "downloaded") != _project(tmp_path / "project")


def test_a_link_to_a_project_is_that_project(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "models.lock").write_text("")
    (tmp_path / "link").symlink_to("real")
    assert _project(tmp_path / "link") == _project(tmp_path / "real")
