"""Whatever happens to an installation, the environment is as it was or as it was to be, and nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import pytest

from tests.sources.pip.conftest import ALPHA, BETA, OLD_ALPHA, Environment, judged, put
from weighlock.demo.packages import wheel
from weighlock.errors import SourceError, WeighlockError
from weighlock.sources.environment import read_folders
from weighlock.sources.exclusive import acquire, acquire_now
from weighlock.sources.interface import Silence
from weighlock.sources.pip import journal, quarantine, transaction
from weighlock.sources.pip.footprint import JOURNAL_FOLDER
from weighlock.sources.pip.install import Pip
from weighlock.sources.pip.quarantine import InstallQuarantine, remove_abandoned

_CHILD = """\
import sys
from pathlib import Path
from weighlock.artifact import Digest, PackageFile
from weighlock.sources.pip.install import install
from weighlock.sources.pip.interface import JudgedWheel, PipRequest
from weighlock.sources.pip.quarantine import InstallQuarantine
python, *wheels = sys.argv[1:]
judged = []
for text in wheels:
    path, digest = text.split("=")
    name, version = Path(path).name.split("-")[:2]
    artifact = PackageFile(name=name.lower(), version=version, filename=Path(path).name, digest=Digest.sha256(digest))
    judged.append(JudgedWheel(path=Path(path), artifact=artifact))
with InstallQuarantine() as folder:
    install(judged, PipRequest(python=python, resolving=()), folder)
"""
_MANY = {f"many/part{number // 20}/file{number}.py": f"x = {number}\n" for number in range(200)}
MANY = wheel("many", "2.0", _MANY)
OLD_MANY = wheel("many", "1.0", dict.fromkeys(sorted(_MANY)[::2], "old = 1\n"))


class Bench:
    """An environment with old packages, and a process that replaces them.

    Args:
        venv: The environment.
        folder: For the wheels.
    """

    def __init__(self, venv: Environment, folder: Path) -> None:
        self.venv = venv
        self.journal = venv.packages / JOURNAL_FOLDER / "journal.json"
        self._wheels = []
        for package in (ALPHA, BETA, MANY):
            (folder / package.filename).write_bytes(package.data)
            self._wheels.append(f"{folder / package.filename}={package.sha256}")

    def start(self, **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _CHILD, self.venv.python, *self._wheels]
        source = str(Path(transaction.__file__).parents[3])
        environ = {**os.environ, "PYTHONPATH": source}
        return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True, **options)

    def started(self, delay: float) -> subprocess.Popen[str]:
        """Return an installation that is past the point of no return, by so many seconds."""
        process = self.start()
        while not self.journal.exists():
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(delay)
        return process

    def is_complete(self) -> bool:
        """Say whether everything new is there and nothing old: on a busy machine the end can come before the kill."""
        found = read_folders([str(self.venv.packages)], str(self.venv.folder))
        versions = {one.name: one.version for one in found.distributions}
        whole = not any(one.problem or one.changed or one.missing for one in found.distributions)
        return whole and not found.strays and versions.items() >= {"alpha": "1.0", "beta": "2.0", "many": "2.0"}.items()

    def recovered(self) -> None:
        """Recover, once the orphaned pip has ended."""
        end = time.monotonic() + 60
        while self.journal.parent.exists():
            assert time.monotonic() < end
            transaction.recover(os.environ)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("old") / "venv")
    venv.create(made.folder, with_pip=False)
    with InstallQuarantine() as folder:
        put(made, [judged(OLD_ALPHA, folder), judged(OLD_MANY, folder)], folder)
    return made


@pytest.fixture
def bench(old, tmp_path) -> Bench:
    shutil.copytree(old.folder, tmp_path / "venv", symlinks=True)
    return Bench(Environment(tmp_path / "venv"), tmp_path)


def _left() -> list[str]:
    return os.listdir(quarantine.place(os.environ))


@pytest.mark.e2e
@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_moment_leaves_the_environment_as_it_was(seed, bench):
    before = bench.venv.content()
    process = bench.started(random.Random(seed).random() * 0.3)
    process.kill()
    process.communicate()
    assert transaction.unfinished(os.environ) in ([], [str(bench.venv.packages)])  # its pip may still be at work
    bench.recovered()
    assert bench.venv.content() == before or bench.is_complete()
    assert transaction.unfinished(os.environ, str(bench.venv.packages)) == []
    remove_abandoned(quarantine.place(os.environ))
    assert _left() == []


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_the_environment_as_it_was(number, bench):
    before = bench.venv.content()
    process = bench.started(0.02)
    process.send_signal(number)
    process.communicate()
    assert bench.is_complete() if process.returncode == 0 else bench.venv.content() == before
    assert _left() == []


@pytest.mark.e2e
def test_the_next_installation_rolls_back_first_and_says_so(bench):
    before = bench.venv.content()
    process = bench.started(0.1)
    process.kill()
    process.communicate()
    if not bench.journal.parent.exists():  # nobody may look at the packages while the orphaned pip is at work
        pytest.skip("the machine is so busy that the installation ended before the kill")
    second = bench.start()  # waits for the pip that lost its parent
    _, said = second.communicate()
    assert second.returncode == 1
    assert "had been cut off; it is rolled back now" in said
    assert bench.venv.content() == before
    third = bench.start()
    assert third.communicate()[1] == ""
    assert (bench.venv.packages / "many-2.0.dist-info").exists()


@pytest.mark.e2e
def test_two_installations_at_once_come_one_after_the_other(bench):
    both = [bench.start(), bench.start()]
    assert [process.communicate()[1] for process in both] == ["", ""]
    done = bench.venv.plain_pip("check")
    assert done.returncode == 0, done.stdout
    assert not bench.journal.parent.exists()
    assert _left() == []


@pytest.mark.e2e
def test_a_full_disk_leaves_the_environment_as_it_was(bench, monkeypatch):
    """A limit on the size of files stands for it: writing fails in the middle of a wheel."""
    before = bench.venv.content()
    big = wheel("big", "1.0", {**{f"big/a{number}.py": "" for number in range(50)}, "big/z.bin": b"\0" * 300_000})
    with InstallQuarantine() as folder:
        wheels = [judged(ALPHA, folder), judged(big, folder)]
        work = Pip.work

        def limited(self, hold):
            import resource

            resource.prlimit(self._started.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
            return work(self, hold)

        monkeypatch.setattr(Pip, "work", limited)
        with pytest.raises(SourceError, match="could not install"):
            put(bench.venv, wheels, folder)
    assert bench.venv.content() == before


@pytest.mark.e2e
def test_no_room_for_the_journal_changes_nothing(bench, monkeypatch):
    before = bench.venv.content()

    def full(path, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_keep", full)
    with InstallQuarantine() as folder, pytest.raises(WeighlockError, match="No space left"):
        put(bench.venv, [judged(ALPHA, folder)], folder)
    assert bench.venv.content() == before


@pytest.mark.e2e
def test_a_file_system_without_hard_links_gets_copies(bench, monkeypatch):
    before = bench.venv.content()

    def no_links(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with InstallQuarantine() as folder, pytest.raises(SourceError):
        put(bench.venv, [judged(ALPHA, folder), judged(wheel("x", "1", tag="cp27-cp27m-win32"), folder)], folder)
    assert bench.venv.content() == before


def _begun(tmp_path: Path) -> tuple[Path, Path, journal.Journal]:
    packages = tmp_path / "packages"
    (packages / "old" / "empty").mkdir(parents=True)
    (packages / "old" / "a.py").write_text("a")
    (packages / "old" / "link").symlink_to("a.py")
    (packages / "~mine").mkdir()
    folder = packages / JOURNAL_FOLDER
    folder.mkdir(mode=0o700)
    paths = [packages / "old" / name for name in ("a.py", "link", "b.py")] + [packages / "new" / "c.py"]
    return packages, folder, journal.begin(folder, [str(path) for path in paths], [str(packages)])


def _tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and JOURNAL_FOLDER not in path.parts
    }


def _spoil(packages: Path) -> None:
    (packages / "old").rename(packages / "~ld")
    (packages / "old").mkdir()
    (packages / "old" / "a.py").write_text("changed")
    (packages / "old" / "b.py").write_text("b")
    (packages / "new").mkdir()
    (packages / "new" / "stray.tmp").write_text("c")


def test_a_roll_back_that_is_cut_off_is_done_again(tmp_path, monkeypatch):
    packages, folder, begun = _begun(tmp_path)
    before = _tree(packages)
    _spoil(packages)
    replace, calls = os.replace, []

    def failing(*paths):
        calls.append(paths)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        replace(*paths)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="Input/output"):
        journal.roll_back(begun)
    again = journal.read(folder)
    assert again == begun
    journal.roll_back(again)
    assert _tree(packages) == before
    assert (packages / "~mine").exists()
    assert journal.read(folder) is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"roots": ["/somewhere/else"]},
        {"kept": {"/etc/passwd": "../../passwd"}},
        {"kept": []},
        {"unknown": 1},
    ],
)
def test_a_journal_that_does_not_fit_is_not_obeyed(change, tmp_path):
    _, folder, begun = _begun(tmp_path)
    begun.path.write_text(json.dumps({**json.loads(begun.path.read_text()), **change}))
    with pytest.raises(SourceError, match="cannot be read"):
        journal.read(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_a_broken_journal_stops_everything(text, tmp_path):
    _, folder, begun = _begun(tmp_path)
    begun.path.write_text(text)
    with pytest.raises(SourceError, match="cannot be read"):
        journal.read(folder)


def test_an_environment_at_work_is_neither_unfinished_nor_recovered(tmp_path):
    packages, folder, _ = _begun(tmp_path)
    descriptor = acquire(folder, Silence())
    try:
        assert transaction.unfinished(os.environ, str(packages)) == []
    finally:
        os.close(descriptor)
    assert transaction.unfinished(os.environ, str(packages)) == [str(packages)]


def test_a_pip_whose_weighlock_is_gone_still_holds_the_environment(tmp_path):
    import fcntl

    packages, folder, _ = _begun(tmp_path)
    with open(folder / "pip-0", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert transaction.unfinished(os.environ, str(packages)) == []


def test_a_quarantine_in_use_is_not_removed_and_an_abandoned_one_is():
    with InstallQuarantine() as first:
        (first / "wheel").write_text("x")
        with InstallQuarantine() as second:
            assert first.exists()
            assert (second.stat().st_mode & 0o777) == 0o700
            abandoned = first.parent / "1-abandoned"
            os.close(acquire(abandoned, Silence()))
            (abandoned / "wheel").write_text("x")
        with InstallQuarantine():
            assert not abandoned.exists()
    assert _left() == []


def test_a_quarantine_that_others_could_reach_is_made_private(tmp_path):
    parent = quarantine.place({"WEIGHLOCK_CACHE": str(tmp_path)})
    parent.mkdir(mode=0o777)
    parent.chmod(0o777)
    with InstallQuarantine({"WEIGHLOCK_CACHE": str(tmp_path)}):
        assert parent.stat().st_mode & 0o777 == 0o700


def test_a_quarantine_behind_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "installing").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(SourceError, match="not a folder of this user"),
        InstallQuarantine({"WEIGHLOCK_CACHE": str(tmp_path)}),
    ):
        pass


def test_what_is_held_is_held_once(tmp_path):
    descriptor = acquire(tmp_path / "held", Silence())
    assert acquire_now(tmp_path / "held") is None
    os.close(descriptor)
    assert acquire_now(tmp_path / "gone") is None


def test_an_installation_in_a_thread_does_not_touch_signals(bench):
    problems = []

    def work():
        try:
            with InstallQuarantine() as folder:
                put(bench.venv, [judged(BETA, folder)], folder)
        except BaseException as error:  # noqa: BLE001 - told to the test
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert problems == []
