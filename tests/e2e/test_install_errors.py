"""What is broken, gone or hostile on the way of an installation: one clear line, and nothing is installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import index_faults
from tests.e2e.attacks import Place
from tests.index_faults import FaultyIndex
from weighlock._cli import main
from weighlock.demo.packages import Package, wheel

pytestmark = pytest.mark.e2e

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DEEP = 100_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with FaultyIndex() as index:
        yield Place(tmp_path_factory.mktemp("errors"), index)


@pytest.fixture
def install(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs the command and returns its exit code and what it said."""
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(place.folder)

    def run(*words: str, url: str | None = None) -> tuple[int, str, str]:
        code = main(["install", "--python", place.python, "--retries=0", "-i", url or place.index.url(), *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield run
    place.index.faults.clear()


def _refused(place: Place, answer: tuple[int, str, str]) -> str:
    code, out, err = answer
    assert code in {1, 2}, out + err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (1 if code == 2 or not out else 0), out + err
    assert "Traceback" not in out + err
    assert not _CONTROLS.search(out + err)
    assert max(map(len, (out + err).splitlines())) < 4000
    assert place.left() == []
    return (errors or [out])[0]


def test_an_index_that_is_down(place: Place, install):
    assert "127.0.0.1:9" in _refused(place, install("gone", url="http://127.0.0.1:9/simple"))


def test_a_certificate_of_nobody(place: Place, install, certificate: tuple[Path, Path]):
    index = FaultyIndex()
    index.encrypt(*certificate)
    with index:
        index.add(wheel("secret", "1.0"))
        said = _refused(place, install("secret", url=index.url()))
    assert "certificate" in said.lower()


def test_a_name_that_no_index_has(place: Place, install):
    assert "nobody-has-it" in _refused(place, install("nobody-has-it"))


@pytest.mark.parametrize(
    ("part", "fault", "words"),
    [
        ("/simple/faulty/", index_faults.status(503), "127.0.0.1: answers with 503"),
        ("/simple/faulty/", index_faults.body(b'{"files": ' + b"[" * _DEEP), "a page that nobody can read"),
        ("/simple/faulty/", index_faults.body(b"\x1b[2J\x00"), "a page that nobody can read"),
        (".whl", index_faults.status(404), "faulty-1.0-py3-none-any.whl: answers with 404"),
        (".whl", index_faults.body(b"no zip file"), "faulty"),
        (".whl", index_faults.short(40), "faulty-1.0-py3-none-any.whl: its download is cut off"),
    ],
    ids=["503", "deep", "controls", "404", "other-bytes", "short"],
)
def test_answers_that_are_none(place: Place, install, part: str, fault: index_faults.Fault, words: str):
    place.index.add(wheel("faulty", "1.0"), metadata=False)
    place.index.fault(part, fault)
    assert words in _refused(place, install("--no-cache-dir", "faulty"))


def _no_zip() -> Package:
    honest = wheel("odd", "1.0")
    return Package(honest.filename, b"PK\x03\x04" + b"\x00" * 100, honest.metadata)


def _no_metadata() -> Package:
    return wheel("odd", "1.0", metadata="\x1b[2J\x00\n\n: :\n")


def _controls() -> Package:
    return wheel("odd", "1.0", {"odd/\x1b[2J\u202e.pth": "import odd\n", "odd.pth": "import os; os\x1b\n"})


def _huge() -> Package:
    return wheel("odd", "1.0", metadata={"Summary": "x" * (8 << 20)})


def _deep() -> Package:
    return wheel("odd", "1.0", metadata={"Requires-Dist": f"x ; {'(' * 5000}os_name == 'x'{')' * 5000}"})


def _foreign() -> Package:
    honest, other = wheel("odd", "1.0"), wheel("even", "1.0")
    return Package(honest.filename, other.data, honest.metadata)


@pytest.mark.parametrize(
    ("make", "separate"),
    [
        (_no_zip, True), (_no_zip, False), (_no_metadata, False), (_controls, True), (_huge, True), (_deep, True),
        (_foreign, True),
    ],
)  # fmt: skip
def test_wheels_that_are_none_or_hostile(place: Place, install, make: Callable[[], Package], *, separate: bool):
    place.index.add(make(), metadata=separate)
    _refused(place, install("odd"))
