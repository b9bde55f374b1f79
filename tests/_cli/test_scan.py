from __future__ import annotations

import json
import os
import pickle
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from weighlock._cli import main
from weighlock.allowlist import PROFILES

EVIL = b"cposix\nsystem\n(S'true'\ntR."
"""Names what would run a command; it is never unpickled."""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "data.pkl").write_bytes(pickle.dumps({"a": 1}))
    return folder


@pytest.mark.parametrize("kind", ["text", "json", "sarif"])
@pytest.mark.parametrize(
    "options", [[], ["--digests"], ["-j", "2"], ["-j", "0"], [f"--profile={name}" for name in PROFILES]]
)
def test_no_option_turns_a_denied_file_into_a_success(models: Path, capsys, kind: str, options: list[str]):
    (models / "evil.bin").write_bytes(EVIL)
    assert main(["scan", "--format", kind, *options, str(models)]) == 1
    captured = capsys.readouterr()
    assert "evil.bin" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("kind", ["text", "json", "sarif"])
def test_plain_data_is_a_success(models: Path, capsys, kind: str):
    assert main(["scan", "--format", kind, str(models)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments", [["nowhere"], ["empty"], ["--profile", "no-such", "models"], ["-j", "-1", "models"]]
)
def test_what_cannot_be_judged_is_neither_admitted_nor_refused(
    models: Path, capsys, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    monkeypatch.chdir(models.parent)
    (models.parent / "empty").mkdir()
    assert main(["scan", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")


def test_a_misspelt_profile_names_those_that_exist(models: Path, capsys):
    main(["scan", "--profile", "no-such", str(models)])
    assert "hint: choose from" in capsys.readouterr().err


def test_digests_are_in_the_report_only_when_asked_for(models: Path, capsys):
    main(["scan", "--format", "json", str(models)])
    assert "sha256" not in json.loads(capsys.readouterr().out)["artifacts"][0]
    main(["scan", "--format", "json", "--digests", str(models)])
    assert re.fullmatch("[0-9a-f]{64}", json.loads(capsys.readouterr().out)["artifacts"][0]["sha256"])


def test_the_report_goes_to_a_file_whole_or_not_at_all(models: Path, tmp_path: Path, capsys):
    report = tmp_path / "report.json"
    report.write_text("old")
    assert main(["scan", "--format", "json", "--output", str(report), str(models)]) == 0
    assert json.loads(report.read_text())["command"] == "scan"
    assert capsys.readouterr().out == ""
    assert main(["scan", "--output", str(tmp_path / "no" / "folder"), str(models)]) == 2
    assert "folder" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "report.json"]


def test_a_device_that_is_named_as_output_is_written_to_and_not_replaced(models: Path):
    assert main(["scan", "--output", os.devnull, str(models)]) == 0
    assert not os.path.isfile(os.devnull)


def test_a_hostile_file_name_is_never_printed_raw(models: Path, capsys):
    name = os.fsencode(models) + b"/evil\n\x1b[2J\xff.bin"
    with open(name, "wb") as file:
        file.write(EVIL)
    for kind in ("text", "json", "sarif"):
        assert main(["scan", "--format", kind, str(models)]) == 1
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert out.encode()


def test_the_verdict_needs_none_of_the_libraries_whose_files_are_judged(models: Path):
    script = (
        # What measures coverage may be there already, with modules of its own.
        "import sys\nbefore = set(sys.modules)\nfrom weighlock._cli import main\n"
        f"code = main(['scan', {str(models)!r}])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'joblib', 'safetensors', 'huggingface_hub', 'transformers', 'rich',"
        " 'multiprocessing', 'platformdirs', 'packaging', 'http', 'ssl'} & (set(sys.modules) - before)\n"
        "assert not heavy, heavy\nsys.exit(code)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.e2e
@pytest.mark.parametrize(
    "start", [["weighlock"], [sys.executable, "-P", "-m", "weighlock"]], ids=lambda start: start[0][-9:]
)
@pytest.mark.parametrize("options", [[], ["-j", "2", "--digests"], ["--format", "json"], ["--format", "sarif"]])
def test_modules_that_lie_in_the_scanned_folder_are_judged_and_never_run(
    models: Path, start: list[str], options: list[str]
):
    marker = models.parent / "it ran"
    for name in sys.stdlib_module_names | {"click", "rich", "numpy"}:
        (models / f"{name}.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    (models / "evil.bin").write_bytes(EVIL)
    command = [os.path.join(os.path.dirname(sys.executable), start[0]), *start[1:], "scan", *options, "."]
    done = subprocess.run(command, cwd=models, capture_output=True, text=True, check=False)
    assert not marker.exists()
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""


def test_a_terminal_gets_colour_that_can_be_switched_off(models: Path):
    (models / "evil.bin").write_bytes(EVIL)

    def shown(**environ: str) -> str:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "weighlock", "scan", str(models)],
            stdout=theirs,
            env={**os.environ, "TERM": "xterm", **environ},
        ) as process:
            process.wait(timeout=60)
            os.close(theirs)
            text = b""
            while part := _read(ours):
                text += part
            os.close(ours)
        return text.decode()

    assert "\x1b[1;31mDENY\x1b[0m" in shown()
    assert "\x1b" not in shown(NO_COLOR="1")
    assert "\x1b" not in shown(TERM="dumb")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so where the other side is closed
        return b""
