"""How complete a bill of materials is: for people, for programs, and for the summary of a build.

``docs/completeness.md`` describes the fields of the JSON form.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.bom.completeness import Status
from weighlock.output.escape import inert, printable
from weighlock.output.packages.json import dumps
from weighlock.output.packages.markdown import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.bom.completeness import Answer, Scorecard

FORMS = ("text", "json", "markdown")
"""The names of the forms, the one for people first."""


def render(cards: Sequence[Scorecard], path: str, form: str) -> str:
    """Return the report in one of `FORMS`.

    Args:
        cards: One for each list of elements.
        path: Of the document, for a person.
        form: The name of the form.
    """
    if form == "json":
        return _json(cards, path)
    return _markdown(cards, path) if form == "markdown" else _text(cards, path)


def _text(cards: Sequence[Scorecard], path: str) -> str:
    lines = []
    for card in cards:
        lines += [_summary(card), ""]
        for cluster, answers in groupby(card.answers, key=lambda answer: answer.element.cluster):
            lines += [cluster, *(f"  {line}" for answer in answers for line in _told(answer)), ""]
    lines += [f"{path}: {'; '.join(map(_summary, cards))}"]
    return "\n".join(inert(printable(line)) for line in lines) + "\n"


def _told(answer: Answer) -> Iterator[str]:
    element = answer.element
    yield f"{answer.status:<15} {element.notation:<20} {element.name}{_share(answer)}"
    indent = " " * 16
    if answer.status is Status.FILLED:
        yield f"{indent}{answer.where[0]}"
    elif answer.where:
        yield f"{indent}{answer.where[0]}, which says less than is asked for; write {element.hint}"
    else:
        yield f"{indent}write {element.hint}"


def _share(answer: Answer) -> str:
    if answer.things == 0 and answer.status is Status.MISSING:
        return f" (there is no {answer.element.about})"
    return f" ({answer.filled} of {answer.things})" if answer.things > 1 else ""


def _summary(card: Scorecard) -> str:
    filled, unknown, missing = (card.count(status) for status in (Status.FILLED, Status.UNKNOWN, Status.MISSING))
    return f"{card.name}: {filled} of {len(card.answers)} filled, {unknown} marked unknown, {missing} missing"


def _json(cards: Sequence[Scorecard], path: str) -> str:
    return dumps({"weighlock": __version__, "document": path, "lists": [_card(card) for card in cards]})


def _card(card: Scorecard) -> dict[str, object]:
    return {
        "name": card.name,
        "elements": len(card.answers),
        "filled": card.count(Status.FILLED),
        "marked-unknown": card.count(Status.UNKNOWN),
        "missing": card.count(Status.MISSING),
        "answers": [
            {
                "id": answer.element.id,
                "notation": answer.element.notation,
                "cluster": answer.element.cluster,
                "name": answer.element.name,
                "about": answer.element.about,
                "status": str(answer.status),
                "best": str(answer.best),
                "found": list(answer.where),
                "filled": answer.filled,
                "of": answer.things,
                "hint": answer.element.hint,
            }
            for answer in card.answers
        ],
    }


def _markdown(cards: Sequence[Scorecard], path: str) -> str:
    lines = [f"## Completeness of {literal(path)}", ""]
    for card in cards:
        lines += [
            f"### {literal(_summary(card))}",
            "",
            "| | Element | Status | Where, or what to write |",
            "|---|---|---|---|",
        ]
        lines += [_row(answer) for answer in card.answers]
        lines += [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(answer: Answer) -> str:
    element = answer.element
    where = answer.where[0] if answer.status is Status.FILLED else element.hint
    status = f"**{answer.status}**" if answer.status is Status.MISSING else str(answer.status)
    name = f"{element.name}{_share(answer)}"
    return f"| {literal(element.notation)} | {literal(name)} | {status} | {literal(where)} |"
