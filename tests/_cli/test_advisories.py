from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.advisories.osv_files import record, zipped
from tests.sources.conftest import Page, web
from weighlock._cli import main

__all__ = ["web"]


@pytest.fixture(autouse=True)
def database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(tmp_path / "data" / "advisories.sqlite"))
    monkeypatch.delenv("WEIGHLOCK_ADVISORIES_URL", raising=False)


def file(tmp_path, age: timedelta, *records: dict) -> str:
    modified = (datetime.now(UTC) - age).isoformat()
    path = tmp_path / "all.zip"
    path.write_bytes(zipped(*(records or [record("PYSEC-1", versions=["1"], modified=modified)])))
    return str(path)


def test_a_fresh_database_is_reported_with_its_age(tmp_path, capsys):
    assert main(["advisories", "update", "--from", file(tmp_path, timedelta(hours=5))]) == 0
    assert "(5 hours old)" in capsys.readouterr().out
    assert main(["advisories", "status"]) == 0
    out = capsys.readouterr().out
    assert "1 about 1 packages, 0 report malware" in out
    assert "warning" not in out


def test_an_old_database_is_a_warning_and_then_cannot_be_relied_on(tmp_path, capsys):
    main(["advisories", "update", "--from", file(tmp_path, timedelta(days=10))])
    assert main(["advisories", "status"]) == 0
    assert "warning" in capsys.readouterr().out
    (tmp_path / "weighlock.toml").write_text('[tool.weighlock.install]\nadvisory-max-age = "9 days"\n')
    assert main(["advisories", "status", "--format", "json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert "the policy takes 9 days" in report["problem"]
    assert report["age_seconds"] >= 864_000


def test_no_database_is_exit_2_with_both_ways_out(capsys):
    assert main(["advisories", "status"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "hint: weighlock advisories update, or on a host without network" in said.err


def test_offline_never_touches_the_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("socket.socket", None)
    assert main(["advisories", "update", "--offline"]) == 2
    assert "--from FILE" in capsys.readouterr().err
    assert main(["advisories", "update", "--offline", "--from", file(tmp_path, timedelta(0))]) == 0


def test_from_and_url_exclude_each_other(tmp_path, capsys):
    assert main(["advisories", "update", "--url", "https://x/all.zip", "--from", "all.zip"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_it_is_fetched_from_the_url_of_the_option_or_of_the_variable(web, tmp_path, monkeypatch, capsys):
    web.pages["/all.zip"] = Page((tmp_path / file(tmp_path, timedelta(0))).read_bytes(), etag='"a"')
    monkeypatch.setenv("NO_PROXY", "*")
    assert main(["advisories", "update", "--url", web.url("/all.zip")]) == 0
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES_URL", web.url("/all.zip"))
    web.pages["/all.zip"] = Page(status=304)
    assert main(["advisories", "update"]) == 0
    assert "nothing has changed there" in capsys.readouterr().out
    web.pages["/all.zip"] = Page(status=404)
    assert main(["advisories", "update"]) == 2


def test_hostile_text_does_not_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "all\x1b[2J.zip"
    path.write_bytes((tmp_path / file(tmp_path, timedelta(0))).read_bytes())
    assert main(["advisories", "update", "--from", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
