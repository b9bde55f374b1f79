"""The install gate's sequence: what a step refuses, no later step gets to see."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import osv
from weighlock.advisories.database import Database
from weighlock.artifact import Digest, PackageFile
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.finding import Finding, Inspection, Outcome, Severity
from weighlock.gates.deciding import Decider
from weighlock.gates.install import InstallGate
from weighlock.gates.releases import Knowledge
from weighlock.install_policy import InstallPolicy
from weighlock.policy import Policy
from weighlock.release import Origin
from weighlock.sources.pip.interface import PipRequest, Resolution, Resolved

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REQUEST = PipRequest(python="python", resolving=(), origins={"gantry": Origin(path="requirements.txt", line=3)})
REFUSED = Finding(check="startup-files", severity=Severity.HIGH, message="it starts", outcome=Outcome.REFUSED)
CLEAN = Inspection(format="wheel", outcome=Outcome.DATA_ONLY)

POLICY = InstallPolicy.from_dict({"accept": [{"package": "*", "check": "direct-url", "reason": "no index here"}]})


class Recorder:
    """An installer that writes down what it is asked to do."""

    def __init__(self, folder: Path, *names, bytes_of=lambda name: name.encode(), digests=False, fetches=True):
        self.did = []
        self.folder, self.bytes_of, self.fetches = folder, bytes_of, fetches
        self.packages = tuple(self._resolved(name, digests=digests) for name in names)

    def _resolved(self, name, *, digests):
        import hashlib

        digest = Digest.sha256(hashlib.sha256(name.encode()).hexdigest()) if digests else None
        artifact = PackageFile(name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl", digest=digest)
        return Resolved(artifact=artifact, url="https://index.example/", direct="file", requested=name == "gantry")

    def resolve(self):
        self.did.append("resolve")
        return Resolution(packages=self.packages, markers={})

    def download(self, resolution):
        self.did.append("download")
        paths = {}
        for one in resolution.packages if self.fetches else ():
            path = self.folder / one.artifact.filename
            path.write_bytes(self.bytes_of(one.artifact.name))
            paths[path.name] = path
        return paths

    def install(self, wheels):
        self.did.append([wheel.artifact.name for wheel in wheels])
        self.wheels = wheels


@pytest.fixture
def gate(tmp_path_factory):
    with Database(osv.database(tmp_path_factory.mktemp("advisories"), now=NOW)) as database:

        def made(installer, inspections=None, **fields):
            known = inspections or {}
            return InstallGate(
                installer=installer,
                inspect=lambda wheels: [known.get(one.release.artifact.name, CLEAN) for one in wheels],
                knowledge=Knowledge(advisories=database, now=NOW),
                policy=POLICY,
                **{"settle": Decider("install", Policy(install=POLICY)).settle, **fields},
            )

        yield made


def refused(**fields):
    return Inspection(format="wheel", outcome=Outcome.REFUSED, findings=(REFUSED,), **fields)


def test_what_passes_is_installed_with_the_digest_of_its_bytes(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry", "dependency")
    report = gate(installer).admit(REQUEST)
    assert report.allowed
    assert installer.did == ["resolve", "download", ["gantry", "dependency"]]
    assert [wheel.requested for wheel in installer.wheels] == [True, False]
    assert all(wheel.artifact.digest for wheel in installer.wheels)


def test_one_refused_wheel_refuses_all(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry", "dependency")
    report = gate(installer, {"dependency": refused()}).admit(REQUEST)
    assert not report.allowed
    assert installer.did == ["resolve", "download"]
    assert [package.title for package in report.packages if not package.verdict.allowed] == ["dependency==1.0"]


def test_what_is_refused_by_what_is_said_is_not_fetched(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry")
    yanked = Resolved(artifact=installer.packages[0].artifact, url="", direct=None, yanked=True)
    installer.packages = (yanked,)
    report = gate(installer).admit(REQUEST)
    assert not report.allowed
    assert installer.did == ["resolve"]


def test_other_bytes_than_were_chosen_are_refused(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry", bytes_of=lambda name: b"other", digests=True)
    with pytest.raises(DigestMismatchError, match=r"gantry-1\.0-py3-none-any\.whl"):
        gate(installer).admit(REQUEST)
    assert installer.did == ["resolve", "download"]


def test_a_wheel_that_was_not_fetched_is_not_taken_for_judged(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry", fetches=False)
    with pytest.raises(SourceError, match="not fetched"):
        gate(installer).admit(REQUEST)
    assert installer.did == ["resolve", "download"]


def test_a_wheel_that_is_a_link_is_not_followed(gate, tmp_path):
    installer = Recorder(tmp_path / "quarantine", "gantry")
    installer.folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"gantry")
    download = installer.download

    def linked(resolution):
        paths = download(resolution)
        for path in paths.values():
            path.unlink()
            path.symlink_to(elsewhere)
        return paths

    installer.download = linked
    with pytest.raises(SourceError, match="cannot be read"):
        gate(installer).admit(REQUEST)
    assert installer.did == ["resolve", "download"]


def test_a_missing_inspection_is_not_taken_for_a_clean_one(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry", "dependency")
    broken = gate(installer)
    object.__setattr__(broken, "inspect", lambda wheels: [CLEAN])
    with pytest.raises(ValueError, match="shorter"):
        broken.admit(REQUEST)
    assert installer.did == ["resolve", "download"]


def test_a_dry_run_judges_all_and_installs_nothing(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry")
    assert gate(installer, dry_run=True).admit(REQUEST).allowed
    assert installer.did == ["resolve", "download"]


def test_nothing_to_do_is_done(gate, tmp_path):
    installer = Recorder(tmp_path)
    assert gate(installer).admit(REQUEST).allowed
    assert installer.did == ["resolve"]


def test_a_refusal_says_where_the_package_was_asked_for(gate, tmp_path):
    installer = Recorder(tmp_path, "gantry")
    report = gate(installer, {"gantry": refused()}).admit(REQUEST)
    assert report.packages[0].origin == Origin(path="requirements.txt", line=3)
