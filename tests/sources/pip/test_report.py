from __future__ import annotations

import json
from typing import Any

import pytest

from weighlock.errors import SourceError
from weighlock.release import Origin
from weighlock.sources.pip import report
from weighlock.sources.pip.interface import PipRequest, Resolution, Wanted

URL = "https://files.example/Na_me-1.0-py3-none-any.whl"
DIGEST = "a" * 64


def row(url: Any = URL, **changes: Any) -> dict[str, Any]:
    made = {
        "download_info": {"url": url, "archive_info": {"hashes": {"sha256": DIGEST}}},
        "is_direct": False,
        "is_yanked": False,
        "requested": True,
        "metadata": {"name": "Na.me", "version": "1.0.0"},
    }
    return {**made, **changes}


def parse(*rows: Any, request: PipRequest | None = None, **top: Any) -> Resolution:
    whole = {"version": "1", "pip_version": "26.3", "install": list(rows), "environment": {"os_name": "posix"}, **top}
    return report.parse(json.dumps(whole).encode(), request or PipRequest(python="/p"))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"version": "2"}', b'{"version": "1"}'])
def test_what_is_no_report_is_refused(data: bytes):
    with pytest.raises(SourceError):
        report.parse(data, PipRequest(python="/p"))


@pytest.mark.parametrize(
    "url",
    [
        "https://files.example/na_me-1.0.tar.gz",
        "https://files.example/na_me-1.0-py3-none-any.whl/../na_me-1.0.tar.gz",
        "https://files.example/other-1.0-py3-none-any.whl",
        "https://files.example/na_me-2.0-py3-none-any.whl",
        "https://files.example/na_me.whl",
        "https://files.example/x?na_me-1.0-py3-none-any.whl",
        "git+https://files.example/na_me-1.0-py3-none-any.whl",
        "ftp://files.example/na_me-1.0-py3-none-any.whl",
        "https://[files.example/na_me-1.0-py3-none-any.whl",
        "https://files.example/na_me-1.0-py3-none-any.whl\n",
        "/na_me-1.0-py3-none-any.whl",
        "",
        None,
        1,
    ],
)
def test_a_url_that_is_not_of_this_wheel_is_refused(url: Any):
    with pytest.raises(SourceError):
        parse(row(url))


@pytest.mark.parametrize(
    "changes",
    [
        {"download_info": {"url": "file:///tree", "dir_info": {"editable": True}}},
        {"download_info": {"url": URL, "vcs_info": {"vcs": "git", "commit_id": "0"}}},
        {"download_info": {"url": URL}},
        {"download_info": None},
        {"download_info": {"url": URL, "archive_info": {"hashes": {"sha256": "x"}}}},
        {"download_info": {"url": URL, "archive_info": {"hashes": {"sha256": 1}}}},
        {"download_info": {"url": URL, "archive_info": {"hash": "sha256=x"}}},
        {"metadata": None},
        {"metadata": {}},
        {"metadata": {"name": "na.me"}},
        {"metadata": {"name": "na me", "version": "1.0"}},
        {"metadata": {"name": "../na.me", "version": "1.0"}},
        {"metadata": {"name": "na.me", "version": "one"}},
        {"metadata": {"name": ["na.me"], "version": "1.0"}},
        {"requested_extras": "all"},
        {"requested_extras": [1]},
    ],
)
def test_a_package_that_is_no_wheel_with_its_own_metadata_is_refused(changes: dict[str, Any]):
    with pytest.raises(SourceError):
        parse(row(**changes))


def test_rows_that_are_none_are_refused():
    for rows in ([1], [None], [row(), row()]):
        with pytest.raises(SourceError):
            parse(*rows)
    with pytest.raises(SourceError):
        parse(install={"a": row()})
    with pytest.raises(SourceError):
        parse(*[row()] * 5001)


def test_a_report_of_an_old_pip_is_understood():
    old = {"url": URL, "archive_info": {"hash": f"sha256={DIGEST}"}}
    made = row(download_info=old)
    del made["is_yanked"]
    (package,) = parse(made).packages
    assert package.artifact.digest is not None
    assert package.artifact.digest.value == DIGEST
    assert not package.yanked


def test_names_and_versions_are_canonical():
    (package,) = parse(row(requested_extras=["x"])).packages
    assert package.artifact.pin == "na-me==1.0.0"
    assert package.artifact.filename == "Na_me-1.0-py3-none-any.whl"
    assert (package.extras, package.direct, package.direct_url) == (("x",), None, None)


def test_a_digest_of_another_algorithm_is_no_digest():
    (package,) = parse(row(download_info={"url": URL, "archive_info": {"hashes": {"md5": "0"}}})).packages
    assert package.artifact.digest is None


def test_the_credentials_of_the_user_go_to_that_url_only():
    secret = URL.replace("https://", "https://user:hunter2@")
    wanted = Wanted(line="", origin=Origin(), name="na-me", url=secret)
    request = PipRequest(python="/p", requirements=(wanted,))
    (package,) = parse(row(is_direct=True), request=request).packages
    assert package.url == secret
    assert package.direct == "url"
    assert "hunter2" not in repr(package)
    (package,) = parse(row(URL.replace("files", "other"), is_direct=True), request=request).packages
    assert "hunter2" not in package.url
