from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import weighlock
from tests.vectors.environments import folder
from weighlock import checks
from weighlock.errors import FormatError, SourceError
from weighlock.finding import Outcome
from weighlock.formats.installed import direct_url, is_start_up_file, obeys
from weighlock.runtime import _pip_site, _site
from weighlock.sources import stray_files
from weighlock.sources.environment import read_environment, read_folders

CODE = b"VALUE = 1\n"


def _write(root: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(root)


def _read(root: Path, files: dict[str, bytes]):
    place = _write(root, files)
    return read_folders([place], place)


@pytest.fixture(scope="module")
def venv(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("venv") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    return place


def _library(venv: Path) -> Path:
    return next((venv / "lib").glob("python*")) / "site-packages"


def test_no_start_up_file_of_the_environment_runs_when_it_is_read(venv: Path, tmp_path: Path):
    marker = tmp_path / "marker"
    evil = f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n"
    library = _library(venv)
    _write(library, {"evil.pth": evil.encode(), "sitecustomize.py": evil.encode(), **folder({"demo.py": CODE})})
    found = read_environment(str(venv / "bin" / "python"))
    assert not marker.exists()
    assert found.folders == (os.path.realpath(library),)
    assert [(item.name, item.version, item.changed) for item in found.distributions] == [("demo", "1.0", ())]
    assert {(Path(item.path).name, item.starting) for item in found.strays} == {
        ("evil.pth", True), ("sitecustomize.py", True),
    }  # fmt: skip
    subprocess.run([str(venv / "bin" / "python"), "-c", ""], check=True, capture_output=True)
    assert marker.exists(), "the attack works where Python starts as usual"


def test_an_interpreter_that_is_none_ends_in_one_clear_error(tmp_path: Path):
    for python in (str(tmp_path / "none"), "/bin/false", "/bin/echo"):
        with pytest.raises(SourceError):
            read_environment(python)


def test_a_named_pipe_and_a_link_to_a_device_in_place_of_a_file_do_not_stop_the_check(tmp_path: Path):
    files = folder({"demo.py": CODE, "other.py": CODE})
    _write(tmp_path, files)
    (tmp_path / "demo.py").unlink()
    os.mkfifo(tmp_path / "demo.py")
    (tmp_path / "other.py").unlink()
    (tmp_path / "other.py").symlink_to("/dev/zero")
    (demo,) = read_folders([str(tmp_path)], str(tmp_path)).distributions
    assert len(demo.changed) == 2


def test_a_record_that_is_a_named_pipe_is_a_problem_of_its_distribution_alone(tmp_path: Path):
    files = folder({"demo.py": CODE})
    _write(tmp_path, files)
    (tmp_path / "demo-1.0.dist-info" / "RECORD").unlink()
    os.mkfifo(tmp_path / "demo-1.0.dist-info" / "RECORD")
    (demo,) = read_folders([str(tmp_path)], str(tmp_path)).distributions
    assert demo.problem is not None


def test_what_lies_outside_of_the_environment_is_not_opened(tmp_path: Path):
    secret = tmp_path / "secret"
    os.mkfifo(secret)
    (demo,) = _read(tmp_path / "lib", folder({"demo.py": CODE}, more="../secret,sha256=AAAA,1\n")).distributions
    assert demo.outside == ("../secret",)
    assert demo.changed == ()


def test_an_absolute_path_in_record_is_outside(tmp_path: Path):
    (demo,) = _read(tmp_path, folder({"demo.py": CODE}, more="/etc/hostname,,\n")).distributions
    assert demo.outside == ("/etc/hostname",)


def test_metadata_that_cannot_be_read_makes_a_distribution_unverifiable_and_not_invisible(tmp_path: Path):
    files = {**folder({"demo.py": CODE}), "demo-1.0.dist-info/METADATA": b"\xff\xfe"}
    (demo,) = _read(tmp_path, files).distributions
    assert (demo.name, demo.version) == ("demo", "1.0")
    assert demo.problem


def test_a_distribution_whose_metadata_has_the_name_of_another_does_not_pass_for_that(tmp_path: Path):
    files = folder({"demo.py": CODE})
    renamed = {path.replace("demo-1.0", "evil-1.0"): data for path, data in files.items()}
    found = _read(tmp_path, renamed)
    assert "names another project" in str(found.distributions[0].problem)


def test_a_distribution_in_capitals_is_one_as_for_the_standard_library(tmp_path: Path):
    files = {path.replace("dist-info", "DIST-INFO"): data for path, data in folder({"demo.py": CODE}).items()}
    assert [one.name for one in _read(tmp_path, files).distributions] == ["demo"]


def test_two_distributions_of_one_name_are_both_reported(tmp_path: Path):
    other = {path.replace("demo-1.0", "demo-0.9"): data for path, data in folder({"demo.py": CODE}).items()}
    found = _read(tmp_path, {**other, **folder({"demo.py": CODE})})
    assert len(found.distributions) == 2


def test_compiled_files_beside_their_source_are_no_strays_and_one_without_is(tmp_path: Path):
    files = folder({"demo.py": CODE}, more="__pycache__/demo.cpython-311.pyc,,\n")
    pyc = {"__pycache__/demo.cpython-311.pyc": b"x", "__pycache__/other.cpython-311.pyc": b"x", "lone.pyc": b"x"}
    found = _read(tmp_path, {**files, **pyc})
    assert [Path(item.path).name for item in found.strays] == ["lone.pyc"]
    assert found.distributions[0].undigested == ()


def test_a_compiled_module_that_needs_no_source_is_a_finding(tmp_path):
    files = folder({"demo.py": CODE}, more="secret.pyc,,\n")
    (demo,) = _read(tmp_path, {**files, "secret.pyc": b"0" * 16}).distributions
    assert demo.undigested == ("secret.pyc",)


def test_folders_of_compiled_files_that_virtualenv_lists_are_no_finding(tmp_path: Path):
    more = "demo/__pycache__,,\ndemo/x.cpython-311.pyc,,\ndemo/gone.py,,\n"
    (demo,) = _read(tmp_path, folder({"demo.py": CODE}, more=more)).distributions
    assert (demo.changed, demo.undigested, demo.missing) == ((), (), ("demo/gone.py",))


def test_a_folder_of_nobody_is_one_stray_whose_digest_moves_with_every_file(tmp_path: Path):
    files = {**folder({"demo.py": CODE}), "zz/a.py": b"1\n", "zz/b/c.py": b"2\n", "zz/data.txt": b"3\n"}
    found = _read(tmp_path, files)
    (stray,) = found.strays
    assert (Path(stray.path).name, stray.files, found.inert) == ("zz", 2, 1)
    (tmp_path / "zz" / "b" / "c.py").write_bytes(b"4\n")
    (other,) = read_folders([str(tmp_path)], str(tmp_path)).strays
    assert other.digest != stray.digest


def test_too_many_strays_become_one_that_no_digest_accepts(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(stray_files, "_MOST_STRAYS", 2)
    found = _read(tmp_path, {f"m{number}.py": b"" for number in range(9)})
    assert [stray.files for stray in found.strays] == [1, 1, 7]
    assert found.strays[-1].digest is None


@pytest.mark.parametrize(
    ("name", "data", "answer"),
    [
        ("a.pth", b"import os\n", (True, False)),
        ("a.pth", b"  import os\n", (False, True)),
        ("a.pth", b"import\tos\n", (True, False)),
        ("a.pth", b"lib\rimport os\n", (True, True)),
        ("a.pth", b"\xef\xbb\xbfimport os\n", (True, False)),
        ("a.pth", b"lib\x0bimport os\n", (True, True)),
        ("a.pth", "import os\n".encode("utf-16"), (True, True)),
        ("a.pth", b"# import os\nimportant\n", (False, True)),
        ("a.pth", b"\n# nothing\n", (False, False)),
        ("sitecustomize.py", b"", (True, False)),
    ],
)
def test_what_python_does_with_a_start_up_file(name: str, data: bytes, answer: tuple[bool, bool]):
    assert obeys(name, data) == answer


@pytest.mark.parametrize(
    "path", ["a.pth", "A.PTH", "a.start", "sitecustomize.py", "usercustomize.cpython-311-x86.so", "sitecustomize/x.py"]
)
def test_start_up_files_by_any_spelling(path: str):
    assert is_start_up_file(path)


@pytest.mark.parametrize("path", ["demo/a.pth", "demo/sitecustomize.py", "mysitecustomize.py", "sitecustomize.txt"])
def test_files_that_python_does_not_look_for(path: str):
    assert not is_start_up_file(path)


def test_a_direct_url_hides_no_credentials_and_needs_to_be_one():
    told = direct_url(b'{"url": "https://u:p@host/x.whl", "archive_info": {}}')
    assert (told.url, told.editable) == ("https://host/x.whl", False)
    for data in (b"", b"[]", b"{}", b'{"url": 1}', b"[" * 100_000):
        with pytest.raises(FormatError):
            direct_url(data)


def _activated(folder: Path, **changes) -> dict[str, str]:
    here = str(Path(weighlock.__file__).parent.parent)
    settings = {"location": here, "mode": None, "lock": "/x/models.lock", "policy": None, **changes}
    return {
        **_site.start_up_files(str(folder), **settings),
        **_pip_site.start_up_files(str(folder), sys.executable, here),
    }


def test_the_files_of_our_own_activation_are_nobody_elses(tmp_path: Path):
    for path, text in _activated(tmp_path).items():
        Path(path).write_text(text, encoding="utf-8")
    assert read_folders([str(tmp_path)], str(tmp_path)).strays == ()


@pytest.mark.parametrize("name", [_site.PTH, _site.START, _site.MODULE, _pip_site.PTH, _pip_site.MODULE])
def test_a_file_with_the_name_of_our_activation_and_one_line_more_is_a_stray(tmp_path: Path, name: str):
    for path, text in _activated(tmp_path).items():
        more = "import os\n" if Path(path).name == name else ""
        Path(path).write_text(text + more, encoding="utf-8")
    strays = {Path(stray.path).name for stray in read_folders([str(tmp_path)], str(tmp_path)).strays}
    assert name in strays


def test_an_activation_of_another_weighlock_is_a_stray(tmp_path: Path):
    for path, text in _activated(tmp_path, location="/tmp/evil").items():
        Path(path).write_text(text, encoding="utf-8")
    strays = {Path(stray.path).name for stray in read_folders([str(tmp_path)], str(tmp_path)).strays}
    assert strays == {_site.PTH, _site.START, _site.MODULE}
    for path, text in _pip_site.start_up_files(str(tmp_path), "/tmp/evil/python", "/tmp/evil").items():
        Path(path).write_text(text, encoding="utf-8")
    strays = {Path(stray.path).name for stray in read_folders([str(tmp_path)], str(tmp_path)).strays}
    assert _pip_site.PTH in strays


@pytest.mark.parametrize("text", ["(" * 100_000, "\0", "exec(1)", "start()", "exec('start(1)')", "x" * (2 << 20)])
def test_a_module_with_the_name_of_ours_that_nobody_can_read_is_a_stray(tmp_path: Path, text: str):
    (tmp_path / _site.MODULE).write_text(text, encoding="utf-8")
    (tmp_path / _pip_site.MODULE).write_text(text, encoding="utf-8")
    assert len(read_folders([str(tmp_path)], str(tmp_path)).strays) == 2


def test_what_virtualenv_leaves_is_known_by_its_bytes_alone(tmp_path: Path):
    found = _read(tmp_path, {"_virtualenv.pth": b"import _virtualenv", "other.pth": b"import _virtualenv"})
    outcomes = {
        Path(stray.path).name: finding.outcome
        for stray in found.strays
        for finding in checks.run(stray, checks.PACKAGES)
    }
    assert outcomes == {"_virtualenv.pth": Outcome.DATA_ONLY, "other.pth": Outcome.NEEDS_APPROVAL}
