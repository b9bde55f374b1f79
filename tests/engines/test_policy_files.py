"""Policies on disk: what would not count is refused, and what was read is what the digest names."""

from __future__ import annotations

import os

import pytest

from weighlock.engines.policy_files import look, read
from weighlock.errors import EngineError

MODULE = "# rules\npackage weighlock\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.rego").write_text(MODULE, encoding="utf-8")
    return folder


def refused(path, match):
    with pytest.raises(EngineError, match=match):
        read(str(path))


def test_a_folder_is_read_with_its_data(folder):
    (folder / "lists").mkdir()
    (folder / "lists" / "data.json").write_text('{"bad": ["x"]}', encoding="utf-8")
    (folder / "data.yaml").write_text("names: [a, b]\n'on': true\n", encoding="utf-8")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.rego").write_text("package other", encoding="utf-8")
    policy = read(str(folder))
    assert policy.modules == (("a.rego", MODULE),)
    assert policy.data == {"lists": {"bad": ["x"]}, "names": ["a", "b"], "on": True}


def test_the_digest_changes_with_every_name_and_every_byte(folder):
    digests = {read(str(folder)).digest}
    (folder / "a.rego").write_text(MODULE + "\n", encoding="utf-8")
    digests.add(read(str(folder)).digest)
    (folder / "a.rego").rename(folder / "b.rego")
    digests.add(read(str(folder)).digest)
    (folder / "data.json").write_text("{}", encoding="utf-8")
    digests.add(read(str(folder)).digest)
    assert len(digests) == 4


def test_a_change_that_keeps_size_and_time_is_seen(folder):
    before, about = look(str(folder)), os.stat(folder / "a.rego")
    (folder / "a.rego").write_text(MODULE.replace("rules", "RULES"), encoding="utf-8")
    os.utime(folder / "a.rego", ns=(about.st_atime_ns, about.st_mtime_ns))
    assert look(str(folder)) != before


def test_links_lead_nowhere_else(folder, tmp_path):
    (tmp_path / "evil.rego").write_text(MODULE, encoding="utf-8")
    (folder / "b.rego").symlink_to(tmp_path / "evil.rego")
    refused(folder, "leads out")


def test_a_linked_folder_is_not_passed_over(folder, tmp_path):
    (tmp_path / "other").mkdir()
    (folder / "more").symlink_to(tmp_path / "other")
    refused(folder, "link to a folder")


def test_links_of_mounted_volumes_are_read(folder):
    (folder / "..2026").mkdir()
    (folder / "a.rego").rename(folder / "..2026" / "a.rego")
    (folder / "a.rego").symlink_to("..2026/a.rego")
    assert read(str(folder)).modules == (("a.rego", MODULE),)


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "b.rego")
    refused(folder, "not a file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(folder):
    (folder / "a.rego").chmod(0)
    refused(folder, "cannot be read")


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("c.rego", b"\xff\xfe", "UTF-8"),
        ("c.rego", b"package a\0b", "plain text"),
        ("c.rego", b"\xef\xbb\xbfpackage a", "plain text"),
        ("c.rego", b'package weighlock["x"]', "begin with a package"),
        ("c.rego", b"package a\n" + b"#" * (5 << 20), "larger than 4 MB"),
        ("data.json", b"[1]", "object"),
        ("data.json", b"[" * 100_000, "nested|JSON|cannot be read"),
        ("data.json", b'{"a": ' * 100 + b"1" + b"}" * 100, "nested"),
        ("data.json", b'{"weighlock": {}}', "data stands at data.weighlock"),
        ("data.json", b'{"a": 1e999}', "number"),
        ("data.yaml", b"when: 2026-01-01", "not JSON"),
        ("data.yaml", b"a: !!python/object/apply:os.system [id]", "tagged"),
        ("data.yaml", b"a: !!set {x, y}", "tagged"),
        ("data.yaml", b"a: .nan", "number"),
        ("data.yaml", b"a: 1\na: 2", "twice"),
        ("data.yaml", b"a: [", "YAML in line"),
        ("more.yml", b"a: 1", "would not count"),
    ],
)
def test_what_would_mean_something_else_to_somebody(folder, name, data, match):
    (folder / name).write_bytes(data)
    refused(folder, match)


def test_two_files_of_data_about_one_place(folder):
    (folder / "data.json").write_text('{"lists": {"bad": []}}', encoding="utf-8")
    (folder / "lists").mkdir()
    (folder / "lists" / "data.json").write_text('{"bad": ["x"]}', encoding="utf-8")
    refused(folder, "another file")


@pytest.mark.parametrize(("name", "match"), [("missing.rego", "No such file"), ("policy.txt", "ends in .rego")])
def test_a_policy_that_is_not_there(tmp_path, name, match):
    refused(tmp_path / name, match)


@pytest.mark.parametrize(
    ("end", "count", "match"), [(".rego", 201, "more than 200 files"), ("", 5001, "more than 5000")]
)
def test_a_folder_that_is_no_folder_of_policies(folder, end, count, match):
    for number in range(count):
        (folder / f"{number}{end}").touch()
    refused(folder, match)
