"""Package URLs: two readers must not take different packages for one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.errors import FormatError
from weighlock.formats.purl import parse


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pypi/click@1.0",
        "http://pypi/click",
        "pkg:",
        "pkg:pypi",
        "pkg:pypi/",
        "pkg:pypi/@1.0%zz",
        "pkg:py pi/click@1.0",
        "pkg:1pypi/click@1.0",
        "pkg:pypi/cl%2Fick@1.0",
        "pkg:pypi/click@1.0/2.0",
        "pkg:pypi/cl%ick@1.0",
        "pkg:pypi/cl%ffick@1.0",
        "pkg:pypi/click@1.0?a=1&A=2",
        "pkg:pypi/click@1.0?=2",
        "pkg:pypi/" + "a" * 5000,
    ],
)
def test_what_is_no_package_url_is_not_read_as_one(text):
    with pytest.raises(FormatError):
        parse(text)


def test_parts_are_decoded_once_and_only_once():
    found = parse("PKG:PyPI/Foo_Bar@1.0%2Blocal%2520?vcs_url=git%2Bhttps://x/y&empty=#a/../b")
    assert (found.type, found.name, found.version) == ("pypi", "Foo_Bar", "1.0+local%20")
    assert found.qualifiers == {"vcs_url": "git+https://x/y"}
    assert found.subpath == "a/b"


def test_scopes_and_slashes_after_the_scheme_are_read_as_others_read_them():
    assert parse("pkg:npm/@scope/name@1.0").title == "npm:@scope/name"
    assert parse("pkg:npm/%40scope/name@1.0").title == "npm:@scope/name"
    assert parse("pkg:npm/@scope/name").version is None
    assert parse("pkg://pypi/click@1.0").title == "pypi:click"


@given(st.text())
def test_whatever_stands_there_is_read_or_refused(text):
    with suppress(FormatError):
        assert parse(f"pkg:pypi/{text}").name
