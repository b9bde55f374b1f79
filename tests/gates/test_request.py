"""What a person may write for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from weighlock.errors import UsageError
from weighlock.gates.request import parse_request
from weighlock.lockfile import PathSource, UrlSource
from weighlock.model_source import HubRequest, OciRequest

if TYPE_CHECKING:
    from pathlib import Path


MANIFEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("org/a", HubRequest(repo="org/a")), ("gpt2", HubRequest(repo="gpt2")),
        ("org/a@refs/pr/1", HubRequest(repo="org/a", ref="refs/pr/1")), ("hf:org/a", HubRequest(repo="org/a")),
        ("hf://datasets/org/a@v1", HubRequest(repo="org/a", type="dataset", ref="v1")),
        ("spaces/org/a", HubRequest(repo="org/a", type="space")),
        ("oci:host.example/a/b:v1", OciRequest(repository="host.example/a/b", ref="v1")),
        ("oci://localhost:5000/a", OciRequest(repository="localhost:5000/a")),
        (f"oci:host.example:5000/a@{MANIFEST}", OciRequest(repository="host.example:5000/a", ref=MANIFEST)),
        ("https://host/a.pth", UrlSource(url="https://host/a.pth")),
        ("./x", PathSource(path="./x")), ("../x", PathSource(path="../x")), (".", PathSource(path=".")),
    ],
)  # fmt: skip
def test_what_a_person_writes(text: str, target: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_request(text, tmp_path).target == target


@pytest.mark.parametrize(
    "text",
    [
        "", "a b", "org/a/b/c", "../../etc\n", "org/a@", "org/a\x1b[2J", "-x/..", "org/..", "a--b",
        "oci:", "oci:net", "oci:team/net:v1", "oci:host.example/Net:v1", "oci:host.example/net:",
        "oci:host.example/net@",
        "oci:host.example/net@v1@v2", "oci:host.example/net@sha512:" + "a" * 128, f"oci:host.example/net:v1@{MANIFEST}",
        "oci:host.example/../net:v1", "oci:user:secret@host.example/net:v1", "oci:https://host.example/net:v1",
    ],
)  # fmt: skip
def test_what_is_no_model(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_request(text, tmp_path)
    assert str(caught.value).isprintable()


def test_a_name_that_is_also_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "a").mkdir(parents=True)
    with pytest.raises(UsageError, match="is a path here and could be a repository") as caught:
        parse_request("org/a", tmp_path)
    assert caught.value.hint == "write ./org/a or hf:org/a to say which"


@pytest.mark.parametrize("text", ["./models", "/models", "https://example.org/a.bin"])
def test_a_ref_is_refused_where_nothing_has_one(text, tmp_path):
    with pytest.raises(UsageError, match="which has no ref"):
        parse_request(text, tmp_path, ref="main")


def test_two_tags_of_one_artifact_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--ref names v2"):
        parse_request("oci:host.example/net:v1", tmp_path, ref="v2")
    named = parse_request("oci:host.example/net", tmp_path, ref="v2")
    assert named.target == OciRequest(repository="host.example/net", ref="v2")
