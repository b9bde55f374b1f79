"""Each check on a structure of its own, without any file."""

from __future__ import annotations

from pathlib import Path

from weighlock import checks
from weighlock.allowlist.trace import Event, Import, PickleTrace, Role
from weighlock.finding import Outcome, Severity
from weighlock.formats.obstacle import BrokenHeader, Obstacle

VECTORS = Path(__file__).parent.parent / "vectors"


def found(structure):
    return list(checks.run(structure))


def trace(**fields):
    return PickleTrace("pickle", **fields)


def imports(*items):
    return {name: Import(name, role, offset) for name, role, offset in items}


def test_a_check_that_was_removed_would_be_missed_by_its_vectors():
    there = {path.name for path in VECTORS.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert {name for family in checks.FAMILIES for name in checks.names(family)} == there
    assert list(checks.names()) == sorted(checks.names())


def test_nothing_is_found_in_plain_data():
    assert found(trace(imports=imports(("datetime.date", Role.DATA, 5)), calls=3)) == []


def test_nothing_is_found_in_an_unknown_structure():
    assert found(object()) == []


def test_each_dangerous_name_is_a_finding_of_its_own():
    findings = found(trace(imports=imports(("os.system", Role.DANGEROUS, 5), ("os.popen", Role.DANGEROUS, 9))))
    assert [finding.imports for finding in findings] == [("os.system",), ("os.popen",)]
    assert {finding.outcome for finding in findings} == {Outcome.REFUSED}
    assert {finding.severity for finding in findings} == {Severity.CRITICAL}
    assert [finding.location.offset for finding in findings] == [5, 9]


def test_all_names_to_approve_are_one_finding_with_every_name():
    names = [f"lab.Net{number}" for number in range(9)]
    (finding,) = found(trace(imports=imports(*((name, None, 90 - at) for at, name in enumerate(names)))))
    assert finding.imports == tuple(names)
    assert finding.outcome is Outcome.NEEDS_APPROVAL
    assert finding.location.offset == 82
    assert "and 4 more" in finding.message


def test_a_broken_contract_and_an_evasion_are_refused():
    findings = found(trace(breaches=[Event("breach", 1)], evasions=[Event("evasion", 2)]))
    assert {(finding.check, finding.outcome) for finding in findings} == {
        ("pickle-contracts", Outcome.REFUSED),
        ("pickle-evasion", Outcome.REFUSED),
    }


def test_the_same_persistent_id_a_thousand_times_is_one_finding_at_the_first_place():
    (finding,) = found(trace(persistent=[Event("an id", offset) for offset in range(7, 1000)]))
    assert (finding.outcome, finding.location.offset) == (Outcome.UNVERIFIABLE, 7)


def test_a_failure_and_a_spent_budget_are_unverifiable():
    (failure,) = found(trace(failure="an unknown opcode", end=3))
    (spent,) = found(trace(exhausted="over the budget for opcodes", end=4))
    assert failure.outcome is spent.outcome is Outcome.UNVERIFIABLE
    assert "an unknown opcode" in failure.message
    assert "budget" in spent.message


def test_an_obstacle_and_a_broken_header_are_unverifiable():
    (obstacle,) = found(Obstacle("zip", "why"))
    (header,) = found(BrokenHeader("why"))
    assert obstacle.outcome is header.outcome is Outcome.UNVERIFIABLE
    assert "zip" in obstacle.message
