"""Package URLs, references and texts: what strangers write there stays what it is, and does nothing."""

from __future__ import annotations

import pytest

from weighlock.bom.names import address, below, generic, huggingface, is_repo, oci, plain, pypi, reference


def test_package_urls_are_those_of_the_specification():
    assert pypi("torch", "2.0+cpu") == "pkg:pypi/torch@2.0%2Bcpu"
    assert huggingface("google-bert/bert", "ABCDEF") == "pkg:huggingface/google-bert/bert@abcdef"
    assert huggingface("org/data", kind="dataset") == "pkg:huggingface/datasets/org/data"
    digest = f"sha256:{'a' * 64}"
    named = f"pkg:oci/net@sha256:{'a' * 64}?repository_url=registry.example:5000%2Fteam%2Fnet"
    assert oci("registry.example:5000/team/net", digest, digest) == named
    assert oci("registry.example:5000/team/net", "v1", digest) == f"{named}&tag=v1"
    assert generic("a b.pt", "0" * 64, "https://x.example/a?b=c").startswith("pkg:generic/a%20b.pt?checksum=sha256:0")


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\u202eb", "\ud800", "\x00", "\u200b", "\x85", "\ufe0f", "\r"])
def test_what_a_terminal_obeys_or_hides_is_a_visible_escape(text: str):
    shown = plain(text)
    assert all(char.isprintable() for char in shown)
    assert "\\u" in shown
    shown.encode()


def test_a_long_text_is_cut_and_says_so():
    assert plain("x" * 10_000_000).endswith("(9992000 more characters)")


def test_letters_of_all_scripts_stay():
    assert plain("模型 für Ελλάδα\n\tzwei") == "模型 für Ελλάδα\n\tzwei"


@pytest.mark.parametrize(
    ("one", "other"),
    [("a#b", "a%23b"), ("a b", "a%20b"), ("a\x1b", "a\\u001b"), ("\ud800", "\\ud800"), ("x" * 600, "x" * 601)],
)
def test_two_names_never_share_a_reference(one: str, other: str):
    assert reference("model", one) != reference("model", other)
    assert below("model#m", one) != below("model#m", other)
    assert reference("model", one).isascii()


def test_a_path_cannot_pose_as_a_part_of_another_file():
    assert below("m", "file", "part") != below("m", "file#part")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user:secret@host.example/",
        "https://host.example/ a",
        "https://host.example/<script>",
        'https://host.example/"',
        "https://host.example/%zz",
        "https://host.example:port/",
        "https://",
        "https://h.example/" + "x" * 3000,
        "https://h.example/\u202e",
    ],
)
def test_what_is_no_address_is_none(url: str):
    assert address(url) is None


def test_a_fragment_that_no_validator_takes_is_escaped():
    assert address("https://matrix.example/#/#room:x") == "https://matrix.example/#/%23room:x"


@pytest.mark.parametrize("text", ["../x", "a/b/c", "/home/x", "a b", "", "org/..", "a" * 200, "org--x/y"])
def test_a_path_is_no_repository(text: str):
    assert not is_repo(text)
