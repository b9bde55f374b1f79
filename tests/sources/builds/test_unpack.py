"""An sdist is unpacked into its folder and nowhere else."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from weighlock.demo.packages import sdist
from weighlock.errors import AdmissionError, FormatError, WeighlockError
from weighlock.sources.builds import unpack as unpacking
from weighlock.sources.builds.build import System, named, read_system
from weighlock.sources.builds.unpack import unpack

Member = tuple[tarfile.TarInfo, bytes]


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"") -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


def _tar(folder: Path, *members: Member) -> Path:
    path = folder / "spam-1.0.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def _unpacked(folder: Path, path: Path) -> Path:
    (folder / "out" / "source").mkdir(parents=True)
    return unpack(path, folder / "out" / "source")


def _everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


PLAIN = _member("spam-1.0/setup.py", data=b"x = 1\n")


@pytest.mark.parametrize(
    "member",
    [
        _member("../evil", data=b"x"),
        _member("/tmp/evil", data=b"x"),
        _member("spam-1.0/../../evil", data=b"x"),
        _member("spam-1.0/link", tarfile.SYMTYPE, "/etc/passwd"),
        _member("spam-1.0/link", tarfile.SYMTYPE, "../../evil"),
        _member("spam-1.0/link", tarfile.SYMTYPE, "nowhere"),
        _member("spam-1.0/link", tarfile.LNKTYPE, "/etc/passwd"),
        _member("spam-1.0/pipe", tarfile.FIFOTYPE),
        _member("spam-1.0/device", tarfile.CHRTYPE),
        _member("spam-1.0/a\nb", data=b"x"),
        _member("spam-1.0/a\\..\\b", data=b"x"),
        PLAIN,
    ],
    ids=[
        "above", "absolute", "above-in-the-middle", "link-absolute", "link-above", "link-to-nothing", "hard-link-out",
        "pipe", "device", "line-break", "backslash", "twice",
    ],
)  # fmt: skip
def test_what_leads_out_or_is_no_file_is_refused(member, tmp_path):
    path = _tar(tmp_path, PLAIN, member)
    with pytest.raises(WeighlockError):
        _unpacked(tmp_path, path)
    assert not (tmp_path.parent / "evil").exists()
    assert {name for name in _everything(tmp_path) if "evil" in name or "link" in name or "pipe" in name} == set()


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = _member("spam-1.0/folder", tarfile.SYMTYPE, "../../../elsewhere")
    through = _member("spam-1.0/folder/evil", data=b"x")
    for number, members in enumerate(((link, through), (through, link))):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(WeighlockError):
            _unpacked(tmp_path / str(number), _tar(tmp_path / str(number), PLAIN, *members))
    assert os.listdir(tmp_path / "elsewhere") == []


def test_links_within_the_source_stay_links(tmp_path):
    link = _member("spam-1.0/docs/readme", tarfile.SYMTYPE, "../README")
    script = _member("spam-1.0/configure", data=b"#!/bin/sh\n")
    tree = _unpacked(tmp_path, _tar(tmp_path, _member("spam-1.0/README", data=b"hello"), link, script))
    assert (tree / "docs" / "readme").read_text() == "hello"
    assert os.access(tree / "configure", os.X_OK)
    assert sorted(os.listdir(tree.parent)) == ["spam-1.0"]


@pytest.mark.parametrize("members", [[], [PLAIN, _member("other/file")], [_member("file", data=b"x")]])
def test_an_archive_that_is_not_one_folder_is_no_sdist(members, tmp_path):
    with pytest.raises(WeighlockError):
        _unpacked(tmp_path, _tar(tmp_path, *members))


def test_a_bomb_is_over_the_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "_MOST", 1 << 20)
    path = tmp_path / "spam-1.0.tar.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    with pytest.raises(WeighlockError):
        _unpacked(tmp_path, path)


@pytest.mark.parametrize("name", ["../evil", "spam-1.0/../../evil", "/tmp/evil"])
def test_a_zip_that_leads_out_is_refused(name, tmp_path):
    path = tmp_path / "spam-1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("spam-1.0/setup.py", "x = 1\n")
        archive.writestr(name, "x")
    with pytest.raises(AdmissionError):
        _unpacked(tmp_path, path)


def test_a_zip_is_unpacked(tmp_path):
    path = tmp_path / "spam-1.0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("spam-1.0/", "")
        archive.writestr("spam-1.0/setup.py", "x = 1\n")
    assert (_unpacked(tmp_path, path) / "setup.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("name", ["spam-1.0.tar.bz2", "spam-1.0.exe", "spam"])
def test_other_archives_are_not_unpacked(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FormatError, match=r"neither a \.tar\.gz nor a \.zip"):
        _unpacked(tmp_path, tmp_path / name)


def test_what_the_builders_of_the_tests_write_is_unpacked(tmp_path):
    package = sdist("spam", "1.0", pyproject="x = 1\n", files={"src/__init__.py": "", "src/spam/a.py": "a"})
    (tmp_path / package.filename).write_bytes(package.data)
    tree = _unpacked(tmp_path, tmp_path / package.filename)
    assert _everything(tree) == {"PKG-INFO", "pyproject.toml", "src", "src/__init__.py", "src/spam", "src/spam/a.py"}


@pytest.mark.parametrize(
    "text",
    [
        "build-system = 1",
        "[build-system]\nrequires = 'a'",
        "[build-system]",
        "[build-system]\nrequires = []\nbackend-path = ['../x']",
        "[build-system]\nrequires = []\nbackend-path = ['/x']",
        "[build-system]\nrequires = []\nbuild-backend = 1",
        "[build-system]\nrequires = ['a @ https://example.com/a.tar.gz']",
        "[build-system]\nrequires = ['./a']",
        "[build-system",
        "a = " + "[" * 100_000,
        "x = '" + "a" * (1 << 20) + "'",
    ],
)
def test_a_build_system_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(FormatError):
        read_system(tmp_path)


def test_a_pyproject_that_is_a_link_is_not_read(tmp_path):
    (tmp_path / "pyproject.toml").symlink_to("/etc/hostname")
    with pytest.raises(FormatError, match="is a link"):
        read_system(tmp_path)


def test_without_a_build_system_it_is_setuptools(tmp_path):
    legacy = System(backend="setuptools.build_meta:__legacy__", requires=("setuptools>=40.8.0",))
    assert read_system(tmp_path) == legacy
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'spam'\n")
    assert read_system(tmp_path) == legacy
    (tmp_path / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
    )
    assert read_system(tmp_path) == System(backend="hatchling.build", requires=("hatchling",))


def test_a_build_that_needs_hundreds_of_packages_is_refused():
    with pytest.raises(FormatError, match="more than"):
        named(["a"] * 1000)
