from __future__ import annotations

import pytest

from tests.output.reports import CLEAN, EVIL, NEEDY, hostile, judged, mixed, report
from weighlock.finding import Inspection, Outcome
from weighlock.output.text import human_size, render


def test_a_refusal_says_artifact_finding_rule_and_the_step_that_approves_it():
    text = render(report(judged("dir/evil.bin", EVIL)))
    assert text == (
        "DENY   dir/evil.bin\n"
        "  file      torch-zip, 1.23 kB, refused\n"
        "  found     critical dangerous-import: it calls posix.system (in archive/data.pkl, at byte 23)\n"
        "  rule      refused: as found above\n"
        "  approve   weighlock approve ./dir/evil.bin --unsafe --reason TEXT\n"
        "\n"
        "1 file: 0 ALLOW, 1 DENY (1 refused)\n"
    )


def test_refusals_come_last_where_a_person_looks_and_the_summary_after_them():
    lines = render(mixed()).splitlines()
    order = [line.split()[1] for line in lines if line.startswith(("ALLOW", "DENY"))]
    assert order == ["clean.safetensors", "model.joblib", "dir/evil.bin"]
    assert lines[-1] == (
        "5 files: 1 ALLOW, 2 DENY (1 needs-approval, 1 refused), 2 that no loader would take; "
        "1 more that are other names of these"
    )


def test_escape_codes_in_names_and_messages_never_reach_the_terminal():
    evil = hostile("it calls \x1b[2J\u202e")
    text = render(report(judged("a\nALLOW  b\x1b[1A\udcff", evil), judged("\x1b[2Jc", CLEAN)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    text.encode("utf-8")
    assert sum(line.startswith("ALLOW") for line in text.splitlines()) == 1


def test_colour_only_repeats_what_the_words_say():
    plain, coloured = render(mixed()), render(mixed(), color=True)
    assert "\x1b[1;31mDENY\x1b[0m" in coloured
    for code in ("\x1b[1;31m", "\x1b[32m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


@pytest.mark.parametrize("width", [1, 40, 60, 200])
def test_explanations_fit_narrow_terminals_and_commands_stay_whole(width: int):
    lines = render(mixed(), width=width).splitlines()
    assert "  approve   weighlock approve ./dir/evil.bin --unsafe --reason TEXT" in lines
    assert all(len(line) <= max(width, 40) or line.startswith(("  approve", "ALLOW")) for line in lines[:-1])


def test_nobody_approves_again_and_again_because_scan_asks_no_lockfile():
    assert "`scan` asks no lockfile" in render(report(judged("model.joblib", NEEDY)))
    assert "lockfile" not in render(report(judged("dir/evil.bin", EVIL), judged("clean", CLEAN)))


def test_a_thousand_findings_are_cut_and_counted():
    finding = EVIL.findings[0]
    many = Inspection(format="pickle", outcome=Outcome.REFUSED, findings=(finding,) * 1000)
    text = render(report(judged("a", many)))
    assert "and 992 more, see --format json" in text
    assert text.count("\n") < 20


def test_names_that_need_an_approval_are_named():
    text = render(report(judged("model.joblib", NEEDY)))
    assert "sklearn.linear_model._base.LinearRegression" in text
    assert "approve   weighlock approve ./model.joblib" in text


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (440_449_768, "440 MB"), (10**14, "100 TB")],
)
def test_sizes_are_said_as_the_hub_says_them(size: int, said: str):
    assert human_size(size) == said
