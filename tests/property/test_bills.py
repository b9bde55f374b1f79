"""Documents of generators with anything in any place: read or refused, scored, and never anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighlock.bom.completeness import score
from weighlock.errors import WeighlockError
from weighlock.formats.bill import inventory_of, parse

BILLS = Path(__file__).parents[1] / "vectors" / "_bills"
DOCUMENTS = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(BILLS.glob("*.json"))]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def documents(draw):
    document = deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        place = document
        for _ in range(draw(st.integers(0, 7))):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], (dict, list)) or not place[key]:
                place[key] = draw(VALUES)
                break
            if draw(st.integers(0, 6)) == 0:
                place[key] = draw(VALUES)
                break
            place = place[key]
    return document


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_a_document_with_anything_in_any_place_is_read_or_refused(document):
    try:
        found = inventory_of(document)
    except WeighlockError:
        found = None
    assert all(len(card.answers) in {50, 13, 11} for card in score(document))
    if found is not None:
        again = parse(json.dumps(document).encode())
        assert again == found


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 10_000), st.binary(max_size=3))
def test_changed_bytes_are_read_or_refused(document, place, change):
    data = json.dumps(document).encode()
    at = place % len(data)
    with suppress(WeighlockError):
        parse(data[:at] + change + data[at + 1 :])
