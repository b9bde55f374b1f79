from __future__ import annotations

import pytest

from weighlock.errors import DigestMismatchError, SourceError, UsageError, WeighlockError
from weighlock.sources.pip.interface import Network, PipRequest
from weighlock.sources.pip.problems import problem

REQUEST = PipRequest(
    python="/p",
    indexes=("https://user:hunter2@a.example/simple", "https://s%40cret@b.example/"),
    network=Network(proxy="http://p:prox1@proxy.example:1"),
)


def made(output: str) -> WeighlockError:
    return problem(output, REQUEST, "26.3")


@pytest.mark.parametrize(
    ("output", "kind", "part"),
    [
        ("", SourceError, "it said nothing"),
        ("ERROR: Exception:\nTraceback\nValueError: odd", SourceError, "ValueError: odd"),
        ("ERROR: one\nERROR: Something went wrong.\nWARNING: x", SourceError, "Something went wrong"),
        ("PermissionError: weighlock: nothing is run or built before the verdict", SourceError, "can only be built"),
        (
            "User for a.example: ERROR: Exception:\nEOFError: EOF when reading a line",
            SourceError,
            "asks for credentials",
        ),
        ("ERROR: No matching distribution found for x==1", SourceError, "no index has a wheel"),
        (
            "(from versions: 1.0, 2.0)\nERROR: No matching distribution found for x==3",
            SourceError,
            "no index has a wheel of this version",
        ),
        ("ERROR: Cannot install a and b because these have conflicting dependencies.", SourceError, "conflict"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n    x from https://a/x.whl:\n", DigestMismatchError, "digest"),
        ("ERROR: Hashes are required in --require-hashes mode", UsageError, "digests are required"),
        ("Usage:\n\nno such option: --uploaded-prior-to", UsageError, "does not know --uploaded-prior-to"),
        ("404 Client Error: Not Found for url: https://a/x.whl", SourceError, "answers with 404"),
        ("ResponseError('too many 503 error responses')", SourceError, "answers with 503"),
        ("SSLError(SSLCertVerificationError(1, 'x'))", SourceError, "certificate"),
        ("NewConnectionError: refused\nERROR: No matching distribution found for x", SourceError, "cannot be reached"),
    ],
)
def test_what_pip_says_is_one_clear_line(output: str, kind: type[WeighlockError], part: str):
    error = made(output)
    assert isinstance(error, kind)
    assert part in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "output",
    [
        "ERROR: https://user:hunter2@a.example/simple",
        "ERROR: tried hunter2",
        "ERROR: tried s@cret and s%40cret",
        "ERROR: proxy http://p:prox1@proxy.example:1",
        "404 Client Error: x for url: https://x:hunter2@a.example/f?token=abcdef",
        "ERROR: No matching distribution found for x @ https://user:hunter2@a.example/f.whl",
    ],
)
def test_no_credentials_get_into_a_message(output: str):
    error = made(output)
    shown = " ".join([str(error), error.hint or "", *error.__notes__])
    for secret in ("hunter2", "s@cret", "s%40cret", "prox1", "abcdef"):
        assert secret not in shown


def test_a_flood_of_output_is_cut():
    error = made("ERROR: " + "x" * 1_000_000 + "\n" + "ERROR: y\n" * 100_000)
    assert len(str(error)) < 2000
    assert sum(len(note) for note in error.__notes__) < 10_000


def test_of_many_versions_the_highest_are_told():
    versions = ", ".join(f"1.{number}" for number in range(100))
    error = made(f"(from versions: {versions})\nERROR: No matching distribution found for x==3")
    assert error.hint == "there are wheels of 1.99, 1.98, 1.97, 1.96, 1.95, and 95 older ones"
