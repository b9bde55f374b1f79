from __future__ import annotations

import tomllib

import pytest

from weighlock.artifact import Digest, PackageFile
from weighlock.errors import DigestMismatchError, SourceError, UsageError
from weighlock.release import Origin
from weighlock.sources.pip.interface import PipRequest, Resolved, Wanted
from weighlock.sources.uv import options, pins

ONE, TWO = "1" * 64, "2" * 64
MARKERS = {"python_version": "3.11", "sys_platform": "linux"}


def package(name="gantry", version="1.0", sha256=ONE, **more):
    wheels = (
        f'[{{ url = "https://host.example/{name}-{version}-py3-none-any.whl", hashes = {{ sha256 = "{sha256}" }} }}]'
    )
    facts = {"name": f'"{name}"', "version": f'"{version}"', "wheels": wheels, **more}
    return "[[packages]]\n" + "".join(f"{key} = {value}\n" for key, value in facts.items() if value is not None)


def lock(*packages):
    return 'lock-version = "1.0"\ncreated-by = "uv"\n' + "".join(packages)


def wanted(line, url=None):
    return Wanted(line=line, origin=Origin(text=line), name="gantry", url=url)


def resolved(version="1.0", digest=ONE, filename=None):
    return Resolved(
        artifact=PackageFile(
            name="gantry",
            version=version,
            filename=filename or f"gantry-{version}-py3-none-any.whl",
            digest=digest and Digest.sha256(digest),
        ),
        url="https://host.example/",
    )


def parsed(*packages, **request):
    return pins.parse(lock(*packages), PipRequest(python="python", **request), MARKERS)


@pytest.mark.parametrize(
    "packages",
    [
        [package(), package(version="2.0")],
        [package(version=None)],
        [package(version="not-a-version")],
        [package(wheels=None, vcs='{ type = "git", url = "https://host.example/x", commit-id = "abc" }')],
        [package(wheels=None, directory='{ path = "." }')],
        ["packages = 1\n"],
        ["[[packages"],
    ],
)
def test_what_uv_writes_is_not_believed_blindly(packages):
    with pytest.raises(SourceError):
        parsed(*packages)


def test_a_url_that_nobody_asked_for_is_refused():
    archive = f'{{ url = "https://host.example/gantry-1.0-py3-none-any.whl", hashes = {{ sha256 = "{ONE}" }} }}'
    chosen = parsed(package(wheels=None, archive=archive))
    with pytest.raises(SourceError, match="nobody asked for"):
        chosen.requirements(PipRequest(python="python"))


@pytest.mark.parametrize("answer", [resolved("2.0"), resolved(digest=TWO), resolved(digest=None, filename="other.whl")])
def test_pip_cannot_answer_with_what_uv_did_not_choose(answer):
    with pytest.raises((DigestMismatchError, SourceError)):
        parsed(package()).matched([answer])
    with pytest.raises(SourceError):
        parsed(package("other")).matched([answer])


def test_a_file_without_a_digest_gets_that_of_uv():
    (found,) = parsed(package()).matched([resolved(digest=None)])
    assert found.artifact.digest == Digest.sha256(ONE)


def test_two_requirements_with_different_digests_admit_no_file():
    both = (wanted(f"gantry==1.0 --hash=sha256:{ONE}"), wanted(f"gantry --hash=sha256:{TWO}"))
    (pin,) = parsed(package(), requirements=both).requirements(PipRequest(python="python", requirements=both))
    assert ONE not in pin.line
    assert TWO not in pin.line
    assert "--hash=sha256:" in pin.line


def test_digests_are_told_where_pip_sees_more_than_one_place():
    request = PipRequest(python="python", indexes=("https://a.example", "https://b.example"))
    (pin,) = parsed(package()).requirements(request)
    assert pin.line == f"gantry==1.0 --hash=sha256:{ONE}"


def test_extras_are_those_of_all_requirements_that_hold():
    lines = ("gantry[a]", "gantry[b,a]>=1", "gantry[c] ; sys_platform == 'none'")
    found = parsed(package(), requirements=tuple(wanted(line) for line in lines))
    assert found.requirements(PipRequest(python="python"))[0].line == "gantry[a,b]==1.0"


def test_names_and_versions_of_folders_do_not_reach_the_lockfile_of_preferences():
    hostile = {'x" }, { name = "y': "1.0", "gantry": '1" }', "fine": "1.0+cpu", "": "1"}
    written = tomllib.loads("\n".join(pins.preferences(hostile)))
    assert written["packages"] == [{"name": "fine", "version": "1.0+cpu"}]


@pytest.mark.parametrize("url", ["https://host.example/${SECRET}", "https://host.example/x #y", "https://a\\b"])
def test_the_url_of_an_index_holds_nothing_that_uv_reads_in_another_way(url):
    (line,) = options.index_lines(PipRequest(python="python", indexes=(url,)))
    assert not set(line.removeprefix("--index-url ")) & set("$ #\\")


def test_an_option_that_is_in_no_table_is_refused():
    with pytest.raises(UsageError, match="--surprise"):
        options.arguments(PipRequest(python="python", resolving=("--surprise=1",)))
