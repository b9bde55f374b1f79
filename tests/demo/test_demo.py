"""The demonstration tells the truth, leaves nothing behind, and needs neither torch nor numpy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from weighlock import inspector
from weighlock.demo import attacks, installs, project
from weighlock.demo.attacks import Attack
from weighlock.demo.attempts import ATTEMPTS, Observer, Outcome, refusal_of
from weighlock.demo.installs import Installs
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


def _assert_all_rows(out: str) -> None:
    for attempt in ATTEMPTS:
        assert _row(out, attempt.title) == f"{attempt.unguarded} {attempt.guarded}"
    assert _row(out, "fathom 1.0, an honest package") == "installed installed"
    for attack in _attacks():
        assert _row(out, attack.title).endswith("its PAYLOAD RAN refused")


def _attacks() -> list[Attack]:
    return [*attacks.said("", datetime.now(UTC)), *attacks.held("")]


def _assert_marked(kept: Path, place: str, names: set[str]) -> None:
    """The payloads ran in one folder and nowhere else."""
    assert {path.name for path in (kept / place).iterdir() if path.is_file()} >= names
    assert {path for name in names for path in kept.rglob(name)} == {kept / place / name for name in names}


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
    _assert_all_rows(done.stdout)
    assert "weighlock refused torch.load of" in done.stdout
    assert "builtins.exec" in done.stdout
    assert "chain     9 links intact" in done.stdout
    assert "- the ledger: ledger -> checkpoint" in done.stdout
    assert "nothing is found" not in done.stdout
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


@pytest.mark.e2e
def test_without_torch_and_numpy_the_story_is_the_same_and_says_what_it_skips(tmp_path: Path):
    environ = _environ(tmp_path, _without_torch(tmp_path))
    done = _demo(environ, "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Skipped: torch.load and transformers, because torch is not installed here." in done.stdout
    _assert_all_rows(done.stdout)
    assert "weighlock refused pickle.load of" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 80
    assert "\x1b" not in done.stdout
    (kept,) = Path(environ["TMPDIR"]).iterdir()
    assert done.stdout.splitlines()[-1].endswith(str(kept.resolve()))
    _assert_marked(kept, "unguarded", {marker("ferry"), marker("free-weights")})
    _assert_marked(kept, installs.PLAIN, {attacks.marker("", one.package.project) for one in _attacks()})
    # Digests are kept, in xdg, of files that are old enough, which on a fast machine none is.
    left = {path.name for path in (kept / "project").iterdir()} - {"__pycache__", "xdg"}
    assert left == {"fleet.py", "huggingface", "load.py", "models.lock"}


@pytest.mark.e2e
def test_a_guard_that_does_nothing_is_found_out_also_beside_a_broken_library(tmp_path: Path):
    off = _modules(tmp_path / "off", sitecustomize="import weighlock\nweighlock.deactivate()\n")
    broken = _modules(tmp_path / "broken", torch="raise OSError('libtorch.so: not here')\n")
    done = _demo(_environ(tmp_path, off, broken))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "because torch is not installed here" in done.stdout
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
        "PIP_TARGET": "/elsewhere", "PIP_INDEX_URL": "http://elsewhere", "WEIGHLOCK_ADVISORIES": "/elsewhere",
    }  # fmt: skip
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    with Stage() as stage:
        code = "import json, os; print(json.dumps(dict(os.environ)))"
        ended = stage.run("python", "-c", code)
        assert ended.code == 0, ended.err
        kept = {"PIP_INDEX_URL", "WEIGHLOCK_ADVISORIES"}  # with values of the demonstration
        assert not any(f'"{name}"' in ended.out for name in foreign.keys() - kept)
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


@pytest.fixture
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stage, Installs, Attack]]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Stage() as stage:
        for place in (installs.PLAIN, installs.GUARDED):
            Path(stage.path(place)).mkdir()
        played = Installs(stage, Screen(color=False))
        yield stage, played, played.attacks[0]


def _judge(played: Installs, attack: Attack, decision: str, rule: str) -> None:
    verdict = {"decision": decision, "reasons": [{"rule": rule, "message": ""}]}
    played._reports[attack.package.project] = {"verdict": verdict}


def test_a_refusal_of_a_package_counts_where_its_reason_is_the_right_one(installing):
    _, played, attack = installing
    assert played._observe_guarded(attack) is Outcome.FAILED
    _judge(played, attack, "deny", "unverifiable")
    assert played._observe_guarded(attack) is Outcome.FAILED
    _judge(played, attack, "allow", attack.check)
    assert played._observe_guarded(attack) is Outcome.FAILED
    _judge(played, attack, "deny", attack.check)
    assert played._observe_guarded(attack) is Outcome.REFUSED


def test_what_lies_on_the_disk_counts_whatever_weighlock_says(installing):
    stage, played, attack = installing
    _judge(played, attack, "deny", attack.check)
    Path(stage.path(installs.GUARDED, f"{attack.package.project}-3.0.0.dist-info")).mkdir()
    assert played._observe_guarded(attack) is Outcome.INSTALLED
    assert played._observe_plain(attack) is Outcome.FAILED
    marked = attacks.marker("", attack.package.project)
    Path(stage.path(installs.PLAIN, marked)).touch()
    assert played._observe_guarded(attack) is Outcome.INSTALLED
    assert played._observe_plain(attack) is Outcome.PAYLOAD
    Path(stage.path(marked)).touch()
    assert played._observe_guarded(attack) is Outcome.PAYLOAD


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
