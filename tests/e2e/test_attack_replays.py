"""Real attacks played again: plain pip installs each and runs it, and `weighlock install` does neither."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from tests import index_faults
from tests.e2e import attacks
from tests.e2e.attacks import Place
from tests.index_faults import FaultyIndex
from weighlock.demo import attacks as real
from weighlock.demo.attacks import NIGHTLY, Attack
from weighlock.demo.index import LONG_AGO
from weighlock.demo.packages import marking, sdist, wheel
from weighlock.errors import DigestMismatchError, WeighlockError
from weighlock.formats.wheel_profile import WheelProfile
from weighlock.gates.packages import JudgedPackage, PackageReport
from weighlock.gates.release_memory import ReleaseMemory

pytestmark = pytest.mark.e2e


class Scene:
    """Every attack, tried under the gate before anything else is."""

    def __init__(self, place: Place) -> None:
        self.place = place
        folder = str(place.markers)
        self.said = [*real.said(folder, place.now), *attacks.said(folder)]
        self.held = [*real.held(folder), *attacks.held(folder)]
        place.index.add(wheel("honest", "1.0", {"honest.py": ""}))
        place.index.add(wheel("victim", "1.0", {"victim/__init__.py": "", "victim/core.py": "x = 1\n"}))
        real.publish(place.index, self.said)
        place.index.project("frozen").status = "quarantined"
        extra = ("--extra-index-url", place.index.url(NIGHTLY))
        self.told = place.install(*extra, "honest", *(one.pin for one in self.said))
        self.fetched = [path for path in place.index.paths() if path.endswith(".whl")]
        self.left_after_said = place.left()
        real.publish(place.index, self.held)
        self.seen = place.install("honest", "victim", *(one.pin for one in self.held))
        self.left_after_held = place.left()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with FaultyIndex() as index:
        yield Place(tmp_path_factory.mktemp("attacks"), index)


@pytest.fixture(scope="module")
def scene(place: Place) -> Scene:
    return Scene(place)


def _refusals(report: PackageReport) -> dict[str, set[str]]:
    return {package.title: _against(package) for package in report.packages if not package.verdict.allowed}


def _against(package: JudgedPackage) -> set[str]:
    return {reason.rule for reason in package.verdict.reasons}


def _asked(tried: list[Attack]) -> dict[str, set[str]]:
    return {one.pin: {one.check} for one in tried}


def test_what_is_said_about_a_release_refuses_it_before_it_is_fetched(scene: Scene):
    assert _refusals(scene.told) == _asked(scene.said)
    assert scene.told.exit_code == 1
    assert scene.fetched == []
    assert scene.left_after_said == []


def test_what_a_wheel_holds_refuses_it_before_it_is_installed(scene: Scene):
    # Which of two wheels takes the file of the other one nobody but a person can say.
    # What the replay of lightning fetches stands in the URL itself, so that it is decoded as well.
    more = {
        "victim==1.0": {"shadows-other-distribution"},
        "lightning==2.6.2": {"import-time-behaviour", "decodes-and-executes"},
    }
    assert _refusals(scene.seen) == _asked(scene.held) | more
    assert scene.seen.exit_code == 1
    assert scene.left_after_held == []


def test_plain_pip_installs_and_runs_them_so_that_the_markers_prove_something(scene: Scene):
    # One version of litellm at a time, and pip leaves out nothing but what an index does.
    tried = [one for one in (*scene.said, *scene.held) if one.pin != "litellm==1.82.7"]
    projects = {one.package.project for one in tried}
    installed, ran = scene.place.plain(tried)
    assert installed == projects
    assert ran == projects


def _single(place: Place, name: str, files: dict[str, str] | None = None, **fields: object):
    """Make a wheel that marks when it is imported, or of these files."""
    mark = marking(real.marker(str(place.markers), name))
    return wheel(name, "1.0", files or {f"{name}/__init__.py": mark}, **fields)


def test_a_release_without_the_attestations_that_the_one_before_had(place: Place):
    """ultralytics 8.3.45 and 8.3.46: uploaded with a stolen token, past the pipeline that attests."""
    place.index.add(wheel("ultralytics", "8.3.44"), "forge", provenance={"version": 1})
    place.index.add(wheel("ultralytics", "8.3.45"), "forge")
    place.remember("ultralytics", "8.3.44", place.index.url("forge"))
    report = place.install("--index-url", place.index.url("forge"), "ultralytics==8.3.45")
    assert _refusals(report) == {"ultralytics==8.3.45": {"provenance"}}
    assert "ultralytics/ultralytics" in report.packages[0].verdict.reasons[0].message
    assert place.left() == []


def test_a_release_that_brings_what_the_admitted_one_before_did_not_have(place: Place):
    """ultralytics 8.3.41 and lightning 2.6.2 weeks later: old enough, and unlike the releases before them."""
    library = bytes(index for index in range(256)) * (11 << 12)
    download = "import os\n\nos.system('true')\n"
    for version, code, files in (("1.0", "x = 1\n", {}), ("1.1", download, {"grown/router_runtime.js": library})):
        place.index.add(wheel("grown", version, {"grown/__init__.py": code, **files}), uploaded=LONG_AGO)
    grown = ReleaseMemory(place.folder / "state" / "releases.json")
    grown.remember([WheelProfile(name="grown", version="1.0", size=1000)])
    report = place.install("grown")
    assert _refusals(report) == {"grown==1.1": {"new-in-release"}}
    said = " ".join(reason.message for reason in report.packages[0].verdict.reasons)
    assert "router_runtime.js" in said
    assert "os.system" in said
    assert place.left() == []


def test_a_wheel_that_is_changed_between_its_verdict_and_its_installation(place: Place):
    package = place.index.add(_single(place, "honestly", {"honestly.py": "x = 1\n"}))
    evil = _single(place, "honestly")

    def tamper(line: str) -> None:
        if line.startswith("installing"):
            (path,) = (place.folder / "cache" / "installing").rglob(package.filename)
            path.chmod(0o600)
            path.write_bytes(evil.data)

    with pytest.raises(DigestMismatchError, match="changed after it was judged"):
        place.install("honestly", stage=tamper)
    assert place.left() == []


def test_an_index_that_answers_otherwise_the_second_time(place: Place):
    package = place.index.add(_single(place, "racing", {"racing.py": "x = 1\n"}), metadata=False)
    evil = _single(place, "racing")
    place.index.fault(package.filename, index_faults.then(package.data, evil.data))
    with pytest.raises(DigestMismatchError, match="racing"):
        place.install("racing", "--no-cache-dir")
    assert place.left() == []


def test_a_cache_of_pip_that_somebody_else_wrote_into(place: Place):
    package = place.index.add(_single(place, "cached", {"cached.py": "x = 1\n" * 9}, stored=True), metadata=False)
    for_ever = {"Cache-Control": "max-age=365000000, immutable, public", "Date": formatdate(usegmt=True)}
    place.index.fault(package.filename, lambda _, answer: replace(answer, headers={**answer.headers, **for_ever}))
    cache = place.folder / "pip-cache"
    words = ("--trusted-host", f"127.0.0.1:{place.index.port}", "--cache-dir", str(cache), "cached")
    assert place.install("--dry-run", *words).allowed
    changed = [path for path in cache.rglob("*") if path.is_file() and _replace(path, b"x = 1\n", b"x = 2\n")]
    assert changed
    with pytest.raises(DigestMismatchError, match="cached"):
        place.install(*words)
    assert place.left() == []


def _replace(path: Path, old: bytes, new: bytes) -> bool:
    data = path.read_bytes()
    path.write_bytes(data.replace(old, new))
    return old in data


def test_every_spelling_of_an_sdist(place: Place):
    mark = marking(str(place.markers / "built"))
    package = place.index.add(sdist("built", "9.0", setup_py=mark), metadata=False)
    url = place.index.file_url(package)
    tree = place.folder / "tree"
    tree.mkdir()
    (tree / "setup.py").write_text(mark)
    (place.folder / package.filename).write_bytes(package.data)
    requirements, wish = place.folder / "r.txt", place.folder / "wish.txt"
    requirements.write_text(f"-e {tree}\nbuilt-r @ {url}\n")
    wish.write_text("--no-binary :all:\nbuilt\n")
    spelled = [f"built @ {url}", url, str(tree), f"file://{tree}", f"git+{url}", "-e", str(tree)]
    spelled += [str(place.folder / package.filename), "-r", str(requirements)]
    report = place.install(*spelled)
    assert len(report.packages) == 9
    assert all(_against(one) == {"needs-build"} for one in report.packages)
    place.index.add(wheel("leads", "1.0", requires=[f"built @ {url}"]))
    for words in (["built"], ["--no-binary", "built", "built"], ["leads"], ["-r", str(wish)]):
        with pytest.raises(WeighlockError):
            place.install(*words)
    assert place.left() == []


def test_a_wheel_that_takes_a_dependency_from_a_url(place: Place):
    package = _single(place, "elsewhere")
    place.index.add(package, "files-only")
    place.index.add(wheel("linked", "1.0", requires=[f"elsewhere @ {place.index.file_url(package, 'files-only')}"]))
    report = place.install("linked")
    assert _refusals(report) == {"elsewhere==1.0": {"direct-url"}}
    assert place.left() == []
