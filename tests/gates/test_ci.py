"""What `weighlock check` judges, list by list, without a network: indexes and advisories are tables here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from weighlock.advisories.cross_check import Seconded
from weighlock.advisories.interface import Status
from weighlock.advisories.pip_audit import Audit, pin_of
from weighlock.advisory import Advisory, Severity
from weighlock.artifact import Digest
from weighlock.errors import FormatError
from weighlock.formats import pylock, uv_lock
from weighlock.formats.installed import InstalledDistribution
from weighlock.gates.ci import Collected, judge
from weighlock.gates.listed import Listed, from_environment, from_lock, from_requirements, from_resolution
from weighlock.gates.packages import PackageReport
from weighlock.gates.releases import Knowledge
from weighlock.install_policy import InstallPolicy
from weighlock.release import IndexFile, Origin, ProjectPage
from weighlock.sources.pip import requirement
from weighlock.sources.pip.interface import Build, PipRequest, Resolution, Resolved, Wanted

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=400)
SHA, OTHER = "ab" * 32, "cd" * 32
HOLE = Advisory(id="PYSEC-2026-1", severity=Severity.HIGH, summary="a hole", fixed=("1.1",))
MILD = Advisory(id="PYSEC-2026-2", severity=Severity.LOW, summary="a crack", fixed=("1.2",))


class Table:
    """Advisories by name and version."""

    def __init__(self, rows: dict[tuple[str, str], tuple[Advisory, ...]] | None = None, *, age: int = 0) -> None:
        self.rows = rows or {}
        self.status = Status(name="table", place="here", made=NOW - timedelta(days=age))

    def query(self, packages):
        return [self.rows.get((name, version), ()) for name, version in packages]


class Asked:
    """Pages by name, and which names were asked about."""

    def __init__(self, *pages: ProjectPage) -> None:
        self.pages = pages
        self.names: list[str] = []

    def __call__(self, names):
        self.names += names
        return {name: tuple(page for page in self.pages if page.name == name) for name in names}


def page(name: str, *versions: str, sha: str = SHA, index: str = "https://index.example/simple", **more) -> ProjectPage:
    files = tuple(
        IndexFile(
            filename=f"{name}-{version}-py3-none-any.whl",
            url=f"https://files.example/{name}-{version}-py3-none-any.whl",
            sha256=sha,
            uploaded=more.get("uploaded", OLD),
            yanked=more.get("yanked"),
        )
        for version in versions
    )
    return ProjectPage(index=index, name=name, files=files, status="active")


def request(*lines: str) -> PipRequest:
    found = []
    for number, line in enumerate(lines, 1):
        text, *hashes = line.split(" --hash=")
        origin = Origin(path="requirements.txt", line=number, text=line)
        found.append(requirement.parse(text, origin, folder="/", hashes=hashes))
    return PipRequest(
        python="python",
        requirements=tuple(one for one in found if isinstance(one, Wanted)),
        builds=tuple(one for one in found if isinstance(one, Build)),
        origins={one.name: one.origin for one in found if isinstance(one, Wanted)},
    )


def report(
    lists: list[Listed],
    *,
    ask: Asked | None = None,
    advisories: Table | None = None,
    policy: InstallPolicy | None = None,
) -> PackageReport:
    knowledge = Knowledge(advisories=advisories or Table(), ask=ask, now=NOW)
    return judge(Collected(lists=tuple(lists), inputs=("requirements.txt",)), knowledge, policy or InstallPolicy())


def rules(told: PackageReport) -> dict[str, list[str]]:
    return {item.title: [reason.rule for reason in item.verdict.reasons] for item in told.packages}


def messages(told: PackageReport) -> str:
    return "; ".join(reason.message for item in told.packages for reason in item.verdict.reasons)


def pinned(*lines: str, complete: bool = True) -> list[Listed]:
    return from_requirements(request(*lines), complete=complete)


def test_a_pin_is_judged_by_the_file_that_an_index_lists_for_it():
    told = report(pinned("demo==1.0"), ask=Asked(page("demo", "0.9", "1.0")))
    (item,) = told.packages
    assert item.verdict.allowed, messages(told)
    assert item.release.artifact.filename == "demo-1.0-py3-none-any.whl"
    assert item.release.artifact.digest == Digest.sha256(SHA)


def test_a_requirement_without_an_exact_version_cannot_be_decided_without_resolving():
    for line in ("demo", "demo>=1.0", "demo==1.*", "demo~=1.0"):
        told = report(pinned(line), ask=Asked(page("demo", "1.0")))
        assert not told.allowed
        assert "no exact version" in messages(told)


def test_a_requirement_without_a_version_beside_one_that_has_one_is_refused():
    told = report(pinned("demo", "other==1.0"), ask=Asked(page("demo", "1.0"), page("other", "1.0")))
    assert rules(told)["other==1.0"] == []
    assert "no exact version" in messages(told)


def test_pins_without_digests_do_not_say_what_comes_with_them():
    assert report(pinned("demo==1.0"), ask=Asked(page("demo", "1.0"))).allowed
    told = report(pinned("demo==1.0", complete=False), ask=Asked(page("demo", "1.0")))
    assert not told.allowed
    assert "depends on" in messages(told)
    told = report(pinned(f"demo==1.0 --hash=sha256:{SHA}", complete=False), ask=Asked(page("demo", "1.0")))
    assert told.allowed, messages(told)


def test_a_pin_that_no_index_lists_is_not_clean():
    told = report(pinned("demo==1.0"), ask=Asked(page("demo", "0.9")))
    assert not told.allowed
    assert "no configured index lists this version" in messages(told)


def test_a_local_version_that_an_installer_would_prefer_is_the_one_that_is_judged():
    pages = replace(page("demo", "1.0"), files=(*page("demo", "1.0").files, *page("demo", "1.0+evil").files))
    told = report(pinned("demo==1.0"), ask=Asked(pages), advisories=Table({("demo", "1.0+evil"): (HOLE,)}))
    assert rules(told) == {"demo==1.0+evil": ["advisory"]}


def test_a_file_with_another_digest_than_required_is_not_the_one():
    told = report(pinned(f"demo==1.0 --hash=sha256:{OTHER}"), ask=Asked(page("demo", "1.0")))
    assert not told.allowed
    assert "digest that is required" in messages(told)


def test_a_version_that_has_only_an_sdist_needs_a_build():
    source = IndexFile(
        filename="demo-1.0.tar.gz", url="https://files.example/demo-1.0.tar.gz", sha256=SHA, uploaded=OLD
    )
    only = replace(page("demo"), files=(source,))
    assert rules(report(pinned("demo==1.0"), ask=Asked(only)))["demo==1.0"] == ["needs-build"]
    allowed = InstallPolicy.from_dict({"allow-build": ["demo==1.0"]})
    assert report(pinned("demo==1.0"), ask=Asked(only), policy=allowed).allowed
    other = InstallPolicy.from_dict({"allow-build": ["demo==0.9"]})
    assert not report(pinned("demo==1.0"), ask=Asked(only), policy=other).allowed


@pytest.mark.parametrize("line", ["git+https://git.example/x@main", "FOLDER", "https://files.example/x-1.tar.gz"])
def test_what_only_a_build_can_satisfy_is_refused_with_its_line(line: str, tmp_path: Path):
    told = report(pinned(f"x @ {line}" if "://" in line else str(tmp_path)), ask=Asked())
    (item,) = told.packages
    assert "needs-build" in {reason.rule for reason in item.verdict.reasons}
    assert item.origin is not None
    assert item.origin.line == 1


def test_an_advisory_refuses_and_the_smallest_upgrade_is_the_line_to_write():
    advisories = Table({("demo", "1.0"): (HOLE, MILD), ("demo", "1.1"): (MILD,)})
    ask = Asked(page("demo", "1.0", "1.1", "1.2", "1.3"))
    told = report(pinned('demo[extra]==1.0 ; python_version > "3"'), ask=ask, advisories=advisories)
    assert rules(told)["demo==1.0"] == ["advisory"]
    (suggestion,) = told.suggestions
    assert suggestion.upgrade == "1.2"
    assert suggestion.line == 'demo[extra]==1.2 ; python_version > "3"'
    assert suggestion.clears == ("PYSEC-2026-1",)


def test_an_upgrade_that_the_policy_would_refuse_for_its_age_is_taken_last_and_says_so():
    advisories = Table({("demo", "1.0"): (HOLE,)})
    fresh = page("demo", "1.1", uploaded=NOW - timedelta(hours=2))
    old = page("demo", "1.0", "1.2")
    told = report(
        pinned("demo==1.0"),
        ask=Asked(replace(old, files=(*old.files, *fresh.files))),
        advisories=advisories,
    )
    assert [(one.upgrade, one.caution) for one in told.suggestions] == [("1.2", None)]
    only = page("demo", "1.0")
    told = report(
        pinned("demo==1.0"), ask=Asked(replace(only, files=(*only.files, *fresh.files))), advisories=advisories
    )
    assert told.suggestions[0].upgrade == "1.1"
    assert "younger than the 3 days" in str(told.suggestions[0].caution)


def test_a_yanked_version_is_no_upgrade():
    advisories = Table({("demo", "1.0"): (HOLE,)})
    pages = replace(page("demo", "1.0"), files=(*page("demo", "1.0").files, *page("demo", "1.1", yanked="").files))
    (suggestion,) = report(pinned("demo==1.0"), ask=Asked(pages), advisories=advisories).suggestions
    assert suggestion.upgrade is None


def test_a_mild_advisory_suggests_nothing_and_refuses_nothing():
    advisories = Table({("demo", "1.0"): (MILD,)})
    told = report(pinned("demo==1.0"), ask=Asked(page("demo", "1.0")), advisories=advisories)
    assert told.allowed
    assert told.suggestions == ()
    policy = InstallPolicy.from_dict({"fail-on": "low"})
    assert not report(pinned("demo==1.0"), ask=Asked(page("demo", "1.0")), advisories=advisories, policy=policy).allowed


def test_an_advisory_database_that_is_too_old_decides_nothing():
    told = report(pinned("demo==1.0"), ask=Asked(page("demo", "1.0")), advisories=Table(age=31))
    assert not told.allowed
    assert "31 days" in messages(told)


LOCK = f"""\
lock-version = "1.0"
[[packages]]
name = "demo"
version = "1.0"
wheels = [
    {{ url = "https://f.example/demo-1.0-py3-none-any.whl", upload-time = 2025-01-01T00:00:00Z, hashes = {{ sha256 = "{SHA}" }} }},
    {{ url = "https://f.example/demo-1.0-cp35-cp35m-win32.whl", upload-time = 2025-01-01T00:00:00Z, hashes = {{ sha256 = "{SHA}" }} }},
]
"""  # noqa: E501


def test_a_lockfile_is_judged_by_the_wheel_that_fits():
    windows = IndexFile(filename="demo-1.0-cp35-cp35m-win32.whl", url="https://f.example/w", sha256=SHA, uploaded=OLD)
    here = page("demo", "1.0")
    pages = replace(here, files=(*here.files, windows))
    told = report(from_lock(pylock.parse(LOCK), "pylock.toml"), ask=Asked(pages))
    (item,) = told.packages
    assert item.release.artifact.filename == "demo-1.0-py3-none-any.whl"
    assert item.origin == Origin(path="pylock.toml", line=2)
    assert item.verdict.allowed, messages(told)


def test_an_index_that_has_other_bytes_than_the_lockfile_is_found_for_every_file_of_it():
    windows = IndexFile(filename="demo-1.0-cp35-cp35m-win32.whl", url="https://f.example/w", sha256=OTHER, uploaded=OLD)
    here = page("demo", "1.0")
    for pages in (page("demo", "1.0", sha=OTHER), replace(here, files=(*here.files, windows))):
        told = report(from_lock(pylock.parse(LOCK), "pylock.toml"), ask=Asked(pages))
        assert "changed-listing" in rules(told)["demo==1.0"]


def test_a_lockfile_without_digests_or_with_wheels_of_another_project_is_not_clean():
    bare = LOCK.replace(f', hashes = {{ sha256 = "{SHA}" }} }},\n]', " },\n]")
    told = report(from_lock(pylock.parse(bare), "pylock.toml"), ask=Asked(page("demo", "1.0")))
    assert "no SHA-256 digest of demo-1.0-cp35" in messages(told)
    swapped = LOCK.replace("demo-1.0-cp35-cp35m-win32", "evil-1.0-cp35-cp35m-win32")
    told = report(from_lock(pylock.parse(swapped), "pylock.toml"), ask=Asked(page("demo", "1.0")))
    assert "evil-1.0-cp35" in messages(told)
    other = LOCK.replace('version = "1.0"\nw', 'version = "2.0"\nw')
    assert not report(from_lock(pylock.parse(other), "pylock.toml"), ask=Asked(page("demo", "1.0"))).allowed


def test_what_a_lockfile_would_build_is_refused():
    text = 'version = 1\n[[package]]\nname = "{}"\nversion = "1"\nsource = {}\n'
    sources = {
        "vcs": '{ git = "https://git.example/x#0" }',
        "folder": '{ directory = "../x" }',
        "sdist": '{ url = "https://files.example/x-1.tar.gz" }',
        "index": '{ registry = "https://index.example/simple" }',
    }
    for name, source in sources.items():
        told = report(from_lock(uv_lock.parse(text.format(name, source)), "uv.lock"), ask=Asked(page(name, "1")))
        assert "needs-build" in rules(told)[f"{name}==1"], source
    own = text.format("app", '{ virtual = "." }')
    assert report(from_lock(uv_lock.parse(own), "uv.lock"), ask=Asked()).packages == ()


def test_a_lockfile_is_not_clean_offline_where_only_an_index_knows_and_a_person_can_accept_that():
    told = report(from_lock(pylock.parse(LOCK), "pylock.toml"))
    assert rules(told)["demo==1.0"] == ["unverifiable"]
    assert "no index was asked about 1 packages" in told.warnings[0]
    table = {"accept": [{"package": "*", "check": "index-ownership", "reason": "no network here"}]}
    told = report(from_lock(pylock.parse(LOCK), "pylock.toml"), policy=InstallPolicy.from_dict(table))
    assert told.allowed, messages(told)
    young = LOCK.replace("2025-01-01", "2026-11-25")
    assert not report(from_lock(pylock.parse(young), "pylock.toml"), policy=InstallPolicy.from_dict(table)).allowed


def installed(*names: str, **facts) -> list[Listed]:
    return from_environment(
        [InstalledDistribution(name=name, version="1.0", place=f"lib/{name}", **facts) for name in names]
    )


def test_an_environment_is_judged_offline_by_advisories_and_says_what_is_not_known():
    told = report(installed("demo", "other"), advisories=Table({("demo", "1.0"): (HOLE,)}))
    assert rules(told) == {"demo==1.0": ["advisory"], "other==1.0": []}
    assert "no index was asked about 2 packages" in told.warnings[0]
    assert told.suggestions[0].upgrade == "1.1"


def test_an_installed_version_that_no_index_lists_is_noted_and_its_advisories_count():
    told = report(installed("demo", "local"), ask=Asked(page("demo", "1.0")))
    assert told.allowed, messages(told)
    assert told.warnings == ("no configured index lists local==1.0, so their ages are not known",)
    told = report(installed("local"), ask=Asked(), advisories=Table({("local", "1.0"): (HOLE,)}))
    assert not told.allowed


def test_files_that_were_changed_after_the_installation_refuse_the_distribution():
    told = report(installed("demo", changed=("demo/x.py (has other bytes)",)), ask=Asked(page("demo", "1.0")))
    assert rules(told)["demo==1.0"] == ["installed-files"]


def test_nobody_is_asked_about_what_did_not_come_from_an_index():
    ask = Asked()
    report(
        [*installed("mine", editable="file:///src"), *installed("theirs", direct="https://x.example/x.whl")], ask=ask
    )
    assert ask.names == []


class SecondTable(Table):
    """A second source, which looks up nothing but what it has a row for."""

    def audit(self, packages):
        found = {pin_of(*pin): rows for pin, rows in self.rows.items()}
        missing = [pin for pin in (pin_of(*one) for one in packages) if pin not in found]
        return Audit(found=found, problems=dict.fromkeys(missing, "it was skipped"))


def crossed(first: dict, second: dict) -> PackageReport:
    source = Seconded(Table(first), SecondTable(second))
    knowledge = Knowledge(advisories=source, ask=Asked(page("demo", "1.0")), now=NOW)
    return judge(Collected(lists=tuple(pinned("demo==1.0"))), knowledge, InstallPolicy())


def test_what_the_second_source_skips_is_not_clean():
    told = crossed({}, {})
    assert not told.allowed
    assert "it was skipped" in messages(told)
    assert crossed({}, {("demo", "1.0"): ()}).allowed


def test_what_only_one_source_knows_counts():
    told = crossed({}, {("demo", "1.0"): (HOLE,)})
    assert rules(told)["demo==1.0"] == ["advisory"]
    told = crossed({("demo", "1.0"): (HOLE,)}, {("demo", "1.0"): ()})
    assert "advisory" in rules(told)["demo==1.0"]


def test_a_package_that_comes_along_is_shown_at_the_line_that_brings_it():
    def one(name: str, *needs: str) -> Resolved:
        artifact = replace(installed(name)[0].release.artifact, filename=f"{name}-1.0-py3-none-any.whl")
        return Resolved(artifact=artifact, url="https://f.example/x", metadata={"requires_dist": list(needs)})

    found = Resolution(
        packages=(one("top", "Middle>=1", "not a requirement("), one("middle", "deep ; extra == 'x'"), one("deep")),
        markers={},
    )
    lists = from_resolution(found, request("flask==1", "top==1.0"))
    assert {item.release.artifact.name: item.release.origin.line for item in lists if item.release.origin} == {
        "top": 2, "middle": 2, "deep": 2,
    }  # fmt: skip


def test_two_lists_that_name_one_release_are_two_places_and_one_judgement_each():
    lists = [*from_lock(pylock.parse(LOCK), "pylock.toml"), *from_lock(pylock.parse(LOCK), "pylock.dev.toml")]
    told = report(lists, ask=Asked(page("demo", "1.0")))
    assert [item.origin.path for item in told.packages if item.origin] == ["pylock.toml", "pylock.dev.toml"]


def _two_platforms(*others: tuple[str, str]) -> list[Listed]:
    """Return what a lockfile lists: the wheel for everybody, and others for other machines."""
    rows = [("demo-1.0-py3-none-any.whl", SHA), *others]
    wheels = "".join(
        f'[[packages.wheels]]\nurl = "https://files.example/{name}"\nhashes = {{ sha256 = "{digest}" }}\n'
        for name, digest in rows
    )
    text = f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "demo"\nversion = "1.0"\n{wheels}'
    return from_lock(pylock.parse(text), "pylock.toml")


def test_a_locked_wheel_for_other_machines_that_no_index_lists_is_not_passed_over():
    assert report(_two_platforms(), ask=Asked(page("demo", "1.0"))).allowed
    told = report(_two_platforms(("demo-1.0-1-cp311-cp311-win_amd64.whl", OTHER)), ask=Asked(page("demo", "1.0")))
    assert not told.allowed
    assert "win_amd64" in messages(told)


def test_a_lockfile_that_lists_one_file_with_two_digests():
    name = "demo-1.0-cp311-cp311-win_amd64.whl"
    listed = page("demo", "1.0")
    other = replace(listed.files[0], filename=name, sha256=SHA)
    ask = Asked(replace(listed, files=(*listed.files, other)))
    for rows in ([(name, SHA), (name, OTHER)], [(name, OTHER), (name, SHA)]):
        try:
            told = report(_two_platforms(*rows), ask=ask)
        except FormatError:
            continue
        assert not told.allowed
