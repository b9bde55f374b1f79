from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import weighlock
from weighlock import _cli
from weighlock.errors import (
    AdmissionError,
    DigestMismatchError,
    LoadRefused,
    LockfileError,
    SourceError,
    WeighlockError,
)


def _run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weighlock", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Return a way to make the command ``scan`` fail with an error."""

    def fail(error: BaseException) -> int:
        @click.command("scan")
        def command() -> None:
            raise error

        monkeypatch.setattr(_cli.commands, "get_command", lambda *_: command)
        return _cli.main(["scan"])

    return fail


@pytest.mark.parametrize("arguments", [["nothing"], ["--nothing"], ["scan"], ["scan", "--format", "x", "a"], ["_run"]])
def test_a_misused_command_line_is_two_lines_and_exit_2(arguments: list[str]):
    done = _run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert not error.endswith(".")
    assert hint.startswith("hint: `weighlock")


def test_escape_codes_in_arguments_are_never_printed_raw():
    done = _run("\x1b[2Jno\nsuch")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\\x1b[2Jno\\nsuch" in done.stderr


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_asked_for_and_succeeds(option: str):
    done = _run(option)
    assert done.returncode == 0
    assert "scan" in done.stdout
    assert done.stderr == ""


def test_no_arguments_show_help_but_are_not_a_success():
    done = _run()
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: weighlock" in done.stderr


def test_the_version_is_the_package_s():
    assert _run("--version").stdout == f"weighlock, version {weighlock.__version__}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WeighlockError("a"), 2),
        (LockfileError("a"), 2),
        (SourceError("a"), 2),
        (DigestMismatchError("a"), 1),
        (AdmissionError("a"), 1),
        (LoadRefused("a"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (EOFError(), 2),
        (ValueError("a"), 2),
        (RecursionError(), 2),
        (MemoryError(), 2),
        (FileNotFoundError(2, "No such file or directory", "x"), 2),
        (click.exceptions.Exit(1), 1),
    ],
    ids=repr,
)
def test_every_error_has_its_exit_code_and_none_is_a_traceback(failing, capsys, error: BaseException, code: int):
    assert failing(error) == code
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_says_where_and_what_next_on_escaped_lines(failing, capsys):
    failing(LockfileError("unknown key 'a\x1b'", where="models[3].files[0]", hint="remove\nit"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: models[3].files[0]: unknown key 'a\\x1b'\nhint: remove\\nit\n"


def test_an_unexpected_error_is_one_line_that_says_how_to_see_more(failing, capsys):
    assert failing(KeyError("boom\x1b")) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: unexpected KeyError: ")
    assert "WEIGHLOCK_TRACEBACK=1" in hint


def test_the_traceback_is_there_for_who_asks(failing, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEIGHLOCK_TRACEBACK", "1")
    assert failing(KeyError("boom")) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_command_that_cannot_be_imported_is_a_broken_installation_and_not_an_unknown_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
):
    (tmp_path / "broken.py").write_text("import surely_not_installed\n")
    monkeypatch.setattr(_cli, "__path__", [*_cli.__path__, str(tmp_path)])
    assert _cli.main(["broken"]) == 2
    assert "surely_not_installed" in capsys.readouterr().err


def test_listing_the_commands_imports_none_of_them():
    script = (
        "import sys, click\nfrom weighlock._cli import commands\n"
        "names = commands.list_commands(click.Context(commands))\n"
        "assert 'scan' in names, names\n"
        "loaded = [name for name in sys.modules if name.startswith('weighlock._cli.')]\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_reader_that_is_gone_is_not_a_traceback(tmp_path: Path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "weighlock", "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
def test_a_full_disk_below_standard_output_is_an_error():
    with open("/dev/full", "wb") as file:
        done = subprocess.run(
            [sys.executable, "-m", "weighlock", "--help"], stdout=file, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.e2e
def test_ctrl_c_is_one_line_and_130(tmp_path: Path):
    script = (
        "import sys, time, click\nfrom weighlock import _cli\n"
        "command = click.Command('scan', callback=lambda: (print('ready', flush=True), time.sleep(60)))\n"
        "_cli.commands.get_command = lambda *_: command\n"
        "sys.exit(_cli.main(['scan']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "error: interrupted\n"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [(["bom", "--score"], "weighlock bom"), (["ledger", "search", "--since"], "weighlock ledger search")],
)
def test_an_option_without_its_argument_names_the_help_that_lists_it(arguments, command, capsys):
    assert _cli.main(arguments) == 2
    assert f"hint: `{command} --help` lists what it takes" in capsys.readouterr().err
