"""What an organisation denies, no project that may stand below it admits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies import WEAKER, written
from weighlock.advisory import Advisory
from weighlock.artifact import ModelFile, PackageFile
from weighlock.errors import PolicyError
from weighlock.evidence import LockEntry, OwnSave
from weighlock.finding import Finding, Inspection, Outcome, Severity
from weighlock.gates.profiles import names_of
from weighlock.policy import MODES, Policy
from weighlock.policy_layers import Layer, combine, organisation_layer

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LATER = datetime(2027, 12, 1, tzinfo=UTC)

MODELS = [
    (Inspection(format="pickle", outcome=outcome, needs=needs, foremost=needs), evidence)
    for outcome, needs in (
        (Outcome.DATA_ONLY, ()),
        (Outcome.NEEDS_APPROVAL, ("sklearn.linear_model._base.LinearRegression",)),
        (Outcome.NEEDS_APPROVAL, ("project.Net",)),
        (Outcome.REFUSED, ("os.system",)),
    )
    for evidence in ((), (LockEntry(model="m", path="p"),), (OwnSave(),))
]
FINDINGS = [
    *(
        Finding(check="advisory", severity=severity, message="m", advisory=Advisory(id=name, severity=severity))
        for severity in Severity
        for name in ("PYSEC-2021-1", "GHSA-1")
    ),
    Finding(check="startup-files", severity=Severity.HIGH, message="m", outcome=Outcome.REFUSED),
    Finding(check="license", severity=Severity.LOW, message="m", outcome=Outcome.UNVERIFIABLE),
]
PACKAGES = [PackageFile(name=name, version=v, filename="x") for name in ("corp-a", "a", "gantry") for v in ("1", "2")]

_VALUES = [(name, value) for name, *values in WEAKER for value in values if value is not None]


def _table(rows: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in rows:
        for key, inner in written(name, value).items():
            if key in {"install", "evidence"}:
                ledger = {**table.get(key, {}).get("ledger", {}), **inner.get("ledger", {})}
                table[key] = {**table.get(key, {}), **inner, **({"ledger": ledger} if ledger else {})}
            else:
                table[key] = inner
    return table


def _admits(policy: Policy) -> set[tuple[str, int, int]]:
    names = names_of([name for name in policy.profiles if name == "scikit-learn"])
    admitted = {
        ("model", number, 0)
        for number, (inspection, evidence) in enumerate(MODELS)
        if policy.decide(ModelFile(path="p", size=1), inspection, evidence, profile_names=names).allowed
    }
    return admitted | {
        ("package", number, now.year * 100 + which)
        for number, finding in enumerate(FINDINGS)
        for which, package in enumerate(PACKAGES)
        for now in (NOW, LATER)
        if policy.install.decide(package, [finding], now).allowed
    }


NOISE = st.lists(st.sampled_from(_VALUES), max_size=2)
PAIRS = st.sampled_from(WEAKER).flatmap(
    lambda row: st.tuples(st.just(row[0]), st.sampled_from(row[1:]), st.sampled_from(row[1:]))
)


@settings(max_examples=200, deadline=None)
@given(pair=PAIRS, noise_above=NOISE, noise_below=NOISE)
def test_what_an_organisation_denies_no_project_below_it_admits(
    pair: tuple[str, Any, Any], noise_above: list[tuple[str, Any]], noise_below: list[tuple[str, Any]]
):
    name, mine, other = pair
    _compare(_table([*noise_above, (name, mine)]), _table([*noise_below, (name, other)]))


@pytest.mark.parametrize("row", WEAKER)
def test_no_pair_of_values_of_one_key_admits_what_the_upper_denies(row: tuple[Any, ...]):
    for mine in row[1:]:
        for other in row[1:]:
            _compare(written(row[0], mine), written(row[0], other))


def _compare(above: dict[str, Any], below: dict[str, Any]) -> None:
    try:
        layer = organisation_layer("/etc/weighlock/weighlock.toml", above)
        organisation, policy = combine([layer]), combine([layer, Layer(path="/p.toml", table=below)])
    except PolicyError:
        return
    assert _admits(policy) <= _admits(organisation)
    assert MODES.index(policy.mode) <= MODES.index(organisation.mode)
    assert list(policy.evidence.engines)[: len(organisation.evidence.engines)] == list(organisation.evidence.engines)
