"""A licence that the policy does not list.

## What it does

Where the policy has a list of licences, it reads the licence of a release from ``License-Expression``, else from its
classifiers, else from ``License`` where that is a name, and compares: ``OR`` needs one side, ``AND`` both, an exception
(``WITH``) only adds permissions. A licence that is not listed is refused; one that is not understood needs an approval.

## Why it matters

What an organisation may use is decided by its lawyers, once, and not by whoever types ``pip install``.

## Known limits

It believes the metadata and reads no text of a licence. Classifiers such as "BSD License" do not say which one; the
usual one is taken. Without a list in the policy it says nothing.

## Sources

PEP 639; SPDX license expressions; the classifiers of the Python Package Index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.checks.packages import _spdx
from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding for a licence that the policy does not admit."""
    admitted = candidate.surroundings.licenses
    if not admitted:
        return
    expressions = _spdx.stated(candidate.release.metadata)
    if expressions is None:
        yield _finding("its metadata does not say under which licence it is, in words that are known", asks=True)
        return
    for expression in expressions:
        verdict = _spdx.is_admitted(expression, admitted)
        if verdict is None:
            yield _finding(f"its licence is not understood: {expression[:200]}", asks=True)
        elif not verdict:
            yield _finding(f"its licence is {expression[:200]}, which the policy does not list")


def _finding(message: str, *, asks: bool = False) -> Finding:
    outcome = Outcome.NEEDS_APPROVAL if asks else Outcome.REFUSED
    return Finding(check="license", severity=Severity.MEDIUM, message=message, outcome=outcome)
