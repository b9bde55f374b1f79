"""The demonstration tells the truth, leaves nothing behind, and needs neither torch nor numpy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weighlock import inspector
from weighlock.demo import project
from weighlock.demo.attempts import ATTEMPTS, Observer, Outcome, refusal_of
from weighlock.demo.models import Maker, marker
from weighlock.demo.screen import Screen
from weighlock.demo.stage import Command, Ended, Stage
from weighlock.finding import Outcome as Judged
from weighlock.formats.source import BytesSource

_TIMEOUT = 850
_WORDS = [sys.executable, "-m", "weighlock", "demo"]


def _environ(tmp_path: Path, *first: Path) -> dict[str, str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    source = Path(project.__file__).parents[3]
    path = os.pathsep.join([*map(str, first), str(source)])
    return {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": path}


def _demo(environ: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_WORDS, *options], env=environ, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )


def _modules(folder: Path, **sources: str) -> Path:
    folder.mkdir()
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def _row(text: str, title: str) -> str:
    """Return what the table says beside a title."""
    line = next(line for line in text.splitlines() if line[2:].startswith(title))
    return " ".join(line[2 + len(title) :].split())


def _without_torch(tmp_path: Path) -> Path:
    missing = "raise ImportError('not here')\n"
    return _modules(tmp_path / "missing", torch=missing, transformers=missing, numpy=missing)


@pytest.mark.e2e
@pytest.mark.timeout(900)  # transformers is imported four times; alone on a machine it takes 20 seconds
def test_the_whole_story_comes_out_as_it_should(tmp_path: Path):
    environ = _environ(tmp_path)
    done = _demo(environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "torch" in done.stdout
    for attempt in ATTEMPTS:
        assert _row(done.stdout, attempt.title) == f"{attempt.unguarded} {attempt.guarded}"
    assert "weighlock refused torch.load of" in done.stdout
    assert "builtins.exec" in done.stdout
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


@pytest.mark.e2e
def test_without_torch_and_numpy_the_story_is_the_same_and_says_what_it_skips(tmp_path: Path):
    environ = _environ(tmp_path, _without_torch(tmp_path))
    done = _demo(environ, "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Skipped: torch.load and transformers, because torch is not installed here." in done.stdout
    for attempt in ATTEMPTS:
        assert _row(done.stdout, attempt.title) == f"{attempt.unguarded} {attempt.guarded}"
    assert "weighlock refused pickle.load of" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    assert "\x1b" not in done.stdout
    (kept,) = Path(environ["TMPDIR"]).iterdir()
    assert done.stdout.splitlines()[-1].endswith(str(kept.resolve()))
    markers = {path.name for path in kept.rglob("payload-of-*")}
    assert markers == {path.name for path in (kept / "unguarded").glob("payload-of-*")} == {
        marker("ferry"), marker("free-weights")
    }  # fmt: skip
    # Digests are kept, in xdg, of files that are old enough, which on a fast machine none is.
    left = {path.name for path in (kept / "project").iterdir()} - {"__pycache__", "xdg"}
    assert left == {"fleet.py", "huggingface", "load.py", "models.lock"}


@pytest.mark.e2e
def test_a_guard_that_does_nothing_is_found_out(tmp_path: Path):
    off = _modules(tmp_path / "off", sitecustomize="import weighlock\nweighlock.deactivate()\n")
    done = _demo(_environ(tmp_path, off, _without_torch(tmp_path)))
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("This did NOT come out as it should: ")]
    for attempt in ATTEMPTS:
        assert (attempt.title in line) is (attempt.guarded is Outcome.REFUSED or attempt.unguarded is Outcome.PAYLOAD)
    assert len([line for line in done.stdout.splitlines() if line.startswith("! ")]) == line.count(";") + 1


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_interruption_leaves_no_file_and_no_process(tmp_path: Path, number: signal.Signals):
    environ = _environ(tmp_path, _without_torch(tmp_path))
    child = subprocess.Popen(
        _WORDS, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("3."):
                break
        os.killpg(child.pid, number) if number is signal.SIGINT else child.send_signal(number)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert err == "error: interrupted\n"
    assert list(Path(environ["TMPDIR"]).iterdir()) == []
    deadline = time.monotonic() + 10
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(child.pid, 0)
            time.sleep(0.05)


def test_settings_of_the_user_do_not_reach_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    foreign = {
        "HF_TOKEN": "secret", "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": "/elsewhere", "WEIGHLOCK_POLICY": "/elsewhere",
        "HTTP_PROXY": "http://elsewhere", "https_proxy": "http://elsewhere", "PYTHONSTARTUP": "/elsewhere",
    }  # fmt: skip
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    with Stage() as stage:
        code = "import json, os; print(json.dumps(dict(os.environ)))"
        ended = stage.run("python", "-c", code)
        assert ended.code == 0, ended.err
        assert not any(f'"{name}"' in ended.out for name in foreign)
        assert "secret" not in ended.out
        assert "elsewhere" not in ended.out
    assert list(tmp_path.iterdir()) == []


def test_signals_that_are_ignored_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stage():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_stage_is_cleared_when_the_story_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Stage() as stage:
        running = stage.run_all([Command(("python", "-c", "import time; time.sleep(600)"))] * 2)
        raise ZeroDivisionError(running, os.listdir(stage.folder))
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.e2e
def test_a_broken_library_is_as_good_as_none(tmp_path: Path):
    broken = _modules(tmp_path / "broken", torch="raise OSError('libtorch.so: not here')\n")
    done = _demo(_environ(tmp_path, broken))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "because torch is not installed here" in done.stdout


@pytest.fixture
def plain_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Maker]:
    monkeypatch.syspath_prepend(str(Path(project.__file__).parent))
    maker = Maker(str(tmp_path), None, None)
    maker.make()
    return tmp_path / "acme", maker


@pytest.mark.parametrize(
    ("place", "outcome", "needs"),
    [
        ("encoder/model.safetensors", Judged.DATA_ONLY, ()),
        ("classic/model.pkl", Judged.DATA_ONLY, ()),
        ("ferry/model.pkl", Judged.DATA_ONLY, ()),
        ("ferry-later/model.pkl", Judged.REFUSED, None),
        ("free-weights/model.pkl", Judged.REFUSED, None),
        ("legacy/model.pkl", Judged.NEEDS_APPROVAL, ("fleet.Settings",)),
    ],
)
def test_the_models_are_what_the_story_says(plain_models, place: str, outcome: Judged, needs: tuple[str, ...] | None):
    folder, _ = plain_models
    inspection = inspector.inspect(BytesSource((folder / place).read_bytes()))
    assert inspection.outcome is outcome
    if needs is not None:
        assert inspection.needs == needs


def _ended(out: str = "", err: str = "", code: int = 0) -> Ended:
    return Ended(Command(("python", "load.py", "acme/boat")), code, out, err)


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (_ended("loaded acme/boat: 2 tensors, fingerprint 1234abcd\n"), Outcome.LOADED),
        (_ended("loaded acme/boat: 2 tensors, fingerprint 00000000\n"), Outcome.CHANGED),
        (_ended(err="LoadRefused: weighlock refused torch.load of boat\n", code=1), Outcome.REFUSED),
        (_ended(err="LoadRefused: weighlock refused torch.load of boat\n", code=0), Outcome.FAILED),
        (_ended(err="boat\nLoadRefused: weighlock refused torch.load of another\n", code=1), Outcome.FAILED),
        (_ended(err="ModuleNotFoundError: torch\n", code=1), Outcome.FAILED),
        (_ended("loaded acme/boat-2: 2 tensors, fingerprint 1234abcd\n"), Outcome.FAILED),
    ],
)
def test_only_what_really_came_out_is_believed(tmp_path: Path, ended: Ended, outcome: Outcome):
    observer = Observer({"boat": "acme/boat"}, {"boat": "1234abcd"})
    assert observer.observe("boat", str(tmp_path), ended) is outcome


def test_a_payload_that_ran_counts_whatever_the_program_says(tmp_path: Path):
    (tmp_path / marker("boat")).touch()
    observer = Observer({"boat": "acme/boat"}, {"boat": "1234abcd"})
    refused = _ended(err="weighlock refused torch.load of x\n", code=1)
    assert observer.observe("boat", str(tmp_path), refused) is Outcome.PAYLOAD


def test_a_refusal_is_shown_without_the_traceback_before_it():
    text = "Traceback (most recent call last):\n  ...\nweighlock.errors.LoadRefused: weighlock refused x\n  hint: y\n"
    assert refusal_of(text) == "weighlock refused x\n  hint: y"
    assert refusal_of("Traceback\nValueError: x\n") is None


def test_long_paths_break_behind_a_slash_and_nothing_is_lost(capsys: pytest.CaptureFixture[str]):
    path = "/temporary/" + "/".join(["folder"] * 20) + "/" + "f" * 100
    Screen(color=False).output(f"  finding: {path} is changed\x1b[2J")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert path in "".join(line.strip() for line in out.splitlines()).replace(" ", "")
    assert "\x1b" not in out


def test_colours_only_where_they_are_wanted(capsys: pytest.CaptureFixture[str]):
    Screen(color=True).heading("1. Act")
    assert "\x1b[1m1. Act\x1b[0m" in capsys.readouterr().out
    Screen(color=False).heading("1. Act")
    assert "\x1b" not in capsys.readouterr().out
