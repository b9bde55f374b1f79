"""The load gate: bytes against the lockfile and the policy."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from weighlock import digests
from weighlock.digest_cache import DigestCache, key_of
from weighlock.errors import GuardError, LoadRefused, LockfileError, PolicyError
from weighlock.gates import load, opened_file, recognising
from weighlock.gates.load import LoadGate, open_gate
from weighlock.gates.refusal import refusal
from weighlock.lockfile import Chunks, LockedFile, LockedModel, Lockfile, PathSource
from weighlock.policy import Policy

DATA = b"x" * 1000
LATER = 10**10


def _sha(data):
    return hashlib.sha256(data).hexdigest()


def _locked(data=DATA, **facts):
    return LockedFile(path="model.bin", size=len(data), sha256=_sha(data), **facts)


def _gate(*files, mode="enforce", cache=None, **policy):
    models = tuple(
        LockedModel(name=f"m{n}", source=PathSource(path=f"m{n}"), files=(file,)) for n, file in enumerate(files)
    )
    return LoadGate(mode, Policy(**policy), Lockfile(models=models), cache or DigestCache({}))


@pytest.fixture
def opened(tmp_path):
    """A function that opens a file with some bytes; the clock says that it is an old one."""
    descriptors = []

    def make(data=DATA, name="file.bin"):
        (tmp_path / name).write_bytes(data)
        descriptors.append(os.open(tmp_path / name, os.O_RDONLY))
        return descriptors[-1]

    yield make
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.fixture
def hashed(monkeypatch):
    """The sizes of all files that were hashed whole."""
    sizes = []
    original = digests.sha256_file
    for module in (recognising, opened_file):
        monkeypatch.setattr(module, "sha256_file", lambda fd, size: sizes.append(size) or original(fd, size))
    return sizes


@pytest.fixture
def old(monkeypatch):
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + LATER)


def test_a_locked_file_is_admitted_under_any_name_and_from_any_offset(opened):
    gate = _gate(_locked())
    assert gate.admit_file(opened(), "any name", "a test").digest == _sha(DATA)
    assert gate.admit_file(opened(), "any name", "a test", 500).digest == _sha(DATA)
    assert gate.admit_bytes(DATA, "memory", "a test").digest == _sha(DATA)


@pytest.mark.parametrize("data", [b"", b"y" * 1000, DATA[:-1], DATA + b"x"])
def test_other_bytes_are_refused(opened, data):
    gate = _gate(_locked())
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        gate.admit_file(opened(data), "f", "a test")
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        gate.admit_bytes(data, "f", "a test")


def test_bytes_that_an_offset_skips_do_not_vouch_for_the_rest(opened):
    gate = _gate(_locked())
    with pytest.raises(LoadRefused):
        gate.admit_file(opened(DATA + b"evil"), "f", "a test", len(DATA))
    assert gate.admit_file(opened(b"1234" + DATA), "f", "a test", 4).digest == _sha(DATA)
    with pytest.raises(LoadRefused):
        gate.admit_file(opened(b"1234" + DATA), "f", "a test")


@pytest.mark.parametrize("outcome", ["refused", "unverifiable", "needs-approval"])
def test_being_in_the_lock_is_not_enough_for_a_file_that_is_not_data(opened, outcome):
    gate = _gate(_locked(outcome=outcome, imports=("a.b",), needs=("a.b",)))
    with pytest.raises(LoadRefused):
        gate.admit_file(opened(), "f", "a test")


def test_approval_of_some_names_is_not_approval_of_all(opened):
    gate = _gate(_locked(outcome="needs-approval", imports=("a.b", "c.d"), needs=("a.b", "c.d"), approved=("a.b",)))
    with pytest.raises(LoadRefused, match=r"c\.d"):
        gate.admit_file(opened(), "f", "a test")


def test_approvals_for_the_same_bytes_in_two_models_add_up(opened):
    facts = {"outcome": "needs-approval", "imports": ("a.b", "c.d"), "needs": ("a.b", "c.d")}
    gate = _gate(_locked(**facts, approved=("a.b",)), _locked(**facts, approved=("c.d",)))
    assert gate.admit_file(opened(), "f", "a test").approved == {"a.b", "c.d"}


def test_the_same_bytes_recorded_as_data_in_one_model_do_not_hide_what_another_says(opened):
    gate = _gate(_locked(outcome="data-only"), _locked(outcome="refused"))
    with pytest.raises(LoadRefused):
        gate.admit_file(opened(), "f", "a test")


def test_a_file_of_a_size_that_nobody_locked_is_not_even_hashed(opened, hashed, monkeypatch):
    monkeypatch.setattr(load, "LARGEST_DIGEST_FOR_A_MESSAGE", 10)
    monkeypatch.setattr(load, "sha256_of", None)
    with pytest.raises(LoadRefused, match="digest: not computed"):
        _gate(_locked()).admit_file(opened(b"z" * 999), "f", "a test")
    assert hashed == []


def test_an_old_file_is_hashed_once(opened, hashed, old):
    gate, descriptor = _gate(_locked()), opened()
    for _ in range(3):
        gate.admit_file(descriptor, "f", "a test")
    assert hashed == [1000]


def test_a_young_file_is_hashed_every_time(opened, hashed):
    gate, descriptor = _gate(_locked()), opened()
    for _ in range(3):
        gate.admit_file(descriptor, "f", "a test")
    assert hashed == [1000] * 3


def test_another_process_finds_the_digest_in_the_cache(opened, hashed, old, tmp_path):
    environ = {"WEIGHLOCK_CACHE": str(tmp_path / "cache")}
    descriptor = opened()
    for _ in range(2):
        _gate(_locked(), cache=DigestCache(environ)).admit_file(descriptor, "f", "a test")
    assert hashed == [1000]


def test_a_cached_digest_of_other_bytes_admits_nothing(opened, old, tmp_path):
    """What is remembered is the digest of the file, not that it was admitted."""
    environ = {"WEIGHLOCK_CACHE": str(tmp_path / "cache")}
    descriptor = opened()
    _gate(_locked(), cache=DigestCache(environ)).admit_file(descriptor, "f", "a test")
    with pytest.raises(LoadRefused):
        _gate(_locked(b"y" * 1000), cache=DigestCache(environ)).admit_file(descriptor, "f", "a test")


def test_a_rewrite_after_the_digest_was_cached_is_refused(opened, old, tmp_path):
    gate, descriptor = _gate(_locked()), opened()
    gate.admit_file(descriptor, "f", "a test")
    status = os.fstat(descriptor)
    with open(tmp_path / "file.bin", "r+b") as file:
        file.write(b"evil")
    os.utime(tmp_path / "file.bin", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(LoadRefused):
        gate.admit_file(descriptor, "f", "a test")


def test_a_file_that_changes_while_it_is_hashed_is_refused(opened, tmp_path, monkeypatch):
    original = digests.sha256_file

    def change(descriptor, size):
        digest = original(descriptor, size)
        with open(tmp_path / "file.bin", "r+b") as file:
            file.write(b"evil")
        return digest

    monkeypatch.setattr(opened_file, "sha256_file", change)
    with pytest.raises(LoadRefused, match="changed while it was judged"):
        _gate(_locked()).admit_file(opened(), "f", "a test")


def test_a_file_cut_short_while_it_is_hashed_is_refused(opened, tmp_path, monkeypatch):
    original = digests.sha256_file

    def cut(descriptor, size):
        os.truncate(tmp_path / "file.bin", 10)
        return original(descriptor, size)

    monkeypatch.setattr(opened_file, "sha256_file", cut)
    with pytest.raises(LoadRefused, match="changed while it was judged"):
        _gate(_locked()).admit_file(opened(), "f", "a test")


def _chunked(data, size):
    parts = tuple(_sha(data[at : at + size]) for at in range(0, len(data), size))
    return Chunks(size=size, sha256=parts)


def test_a_large_file_is_settled_by_its_chunks_alone(opened, hashed):
    gate = _gate(_locked(chunks=_chunked(DATA, 300)))
    assert gate.admit_file(opened(), "f", "a test").digest == _sha(DATA)
    assert hashed == []


@pytest.mark.parametrize("at", [0, 299, 300, 999])
def test_one_changed_byte_in_any_chunk_is_refused(opened, at):
    data = DATA[:at] + b"y" + DATA[at + 1 :]
    with pytest.raises(LoadRefused):
        _gate(_locked(chunks=_chunked(DATA, 300))).admit_file(opened(data), "f", "a test")


def test_chunks_in_another_order_are_refused(opened):
    data = b"a" * 300 + b"b" * 300
    with pytest.raises(LoadRefused):
        _gate(_locked(data, chunks=_chunked(data, 300))).admit_file(opened(data[300:] + data[:300]), "f", "a test")


def test_chunks_of_two_sizes_are_told_apart(opened):
    gate = _gate(_locked(chunks=_chunked(DATA, 300)), _locked(b"y" * 1000, chunks=_chunked(b"y" * 1000, 400)))
    assert gate.admit_file(opened(), "f", "a test").digest == _sha(DATA)
    assert gate.admit_file(opened(b"y" * 1000, "other"), "f", "a test").digest == _sha(b"y" * 1000)
    with pytest.raises(LoadRefused):
        gate.admit_file(opened(b"z" * 1000, "third"), "f", "a test")


def test_cached_chunks_do_not_stand_for_another_lock_entry(opened, old, tmp_path):
    environ = {"WEIGHLOCK_CACHE": str(tmp_path / "cache")}
    descriptor = opened()
    _gate(_locked(chunks=_chunked(DATA, 300)), cache=DigestCache(environ)).admit_file(descriptor, "f", "a test")
    other = _locked(b"y" * 1000, chunks=_chunked(b"y" * 1000, 300))
    with pytest.raises(LoadRefused):
        _gate(other, cache=DigestCache(environ)).admit_file(descriptor, "f", "a test")


def test_warn_reports_once_and_lets_everything_through(opened, capsys):
    gate = _gate(mode="warn")
    for _ in range(3):
        assert gate.admit_file(opened(), "f", "a test").anything
    assert capsys.readouterr().err.count("warning: weighlock would refuse a test of f") == 1


def test_off_says_nothing_and_hashes_nothing(opened, hashed, capsys):
    gate = _gate(mode="off")
    assert gate.admit_file(opened(), "f", "a test").anything
    assert gate.admit_bytes(b"x", "f", "a test").anything
    assert hashed == []
    assert capsys.readouterr().err == ""


def test_a_refusal_cannot_break_out_of_its_lines():
    text = refusal("a\nb\x1b[2J\u202e", "a\rtest", "sha256:\x00", [("rule", "m\ne\x9b")], "r\u2028x")
    assert len(text.split("\n")) == 4
    assert all(line.isprintable() for line in text.split("\n"))


def test_unlocked_data_passes_where_the_policy_inspects_and_imports_only_what_was_seen(opened):
    import collections
    import pickle

    gate = _gate(unlocked="inspect")
    admission = gate.admit_file(opened(pickle.dumps(collections.OrderedDict(a=1))), "f", "a test")
    assert admission.imports == {"collections.OrderedDict"}
    assert not admission.anything


def test_an_unlocked_payload_is_refused_where_the_policy_inspects(opened):
    gate = _gate(unlocked="inspect")
    payload = b"cposix\nmkdir\n(S'marker'\ntR."
    with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        gate.admit_file(opened(payload), "f", "a test")
    with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        gate.admit_bytes(payload, "f", "a test")


LOCK = 'lock-version = "1.0"\ncreated-by = "weighlock"\nmodels = []\n'


@pytest.fixture
def project(tmp_path):
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "models.lock").write_text(LOCK)
    return tmp_path


def test_the_nearest_lockfile_and_policy_are_used(project):
    (project / "pyproject.toml").write_text('[tool.weighlock]\nmode = "warn"')
    (project / "sub" / "pyproject.toml").write_text("[tool.other]")
    gate = open_gate({"WEIGHLOCK_ROOT": str(project / "sub" / "deep")})
    assert gate.mode == "warn"
    assert gate.lockfile == Lockfile(created_by="weighlock")


@pytest.mark.parametrize("text", ['mode = "warn"', '[tool.weighlock]\nmode = "warn"'])
def test_a_policy_file_of_its_own_may_do_without_the_table_name(project, text):
    (project / "weighlock.toml").write_text(text)
    assert open_gate({"WEIGHLOCK_ROOT": str(project)}).mode == "warn"
    assert open_gate({"WEIGHLOCK_ROOT": str(project), "WEIGHLOCK_MODE": "enforce"}).mode == "enforce"


def test_the_policy_names_a_lockfile_relative_to_itself(project):
    (project / "models.lock").unlink()
    (project / "locks").mkdir()
    (project / "locks" / "my.lock").write_text(LOCK)
    (project / "weighlock.toml").write_text('lock = "locks/my.lock"')
    assert open_gate({"WEIGHLOCK_ROOT": str(project / "sub")}).lockfile is not None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mode = 'sometimes'", PolicyError),
        ("mode = ", PolicyError),
        ("unknown = 1", PolicyError),
        ("profiles = ['none']", PolicyError),
        ("[tool]\nweighlock = 3", PolicyError),
        ("lock = 'missing.lock'", LockfileError),
    ],
)
def test_a_policy_that_is_not_understood_opens_no_gate(project, text, error):
    (project / "weighlock.toml").write_text(text)
    with pytest.raises(error):
        open_gate({"WEIGHLOCK_ROOT": str(project)})


def test_a_named_policy_or_lockfile_that_is_missing_opens_no_gate(project):
    with pytest.raises(PolicyError):
        open_gate({"WEIGHLOCK_ROOT": str(project), "WEIGHLOCK_POLICY": str(project / "missing.toml")})
    with pytest.raises(LockfileError):
        open_gate({"WEIGHLOCK_ROOT": str(project), "WEIGHLOCK_LOCK": str(project / "missing.lock")})
    with pytest.raises(GuardError):
        open_gate({"WEIGHLOCK_ROOT": str(project), "WEIGHLOCK_MODE": "ENFORCE"})


def test_no_lockfile_opens_a_gate_only_where_the_policy_does_without(project):
    (project / "models.lock").unlink()
    with pytest.raises(GuardError, match=r"no models\.lock"):
        open_gate({"WEIGHLOCK_ROOT": str(project)})
    assert open_gate({"WEIGHLOCK_ROOT": str(project), "WEIGHLOCK_MODE": "warn"}).lockfile is None
    (project / "weighlock.toml").write_text('unlocked = "inspect"')
    assert open_gate({"WEIGHLOCK_ROOT": str(project)}).lockfile is None


def test_the_key_of_an_open_file_is_that_of_its_inode(opened, tmp_path):
    descriptor = opened()
    os.rename(tmp_path / "file.bin", tmp_path / "renamed.bin")
    assert key_of(os.fstat(descriptor))[:3] == key_of(os.stat(tmp_path / "renamed.bin"))[:3]


@pytest.mark.parametrize("mode", ["warn", "off"])
def test_a_policy_that_came_with_a_folder_does_not_weaken_the_guard_in_silence(tmp_path, monkeypatch, capsys, mode):
    (tmp_path / "weighlock.toml").write_text(f'mode = "{mode}"\n')
    monkeypatch.chdir(tmp_path)
    open_gate({"WEIGHLOCK_ROOT": str(tmp_path)})
    assert f'mode = "{mode}"' in capsys.readouterr().err


def test_a_policy_that_was_named_is_nobodys_surprise(tmp_path, capsys):
    (tmp_path / "mine.toml").write_text('mode = "off"\n')
    open_gate({"WEIGHLOCK_ROOT": str(tmp_path), "WEIGHLOCK_POLICY": str(tmp_path / "mine.toml")})
    assert capsys.readouterr().err == ""
