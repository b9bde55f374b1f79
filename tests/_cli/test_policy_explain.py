"""`weighlock policy explain`: the real inspection under the policy that holds, and which rule decides."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
from datetime import UTC, datetime, timedelta

import pytest

import weighlock
from tests import osv
from weighlock._cli import main
from weighlock.demo.packages import wheel
from weighlock.errors import LoadRefused
from weighlock.gates.load import open_gate

OLD = datetime.now(UTC) - timedelta(days=400)


class Evil:
    """Prints."""

    def __reduce__(self):
        return print, ("ran",)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("WEIGHLOCK_", "PIP_", "VIRTUAL_ENV"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(weighlock, "SITE_FOLDER", str(tmp_path / "etc"))
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "data.pkl").write_bytes(pickle.dumps({"a": 1}))
    (folder / "evil.pkl").write_bytes(pickle.dumps(Evil()))
    (folder / "needs.pkl").write_bytes(pickle.dumps(io.BytesIO(b"x"), 2))
    (folder / "deque.pkl").write_bytes(pickle.dumps(collections.Counter("a")))
    return folder


def _explained(capsys, artifact: str, *options: str) -> dict:
    code = main(["policy", "explain", artifact, "--format", "json", *options])
    told = capsys.readouterr()
    assert code in {0, 1}, told.err
    document = json.loads(told.out)
    assert (code == 0) == (document["verdict"] == "ALLOW")
    return document


def _answers(document: dict) -> dict[str, str]:
    return {step["rule"]: step["answer"] for step in document["steps"]}


def test_an_unlocked_file_is_denied_by_the_first_rule_and_told_what_would_change_it(capsys):
    document = _explained(capsys, "data.pkl")
    assert document["decided_by"] == ["not-in-lock"]
    first = document["steps"][0]
    assert (first["answer"], first["remedy"]) == ("denies", "weighlock lock ./data.pkl")
    assert first["values"]["unlocked"] == {
        "value": "refuse",
        "origins": [{"kind": "default", "place": None, "line": None}],
    }
    assert list(_answers(document)) == ["not-in-lock", "unsafe", "needs-approval", "unverifiable", "refused"]
    assert document["notes"] == ["there is no models.lock here or above, so the guard does not start"]


def test_a_value_of_the_organisation_is_named_as_the_reason(project, tmp_path, capsys):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "weighlock.toml").write_text('\nunlocked = "refuse"\n')
    place = str(tmp_path / "etc" / "weighlock.toml")
    origins = _explained(capsys, "data.pkl")["steps"][0]["values"]["unlocked"]["origins"]
    assert origins == [{"kind": "organisation", "place": place, "line": 2}]
    assert main(["policy", "explain", "data.pkl"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("DENY  data.pkl by not-in-lock\n")
    assert f"({place}:2)" in out.replace("\n        ", " ")


def test_every_file_is_explained_as_the_load_gate_decides(project, capsys):
    (project / "weighlock.toml").write_text('unlocked = "inspect"\n')
    gate = open_gate({**os.environ, "WEIGHLOCK_ROOT": str(project)})
    verdicts = set()
    for path in sorted(project.glob("*.pkl")):
        document = _explained(capsys, path.name)
        try:
            gate.admit_bytes(path.read_bytes(), path.name, "test")
        except LoadRefused:
            assert document["verdict"] == "DENY", path.name
        else:
            assert document["verdict"] == "ALLOW", path.name
        verdicts.add(document["verdict"])
    assert verdicts == {"ALLOW", "DENY"}


def test_a_locked_file_is_explained_by_the_lockfile(project, capsys):
    assert main(["lock", "./data.pkl"]) == 0
    capsys.readouterr()
    document = _explained(capsys, "data.pkl")
    assert (document["verdict"], document["decided_by"]) == ("ALLOW", ["locked"])
    assert "its digest is in the lockfile" in document["steps"][0]["message"]
    (project / "data.pkl").write_bytes(pickle.dumps({"a": 2}))
    assert _explained(capsys, "data.pkl")["decided_by"] == ["not-in-lock"]


def test_what_was_accepted_unsafely_is_not_asked_about_further(project, capsys):
    assert main(["approve", "./evil.pkl", "--unsafe", "--reason", "a test", "--yes"]) == 0
    capsys.readouterr()
    document = _explained(capsys, "evil.pkl")
    assert document["verdict"] == "ALLOW"
    assert _answers(document) == {
        "not-in-lock": "passes",
        "unsafe": "accepted",
        "needs-approval": "not asked",
        "unverifiable": "not asked",
        "refused": "not asked",
    }


def test_a_mode_that_stops_nobody_is_said(project, capsys):
    (project / "weighlock.toml").write_text('mode = "warn"\n')
    assert main(["policy", "explain", "evil.pkl"]) == 1
    out = capsys.readouterr().out
    assert "  mode   warn: a program that loads it is not stopped\n" in out
    assert max(map(len, out.splitlines())) <= 80


def test_nothing_of_it_runs_and_nothing_is_recorded(project, capsys, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(project / "ledger"))
    _explained(capsys, "evil.pkl")
    assert not (project / "ledger").exists()


@pytest.mark.parametrize("artifact", ["missing.pkl", ".", "missing.whl", "a==1\n-r /etc/passwd", "a>=1,==1", "-r x=="])
def test_what_cannot_be_read_is_not_explained(capsys, artifact):
    assert main(["policy", "explain", "--offline", "--", artifact]) == 2


def test_a_lockfile_that_is_broken_is_no_lockfile_that_is_missing(project, capsys):
    (project / "models.lock").write_text("lock-version = 1\n")
    assert main(["policy", "explain", "data.pkl"]) == 2


@pytest.fixture
def index(project, tmp_path, package_index, monkeypatch):
    database = osv.database(tmp_path, osv.record("PYSEC-2026-1", "vulnerable", fixed="2.0", summary="a hole"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", package_index.url("simple"))
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(database))
    return package_index


def test_a_package_is_explained_finding_by_finding(project, index, capsys):
    index.add(wheel("vulnerable", "1.5", {"vulnerable.py": ""}), uploaded=OLD)
    (project / "weighlock.toml").write_text('[install]\nfail-on = "low"\n')
    document = _explained(capsys, "vulnerable==1.5")
    assert document["decided_by"] == ["advisory"]
    step = next(step for step in document["steps"] if step["rule"] == "advisory")
    assert step["answer"] == "denies"
    assert "PYSEC-2026-1" in step["remedy"]
    assert step["values"]["install.fail-on"]["origins"][0]["line"] == 2
    (project / "weighlock.toml").write_text(
        "[install]\nignore-advisories = [{ id = 'PYSEC-2026-1', reason = 'not called', expires = 2100-01-01 }]\n"
    )
    document = _explained(capsys, "vulnerable==1.5")
    assert (document["verdict"], _answers(document)["ignored"]) == ("ALLOW", "accepted")


def test_a_young_release_names_the_age_that_is_required(index, capsys):
    index.add(wheel("gantry", "1.0", {"gantry.py": ""}), uploaded=datetime.now(UTC) - timedelta(hours=5))
    document = _explained(capsys, "gantry==1.0")
    assert "release-age" in document["decided_by"]
    step = next(step for step in document["steps"] if step["rule"] == "release-age")
    assert step["values"]["install.min-age"]["value"] == "3 days"


def test_a_wheel_is_explained_by_its_contents_too(project, index, capsys):
    made = wheel("gantry", "1.0", {"gantry.py": "", "gantry.pth": "import os\n"})
    (project / "a b #1 ${HOME}").mkdir()
    (project / "a b #1 ${HOME}" / made.filename).write_bytes(made.data)
    document = _explained(capsys, f"a b #1 ${{HOME}}/{made.filename}", "--offline")
    assert document["verdict"] == "DENY"
    assert "startup-files" in document["decided_by"]
    assert document["digest"].startswith("sha256:")
