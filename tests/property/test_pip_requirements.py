"""Whatever stands in a requirements file: a clear error, or lines that pip reads as they were meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from weighlock.errors import SourceError, WeighlockError
from weighlock.release import Origin
from weighlock.sources.pip import requirement
from weighlock.sources.pip.interface import Wanted
from weighlock.sources.pip.reading import Reading

PARTS = st.sampled_from(
    [
        *"name Name-1.0 == >= 1.0 [a] ; @ ./x ../ python_version<'3' --hash=sha256:00 -e -r -c -i".split(),
        *"--no-binary --pre".split(),
        *"https://h.example/name-1.0-py3-none-any.whl https://h.example/x.tar.gz git+https:// file:///tmp/".split(),
        *"# ${HOME} ( [ ' \" https://[ :all: %2e #egg=x &subdirectory= .tar.gz ftp:// = , \\".split(),
        *"\n\u2028\t\x0c\x00",
        "name-1.0-py3-none-any.whl",
    ]
)
TEXT = st.lists(st.one_of(PARTS, st.just(" "), st.text(max_size=4)), max_size=12).map("".join)
SETTINGS = settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SETTINGS
@example("name; " + "(" * 8000)
@example("https://[")
@example("name @ https://[")
@example("x @ file:///\x00")
@given(TEXT)
def test_a_requirement_is_a_line_or_an_error(text: str):
    try:
        found = requirement.parse(text, Origin(text=text), folder="/nowhere")
    except WeighlockError:
        return
    if isinstance(found, Wanted):
        _same_to_pip(found.line)
        if found.url is not None:
            assert found.url.partition("#")[0].endswith(".whl")


def _same_to_pip(line: str) -> None:
    """Let pip's own parsers read the line, and see that they find one requirement and nothing else."""
    from pip._internal.req.constructors import install_req_from_line
    from pip._internal.req.req_file import break_args_options, preprocess

    assert list(preprocess(line)) == [(1, line)]
    arguments, options = break_args_options(line)
    assert all(option.startswith("--hash=") for option in options.split())
    read = install_req_from_line(arguments)
    assert read.link is None or (read.link.is_wheel and not read.link.is_vcs and not read.link.is_existing_dir())
    assert read.req is not None


@SETTINGS
@example("-r https://[")
@example("-r file://[")
@example("\\\n" * 20 + "#")
@example(" " * 200_000 + "x")
@given(TEXT)
def test_a_file_is_read_or_an_error(tmp_path: Path, text: str):
    place = tmp_path / "r.txt"
    place.write_bytes(text.encode(errors="surrogatepass"))
    reading = Reading(environ={"HOME": "/h"}, fetch=_nothing)
    try:
        reading.read(str(place), constraint=False)
    except WeighlockError:
        return
    for wanted in reading.wanted:
        _same_to_pip(wanted.line)


def _nothing(url: str) -> bytes:
    raise SourceError("no network")


@pytest.mark.timeout(20)
def test_a_file_of_nothing_but_schemes_is_read_quickly(tmp_path: Path):
    place = tmp_path / "r.txt"
    place.write_text("http://" * 30_000 + "\n" + " " * 200_000 + "\n")
    with pytest.raises(WeighlockError):
        Reading(environ={}, fetch=_nothing).read(str(place), constraint=False)
