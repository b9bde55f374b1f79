from __future__ import annotations

from pathlib import Path

import pytest

from weighlock.errors import UsageError
from weighlock.release import Origin
from weighlock.sources.pip import requirement
from weighlock.sources.pip.interface import Build, Wanted

WHEEL = "marker-9.0-py3-none-any.whl"


def parse(text: str, folder: Path | str = "/", **more: object) -> Wanted | Build:
    return requirement.parse(text, Origin(text=text), folder=str(folder), **more)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://host.example/marker-9.0.tar.gz", "sdist"),
        ("https://host.example/marker-9.0.ZIP", "sdist"),
        ("https://host.example/download", "url"),
        ("marker @ https://host.example/marker-9.0.tar.gz", "sdist"),
        ("marker@https://host.example/marker-9.0.tar.gz", "sdist"),
        ("marker[a] @ https://host.example/marker-9.0.tar.gz ; python_version > '3'", "sdist"),
        ("marker @ https://host.example/" + WHEEL + "#subdirectory=x", "url"),
        ("marker @ https://host.example/" + WHEEL + "/../marker.tar.gz", "sdist"),
        ("marker @ https://host.example/marker.tar.gz#/" + WHEEL, "sdist"),
        ("marker @ https://host.example/marker.tar.gz?" + WHEEL, "sdist"),
        ("marker @ https://host.example/marker-9.0-py3-none-any.WHL", "sdist"),
        ("marker @ ftp://host.example/" + WHEEL, "url"),
        ("marker @ https:///" + WHEEL, "url"),
        ("git+https://host.example/marker", "vcs"),
        ("marker @ git+https://host.example/" + WHEEL, "vcs"),
        ("marker @ git+ext::sh%20-c%20x", "vcs"),
        ("GIT+SSH://git@host.example/marker", "vcs"),
        ("hg+http://host.example/marker", "vcs"),
        ("ssh://git@host.example/" + WHEEL, "vcs"),
        ("file:///nowhere/" + WHEEL, "url"),
        ("file:" + WHEEL, "url"),
        ("file://other.example/" + WHEEL, "url"),
        ("./nowhere ; python_version < '3'", "url"),
    ],
)
def test_what_is_no_wheel_never_reaches_pip(text: str, kind: str):
    found = parse(text)
    assert isinstance(found, Build)
    assert found.kind == kind


@pytest.mark.parametrize("text", ["./nowhere", "marker-9.0.tar.gz", "marker-9.0.zip", WHEEL, "/nowhere/" + WHEEL])
def test_a_path_where_nothing_is_is_said_to_be_one(text: str):
    with pytest.raises(UsageError, match="nothing is there"):
        parse(text)


@pytest.mark.parametrize(
    "text", [".", "./", "..", "./tree", "tree/", "./tree[extra]", "{folder}/tree", "file://{folder}/tree"]
)
def test_a_folder_is_a_build(tmp_path: Path, text: str):
    (tmp_path / "tree").mkdir()
    found = parse(text.format(folder=tmp_path), tmp_path)
    assert isinstance(found, Build)
    assert found.kind == "folder"


@pytest.mark.parametrize(
    "text", ["./" + WHEEL, "{folder}/" + WHEEL, "file://{folder}/" + WHEEL, "marker @ file://{folder}/" + WHEEL]
)
def test_a_folder_with_the_name_of_a_wheel_is_a_build(tmp_path: Path, text: str):
    (tmp_path / WHEEL).mkdir()
    found = parse(text.format(folder=tmp_path), tmp_path)
    assert isinstance(found, Build)
    assert found.kind == "folder"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two words",
        "name==",
        "name; python_version >",
        "name\x00",
        "name\nother",
        "name\u2028-e .",
        "name @ ",
        "-e .",
        "--index-url=x",
        'name; extra == "a -r b"',
        'name; extra == "a #b"',
        "name @ https://host.example/${SECRET}/name-1-py3-none-any.whl",
        "name @ https://host.example/other-1-py3-none-any.whl",
        "name @ https://host.example/nonsense.whl",
        "https://host.example/nonsense.whl",
        "x" * 10_000,
    ],
)
def test_what_pip_could_read_in_another_way_is_refused(text: str):
    with pytest.raises(UsageError):
        parse(text)


@pytest.mark.parametrize("value", ["md5:" + "0" * 32, "sha256:xyz", "sha256:00 --pre", "sha256"])
def test_a_hash_that_is_none_is_refused(value: str):
    with pytest.raises(UsageError):
        parse("name==1", hashes=[value])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Name", "Name"),
        ("name >= 1.0, <2", "name<2,>=1.0"),
        ("name [b,a] == 1.* ; python_version<'3.20'", 'name[a,b]==1.*; python_version < "3.20"'),
        ("name @ https://host.example/name-1-py3-none-any.whl", "name @ https://host.example/name-1-py3-none-any.whl"),
        (
            "https://u:p@host.example/Na_Me-1-py3-none-any.whl",
            "na-me @ https://u:p@host.example/Na_Me-1-py3-none-any.whl",
        ),
    ],
)
def test_pip_reads_what_was_parsed(text: str, line: str):
    found = parse(text)
    assert isinstance(found, Wanted)
    assert found.line == line


def test_a_wheel_in_a_file_is_named_by_its_url(tmp_path: Path):
    (tmp_path / WHEEL).write_bytes(b"")
    found = parse(f"./{WHEEL}[a]", tmp_path)
    assert isinstance(found, Wanted)
    assert found.line == f"marker[a] @ file://{tmp_path}/{WHEEL}"
    assert found.url == f"file://{tmp_path}/{WHEEL}"


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        (".", "folder", None),
        (".[extra]", "folder", None),
        ("git+https://host.example/x#egg=Marker", "vcs", "marker"),
        ("marker @ git+https://host.example/x", "vcs", "marker"),
        ("marker[a] @ file:///tree", "folder", "marker"),
        ("https://host.example/x-1-py3-none-any.whl", "folder", None),
    ],
)
def test_an_editable_is_always_a_build(text: str, kind: str, name: str | None):
    found = requirement.parse_editable(text, Origin(text=text), folder="/")
    assert (found.kind, found.name, found.editable) == (kind, name, True)


def test_credentials_do_not_get_into_a_message():
    with pytest.raises(UsageError) as caught:
        parse("name @ https://user:hunter2@host.example/other-1-py3-none-any.whl")
    assert "hunter2" not in str(caught.value)


def test_a_name_is_a_name_even_where_a_folder_has_it(tmp_path: Path):
    (tmp_path / "marker").mkdir()
    found = parse("marker", tmp_path)
    assert isinstance(found, Wanted)
    assert found.line == "marker"


@pytest.mark.parametrize(
    "line",
    [
        "x @ https://host.example/x.tar.gz",
        "x @ git+https://host.example/x",
        "./tree",
        "-e .",
        "x --no-binary=:all:",
        "x\n--no-binary=:all:",
        "x --hash=sha256:00 --pre",
        "--index-url=https://evil.example",
    ],
)
def test_a_line_that_somebody_else_made_is_parsed_before_pip_reads_it(line: str):
    with pytest.raises(UsageError):
        requirement.rewritten(Wanted(line=line, origin=Origin(text=line), name="x"))


def test_an_honest_line_goes_out_as_it_is():
    hashes = f"--hash=sha256:{'0' * 64} --hash=sha256:{'1' * 64}"
    wanted = parse('x[a]<2,>=1.0; python_version < "4"', hashes=["sha256:" + "0" * 64, "sha256:" + "1" * 64])
    assert isinstance(wanted, Wanted)
    assert requirement.rewritten(wanted) == wanted.line == f'x[a]<2,>=1.0; python_version < "4" {hashes}'
    assert requirement.rewritten(Wanted(line="x >= 1", origin=Origin(), name="x")) == "x>=1"
