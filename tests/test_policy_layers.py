"""An organisation's policy above a project's: what loosens is an error, and nothing else is."""

from __future__ import annotations

import pytest

from tests.policies import ACCEPTED, KEY, OPA, WEAKER, written
from weighlock.errors import PolicyError
from weighlock.policy import Policy
from weighlock.policy_layers import Layer, combine, organisation_layer, sources
from weighlock.policy_rules import KEYS


def organisation(table, path="/etc/weighlock/weighlock.toml"):
    return organisation_layer(path, table)


def project(table, path="/home/me/project/weighlock.toml"):
    return Layer(path=path, table=table)


LOOSENING = [row for row in WEAKER if row[3] is not None]


@pytest.mark.parametrize(("name", "ours", "stricter", "weaker"), LOOSENING)
def test_a_project_that_loosens_is_refused_with_both_files_and_values_and_the_step(name, ours, stricter, weaker):
    with pytest.raises(PolicyError) as caught:
        combine([organisation(written(name, ours)), project(written(name, weaker))])
    text = str(caught.value)
    assert text.startswith(f"/home/me/project/weighlock.toml, tool.weighlock.{name}: {name} = ")
    assert "/etc/weighlock/weighlock.toml" in text
    assert f'"{name}" to its `delegate`, or remove the line' in str(caught.value.hint)


@pytest.mark.parametrize(("name", "ours", "stricter", "weaker"), WEAKER)
def test_a_project_may_tighten(name, ours, stricter, weaker):
    policy = combine([organisation(written(name, ours)), project(written(name, stricter))])
    key = next(key for key in KEYS if key.name == name)
    assert key.is_as_strict(combine([organisation(written(name, ours))]), policy)


@pytest.mark.parametrize(("name", "ours", "stricter", "weaker"), LOOSENING)
def test_a_delegated_key_is_the_projects_affair(name, ours, stricter, weaker):
    table = {**written(name, ours), "delegate": [name]}
    alone = combine([project(written(name, weaker))]).to_dict()
    assert combine([organisation(table), project(written(name, weaker))]).to_dict().keys() == alone.keys()


@pytest.mark.parametrize(("name", "ours", "stricter", "weaker"), WEAKER)
def test_what_a_project_does_not_write_it_inherits(name, ours, stricter, weaker):
    above = organisation(written(name, ours))
    assert combine([above, project({})]) == combine([above])


def test_every_key_has_a_row_that_loosens_it_and_defaults_loosen_nothing():
    unproved = {key.name for key in KEYS} - {row[0] for row in LOOSENING}
    assert unproved == {
        "evidence.require-signature",
        "evidence.engines",
        "quarantine.lists",
    }  # proved below
    for key in KEYS:
        assert key.is_as_strict(Policy(), Policy()), key.name


def test_a_quarantine_list_of_the_organisation_holds_whatever_the_project_lists():
    above = organisation({"quarantine": {"lists": ["/srv/denied.json"]}})
    for lists in ([], ["ledger"]):
        policy = combine([above, project({"quarantine": {"lists": lists}})])
        assert policy.quarantine.lists == ("/srv/denied.json", *lists)


def test_a_signature_that_the_organisation_requires_cannot_be_waived():
    above = organisation({"evidence": {"require-signature": True, "signers": [KEY]}})
    with pytest.raises(PolicyError, match=r"evidence\.require-signature = false is weaker"):
        combine([above, project({"evidence": {"require-signature": False}})])
    with pytest.raises(PolicyError, match=r"evidence\.signers = .* is weaker"):
        combine([above, project({"evidence": {"signers": [{"name": "a", "key": "mine.pub"}]}})])


def test_an_engine_of_the_organisation_is_asked_whatever_a_project_writes():
    above = organisation({"evidence": {"engines": [{"rego": "policies"}]}})
    below = combine([above, project({"evidence": {"engines": [OPA, {"rego": "policies"}]}})])
    assert [engine.rego for engine in below.evidence.engines] == ["/etc/weighlock/policies", None, "policies"]
    assert combine([above, project({"evidence": {"engines": []}})]).evidence.engines[0].rego is not None


def test_an_index_of_a_project_comes_after_the_organisations():
    above = organisation({"install": {"indexes": {"corp-*": "https://a"}}})
    below = combine([above, project({"install": {"indexes": {"corp-secret": "https://evil", "x": "https://x"}}})])
    assert list(below.install.indexes) == ["corp-*", "corp-secret", "x"]


def test_a_project_cannot_delegate_to_itself():
    for layers in (
        [project({"delegate": ["mode"]})],
        [organisation({}), project({"delegate": ["mode"], "mode": "off"})],
    ):
        with pytest.raises(PolicyError, match="unknown key 'delegate'") as caught:
            combine(layers)
        assert caught.value.hint == "only an organisation's policy delegates; remove the line"


@pytest.mark.parametrize("names", [["Mode"], ["install"], ["install.*"], ["*"], [""], "mode", [1], ["delegate"]])
def test_an_organisation_that_delegates_what_is_no_key_is_told(names):
    with pytest.raises(PolicyError):
        organisation({"delegate": names})


def test_another_spelling_of_a_key_is_no_key():
    for table in ({"Mode": "off"}, {"install": {"Fail-On": "critical"}}, {"install.fail-on": "critical"}):
        with pytest.raises(PolicyError, match="unknown key"):
            combine([organisation({}), project(table)])


def test_two_organisations_both_bind():
    site = organisation({"install": {"min-age": "7 days"}, "delegate": ["mode"]})
    team = organisation({"mode": "enforce", "verify": "sealed"}, "/team.toml")
    policy = combine([site, team, project({})])
    assert (policy.install.min_age.days, policy.verify) == (7, "sealed")
    for table, path in (({"install": {"min-age": "3 days"}}, "/etc/weighlock"), ({"mode": "warn"}, "/team.toml")):
        with pytest.raises(PolicyError, match=f"requires in {path}"):
            combine([site, team, project(table)])


def test_a_second_organisation_can_neither_loosen_nor_delegate_what_the_first_requires():
    site = organisation({"verify": "sealed"})
    with pytest.raises(PolicyError, match=r"^/team.toml, tool.weighlock.verify"):
        combine([site, organisation({"verify": "full"}, "/team.toml")])
    with pytest.raises(PolicyError, match=r"requires in /etc/weighlock/weighlock\.toml"):
        combine([site, organisation({"delegate": ["verify"]}, "/team.toml"), project({"verify": "full"})])


def test_a_delegated_table_is_replaced_and_not_added_to():
    above = organisation({"evidence": {"engines": [OPA]}, "delegate": ["evidence.engines"]})
    assert combine([above, project({"evidence": {"engines": []}})]).evidence.engines == ()


def test_relative_paths_of_an_organisation_begin_at_its_own_file():
    policy = combine([organisation({"lock": "models.lock", "evidence": {"signers": [{"name": "a", "key": "a.pub"}]}})])
    assert policy.lock == "/etc/weighlock/models.lock"
    assert policy.evidence.signers[0].key == "/etc/weighlock/a.pub"


def test_a_project_without_an_organisation_is_what_it_says():
    table = {"mode": "off", "lock": "x.lock", "install": {"accept": [ACCEPTED]}}
    assert combine([project(table)]) == Policy.from_dict(table)
    assert combine([]) == Policy()


def test_each_value_has_its_sources():
    layers = [organisation({"mode": "enforce", "models": {"a": "main"}}), project({"models": {"b": "main"}})]
    by_name = {key.name: sources(layers, key) for key in KEYS}
    assert by_name["mode"] == (layers[0],)
    assert by_name["models"] == tuple(layers)
    assert by_name["verify"] == ()


def test_a_value_of_a_file_that_is_a_megabyte_does_not_flood_the_message():
    with pytest.raises(PolicyError) as caught:
        combine([organisation({"install": {"licenses": ["MIT"]}}), project({"install": {"licenses": ["x" * 10**6]}})])
    assert len(str(caught.value)) < 600
