"""The loopback index is an index to real clients, and its faults are faults to them."""

import hashlib
import http.client
import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from tests import index_faults
from tests.index_faults import FaultyIndex, pip_environ
from weighlock.demo.packages import marking, sdist, wheel
from weighlock.demo.pages import HTML, JSON

SPAM = wheel("Spam.Eggs", "1.0", requires=["ham>=1"], requires_python=">=3.9")
HAM = wheel("ham", "2.0", {"ham.py": "x = 1\n"}, metadata={"License-Expression": "MIT"})


def _get(url: str, accept: str = JSON) -> tuple[str, bytes]:
    request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        return response.headers["Content-Type"], response.read()


def _page(index: FaultyIndex, name: str, prefix: str = "simple") -> dict:
    return json.loads(_get(f"{index.url(prefix)}{name}/")[1])


def _download(tmp_path: Path, index: FaultyIndex, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "pip", "download", "-q", "--retries", "0", "--no-cache-dir", "--isolated"]
    command += ["--only-binary", ":all:", "-d", str(tmp_path), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=pip_environ(**environ), cwd=tmp_path, timeout=60
    )


def test_packages_are_the_same_bytes_each_time():
    assert wheel("Spam.Eggs", "1.0", requires=["ham>=1"], requires_python=">=3.9") == SPAM
    assert sdist("spam", "1.0", setup_py="x = 1\n") == sdist("spam", "1.0", setup_py="x = 1\n")


def test_a_wheel_is_as_its_record_says():
    with zipfile.ZipFile(BytesIO(SPAM.data)) as archive:
        rows = [line.split(",") for line in archive.read("Spam_Eggs-1.0.dist-info/RECORD").decode().splitlines()]
        assert [row[0] for row in rows] == archive.namelist()
        assert [int(row[2]) for row in rows[:-1]] == [len(archive.read(row[0])) for row in rows[:-1]]


@pytest.mark.e2e
@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_pip_downloads_what_is_listed(*, html: bool, package_index: FaultyIndex, tmp_path: Path):
    package_index.add(SPAM)
    package_index.add(HAM)
    package_index.html_only = {"simple"} if html else set()
    done = _download(tmp_path, package_index, "--index-url", package_index.url(), "spam-eggs")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        package.filename: package.data for package in (SPAM, HAM)
    }
    assert "/simple/spam-eggs/" in package_index.paths()


@pytest.mark.e2e
def test_pip_builds_the_sdist_and_so_leaves_its_marker(package_index: FaultyIndex, tmp_path: Path):
    marker = tmp_path / "marker"
    package_index.add(sdist("spam", "1.0", setup_py=marking(str(marker)) + "raise SystemExit(1)\n"))
    arguments = ("--index-url", package_index.url(), "--no-build-isolation", "--only-binary", "nothing", "spam")
    assert _download(tmp_path, package_index, "--no-binary", "spam", *arguments).returncode != 0
    assert marker.read_text().startswith("executed")


def test_two_indexes_on_one_server_are_two(package_index: FaultyIndex):
    package_index.add(HAM, "private")
    package_index.add(wheel("ham", "9.9"), "public", uploaded=None, sha256=None, size=None, metadata=False)
    private, public = _page(package_index, "ham", "private"), _page(package_index, "ham", "public")
    assert [file["filename"] for page in (private, public) for file in page["files"]] == [
        "ham-2.0-py3-none-any.whl",
        "ham-9.9-py3-none-any.whl",
    ]
    assert private["files"][0]["upload-time"] == "2026-01-01T00:00:00.000000Z"
    assert set(public["files"][0]) == {"filename", "url", "hashes", "yanked", "core-metadata", "provenance"}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _page(package_index, "ham", "third")


def test_everything_that_a_page_can_say_is_said_in_both_forms(package_index: FaultyIndex):
    package_index.add(SPAM, yanked="broken <b>", provenance={"version": 1}, uploaded=datetime(2026, 2, 3, tzinfo=UTC))
    project = package_index.project("spam-eggs")
    project.status, project.reason, project.tracks = "archived", "see 'other'", ["https://pypi.org/simple/spam-eggs/"]
    page = _page(package_index, "spam-eggs")
    assert page["project-status"] == {"status": "archived", "reason": "see 'other'"}
    assert page["meta"]["tracks"] == ["https://pypi.org/simple/spam-eggs/"]
    file = page["files"][0]
    assert file["yanked"] == "broken <b>"
    assert json.loads(_get(file["provenance"])[1]) == {"version": 1}
    metadata = _get(f"{package_index.file_url(SPAM)}.metadata")[1]
    assert file["core-metadata"]["sha256"] == hashlib.sha256(metadata).hexdigest()
    kind, text = _get(f"{package_index.url()}Spam_Eggs/", "text/html")
    assert kind == HTML
    for part in ("data-yanked", "data-core-metadata", "data-provenance", "pypi:tracks", "pypi:project-status"):
        assert part in text.decode()


def test_an_index_race_serves_other_bytes_under_the_same_digest(package_index: FaultyIndex):
    package_index.add(HAM)
    evil = wheel("ham", "2.0", {"ham.py": "x = 2\n"})
    package_index.fault("/-/files/", index_faults.then(HAM.data, evil.data))
    url = package_index.file_url(HAM)
    assert [_get(url)[1] for _ in range(3)] == [HAM.data, evil.data, evil.data]
    package_index.faults.clear()
    package_index.change(HAM, package=evil)
    assert _page(package_index, "ham")["files"][0]["hashes"] == {"sha256": HAM.sha256}
    assert _get(url)[1] == evil.data


def test_who_has_no_password_gets_nothing(package_index: FaultyIndex):
    package_index.add(HAM)
    package_index.require("user:secret")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        _page(package_index, "ham")
    assert "secret" in package_index.url(user="user:secret")


def test_a_certificate_of_nobody_is_trusted_by_nobody(certificate: tuple[Path, Path]):
    index = FaultyIndex()
    index.encrypt(*certificate)
    with index:
        index.add(HAM)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            _page(index, "ham")
        context = ssl.create_default_context(cafile=certificate[0])
        with urllib.request.urlopen(f"{index.url()}ham/", context=context, timeout=10) as response:  # noqa: S310
            assert response.status == 200


@pytest.mark.parametrize(
    "fault",
    [
        index_faults.status(503),
        index_faults.body(b"{", "application/json"),
        index_faults.redirect(),
        index_faults.reset_after(10),
        index_faults.short(10),
        index_faults.without("url"),
    ],
    ids=["status", "json", "redirects", "reset", "short", "without"],
)
def test_a_fault_is_one(fault: index_faults.Fault, package_index: FaultyIndex):
    package_index.add(HAM)
    package_index.fault("/ham/", fault)
    with pytest.raises((OSError, ValueError, KeyError, http.client.HTTPException)):
        _get(_page(package_index, "ham")["files"][0]["url"])


def test_a_slow_or_endless_page_goes_on(package_index: FaultyIndex):
    package_index.add(HAM)
    package_index.fault("/ham/", index_faults.drip(0.0001, 50))
    assert _page(package_index, "ham")["name"] == "ham"
    package_index.faults.clear()
    package_index.fault("/ham/", index_faults.endless())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{package_index.url()}ham/", timeout=10) as response:
        assert len(response.read(1_000_000)) == 1_000_000
