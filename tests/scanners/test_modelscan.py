"""modelscan as a second engine, the real one."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.corpus.keras_files import keras_h5, keras_zip, plain_model
from weighlock.errors import UsageError
from weighlock.finding import Outcome
from weighlock.gates.scan import Judge, scan
from weighlock.scanners import modelscan

if sys.version_info >= (3, 13):
    pytest.skip("modelscan is not made for this Python", allow_module_level=True)

SYSTEM = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
PLAIN = pickle.dumps({"a": [1, 2]}, protocol=2)
OWN = b"\x80\x02cproject.models\nClassifier\n)\x81."
LAMBDA = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config": {"function": ["x"]}}]}}


@pytest.fixture(scope="module")
def second():
    with modelscan.Modelscan() as scanner:
        yield scanner


def judged(second, path: Path, data: bytes):
    path.write_bytes(data)
    report = scan([str(path)], Judge(), second=second)
    return report.judged[0] if report.judged else None


def messages(item) -> list[str]:
    return [finding.message for finding in item.inspection.findings if finding.check == "modelscan"]


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0"


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.bin", "model.txt", "no-suffix", "MODEL.PT", "a:b.pkl", "new\nline.pkl"]
)
def test_its_issues_refuse_a_file_whatever_its_name(second, tmp_path, name):
    found = judged(second, tmp_path / name, SYSTEM)
    assert any("'system'" in message for message in messages(found))
    assert found.inspection.outcome is Outcome.REFUSED
    assert "modelscan:posix.system" in found.inspection.needs


def test_a_name_that_is_no_text_is_passed_on(second, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xff\xfe.pkl")
    Path(os.fsdecode(path)).write_bytes(SYSTEM)
    report = scan([os.fsdecode(path)], Judge(), second=second)
    assert any("'system'" in message for message in messages(report.judged[0]))


def test_an_issue_is_enough_where_the_inspector_has_none(second, tmp_path, monkeypatch):
    monkeypatch.setattr("weighlock.inspector.inspect", _sees_nothing)
    found = judged(second, tmp_path / "model.pkl", SYSTEM)
    assert found.inspection.outcome is Outcome.REFUSED
    assert not found.verdict.allowed


def _sees_nothing(source, *, name="", budget=None):
    from weighlock.finding import Inspection

    return Inspection(format="pickle", outcome=Outcome.DATA_ONLY)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.pkl", PLAIN),
        ("plain.bin", PLAIN),
        ("plain.h5", keras_h5({"class_name": "Sequential", "config": {"layers": []}})),
    ],
)
def test_what_both_engines_find_harmless_is_allowed(second, tmp_path, name, data):
    found = judged(second, tmp_path / name, data)
    assert (messages(found), found.verdict.allowed) == ([], True)


def test_an_array_that_its_scanner_fails_at_is_unverifiable(second, tmp_path):
    file = io.BytesIO()
    np.save(file, np.arange(3))
    found = judged(second, tmp_path / "array.npy", file.getvalue())
    if messages(found):  # modelscan 0.8 calls a function of numpy that has moved
        assert "could not judge it" in messages(found)[0]
        assert found.inspection.outcome is Outcome.UNVERIFIABLE


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("README.md", b"# A model"),
        ("config.json", b'{"a": 1}'),
        ("weights.bin", b"\x07" * 64),
        ("a.pb", b"\x12\x03abc"),
    ],
)
def test_files_that_are_no_models_stay_none(second, tmp_path, name, data):
    assert judged(second, tmp_path / name, data) is None


def test_a_format_that_it_does_not_know_is_said_to_be_and_stays_allowed(second, tmp_path):
    found = judged(second, tmp_path / "model.safetensors", safetensors())
    assert messages(found) == ["modelscan does not know this format, and has no say"]
    assert found.verdict.allowed


def test_a_keras_file_that_it_cannot_look_into_is_unverifiable(second, tmp_path):
    found = judged(second, tmp_path / "model.keras", keras_zip(plain_model()))
    if messages(found):  # without TensorFlow
        assert found.inspection.outcome is Outcome.UNVERIFIABLE
        assert "could not judge it" in messages(found)[0]


def test_a_lambda_in_an_hdf5_file_is_found_by_both(second, tmp_path):
    found = judged(second, tmp_path / "model.h5", keras_h5(LAMBDA))
    assert {"keras:Lambda", "modelscan:Keras.Lambda"} <= set(found.inspection.needs)


def test_an_archive_in_an_archive_that_it_does_not_open_is_unverifiable(second, tmp_path):
    inner = zipped(**{"a.pkl": PLAIN})
    found = judged(second, tmp_path / "model.zip", zipped(**{"inner.zip": inner, "b.pkl": PLAIN}))
    assert found.inspection.outcome is Outcome.UNVERIFIABLE
    assert "nested zip" in messages(found)[0]


def test_a_pickle_that_it_cannot_read_is_unverifiable(second, tmp_path):
    found = judged(second, tmp_path / "model.pkl", b"\x80\x02}q\x00\xfe")
    assert found.inspection.outcome is Outcome.UNVERIFIABLE


def test_a_file_that_takes_too_long_is_unverifiable_and_the_next_one_is_judged(tmp_path):
    with modelscan.Modelscan(patience=0.0) as hasty:
        found = judged(hasty, tmp_path / "model.pkl", PLAIN)
        assert "longer than" in messages(found)[0]
        assert found.inspection.outcome is Outcome.UNVERIFIABLE
        hasty._patience = 60.0
        assert judged(hasty, tmp_path / "other.pkl", PLAIN).verdict.allowed


def test_a_process_that_dies_makes_its_file_unverifiable_and_no_other(tmp_path):
    with modelscan.Modelscan() as scanner:
        assert judged(scanner, tmp_path / "model.pkl", PLAIN).verdict.allowed
        os.kill(scanner._process.pid, signal.SIGKILL)
        scanner._process.wait()
        found = judged(scanner, tmp_path / "model.pkl", PLAIN)
        assert found.inspection.outcome is Outcome.UNVERIFIABLE
        assert judged(scanner, tmp_path / "model.pkl", PLAIN).verdict.allowed


def test_nothing_is_left_behind(tmp_path):
    with modelscan.Modelscan() as scanner:
        judged(scanner, tmp_path / "model.pkl", PLAIN)
        process, folder = scanner._process, scanner._folder.name
    assert process.poll() is not None
    assert not os.path.exists(folder)


def test_where_it_is_not_installed_the_command_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(modelscan, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="not installed") as refused:
        modelscan.Modelscan()
    assert "pip install 'weighlock[modelscan]'" in refused.value.hint
    assert refused.value.exit_code == 2


@pytest.mark.e2e
def test_the_command_asks_it(tmp_path):
    (tmp_path / "model.pkl").write_bytes(OWN)
    (tmp_path / "bad.pkl").write_bytes(SYSTEM)
    command = [sys.executable, "-m", "weighlock", "scan", "--with", "modelscan", "--format", "json", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    by_name = {item["path"].rpartition("/")[2]: item for item in json.loads(done.stdout)["artifacts"]}
    assert {finding["check"] for finding in by_name["bad.pkl"]["findings"]} >= {"modelscan", "dangerous-imports"}
    assert {finding["check"] for finding in by_name["model.pkl"]["findings"]} == {"pickle-imports"}
