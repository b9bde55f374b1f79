"""What an index said about a wheel is compared with its METADATA, as far as the pip at hand reports it."""

from __future__ import annotations

from weighlock.checks.packages import wheel_metadata
from weighlock.demo.packages import wheel
from weighlock.formats import wheel as wheel_format
from weighlock.formats.source import BytesSource
from weighlock.inspector.packages import default_budget


def _messages(said: dict[str, object]) -> list[str]:
    package = wheel("said", "1.0", requires=["x"], metadata={"License-Expression": "MIT"})
    parsed = wheel_format.parse(BytesSource(package.data), package.filename, default_budget(len(package.data)))
    placement = wheel_format.Placement(wheel=parsed, said=said)
    return [finding.message for finding in wheel_metadata.run(placement)]


def test_a_pip_that_knows_no_licence_expressions_refuses_nobody():
    assert _messages({"requires_dist": ["x"]}) == []


def test_other_licences_and_dependencies_than_the_index_said_are_refused():
    assert _messages({"requires_dist": ["x"], "license_expression": "MIT"}) == []
    assert len(_messages({"requires_dist": ["x"], "license_expression": "Apache-2.0"})) == 1
    assert len(_messages({"requires_dist": [], "license_expression": "MIT"})) == 1
    assert len(_messages({"license": "MIT"})) == 2
