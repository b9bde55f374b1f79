"""`weighlock policy`: what holds here, whether files say what was meant, and cases with expected verdicts."""

from __future__ import annotations

import json
import os
import pickle
import tomllib
from pathlib import Path

import jsonschema
import pytest

import weighlock
from tests.policies import FULL
from weighlock._cli import main
from weighlock.gates.load_settings import find_policy
from weighlock.policy import Policy

ROOT = Path(__file__).parent.parent.parent
CASES = sorted((ROOT / "docs" / "policy-tests").rglob("*.*"))

CASE = """
now = 2026-11-25
[artifact]
kind = "model"
path = "model.bin"
[inspection]
outcome = "data-only"
[expect]
verdict = "DENY"
rules = ["not-in-lock"]
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("WEIGHLOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(weighlock, "SITE_FOLDER", str(tmp_path / "etc"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def site(tmp_path):
    (tmp_path / "etc").mkdir()
    return tmp_path / "etc" / "weighlock.toml"


def _shown(capsys, *arguments: str) -> dict:
    assert main(["policy", "show", "--format", "json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_a_file_every_value_is_a_default(capsys):
    report = _shown(capsys)
    assert {origin["kind"] for value in report["values"].values() for origin in value["origins"]} == {"default"}
    assert report["policy"] == Policy().to_dict()
    assert report["digest"] == Policy().stamp.policy


def test_each_value_is_shown_with_its_file_and_line(project, site, capsys, monkeypatch):
    site.write_text(
        '# ours\ndelegate = ["unlocked"]\n\n[install]\nmin-age = "9 days"\nindexes."corp-*" = "https://a"\n'
    )
    (project / "pyproject.toml").write_text(
        "[tool.other]\nunlocked = 'x'\n[tool.weighlock]\nunlocked = 'inspect'\n"
        "install = { indexes = { b = 'https://b' } }\n"
    )
    monkeypatch.setenv("WEIGHLOCK_MODE", "enforce")
    values = _shown(capsys)["values"]
    mine, ours = str(project / "pyproject.toml"), str(site)
    assert values["unlocked"]["origins"] == [{"kind": "project", "place": mine, "line": 4}]
    assert values["install.min-age"]["origins"] == [{"kind": "organisation", "place": ours, "line": 5}]
    assert [(one["place"], one["line"]) for one in values["install.indexes"]["origins"]] == [(ours, 6), (mine, 5)]
    assert values["mode"]["origins"] == [{"kind": "environment", "place": "WEIGHLOCK_MODE", "line": None}]
    assert main(["policy", "show"]) == 0
    text = capsys.readouterr().out
    assert f"    from {ours}:5\n" in text
    assert "  delegates     unlocked\n" in text


def test_what_is_shown_as_toml_is_the_policy(project, capsys):
    (project / "weighlock.toml").write_text(
        'profiles = ["scikit-learn"]\n[models]\n"org/a\\u202e" = "main"\n[install]\nindexes = { "a b" = "https://a" }\n'
        '[[evidence.signers]]\nname = "a\\nb"\nkey = "a.pub"\n[[evidence.engines]]\nrego = "policies"\n'
    )
    assert main(["policy", "show", "--format", "toml"]) == 0
    text = capsys.readouterr().out
    assert tomllib.loads(text) == find_policy({})[0].to_dict()
    assert "\u202e" not in text


def test_a_policy_that_loosens_is_not_shown(project, site, capsys):
    site.write_text("")
    (project / "weighlock.toml").write_text('mode = "warn"\n')
    assert main(["policy", "show"]) == 2
    assert "is weaker than what the organisation requires" in capsys.readouterr().err


def test_hostile_text_and_passwords_do_not_reach_the_terminal(project, site, capsys):
    (project / "weighlock.toml").write_text(
        '[models]\n"\\u001b[2Jx" = "main"\n[evidence.ledger]\nplace = "postgresql://me:hunter2@db/ledger"\n'
    )
    for kind in ("text", "json", "toml"):
        assert main(["policy", "show", "--format", kind]) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "hunter2" not in out
    site.write_text('[evidence.ledger]\nplace = "postgresql://db/ledger"\n')
    assert main(["policy", "show"]) == 2
    assert "hunter2" not in capsys.readouterr().err


def _checked(capsys, *arguments: str) -> tuple[int, list[dict]]:
    code = main(["policy", "check", "--format", "json", *arguments])
    return code, [problem for report in json.loads(capsys.readouterr().out) for problem in report["problems"]]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("unlokced = 'inspect'", "unknown key 'unlokced'", "do you mean 'unlocked'?"),
        ("min-age = '3 days'", "unknown key 'min-age'", "do you mean 'install.min-age'?"),
        ("Mode = 'off'", "unknown key 'Mode'", "do you mean 'mode'?"),
        ("[install]\nfail_on = 'low'", "unknown key 'fail_on'", "do you mean 'fail-on'?"),
        ("[evidence.ledger]\nrequire = true", "unknown key 'require'", "do you mean 'required'?"),
        ("profiles = ['scikit-lern']", "there is no profile 'scikit-lern'", "do you mean 'scikit-learn'?"),
        (
            "install.accept = [{ package = 'a', check = 'startup-file', reason = 'r' }]",
            "there is no check 'startup-file'",
            "do you mean 'startup-files'?",
        ),
        ("delegate = ['mode']", "unknown key 'delegate'", "only an organisation's policy"),
        ("mode = off", "not valid TOML", "correct it there"),
        ("verify = 'Sealed'", "must be one of full, lazy, sealed, not 'Sealed'", ""),
    ],
)
def test_what_is_misspelt_is_told_with_what_was_meant(project, capsys, text, message, hint):
    (project / "weighlock.toml").write_text(f"{text}\n")
    code, problems = _checked(capsys, "weighlock.toml")
    assert (code, problems[0]["kind"]) == (2, "broken")
    assert message in problems[0]["message"]
    assert hint in (problems[0]["hint"] or "")


def test_every_unknown_key_is_told_at_once(project, capsys):
    (project / "weighlock.toml").write_text("a = 1\nb = 2\n[install]\nc = 3\n")
    assert [problem["message"] for problem in _checked(capsys, "weighlock.toml")[1]] == [
        f"unknown key {name!r}" for name in "abc"
    ]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "accept = [{ package = 'a', check = 'license', reason = 'r', expires = 2020-01-01 }]",
            "expired",
            "2020-01-01",
        ),
        ("ignore-advisories = [{ id = 'CVE-1', reason = 'r', expires = 2020-01-01 }]", "expired", "CVE-1 has been"),
        ("accept = [{ package = 'Foo_Bar', check = 'license', reason = 'r' }]", "without-effect", "'Foo_Bar'"),
        ("accept = [{ package = 'Corp_*', check = 'license', reason = 'r' }]", "without-effect", "'Corp_*'"),
        ("accept = [{ package = 'a', version = 'v1.0', check = 'license', reason = 'r' }]", "without-effect", "'v1.0'"),
        ("accept = [{ package = 'a', version = '1.*', check = 'license', reason = 'r' }]", "without-effect", "'1.*'"),
    ],
)
def test_what_accepts_nothing_is_told(project, capsys, text, kind, message):
    (project / "weighlock.toml").write_text(f"[install]\n{text}\n")
    code, problems = _checked(capsys, "weighlock.toml")
    assert (code, [problem["kind"] for problem in problems]) == (1, [kind])
    assert message in problems[0]["message"]


def test_files_that_a_policy_names_and_that_are_not_there_are_told(project, capsys):
    (project / "weighlock.toml").write_text(
        'lock = "x.lock"\n[[evidence.signers]]\nname = "a"\nkey = "a.pub"\n[[evidence.engines]]\nrego = "p.rego"\n'
    )
    code, problems = _checked(capsys, "weighlock.toml")
    assert (code, {problem["kind"] for problem in problems}, len(problems)) == (1, {"missing-file"}, 3)
    for name in ("x.lock", "a.pub", "p.rego"):
        (project / name).write_text("package weighlock")
    assert _checked(capsys, "weighlock.toml") == (0, [])


def test_a_file_that_loosens_is_told_and_every_one_of_its_values(project, site, capsys):
    site.write_text("")
    (project / "weighlock.toml").write_text('mode = "warn"\nunlocked = "inspect"\n')
    code, problems = _checked(capsys, "weighlock.toml")
    assert (code, [problem["where"] for problem in problems]) == (1, ["tool.weighlock.mode", "tool.weighlock.unlocked"])
    assert main(["policy", "check", "weighlock.toml"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("FAIL weighlock.toml\n     loosens: tool.weighlock.mode: ")
    assert "       hint: ask whoever writes" in out


def test_the_worst_of_several_files_counts(project, capsys):
    (project / "a.toml").write_text("")
    (project / "b.toml").write_text('lock = "x"\n')
    assert main(["policy", "check", "a.toml", "b.toml"]) == 1
    assert main(["policy", "check", "a.toml", "b.toml", "missing.toml"]) == 2


def test_an_organisations_policy_is_checked_as_one(project, capsys):
    (project / "org.toml").write_text('delegate = ["mode"]\n')
    assert main(["policy", "check", "--organisation", "org.toml"]) == 0
    assert main(["policy", "check", "org.toml"]) == 2
    (project / "org.toml").write_text('delegate = ["mod"]\n')
    assert main(["policy", "check", "--organisation", "org.toml"]) == 2


def test_a_broken_policy_of_the_organisation_is_nothing_to_compare_with(project, site, capsys):
    site.write_text("mode = off\n")
    (project / "weighlock.toml").write_text("")
    assert main(["policy", "check", "weighlock.toml"]) == 2


def test_the_schema_that_is_printed_is_the_published_one(capsys):
    assert main(["policy", "schema"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((ROOT / "docs" / "formats" / "policy.schema.json").read_text())
    jsonschema.validate(FULL, document, jsonschema.Draft202012Validator)
    assert main(["policy", "schema", "--organisation"]) == 0
    assert "delegate" in json.loads(capsys.readouterr().out)["properties"]


def test_the_cases_of_the_documentation_pass(capsys):
    assert main(["policy", "test", str(ROOT / "docs" / "policy-tests")]) == 0
    files = [path for path in CASES if path.is_file()]
    assert len(files) >= 10
    assert f"{len(files)} cases, 0 failed" in capsys.readouterr().out


def test_a_mismatch_says_what_differs(project, capsys):
    (project / "weighlock.toml").write_text('unlocked = "inspect"\n')
    (project / "cases").mkdir()
    (project / "cases" / "a.toml").write_text(CASE)
    assert main(["policy", "test", "cases"]) == 1
    out = capsys.readouterr().out
    assert "FAIL cases/a.toml\n     expected DENY, and it is ALLOW\n" in out
    assert "expected the rule not-in-lock, which did not apply\n     did not expect the rule data-only" in out
    assert main(["policy", "test", "cases", "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report[0]["matches"], report[0]["verdict"], report[0]["rules"]) == (False, "ALLOW", ["data-only"])
    assert report[0]["engines"][0]["engine"] == "builtin"


def test_a_case_is_judged_and_not_recorded(project, capsys, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(project / "ledger"))
    (project / "cases").mkdir()
    (project / "cases" / "a.toml").write_text(CASE)
    assert main(["policy", "test", "cases"]) == 0
    assert not (project / "ledger").exists()


def test_no_case_is_no_success(project, capsys):
    (project / "empty").mkdir()
    (project / "empty" / "README.md").write_text("")
    for folder in ("empty", "missing", "empty/README.md"):
        assert main(["policy", "test", folder]) == 2


@pytest.mark.parametrize(
    "change",
    [
        ('verdict = "DENY"', ""),
        ('verdict = "DENY"', 'verdict = "deny"'),
        ('verdict = "DENY"', 'verdict = "DENY"\nrule = "x"'),
        ("[expect]", "[expected]"),
        ('outcome = "data-only"', ""),
        ('outcome = "data-only"', 'outcome = "fine"'),
        ('kind = "model"', 'kind = "wheel"'),
        ('path = "model.bin"', 'name = "model.bin"'),
        ('path = "model.bin"', 'path = "model.bin"\ndigest = "sha256:00"'),
        ("now = 2026-11-25", ""),
        ("now = 2026-11-25", 'policy = "strict"'),
        ("now = 2026-11-25", 'now = 2026-11-25\npolicy = { mood = "off" }'),
        ("now = 2026-11-25", 'now = 2026-11-25\nevidence = [{ kind = "trust-me" }]'),
        ("now = 2026-11-25", 'now = 2026-11-25\nfindings = [{ check = "a", outcome = "refused" }]'),
        ("now = 2026-11-25", "now = "),
    ],
)
def test_a_case_that_is_broken_is_no_success(project, capsys, change):
    (project / "cases").mkdir()
    (project / "cases" / "a.toml").write_text(CASE.replace(*change))
    assert main(["policy", "test", "cases"]) == 2
    assert "error: cases/a.toml" in capsys.readouterr().err


def test_a_case_of_json_with_a_key_twice_is_broken(project, capsys):
    (project / "cases").mkdir()
    (project / "cases" / "a.json").write_text(
        '{"now": "2026-11-25", "expect": {"verdict": "ALLOW", "verdict": "DENY"}}'
    )
    assert main(["policy", "test", "cases"]) == 2
    assert "a key stands twice" in capsys.readouterr().err


REGO = """
package weighlock

import rego.v1

default decision := {"allow": false, "reasons": ["no positive evidence"]}

decision := {"allow": true, "reasons": []} if endswith(input.artifact.name, ".pkl")
"""


def test_cases_are_put_to_the_engines_of_the_policy_after_the_built_in_one(project, capsys):
    pytest.importorskip("regopy")
    (project / "policies").mkdir()
    (project / "policies" / "decision.rego").write_text(REGO)
    (project / "weighlock.toml").write_text('unlocked = "inspect"\n[[evidence.engines]]\nrego = "policies"\n')
    (project / "cases").mkdir()
    denied = CASE.replace('"not-in-lock"', '"rego"')
    (project / "cases" / "a.toml").write_text(denied)
    (project / "cases" / "b.toml").write_text(
        denied.replace("model.bin", "model.pkl").replace("DENY", "ALLOW").replace('"rego"', '"data-only"')
    )
    (project / "cases" / "c.toml").write_text(denied.replace("data-only", "refused").replace('"rego"', '"refused"'))
    assert main(["policy", "test", "cases", "--format", "json"]) == 0, capsys.readouterr().out
    report = json.loads(capsys.readouterr().out)
    assert [len(case["engines"]) for case in report] == [2, 2, 1]
    (project / "data.bin").write_bytes(pickle.dumps({}))
    assert main(["policy", "explain", "data.bin", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["decided_by"] == ["rego"]
    assert document["steps"][-1]["message"] == "no positive evidence"


def test_an_engine_that_is_broken_denies_every_case(project, capsys):
    pytest.importorskip("regopy")
    (project / "decision.rego").write_text("package weighlock\n\ndecision := {\n")
    (project / "weighlock.toml").write_text('unlocked = "inspect"\n[[evidence.engines]]\nrego = "decision.rego"\n')
    (project / "cases").mkdir()
    (project / "cases" / "a.toml").write_text(CASE.replace("DENY", "ALLOW").replace('rules = ["not-in-lock"]', ""))
    assert main(["policy", "test", "cases"]) in {1, 2}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("package weighlock\n\ndecision := {", "model.rego:3: the policy cannot be compiled"),
        ('package weighlock\ndecision := {"allow": true, "reasons": []}', "allows a question without any evidence"),
        ("decision := 1", "does not begin with a package"),
    ],
)
def test_rules_that_would_deny_everything_are_told(project, capsys, rules, message):
    pytest.importorskip("regopy", reason="regopy is not installed")
    (project / "model.rego").write_text(rules)
    (project / "weighlock.toml").write_text('[[evidence.engines]]\nrego = "model.rego"\n')
    code, (problem,) = _checked(capsys, "weighlock.toml")
    assert (code, problem["kind"]) == (1, "denies-everything")
    assert message in problem["message"]


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://me:secret@host/db",
        "postgresql://host/db?user=me&password=secret",
        "postgresql://me:se/secret@host/db",
        "postgresql://me:p@secret@host/db",
        "postgres://me:secret@host/db",
    ],
)
def test_no_report_shows_the_password_of_the_ledger(project, capsys, place):
    (project / "weighlock.toml").write_text(f'[evidence.ledger]\nplace = "{place}"\n')
    for form in ("text", "json", "toml"):
        assert main(["policy", "show", "--format", form]) == 0
        said = capsys.readouterr()
        assert "secret" not in said.out + said.err
        assert "postgresql://host/db" in said.out
