"""Legal and use: under which terms the model comes, and whether it is fit for what it is meant for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.audit.item import Part, Question, failed, named, passed, unknown
from weighlock.checks.packages import _spdx

if TYPE_CHECKING:
    from weighlock.audit.facts import Facts
    from weighlock.audit.item import Answer

_TEXT = re.compile(r"(?:[a-z0-9._-]+[-_. ])?(?:licen[cs]e|copying|use_policy|notice)(?:[-_. ][a-z0-9._-]+)?\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+() _-]{0,199}\Z")
_SAYS_NOTHING = frozenset({"other", "unknown", "none", "noassertion", "null"})


def _stated(facts: Facts) -> Answer:
    card = facts.card.license if facts.card else None
    told = {text.strip().lower(): text for text in (facts.license, card) if text and text.strip()}
    digest = facts.card.digest if facts.card else None
    if len(told) > 1:
        return failed(f"the lockfile says {facts.license}, the card says {card}", facts.lock, digest)
    if not told or set(told) & _SAYS_NOTHING:
        return unknown(f"its licence is given as {next(iter(told.values()))}" if told else "nobody names a licence")
    name = next(iter(told.values()))
    if not _NAME.match(name.strip()):
        return unknown(f"what it gives as its licence is no name of one: {name[:200]}", facts.lock, digest)
    return passed(f"its licence is given as {name}", facts.lock, digest)


def _allowed(facts: Facts) -> Answer:
    if not facts.licenses:
        return unknown("the record of answers has no list of licences")
    stated = _stated(facts)
    name = facts.license or (facts.card.license if facts.card else None)
    if not stated.evidence or name is None or not _NAME.match(name.strip()):
        return unknown(stated.text)
    admitted = _spdx.is_admitted(name, facts.licenses)
    if admitted is None:
        return unknown(f"its licence is not understood: {name}", *stated.evidence)
    if not admitted:
        return failed(f"{name} is not in the list of licences: {named(facts.licenses)}", *stated.evidence)
    return passed(f"{name} is in the list of licences", *stated.evidence)


def _text(facts: Facts) -> Answer:
    found = [file for file in facts.files if _TEXT.match(file.path.rpartition("/")[2].lower())]
    if not found:
        return unknown("no file of it is called like the text of a licence")
    digests = (f"sha256:{file.sha256}" for file in found)
    return passed(f"the text is among its files: {named([file.path for file in found])}", *digests)


QUESTIONS = (
    Question(
        id="licence-stated",
        part=Part.LEGAL,
        text="Is it stated under which licence it comes?",
        passes="The lockfile or the card names a licence other than `other`, and where both do, the same one.",
        owner="legal",
        assess=_stated,
        evidence_for=("GOVERN 1.1", "GOVERN 6.1", "MAP 4.1"),
    ),
    Question(
        id="licence-allowed",
        part=Part.LEGAL,
        text="Is that licence one that the organisation allows?",
        passes="It is admitted by `licenses` in the record of answers, read as an SPDX expression.",
        owner="legal",
        assess=_allowed,
        evidence_for=("GOVERN 1.1", "GOVERN 6.1", "MAP 4.1"),
    ),
    Question(
        id="licence-text",
        part=Part.LEGAL,
        text="Is the text of the licence among its files?",
        passes="A file such as `LICENSE` or `USE_POLICY.md` is locked with the model. Nobody reads it for you.",
        owner="legal",
        assess=_text,
        required=False,
        evidence_for=("GOVERN 1.1", "GOVERN 6.1"),
    ),
    Question(
        id="obligations",
        part=Part.LEGAL,
        text="Are the obligations of the licence met: attribution, notices, restrictions of use, names of derivatives?",
        passes="A person says which there are and where they are met.",
        owner="legal",
        evidence_for=("GOVERN 1.1", "GOVERN 6.1", "MAP 4.1"),
    ),
    Question(
        id="base-licences",
        part=Part.LEGAL,
        text="Do the licences of the models that it was made of allow this one, and this use?",
        passes="A person compared them; the report shows what the lockfile knows of each.",
        owner="legal",
        evidence_for=("GOVERN 6.1", "MAP 4.1", "ML07:2023"),
    ),
    Question(
        id="dataset-licences",
        part=Part.LEGAL,
        text="Do the terms of its training data allow this use, and were rights of others respected?",
        passes="A person compared them.",
        owner="legal",
        evidence_for=("GOVERN 6.1", "MAP 4.1", "AML.M0025"),
    ),
    Question(
        id="intended-use",
        part=Part.LEGAL,
        text="What is it meant to be used for here, and is that within what its makers intend?",
        passes="A person describes the use, its users and what is out of scope.",
        owner="product",
        evidence_for=("MAP 1.1", "GOVERN 2.1", "MANAGE 1.1"),
    ),
    Question(
        id="bias-report",
        part=Part.LEGAL,
        text="Is there a report on bias for the people whom this use affects?",
        passes="A person names the report and its date.",
        owner="responsible AI",
        evidence_for=("MEASURE 2.11", "MANAGE 1.4", "ML08:2023", "AML.M0008"),
    ),
    Question(
        id="personal-data",
        part=Part.LEGAL,
        text="Was it trained on personal data, does it process any, and on what legal basis?",
        passes="A person answers for the training data and for the use.",
        owner="privacy",
        evidence_for=("MEASURE 2.10", "GOVERN 1.1", "MAP 4.1"),
    ),
    Question(
        id="regulation",
        part=Part.LEGAL,
        text="Which rules apply to this use, such as the EU AI Act, and are their documents there?",
        passes="A person names role, class of risk and documents.",
        owner="legal",
        evidence_for=("GOVERN 1.1", "MAP 1.1", "MANAGE 1.4"),
    ),
    Question(
        id="export",
        part=Part.LEGAL,
        text="Do export controls or sanctions stand against having or passing on the model?",
        passes="A person says that none do, or which licence covers it.",
        owner="legal",
        evidence_for=("GOVERN 1.1", "GOVERN 6.1"),
    ),
)
"""In the order in which reports show them."""
