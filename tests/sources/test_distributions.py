"""Metadata of what is installed, read without running or hashing anything of it."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from tests.bom.folders import distribution, environment
from weighlock.errors import SourceError
from weighlock.sources.distributions import newest, read_distributions


def test_a_distribution_says_what_its_metadata_say(tmp_path):
    info = distribution(
        tmp_path, "app", "1.0", "Summary: one\nAuthor-email: a@b.example\nProject-URL: Source, https://h.example\n"
        "License: MIT\nClassifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved",
        REQUESTED="",
    )  # fmt: skip
    (found,) = read_distributions([str(tmp_path)])
    assert (found.summary, found.author, found.license, found.requested) == ("one", "a@b.example", "MIT", True)
    assert found.classifiers == ("MIT License",)
    assert found.urls == (("source", "https://h.example"),)
    assert found.record is not None
    assert found.record.value == hashlib.sha256((info / "RECORD").read_bytes()).hexdigest()


def test_of_two_versions_the_first_folder_counts(tmp_path):
    environment(tmp_path / "a", {"name": "app", "version": "1"})
    environment(tmp_path / "b", {"name": "App", "version": "2"})
    (found,) = read_distributions([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found.version == "1"


def test_the_digest_of_an_archive_is_taken_from_direct_url(tmp_path):
    told = {"url": "https://u:p@h.example/a.whl", "archive_info": {"hashes": {"sha256": "0" * 64}}}
    distribution(tmp_path, "app", "1", direct_url__json=json.dumps(told))
    (found,) = read_distributions([str(tmp_path)])
    assert found.direct == "https://h.example/a.whl"
    assert found.archive is not None


@pytest.mark.parametrize(
    "told",
    ['{"url": "x", "archive_info": {"hash": "md5=00"}}', '{"url": "x", "archive_info": {"hashes": {"sha256": "zz"}}}'],
)
def test_a_weak_or_broken_digest_is_none(tmp_path, told):
    distribution(tmp_path, "app", "1", direct_url__json=told)
    assert read_distributions([str(tmp_path)])[0].archive is None


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"RECORD": "a,sha256=x,1\na,,2\n"}, "broken"),
        ({"METADATA": "Name: other\nVersion: 1\n"}, "another project"),
        ({"direct_url__json": "["}, "no JSON"),
    ],
)
def test_what_is_broken_is_said_and_the_rest_counts(tmp_path, files, why):
    distribution(tmp_path, "app", "1", **files)
    environment(tmp_path, {"name": "fine", "version": "2"})
    found = {one.name: one for one in read_distributions([str(tmp_path)])}
    assert found["fine"].problem is None
    assert any(why in (one.problem or "") for one in found.values())


def test_a_distribution_without_record_or_readable_metadata_is_listed(tmp_path):
    info = distribution(tmp_path, "app", "1")
    (info / "RECORD").unlink()
    (tmp_path / "bytes-2.dist-info").mkdir()
    (tmp_path / "bytes-2.dist-info" / "METADATA").write_bytes(b"Name: \xff\n")
    (tmp_path / "old-3-py3.12.egg-info").write_text("Name: old\nVersion: 3\n")
    os.mkfifo(tmp_path / "bytes-2.dist-info" / "RECORD")
    found = {one.name: one for one in read_distributions([str(tmp_path)])}
    assert set(found) == {"app", "bytes", "old"}
    assert all(one.problem for one in found.values())


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(SourceError):
        read_distributions([str(tmp_path / "nowhere")])


def test_the_newest_distribution_gives_the_time(tmp_path):
    info = distribution(tmp_path, "app", "1")
    os.utime(info, (1_600_000_000, 1_600_000_000))
    assert newest([str(tmp_path)]) == 1_600_000_000
