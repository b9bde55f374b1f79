"""What nobody has judged is built in isolation, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from weighlock.demo.packages import sdist, wheel
from weighlock.errors import AdmissionError, FormatError, SourceError, WeighlockError
from weighlock.sources.builds import sandbox
from weighlock.sources.builds.build import build
from weighlock.sources.builds.sandbox import Limits, Sandbox, find, prove

pytestmark = pytest.mark.e2e

_TOOLS = [tool for name in ("bwrap", "unshare") if (tool := shutil.which(name, path="/usr/bin:/bin:/usr/local/bin"))]
WORKING = [tool for tool in _TOOLS if prove(Sandbox(tool=tool)) is None]
needs_sandbox = pytest.mark.skipif(not WORKING, reason="no sandbox can be made here: needs bubblewrap or namespaces")

BACKEND = """\
import json, os, sys, zipfile

def _attempt():
    {attempt}

def get_requires_for_build_wheel(settings=None):
    return {requires!r}

def build_wheel(folder, settings=None, metadata=None):
    answer = None
    try:
        answer = _attempt()
    except BaseException as error:
        answer = type(error).__name__
    with zipfile.ZipFile(os.path.join(folder, {name!r}), "w") as archive:
        archive.writestr("attempt.json", json.dumps(answer))
    return {name!r}
"""
WHEEL = "spam-1.0-py3-none-any.whl"
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["backend"]\n'


def _package(
    folder: Path, *, attempt: str = "pass", name: str = WHEEL, requires: tuple[str, ...] = (), **facts
) -> Path:
    code = BACKEND.format(attempt=attempt, name=name, requires=list(requires))
    package = sdist("spam", "1.0", pyproject=facts.pop("pyproject", PYPROJECT), files={"backend/own.py": code, **facts})
    path = folder / package.filename
    path.write_bytes(package.data)
    return path


def _no_requirements(requirements):
    raise AssertionError(requirements)


@pytest.fixture
def quarantine(tmp_path: Path) -> Path:
    folder = tmp_path / "quarantine"
    folder.mkdir(mode=0o700)
    return folder


def _build(source: Path, quarantine: Path, judge=_no_requirements, **options) -> Path:
    options = {"name": "spam", "version": "1.0", **options}
    return build(source, quarantine, judge, **options)


def _attempted(built: Path) -> object:
    with zipfile.ZipFile(built) as archive:
        return json.loads(archive.read("attempt.json"))


@needs_sandbox
def test_a_backend_in_the_sandbox_reaches_nothing_of_the_user(tmp_path, quarantine, monkeypatch):
    secret = tmp_path / "credentials"
    secret.write_text("token")
    monkeypatch.setenv("SECRET_TOKEN", "value")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        attempt = f"""
    import socket
    found = {{}}
    for name, act in {{
        "read": lambda: open({str(secret)!r}).read(),
        "write": lambda: open({str(tmp_path / "marker")!r}, "w"),
        "write-system": lambda: open("/usr/marker", "w"),
        "write-python": lambda: open(os.__file__, "a"),
        "variable": lambda: os.environ["SECRET_TOKEN"],
        "connect": lambda: socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 2),
        "other": lambda: socket.create_connection(("192.0.2.1", 80), 2),
        "resolve": lambda: socket.getaddrinfo("pypi.org", 443),
        "settings": lambda: open("/proc/sys/kernel/core_pattern", "r+"),
        "etc": lambda: open("/etc/shadow").read(),
        "kill": lambda: os.kill({os.getpid()}, 0),
        "home": lambda: os.listdir({str(tmp_path)!r}).remove("credentials"),
            "environment": lambda: open({pytest.__file__!r}).read(),
    }}.items():
        try:
            act()
            found[name] = "worked"
        except (OSError, KeyError, ValueError):
            found[name] = "failed"
    return found"""
        built = _build(_package(tmp_path, attempt=attempt), quarantine)
    attempted = _attempted(built)
    assert set(attempted.values()) == {"failed"}, attempted
    assert not (tmp_path / "marker").exists()
    assert os.listdir(quarantine) == [WHEEL]


@needs_sandbox
def test_what_a_build_needs_is_judged_and_installed_without_an_index(tmp_path, quarantine):
    folder = tmp_path / "judged"
    folder.mkdir()
    code = BACKEND.format(attempt="import helper; return helper.__file__", name=WHEEL, requires=["helper"])
    for package in (wheel("own", "1.0", {"own.py": code}), wheel("helper", "1.0", {"helper.py": ""})):
        (folder / package.filename).write_bytes(package.data)
    asked = []

    def judge(requirements):
        asked.append(list(requirements))
        return folder

    package = sdist("spam", "1.0", pyproject='[build-system]\nrequires = ["own>=1"]\nbuild-backend = "own"\n')
    (tmp_path / package.filename).write_bytes(package.data)
    built = _build(tmp_path / package.filename, quarantine, judge)
    assert asked == [["own>=1"], ["helper"]]
    assert "/site-packages/" in _attempted(built)


@needs_sandbox
def test_what_the_backend_asks_for_is_judged_as_well(tmp_path, quarantine):
    def judge(requirements):
        raise AdmissionError(f"refused: {list(requirements)}")

    with pytest.raises(AdmissionError, match=r"refused: \['evil>=1'\]"):
        _build(_package(tmp_path, requires=("evil>=1",)), quarantine, judge)


@needs_sandbox
@pytest.mark.parametrize("asked", ["evil @ https://example.com/evil.tar.gz", "-r evil.txt", "--index-url=x"])
def test_a_backend_that_asks_past_the_gate_is_refused(asked, tmp_path, quarantine):
    with pytest.raises(FormatError, match="needs"):
        _build(_package(tmp_path, requires=(asked,)), quarantine)


@needs_sandbox
def test_another_project_than_the_one_that_may_be_built_is_refused(tmp_path, quarantine):
    for name in ("evil-1.0-py3-none-any.whl", "spam-9.9-py3-none-any.whl"):
        (tmp_path / name).mkdir()
        with pytest.raises(AdmissionError, match="was to be built"):
            _build(_package(tmp_path / name, name=name), quarantine)
    assert not list(quarantine.glob("*.whl"))


@needs_sandbox
@pytest.mark.parametrize(
    "attempt",
    [
        "os.symlink('/etc/passwd', os.path.join(sys._getframe(1).f_locals['folder'], 'x')); os._exit(0)",
        "f = sys._getframe(1).f_locals['folder']; os.rmdir(f); os.symlink('/tmp', f)",
    ],
)
def test_links_are_not_followed_out_of_the_sandbox(attempt, tmp_path, quarantine):
    with pytest.raises(WeighlockError):
        _build(_package(tmp_path, attempt=attempt), quarantine)
    assert not list(quarantine.glob("*.whl"))


@needs_sandbox
def test_a_build_that_fails_says_what_it_said(tmp_path, quarantine):
    with pytest.raises(SourceError, match=r"(?s)spam: it cannot be built in isolation: .*the compiler is missing"):
        _build(
            _package(tmp_path, attempt="sys.exit(print('the compiler is missing', flush=True) or os._exit(3))"),
            quarantine,
        )


@needs_sandbox
@pytest.mark.parametrize(
    ("attempt", "limits", "message"),
    [
        ("import time; time.sleep(60)", Limits(seconds=3), "longer than 3 seconds"),
        ("bytearray(3 << 30); os._exit(0)", Limits(memory=2 << 30), "MemoryError"),
        (
            "[open(f'f{number}', 'wb').write(bytes(8 << 20)) for number in range(99)]; import time; time.sleep(60)",
            Limits(disk=200 << 20),
            "wrote more than",
        ),
    ],
    ids=["time", "memory", "disk"],
)
def test_a_build_that_takes_too_much_is_ended(attempt, limits, message, tmp_path, quarantine):
    path = _package(tmp_path, attempt=attempt)
    if message == "MemoryError":
        assert _attempted(_build(path, quarantine, limits=limits)) == message
        return
    with pytest.raises(SourceError, match=message):
        _build(path, quarantine, limits=limits)


@needs_sandbox
def test_a_folder_is_built_and_stays_as_it_was(tmp_path, quarantine):
    tree = tmp_path / "tree"
    (tree / "backend").mkdir(parents=True)
    (tree / "pyproject.toml").write_text(PYPROJECT)
    attempt = "open('../../left-behind', 'w'); open('pyproject.toml', 'w')"
    (tree / "backend" / "own.py").write_text(BACKEND.format(attempt=attempt, name=WHEEL, requires=[]))
    assert _build(tree, quarantine).name == WHEEL
    assert (tree / "pyproject.toml").read_text() == PYPROJECT
    assert sorted(os.listdir(tmp_path)) == ["quarantine", "tree"]


@needs_sandbox
@pytest.mark.parametrize("tool", WORKING)
def test_each_tool_builds(tool, tmp_path, quarantine, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: tool if tool.endswith(name) else None)
    assert find().tool == tool
    assert _attempted(_build(_package(tmp_path, attempt="return os.getcwd()"), quarantine)).endswith("/spam-1.0")


def test_a_sandbox_that_isolates_nothing_does_not_count(tmp_path, monkeypatch):
    """A wrapper of that name which just runs the program: everything that it leaves open is told."""
    tool = tmp_path / "bwrap"
    tool.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    tool.chmod(0o755)
    problem = prove(Sandbox(tool=str(tool)))
    assert problem is not None
    for what in ("reach this machine", "read files of the user", "see other processes"):
        assert f"it can {what}" in problem
    monkeypatch.setattr(shutil, "which", lambda name, path=None: str(tool) if name == "bwrap" else None)
    with pytest.raises(SourceError, match="nothing here can be built in isolation: bwrap: it can"):
        find()


@pytest.mark.parametrize("text", ["exit 0", "exit 1", "echo '{}' > answer.json"])
def test_a_tool_that_does_not_do_its_work_is_no_sandbox(text, tmp_path):
    tool = tmp_path / "bwrap"
    tool.write_text(f"#!/bin/sh\n{text}\n")
    tool.chmod(0o755)
    assert prove(Sandbox(tool=str(tool))) is not None


def test_without_a_sandbox_nothing_is_built(tmp_path, quarantine, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    marker = tmp_path / "marker"
    with pytest.raises(SourceError, match="bwrap is not installed; unshare is not installed") as caught:
        _build(_package(tmp_path, attempt=f"open({str(marker)!r}, 'w')"), quarantine)
    assert "wheel" in (caught.value.hint or "")
    assert not marker.exists()
    assert caught.value.exit_code == 2


def test_another_system_has_no_sandbox(monkeypatch):
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    with pytest.raises(SourceError, match="only Linux"):
        find()


def test_a_home_that_is_the_prefix_is_not_shown(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SourceError, match="as a whole"):
        replace(Sandbox(tool="/usr/bin/bwrap"), readable=(str(tmp_path),)).run(["/bin/true"], tmp_path / "x")
