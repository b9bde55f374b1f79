"""Where a card says what a model is, when no heading says so."""

from weighlock.formats.model_card import parse


def test_what_stands_below_the_title_says_what_the_model_is():
    text = "# Name\n\n![badge](x)\n\n<img src=x>\n\nA classifier of reviews.\n\nMore.\n\n## How to load\n\nNot this.\n"
    assert parse(text.encode()).sections == {"description": "A classifier of reviews."}
    told = parse(b"# Name\n\nOpening.\n\n## Model description\n\nReal.\n").sections
    assert told["description"] == "Real."
    assert "description" not in parse(b"# Name\n\n## Anything\n\nNot this.\n").sections


def test_one_heading_for_uses_and_limitations_fills_both():
    told = parse(b"# Name\n\n## Intended uses & limitations\n\nReviews only.\n").sections
    assert told == {"uses": "Reviews only.", "limitations": "Reviews only."}
    told = parse(b"## Intended uses & limitations\n\nBoth.\n\n## Limitations\n\nThese.\n").sections
    assert told == {"uses": "Both.", "limitations": "These."}
