"""The policy about quarantine: places that nobody can read, or that hold a secret."""

from __future__ import annotations

import pytest

from weighlock.errors import PolicyError
from weighlock.quarantine_policy import QuarantinePolicy


@pytest.mark.parametrize("place", ["ftp://a/b", "s3://a/b", "https://user:secret@a/b", ""])
def test_a_list_in_a_place_that_cannot_be_read_is_refused(place):
    with pytest.raises(PolicyError):
        QuarantinePolicy.from_dict({"lists": [place]})


def test_by_default_no_list_is_required_and_a_stale_one_refuses():
    policy = QuarantinePolicy()
    assert policy.lists == ()
    assert policy.stale == "refuse"
