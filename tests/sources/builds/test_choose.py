"""Which sdist is built: the newest that fits, with a digest, and never another project's."""

from __future__ import annotations

import pytest

from weighlock.errors import SourceError
from weighlock.release import IndexFile, ProjectPage
from weighlock.sources.builds.choose import choose_sdist

DIGEST = "ab" * 32


def _page(*names: str, **facts) -> ProjectPage:
    files = [IndexFile(filename=name, url=f"https://i/{name}", sha256=DIGEST, **facts) for name in names]
    return ProjectPage(index="https://i", name="spam", files=tuple(files))


@pytest.mark.parametrize(
    ("specifier", "version"), [("", "2.0"), ("<2", "1.10"), ("==1.9", "1.9"), (">=3a1", "3.0rc1"), ("!=2.0", "1.10")]
)
def test_the_newest_that_fits(specifier, version):
    names = [
        "spam-1.9.tar.gz",
        "spam-1.10.tar.gz",
        "spam-2.0.tar.gz",
        "spam-3.0rc1.tar.gz",
        "spam-9.0-py3-none-any.whl",
    ]
    found = choose_sdist(_page(*names), specifier, python="3.11.7")
    assert found.artifact.version == version
    assert found.artifact.filename == f"spam-{version}.tar.gz"
    assert str(found.artifact.digest) == f"sha256:{DIGEST}"


def test_only_pre_releases_or_pre_releases_on_purpose():
    assert choose_sdist(_page("spam-3.0rc1.tar.gz"), python="3.11").artifact.version == "3.0rc1"
    page = _page("spam-2.0.tar.gz", "spam-3.0rc1.tar.gz")
    assert choose_sdist(page, python="3.11", pre=True).artifact.version == "3.0rc1"


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["spam-1.0-py3-none-any.whl"],
        ["spam-1.0.tar.bz2"],
        ["spam-1.0.exe"],
        ["evil-1.0.tar.gz"],
        ["spam-evil-1.0.tar.gz"],
        ["spam-latest.tar.gz"],
        ["spam.tar.gz"],
    ],
)
def test_no_sdist_of_this_project_is_none(names):
    with pytest.raises(SourceError, match="no sdist that fits"):
        choose_sdist(_page(*names), python="3.11")


def test_a_yanked_one_is_only_its_exact_version():
    page = _page("spam-2.0.tar.gz", yanked="broken")
    for specifier in ("", ">=1", "==2.*"):
        with pytest.raises(SourceError):
            choose_sdist(page, specifier, python="3.11")
    assert choose_sdist(page, "==2.0", python="3.11").listed.yanked == "broken"


def test_another_python_is_not_built_for():
    with pytest.raises(SourceError):
        choose_sdist(_page("spam-2.0.tar.gz", requires_python=">=3.12"), python="3.11.7")
    with pytest.raises(SourceError):
        choose_sdist(_page("spam-2.0.tar.gz", requires_python="nonsense"), python="3.11.7")


def test_without_a_digest_it_could_be_any_file():
    page = ProjectPage(
        index="https://i", name="spam", files=(IndexFile(filename="spam-1.0.tar.gz", url="https://i/x"),)
    )
    with pytest.raises(SourceError, match="no sha256"):
        choose_sdist(page, python="3.11")


def test_a_version_that_is_none_is_refused():
    with pytest.raises(SourceError, match="a version that is none"):
        choose_sdist(_page("spam-1.0.tar.gz"), "===", python="3.11")
