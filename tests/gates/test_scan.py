from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.gates.fragile import FragileJudge
from weighlock import inspector
from weighlock.errors import UsageError
from weighlock.executors.processes import Processes
from weighlock.executors.spread import spread
from weighlock.finding import Outcome
from weighlock.formats.source import FileSource
from weighlock.gates.scan import Judge, Judged, scan
from weighlock.sources.disk import FoundFile

Unprivileged = Callable[[Path], AbstractContextManager[None]]
EVIL = b"cposix\nsystem\n(S'true'\ntR."
"""Names what would run a command; it is never unpickled."""
JUDGE = FragileJudge()


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def _fill(folder: Path) -> None:
    (folder / "clean.safetensors").write_bytes(_safetensors())
    (folder / "data.pkl").write_bytes(pickle.dumps({"a": [1, 2.5, "x"]}))
    (folder / "evil.bin").write_bytes(EVIL)
    (folder / "README.md").write_text("# A model\n")


def _outcomes(*paths: Path, **options: int) -> dict[str, Outcome]:
    report = scan([str(path) for path in paths], Judge(), **options)
    return {os.path.basename(item.artifact.path): item.inspection.outcome for item in report.judged}


def test_each_file_is_judged_and_what_no_loader_takes_is_counted(tmp_path: Path):
    _fill(tmp_path)
    report = scan([str(tmp_path)], Judge())
    assert {os.path.basename(item.artifact.path): item.verdict.allowed for item in report.judged} == {
        "clean.safetensors": True,
        "data.pkl": True,
        "evil.bin": False,
    }
    assert report.not_models == 1
    assert not report.allowed


def test_a_malicious_pickle_under_an_innocent_name_is_denied(tmp_path: Path):
    (tmp_path / "README.md").write_bytes(EVIL)
    assert _outcomes(tmp_path) == {"README.md": Outcome.REFUSED}


def test_an_unreadable_file_is_unverifiable_and_does_not_end_the_scan(tmp_path: Path, unprivileged: Unprivileged):
    _fill(tmp_path)
    _outcomes(tmp_path)
    (tmp_path / "clean.safetensors").chmod(0)
    with unprivileged(tmp_path):
        outcomes = _outcomes(tmp_path)
    assert outcomes["clean.safetensors"] is Outcome.UNVERIFIABLE
    assert outcomes["evil.bin"] is Outcome.REFUSED


def test_a_pipe_among_the_files_is_unverifiable_and_nobody_waits_for_a_writer(tmp_path: Path):
    os.mkfifo(tmp_path / "model.bin")
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(1))
    assert _outcomes(tmp_path) == {"data.pkl": Outcome.DATA_ONLY, "model.bin": Outcome.UNVERIFIABLE}


def test_a_file_that_becomes_a_pipe_after_it_was_found_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "model.bin")
    judged = Judge()(FoundFile(path=str(tmp_path / "model.bin")))
    assert judged.inspection.outcome is Outcome.UNVERIFIABLE
    assert "named pipe" in judged.inspection.findings[0].message


def test_a_file_that_vanishes_after_it_was_found_is_unverifiable(tmp_path: Path):
    judged = Judge()(FoundFile(path=str(tmp_path / "gone.bin")))
    assert not judged.verdict.allowed
    assert judged.inspection.findings[0].message == "no such file or directory"


def test_a_file_that_grows_while_it_is_judged_is_unverifiable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(1))
    real = inspector.inspect

    def slow(source: FileSource) -> object:
        answer = real(source)
        with path.open("ab") as file:
            file.write(EVIL)
        return answer

    monkeypatch.setattr(inspector, "inspect", slow)
    judged = Judge()(FoundFile(path=str(path)))
    assert judged.inspection.outcome is Outcome.UNVERIFIABLE
    assert not judged.verdict.allowed


@pytest.mark.parametrize("error", [RecursionError("deep"), MemoryError(), ValueError("x\x1b"), OSError(5, "I/O error")])
def test_an_inspector_that_fails_makes_the_file_unverifiable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps(1))

    def fail(_source: FileSource) -> None:
        raise error

    monkeypatch.setattr(inspector, "inspect", fail)
    assert Judge()(FoundFile(path=str(path))).inspection.outcome is Outcome.UNVERIFIABLE


def test_a_missing_path_beside_a_good_one_is_denied_and_not_forgotten(tmp_path: Path):
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(1))
    assert _outcomes(tmp_path, tmp_path / "nowhere")["nowhere"] is Outcome.UNVERIFIABLE


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_nothing_to_judge_is_an_error_and_not_a_success(tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError) as caught:
        scan([str(tmp_path / name)], Judge())
    assert caught.value.exit_code == 2
    assert name in str(caught.value)


def test_digests_are_those_of_the_whole_file(tmp_path: Path):
    (tmp_path / "data.pkl").write_bytes(b"")
    (tmp_path / "clean.safetensors").write_bytes(_safetensors())
    report = scan([str(tmp_path)], Judge(digests=True))
    digests = [item.artifact.digest.value for item in report.judged if item.artifact.digest]
    assert hashlib.sha256(_safetensors()).hexdigest() in digests


def test_a_sparse_file_of_100_gb_is_judged_without_reading_it(tmp_path: Path):
    path = tmp_path / "huge.bin"
    path.touch()
    try:
        os.truncate(path, 100 << 30)
    except OSError:
        os.truncate(path, 2 << 30)
    with path.open("r+b") as file:
        file.write(b"\x80\x04]\x94")
    assert _outcomes(path) == {"huge.bin": Outcome.UNVERIFIABLE}


def _by_name(judged: Iterable[Judged]) -> dict[str, Judged]:
    answers = list(judged)
    named = {os.path.basename(item.artifact.path): item for item in answers}
    assert len(named) == len(answers)
    return named


def test_several_processes_give_the_same_report_as_one(tmp_path: Path):
    _fill(tmp_path)
    for number in range(20):
        (tmp_path / f"data-{number}.pkl").write_bytes(pickle.dumps(number))
    judge = Judge(digests=True)
    assert scan([str(tmp_path)], judge, engine=Processes(2)) == scan([str(tmp_path)], judge)


def test_progress_counts_to_the_end_also_with_processes(tmp_path: Path):
    _fill(tmp_path)
    seen: list[tuple[int, int]] = []
    scan([str(tmp_path)], Judge(), engine=Processes(2), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_process_that_is_killed_takes_one_file_with_it_and_never_drops_it(tmp_path: Path):
    _fill(tmp_path)
    files = [FoundFile(path=str(path)) for path in sorted(tmp_path.iterdir())]
    before = threading.active_count()
    judged = _by_name(spread(JUDGE, files, Processes(2), JUDGE.unverifiable))
    assert set(judged) == {"README.md", "clean.safetensors", "data.pkl", "evil.bin"}
    assert judged["evil.bin"].inspection.outcome is Outcome.UNVERIFIABLE
    assert not judged["evil.bin"].verdict.allowed
    assert judged["data.pkl"].verdict.allowed
    assert threading.active_count() == before


def test_of_many_files_that_one_process_has_only_the_one_it_died_of_is_unverifiable(tmp_path: Path):
    for number in range(100):
        (tmp_path / f"data-{number:03}.pkl").write_bytes(pickle.dumps(number))
    (tmp_path / "data-050-evil.bin").write_bytes(EVIL)
    files = [FoundFile(path=str(path)) for path in sorted(tmp_path.iterdir())]
    judged = _by_name(spread(JUDGE, files, Processes(2), JUDGE.unverifiable))
    assert len(judged) == 101
    assert [name for name, item in judged.items() if not item.verdict.allowed] == ["data-050-evil.bin"]


@pytest.mark.e2e
def test_ctrl_c_ends_every_process_at_once_and_without_a_word(tmp_path: Path):
    _fill(tmp_path)
    script = (
        "import sys\nfrom tests.gates.fragile import SlowJudge\nfrom weighlock.gates.scan import scan\n"
        "from weighlock.executors.processes import Processes\n"
        "try:\n    scan(sys.argv[1:], SlowJudge(), engine=Processes(2))\n"
        "except KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    while process.poll() is None and len(list(tmp_path.glob("*.begun"))) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == ""
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # the resource tracker of multiprocessing is the last to go
            os.killpg(process.pid, 0)
            time.sleep(0.05)


def test_nobody_is_told_to_approve_what_cannot_be_opened(tmp_path):
    (tmp_path / "data.pkl").write_bytes(b"\x80\x02}q\x00.")
    (tmp_path / "loop").symlink_to("loop")
    report = scan([str(tmp_path), str(tmp_path / "missing")], Judge())
    denied = [item for item in report.judged if not item.verdict.allowed]
    assert len(denied) == 2
    assert [reason.remedy for item in denied for reason in item.verdict.reasons] == [None, None]
