"""Pages of package indexes, of any content, are a page or one error; and plain links are read like all others."""

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import simple_index
from weighlock.formats.simple_index import HTML, JSON, Page
from weighlock.release import ProjectPage
from weighlock.toml import is_printable

PAGE = Page(url="https://index.example/simple/spam/", index="https://index.example/simple", name="spam")
KEYS = """api-version core-metadata data-dist-info-metadata filename files hashes meta name project-status provenance
reason requires-python sha256 size status tracks upload-time url yanked""".split()
VALUES = [
    "1.0",
    "spam",
    "spam-1.0.tar.gz",
    "https://u:p@h/spam-1.0.tar.gz#sha256=" + "a" * 64,
    "2026-01-01T00:00:00Z",
    "a" * 64,
    "file:///etc/spam-1.0.zip",
    "//[",
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(VALUES) | st.text(max_size=20)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8)
)
ROWS = st.lists(st.dictionaries(st.sampled_from(KEYS), LEAVES | TREES, max_size=10) | TREES, max_size=4)
TAGS = st.sampled_from(
    ["<a", "<base", "<meta", "</a>", "<!--", "-->", ">", " href='spam-1.0.zip'", " data-yanked", "<script>"]
)


def _read(data: bytes, kind: str) -> None:
    try:
        page = simple_index.parse(data, kind, PAGE)
    except (FormatError, OverBudgetError):
        return
    assert isinstance(page, ProjectPage)
    for file in page.files:
        assert is_printable(file.url)
        assert file.url.startswith(("https://", "http://"))
        assert "@" not in file.url.split("/")[2]
        assert file.filename
        assert "/" not in file.filename
        assert file.uploaded is None or file.uploaded.tzinfo is not None


@settings(max_examples=60)
@given(
    TREES | st.fixed_dictionaries({"files": ROWS}, optional={"meta": TREES, "name": LEAVES, "project-status": TREES})
)
def test_any_json_is_a_page_or_an_error(body: object):
    _read(json.dumps(body).encode(), JSON)


@given(st.lists(TAGS | st.sampled_from(VALUES) | st.text(max_size=10), max_size=20))
def test_any_html_is_a_page_or_an_error(parts: list[str]):
    _read("".join(parts).encode("utf-8", "surrogatepass"), HTML)


@given(st.binary(max_size=200), st.sampled_from([JSON, HTML, "text/html"]))
def test_any_bytes_are_a_page_or_an_error(data: bytes, kind: str):
    _read(data, kind)


@given(
    st.sampled_from(["https://h.example", "http://h.example", "https://h"]),
    st.lists(st.text(string.ascii_letters + string.digits + "._~-", min_size=1, max_size=6), max_size=4),
    st.text(string.ascii_letters + string.digits + "._+-", max_size=8),
    st.sampled_from(["", "#sha256=" + "b" * 64]),
)
def test_the_short_way_for_plain_links_leads_where_the_long_one_does(
    host: str, folders: list[str], stem: str, fragment: str
):
    href = "/".join([host, *folders, f"{stem}x.tar.gz"]) + fragment
    short = simple_index._Link.resolve(href, PAGE.url)
    plain, simple_index._PLAIN = simple_index._PLAIN, simple_index.re.compile(r"(?!)")
    try:
        assert simple_index._Link.resolve(href, PAGE.url) == short
    finally:
        simple_index._PLAIN = plain
