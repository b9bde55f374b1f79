"""Pages of package indexes: what is not said stays unknown, and what is hostile does not pass for a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from weighlock.demo import pages
from weighlock.demo.index import Listed, Project
from weighlock.demo.packages import sdist, wheel
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import simple_index
from weighlock.formats.simple_index import HTML, JSON, Page
from weighlock.release import IndexFile, ProjectPage

PAGE = Page(url="https://index.example/simple/spam/", index="https://index.example/simple", name="spam")
DIGEST = "ab" * 32


def from_json(*files: dict[str, Any], page: Page = PAGE, **more: Any) -> ProjectPage:
    body = {"meta": {"api-version": "1.1"}, "name": "spam", "files": list(files), **more}
    return simple_index.parse(json.dumps(body).encode(), JSON, page)


def from_html(text: str, page: Page = PAGE) -> ProjectPage:
    return simple_index.parse(text.encode(), "text/html; charset=utf-8", page)


def row(filename: str = "spam-1.0-py3-none-any.whl", **more: Any) -> dict[str, Any]:
    return {"filename": filename, "url": f"/files/{filename}", **more}


def only(page: ProjectPage) -> IndexFile:
    assert len(page.files) == 1
    return page.files[0]


@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_both_forms_of_a_page_say_the_same(html: bool) -> None:  # noqa: FBT001 - a parameter
    package = wheel("spam", "1.0", requires_python=">=3.9,<4")
    listed = Listed(package=package, yanked="it <burns>", sha256=package.sha256, size=7, provenance={"version": 1})
    project = Project("spam", [listed], "deprecated", "use ham", ["https://pypi.org/simple/spam/"])
    base, attested = "https://files.example/", "https://index.example/integrity/"
    if html:
        text = pages.project_html(project, base, attested)
        page = simple_index.parse(text.encode(), HTML, PAGE)
    else:
        page = simple_index.parse(json.dumps(pages.project_json(project, base, attested)).encode(), JSON, PAGE)
    assert (page.status, page.status_reason) == ("deprecated", "use ham")
    assert page.tracks == ("https://pypi.org/simple/spam/",)
    assert only(page) == IndexFile(
        filename=package.filename,
        url=f"https://files.example/{package.filename}",
        sha256=package.sha256,
        size=None if html else 7,
        uploaded=None if html else datetime(2026, 1, 1, tzinfo=UTC),
        yanked="it <burns>",
        requires_python=">=3.9,<4",
        metadata_url=f"https://files.example/{package.filename}.metadata",
        metadata_sha256=only(page).metadata_sha256,
        provenance_url=f"https://index.example/integrity/{package.filename}",
    )
    assert len(only(page).metadata_sha256 or "") == 64


def test_what_a_page_does_not_say_is_not_known() -> None:
    bare = IndexFile(filename="spam-1.0.tar.gz", url="https://index.example/files/spam-1.0.tar.gz")
    assert only(from_json(row("spam-1.0.tar.gz"))) == bare
    assert only(from_html('<a href="/files/spam-1.0.tar.gz">x</a>')) == bare
    assert from_json().status is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("upload-time", "2026-01-01T00:00:00"),  # of which zone?
        ("upload-time", "soon"),
        ("upload-time", 1700000000),
        ("upload-time", "9" * 5000),
        ("upload-time", "2026-99-01T00:00:00Z"),
        ("size", True),
        ("size", -1),
        ("size", "12"),
        ("hashes", {"sha256": "ab"}),
        ("hashes", {"sha256": ["ab" * 32]}),
        ("hashes", {"md5": "ab" * 16}),
        ("hashes", "sha256"),
        ("requires-python", 3),
        ("core-metadata", False),
        ("core-metadata", None),
        ("provenance", None),
        ("provenance", 1),
        ("provenance", "file:///etc/passwd"),
        ("provenance", "javascript:alert(1)"),
        ("yanked", False),
        ("yanked", ""),
    ],
)
def test_a_field_that_makes_no_sense_says_nothing(key: str, value: Any) -> None:
    file = only(from_json(row(**{key: value})))
    known = [name for name in IndexFile.__slots__ if getattr(file, name) is not None]
    assert known == ["filename", "url"]


@pytest.mark.parametrize(("said", "understood"), [(True, ""), ("bad", "bad"), ({"x": 1}, ""), (1, "")])
def test_yanked_is_yanked_however_it_is_said(said: Any, understood: str) -> None:
    assert only(from_json(row(yanked=said))).yanked == understood


@pytest.mark.parametrize("attribute", ["data-yanked", 'data-yanked=""', "DATA-YANKED=''"])
def test_yanked_without_a_reason_is_yanked_in_html(attribute: str) -> None:
    assert only(from_html(f'<a {attribute} href="spam-1.0.tar.gz">x</a>')).yanked == ""


@pytest.mark.parametrize(
    ("value", "known"),
    [({"sha256": DIGEST.upper()}, True), (True, False), ({"sha256": "x"}, False), ({"md5": "x"}, False)],
)
def test_metadata_has_a_digest_or_none(value: Any, known: bool) -> None:  # noqa: FBT001 - a parameter
    file = only(from_json(row(**{"data-dist-info-metadata": value})))
    assert file.metadata_url == f"{file.url}.metadata"
    assert file.metadata_sha256 == (DIGEST if known else None)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/spam-1.0-py3-none-any.whl",
        "ftp://index.example/spam-1.0-py3-none-any.whl",
        "javascript:spam-1.0-py3-none-any.whl",
        "https://[broken/spam-1.0-py3-none-any.whl",
        "https://host:port/spam-1.0-py3-none-any.whl",
        "https://index.example/evil-9.9-py3-none-any.whl",  # pip would take this name, uv the other
        "https://index.example/\u202espam-1.0-py3-none-any.whl",
        "https://index.example/..%2fspam-1.0-py3-none-any.whl",
        "x" * 5000 + "/spam-1.0-py3-none-any.whl",
        "",
        None,
        ["https://index.example/spam-1.0-py3-none-any.whl"],
    ],
)
def test_a_file_behind_no_honest_url_is_not_listed(url: Any) -> None:
    assert from_json({"filename": "spam-1.0-py3-none-any.whl", "url": url}).files == ()


def test_a_page_on_disk_may_refer_to_this_machine_and_one_on_the_network_may_not() -> None:
    local = Page(url="file:///srv/simple/spam/", index="file:///srv/simple", name="spam")
    link = '<a href="file:///srv/files/spam-1.0.tar.gz">x</a><a href="../spam-2.0.tar.gz">x</a>'
    assert [file.url for file in from_html(link, local).files] == [
        "file:///srv/files/spam-1.0.tar.gz",
        "file:///srv/simple/spam-2.0.tar.gz",
    ]
    assert [file.filename for file in from_html(link).files] == ["spam-2.0.tar.gz"]


def test_links_are_relative_to_the_page_and_lose_credentials_and_fragments() -> None:
    links = [
        '<a href="../../files/spam-1.0.tar.gz#sha256=' + DIGEST + '">x</a>',
        f'<a href="https://user:secret@files.example/spam-2.0+cpu-py3-none-any.whl#egg=x&sha256={DIGEST}">x</a>',
        '<a href="spam 3.0.zip">not quoted</a>',
        '<!-- <a href="spam-4.0.zip">no</a> --> <a href="../">up</a> <a name="spam-5.0.zip">no</a>',
    ]
    first, second, third = from_html("".join(links)).files
    assert first == IndexFile(
        filename="spam-1.0.tar.gz", url="https://index.example/files/spam-1.0.tar.gz", sha256=DIGEST
    )
    assert second.url == "https://files.example/spam-2.0+cpu-py3-none-any.whl"
    assert second.sha256 == DIGEST
    assert third.url == "https://index.example/simple/spam/spam%203.0.zip"


def test_the_base_of_a_page_counts_as_for_pip() -> None:
    page = from_html('<base href="https://other.example/x/"><base href="/no/"><a href="spam-1.0.zip">x</a>')
    assert only(page).url == "https://other.example/x/spam-1.0.zip"


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON, "version 2"),
        (b'{"meta": {"api-version": "99999999999999.0"}, "files": []}', JSON, "does not say which version"),
        (b'{"meta": {"api-version": 1.0}, "files": []}', JSON, "does not say which version"),
        (b'{"meta": {"api-version": "one"}, "files": []}', JSON, "does not say which version"),
        (b'<meta name="pypi:repository-version" content="2.0">', HTML, "version 2"),
        (b'<meta name="pypi:repository-version">', "text/html", "does not say which version"),
        (b"{}", "application/vnd.pypi.simple.v2+json", "version 2"),
        (b"", "application/vnd.pypi.simple.v3+html", "version 3"),
        (b"{", JSON, "not JSON"),
        (b"", JSON, "not JSON"),
        (b"\xff\xfe\xff", JSON, "not JSON"),
        (b'{"files": [' + b"9" * 5000 + b"]}", JSON, "not JSON"),
        (b"[]", JSON, "lists no files"),
        (b"null", JSON, "lists no files"),
        (b'{"files": {}}', JSON, "lists no files"),
        (b'{"message": "not found"}', JSON, "lists no files"),
        (b'{"name": "ham", "files": []}', JSON, "another project than spam"),
        (b'{"name": ["spam"], "files": []}', JSON, "another project than spam"),
        (b"{}", "application/json", "no page of a package index"),
        (b"log in, please", "text/plain", "no page of a package index"),
        (b"", "", "no page of a package index"),
        (b"", "\x1b[31m" * 5000, "no page of a package index"),
    ],
)
def test_what_is_no_page_of_the_project_is_refused(data: bytes, kind: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        simple_index.parse(data, kind, PAGE)
    assert len(str(caught.value)) < 300


def test_a_page_that_is_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OverBudgetError, match="nested too deeply"):
        simple_index.parse(b'{"files": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}", JSON, PAGE)
    monkeypatch.setattr(simple_index, "_MOST_FILES", 2)
    with pytest.raises(OverBudgetError, match="more than 2 files"):
        from_json(row(), row(), row())
    with pytest.raises(OverBudgetError, match="more than 2 links"):
        from_html("<a>" * 3)
    monkeypatch.setattr(simple_index, "LARGEST", 10)
    with pytest.raises(OverBudgetError, match="larger"):
        from_json()


@pytest.mark.parametrize("tracks", ["https://pypi.org/simple/spam/", {"a": 1}, [1, None, ""], None])
def test_tracks_that_make_no_sense_track_nothing(tracks: Any) -> None:
    assert from_json(meta={"api-version": "1.2", "tracks": tracks}).tracks == ()


@pytest.mark.parametrize("status", [[], "archived", {"status": 1}, {"status": None}, {"reason": "x"}])
def test_a_status_that_makes_no_sense_is_not_known(status: Any) -> None:
    assert from_json(**{"project-status": status}).status is None


def test_of_a_page_of_links_only_files_of_the_project_count() -> None:
    names = [
        "spam-1.0.tar.gz",
        "Spam-2.0-py3-none-any.whl",
        "spam_eggs-1.0-py3-none-any.whl",
        "ham-1.0.zip",
        "spam.exe",
    ]
    page = from_html("".join(f'<a href="{name}">x</a>' for name in names), Page(**{**_fields(PAGE), "links": True}))
    assert [file.filename for file in page.files] == names[:2]


@pytest.mark.parametrize(
    ("filename", "name", "whose"),
    [
        ("Foo.Bar-1.0-py3-none-any.whl", "foo-bar", True),
        ("foo_bar-1.0-py3-none-any.whl", "foo", False),
        ("foo-bar-1.0.tar.gz", "foo-bar", True),
        ("foo_bar-1.0.tar.gz", "foo-bar", True),
        ("foo.tar.gz", "foo", False),
        ("foo-1.0.exe", "foo", False),
    ],
)
def test_a_file_belongs_to_the_project_that_its_name_says(filename: str, name: str, whose: bool) -> None:  # noqa: FBT001
    assert simple_index.belongs(filename, name) is whose


def test_an_sdist_is_listed_as_well() -> None:
    assert simple_index.is_archive(sdist("spam", "1.0").filename)


def _fields(page: Page) -> dict[str, Any]:
    return {name: getattr(page, name) for name in ("url", "index", "name", "links")}
