"""A server that is killed at any moment: in force is the old or the new, and that is what is pulled."""

from __future__ import annotations

import pytest

from tests.issuer import issuing, killed, process_of


@pytest.mark.parametrize("delays", [(0.02, 0.06, 0.1)])
def test_whoever_kills_the_server_finds_the_old_or_the_new(tmp_path, delays):
    with issuing(tmp_path, served=False) as place:
        with process_of(place):
            standing = place.promoted({"n": b"start"})
        for number, delay in enumerate(delays):
            standing, _ = killed(place, standing, number, delay)
