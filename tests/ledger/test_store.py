"""The ledger in a folder: what an attacker, a crash or a second writer may do to it, and who finds out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weighlock.errors import LedgerError, TamperedError
from weighlock.ledger import verifier
from weighlock.ledger.keys import LedgerKey, key_of
from weighlock.ledger.note import SigningKey
from weighlock.ledger.store import FileLedger
from weighlock.ledger.verifier import VerificationError, tile_path

SIZE = 600


def entry(number):
    return b'{"number":%d}' % number


def make(folder, size=0):
    ledger = FileLedger(str(folder / "ledger"), LedgerKey(str(folder / "key")))
    if size:
        ledger.append([entry(number) for number in range(size)])
    return ledger


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    ledger = make(folder, SIZE // 2)
    (folder / "old").write_bytes(ledger.checkpoint())
    ledger.append([entry(number) for number in range(SIZE // 2, SIZE)])
    ledger.checkpoint()
    return folder


@pytest.fixture
def place(template, tmp_path):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def public(place):
    return LedgerKey(str(place / "key")).read().public


def verify(place, *, since=True):
    old = (place / "old").read_bytes() if since else None
    return verifier.verify_folder(str(place / "ledger"), public(place), old)


def path(place, level, number, width=256):
    return place / "ledger" / tile_path(level, number, width)


def bundle(entries):
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries)


def rewritten(place, entries):
    """Let whoever has the key and the folder write another history, as if it were the only one."""
    key = (place / "key").read_bytes()
    for name in ("ledger", "key.checkpoint"):
        target = place / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    ledger = make(place)
    assert (place / "key").read_bytes() == key
    ledger.append(entries)
    ledger.checkpoint()


def test_a_ledger_verifies_and_continues_its_old_checkpoint(place):
    assert verify(place).size == SIZE


def test_a_changed_entry_is_found(place):
    bundle_path = path(place, "entries", 0)
    bundle_path.write_bytes(bundle_path.read_bytes().replace(b'{"number":7}', b'{"number":9}'))
    with pytest.raises(VerificationError, match="edited: entry 7 "):
        verify(place)


def test_reordered_entries_are_found(place):
    entries = [entry(number) for number in range(256)]
    entries[3], entries[4] = entries[4], entries[3]
    path(place, "entries", 0).write_bytes(bundle(entries))
    with pytest.raises(VerificationError, match=r"reordered: .* 3 "):
        verify(place)


def test_a_deleted_entry_is_found(place):
    entries = [entry(number) for number in range(257) if number != 9]
    path(place, "entries", 0).write_bytes(bundle(entries))
    with pytest.raises(VerificationError, match="deleted: entry 9 "):
        verify(place)


@pytest.mark.parametrize(("level", "number", "width"), [("entries", 1, 256), (0, 0, 256), (0, 2, 88), (1, 0, 2)])
def test_a_deleted_tile_is_found(place, level, number, width):
    path(place, level, number, width).unlink()
    with pytest.raises(VerificationError, match="deleted"):
        verify(place)


@pytest.mark.parametrize(("level", "number", "width"), [("entries", 1, 256), (0, 0, 256), (0, 2, 88), (1, 0, 2)])
@pytest.mark.parametrize("cut", [1, 32, 10**6])
def test_a_truncated_tile_is_found(place, level, number, width, cut):
    tile = path(place, level, number, width)
    tile.write_bytes(tile.read_bytes()[:-cut])
    with pytest.raises(VerificationError, match="truncated"):
        verify(place)


def test_an_entry_changed_together_with_its_tile_is_found(place):
    entries = [entry(number) for number in range(256)]
    entries[7] = b"other"
    path(place, "entries", 0).write_bytes(bundle(entries))
    path(place, 0, 0).write_bytes(b"".join(map(verifier.leaf_hash, entries)))
    with pytest.raises(VerificationError, match="edited"):
        verify(place)


@pytest.mark.parametrize("change", ["deleted", "reordered", "edited", "inserted"])
def test_a_history_rewritten_with_the_key_is_a_fork_of_the_old_checkpoint(place, change):
    entries = [entry(number) for number in range(SIZE)]
    if change == "deleted":
        del entries[5]
    elif change == "inserted":
        entries.insert(5, b"new")
    elif change == "edited":
        entries[5] = b"new"
    else:
        entries[5], entries[6] = entries[6], entries[5]
    rewritten(place, entries)
    verify(place, since=False)  # alone it is whole, which is why checkpoints are kept elsewhere
    with pytest.raises(VerificationError, match="fork: the first 300 "):
        verify(place)


def test_a_rollback_is_found(place):
    rewritten(place, [entry(number) for number in range(SIZE // 2 - 1)])
    with pytest.raises(VerificationError, match="rollback: the ledger has 299 entries and had 300"):
        verify(place)


def test_a_fork_of_the_same_size_is_found(place):
    rewritten(place, [entry(number) for number in range(SIZE // 2 - 1)] + [b"other"])
    with pytest.raises(VerificationError, match="fork"):
        verify(place)


def test_a_swapped_key_is_found(place):
    trusted = public(place)
    (place / "key").unlink()
    entries = [entry(number) for number in range(SIZE)]
    shutil.rmtree(place / "ledger")
    (place / "key.checkpoint").unlink()
    other = make(place)
    other.append(entries)
    other.checkpoint()
    with pytest.raises(VerificationError, match="swapped key"):
        verifier.verify_folder(str(place / "ledger"), trusted, (place / "old").read_bytes())


def test_a_key_of_another_name_is_a_swapped_key(place):
    key = LedgerKey(str(place / "key")).read()
    other = SigningKey(name="other", seed=key.seed).public
    with pytest.raises(VerificationError, match="swapped key"):
        verifier.verify_folder(str(place / "ledger"), other)


def test_a_checkpoint_with_another_size_is_forged(place):
    note = place / "ledger" / "checkpoint"
    note.write_bytes(note.read_bytes().replace(b"\n600\n", b"\n599\n"))
    with pytest.raises(VerificationError, match="forged"):
        verify(place)


def test_a_deleted_checkpoint_is_found_against_an_old_one(place):
    (place / "ledger" / "checkpoint").unlink()
    with pytest.raises(VerificationError, match="deleted"):
        verify(place)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\xe2\x80\x94 ", b"- "),
        (b"\n\n", b"\n"),
        (b"\n600\n", b"\n0600\n"),
        (b"=\n\n", b"\n\n"),
        (b"weighlock.local", b"weighlock.other"),
        (b"\n600\n", b"\n600\r\n"),
        (b"\n600\n", b"\n-1\n"),
    ],
)
def test_notes_in_another_form_are_refused(place, old, new):
    note = (place / "ledger" / "checkpoint").read_bytes()
    assert old in note
    with pytest.raises(VerificationError):
        verifier.verify_checkpoint(note.replace(old, new, 1), public(place))


def test_a_rolled_back_folder_gets_neither_entries_nor_a_signature(place):
    """Whoever puts an older copy of the whole folder back finds the key's last checkpoint against it."""
    older = place / "older"
    older.mkdir()
    source = make(older, 0)
    shutil.copy(place / "key", older / "key")
    source.append([entry(number) for number in range(300)])
    source.checkpoint()
    shutil.rmtree(place / "ledger")
    shutil.move(older / "ledger", place / "ledger")
    with pytest.raises(TamperedError, match="rollback"):
        make(place).append([b"new"])
    with pytest.raises(TamperedError, match="rollback"):
        make(place).checkpoint()


def test_the_key_signs_no_second_history(place):
    """Another history that is longer than the first is not signed, either."""
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(place / "key", elsewhere / "key")
    other = make(elsewhere)
    other.append([b"other %d" % number for number in range(SIZE + 50)])
    other.checkpoint()
    shutil.rmtree(place / "ledger")
    shutil.move(elsewhere / "ledger", place / "ledger")
    with pytest.raises(TamperedError, match="fork"):
        make(place).checkpoint()


def test_a_key_signs_for_one_ledger_only(place):
    second = FileLedger(str(place / "second"), LedgerKey(str(place / "key")))
    with pytest.raises(TamperedError, match="rollback"):
        second.append([b"entry"])


def test_a_deleted_journal_is_found(tmp_path):
    make(tmp_path, 10)
    (tmp_path / "ledger" / "journal").unlink()
    with pytest.raises(TamperedError, match="deleted: entry 0 was acknowledged"):
        make(tmp_path).append([b"new"])


@pytest.mark.parametrize("cut", [1, 15, 500])
def test_acknowledged_entries_are_never_cut(tmp_path, cut):
    make(tmp_path, 10)
    journal = tmp_path / "ledger" / "journal"
    before = journal.read_bytes()[:-cut]
    journal.write_bytes(before)
    with pytest.raises(TamperedError, match=r"was acknowledged|no journal"):
        make(tmp_path).append([b"new"])
    assert journal.read_bytes() == before


def test_a_changed_entry_of_the_journal_is_found(tmp_path):
    make(tmp_path, 10)
    journal = tmp_path / "ledger" / "journal"
    journal.write_bytes(journal.read_bytes().replace(b'{"number":7}', b'{"number":8}'))
    with pytest.raises(TamperedError, match="edited: entry 7 was acknowledged"):
        make(tmp_path).checkpoint()


@pytest.mark.parametrize("tail", [b"\x00", bytes(100), b"\x05\x00\x00\x00\x00\x00\x00\x00abc", b"\xff" * 40])
def test_a_torn_tail_that_nobody_acknowledged_is_cut(tmp_path, tail):
    ledger = make(tmp_path, 10)
    with (tmp_path / "ledger" / "journal").open("ab") as file:
        file.write(tail)
    assert make(tmp_path).append([b"new"]) == range(10, 11)
    assert ledger.append([b"newer"]) == range(11, 12)
    assert list(ledger.read(9, 12)) == [entry(9), b"new", b"newer"]


def test_a_tile_that_is_there_already_and_holds_something_else_stops_sealing(tmp_path):
    ledger = make(tmp_path, 300)
    tile = path(tmp_path, 0, 0)
    tile.parent.mkdir(parents=True)
    tile.write_bytes(bytes(8192))
    with pytest.raises(TamperedError, match="holds something else"):
        ledger.checkpoint()


def test_sealing_that_was_killed_at_any_step_comes_to_the_same_history(tmp_path, monkeypatch):
    ledger = make(tmp_path, 300)
    ledger.checkpoint()
    ledger.append([entry(number) for number in range(300, 530)])

    class Killed(BaseException):
        pass

    def killed(*_arguments, **_options):
        raise Killed

    for target, name in (
        (ledger._tiles, "add"),
        (ledger.key, "remember"),
        (ledger._journal, "trim"),
        (ledger._tiles, "forget_partial"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, killed)
            with pytest.raises(Killed):
                ledger.checkpoint()
        ledger.append([b"after " + name.encode()])
    note = make(tmp_path).checkpoint()
    assert verifier.verify_checkpoint(note, public(tmp_path)).size == 534
    verifier.verify_folder(str(tmp_path / "ledger"), public(tmp_path), note)


def test_many_small_seals_and_proofs_of_all_sizes(tmp_path):
    ledger, notes = make(tmp_path), []
    for number in range(20):
        ledger.append([entry(number * 30 + place) for place in range(30)])
        notes.append(ledger.checkpoint())
    key = public(tmp_path)
    roots = [verifier.verify_checkpoint(note, key) for note in notes]
    for note in notes:
        verifier.verify_folder(str(tmp_path / "ledger"), key, note)
    for old in roots:
        proof = ledger.consistency(old.size, 600)
        verifier.verify_consistency(old.size, 600, proof, old.root, roots[-1].root)
        for index in {0, 29, old.size - 1}:
            leaf = verifier.leaf_hash(entry(index))
            verifier.verify_inclusion(leaf, index, old.size, ledger.inclusion(index, old.size), old.root)
    assert ledger.checkpoint() == notes[-1]
    assert not list((tmp_path / "ledger").glob("tile/**/000.p/*"))[2:]


def test_what_is_not_there_is_neither_read_nor_proved(place):
    ledger = make(place)
    for read in (
        lambda: list(ledger.read(0, SIZE + 1)),
        lambda: ledger.inclusion(0, SIZE + 1),
        lambda: list(ledger.read(3, 2)),
    ):
        with pytest.raises(LedgerError):
            read()


def test_an_entry_too_large_for_its_length_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="65535"):
        make(tmp_path).append([bytes(65_536)])
    make(tmp_path).append([bytes(65_535), b""])
    make(tmp_path).checkpoint()
    verifier.verify_folder(str(tmp_path / "ledger"), public(tmp_path))


def test_a_key_that_others_can_read_is_refused(place):
    (place / "key").chmod(0o644)
    with pytest.raises(LedgerError, match="alone"):
        make(place).checkpoint()


def test_a_key_inside_of_the_ledger_is_refused(tmp_path):
    folder = str(tmp_path / "ledger")
    for environ in ({"WEIGHLOCK_LEDGER_KEY": f"{folder}/key"}, {"WEIGHLOCK_STATE": folder}):
        with pytest.raises(LedgerError, match="inside"):
            key_of(folder, environ)
    assert key_of(folder, {"WEIGHLOCK_STATE": str(tmp_path)}).path.startswith(str(tmp_path / "ledger-keys"))


def test_two_ledgers_of_one_user_have_keys_of_their_own(tmp_path):
    environ = {"WEIGHLOCK_STATE": str(tmp_path)}
    assert key_of(str(tmp_path / "a"), environ).path != key_of(str(tmp_path / "b"), environ).path


def test_a_signature_is_the_one_of_another_implementation():
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for number in range(4):
        key = SigningKey(name="log", seed=bytes([number]) * 32)
        assert key.sign(b"message") == Ed25519PrivateKey.from_private_bytes(key.seed).sign(b"message")
        assert SigningKey.from_text(key.to_text()) == key
        assert verifier.parse_key(key.vkey).public == key.public.public
        assert repr(key.seed) not in repr(key)


WRITER = """
import sys
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.store import FileLedger

folder, name = sys.argv[1:]
ledger = FileLedger(folder + "/ledger", LedgerKey(folder + "/key"))
for count in range(100_000):
    entries = [f"{name} {count} {place} ".encode() + b"x" * 900 for place in range(count % 7 + 1)]
    (index, *_) = ledger.append(entries)
    print(index, len(entries), count, flush=True)
    if count % 25 == 24:
        ledger.checkpoint()
"""


def kill_writers(folder, rounds, processes=2):
    """Start writers, kill them, and return what each of them saw acknowledged: entries by index."""
    acknowledged = {}
    for number in range(rounds):
        names = [f"{number}.{writer}" for writer in range(processes)]
        outputs = [(folder / name).open("wb") for name in names]
        command = [sys.executable, "-c", WRITER, str(folder)]
        writers = [
            subprocess.Popen([*command, name], stdout=out, stderr=subprocess.PIPE)
            for name, out in zip(names, outputs, strict=True)
        ]
        deadline = time.monotonic() + 20
        while any(not (folder / name).stat().st_size for name in names) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.002 * (number * 7 % 23))
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
        for writer, name, out in zip(writers, names, outputs, strict=True):
            assert writer.communicate()[1] == b""
            out.close()
            for line in (folder / name).read_text().splitlines(keepends=True):
                if not line.endswith("\n"):
                    continue
                index, count, turn = map(int, line.split())
                for place in range(count):
                    assert index + place not in acknowledged
                    acknowledged[index + place] = f"{name} {turn} {place} ".encode() + b"x" * 900
    return acknowledged


def test_writers_killed_at_any_moment_lose_and_fork_nothing(tmp_path):
    acknowledged = kill_writers(tmp_path, 4)
    ledger = make(tmp_path)
    note = ledger.checkpoint()
    entries = list(ledger.read(0, ledger.size()))
    assert len(acknowledged) > 10
    assert all(entries[index] == one for index, one in acknowledged.items())
    assert len(set(entries)) == len(entries)
    assert verifier.verify_folder(str(tmp_path / "ledger"), public(tmp_path), note).size == len(entries)


def test_the_verifier_on_the_command_line_says_which(place):
    def run(*more):
        command = [sys.executable, "-I", str(Path(verifier.__file__)), "ledger", str(place / "ledger"), "--key", vkey]
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    vkey = LedgerKey(str(place / "key")).read().vkey
    assert run("--since", str(place / "old"))[0] == 0
    rewritten(place, [entry(number) for number in range(200)])
    assert run()[0] == 0
    code, text = run("--since", str(place / "old"))
    assert (code, text.startswith("does not verify: rollback")) == (1, True)
    assert run("--since", str(place / "nowhere"))[0] == 2


def test_a_full_disk_leaves_no_half_of_an_entry(tmp_path):
    script = """
import resource, sys
from weighlock.errors import LedgerError
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.store import FileLedger

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
ledger = FileLedger(sys.argv[1] + "/ledger", LedgerKey(sys.argv[1] + "/key"))
try:
    for count in range(100):
        ledger.append([b"x" * 99])
except LedgerError as error:
    print(count, error.message)
    print(ledger.append([b""]).start)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    count = int(done.stdout.split()[0])
    assert done.stdout.endswith(f"cannot be written: File too large\n{count}\n")
    assert list(make(tmp_path).read(0, make(tmp_path).size())) == [b"x" * 99] * count + [b""]
    assert make(tmp_path).append([b"more"]).start == count + 1


def test_threads_of_one_process_lose_nothing(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    ledger = make(tmp_path)

    def write(number):
        if number % 10 == 9:
            ledger.checkpoint()
        return ledger.append([entry(number)]).start

    with ThreadPoolExecutor(4) as pool:
        indices = list(pool.map(write, range(100)))
    found = list(ledger.read(0, 100))
    assert sorted(indices) == list(range(100))
    assert all(found[index] == entry(number) for number, index in enumerate(indices))


def test_a_ledger_needs_no_library_beyond_the_core(tmp_path):
    script = """
import sys
for name in ("cryptography", "nacl", "sigstore"):
    sys.modules[name] = None
from weighlock.ledger import verifier
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.store import FileLedger

ledger = FileLedger(sys.argv[1] + "/ledger", LedgerKey(sys.argv[1] + "/key"))
ledger.append([b"entry"])
ledger.checkpoint()
verifier.verify_folder(ledger.folder, ledger.key.read().public)
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


def test_importing_the_verifier_costs_a_guarded_program_nothing_that_shows(tmp_path):
    script = "import sys; before = set(sys.modules); import verifier; print(*(set(sys.modules) - before))"
    place = str(Path(verifier.__file__).parent)
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {place!r}); {script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert not {"typing", "dataclasses", "json", "argparse", "weighlock"} & set(done.stdout.split())
