"""`weighlock activate` records no lockfile that every program would refuse."""

from __future__ import annotations

import pytest

from tests.signing.signed_models import Key
from weighlock._cli import activate
from weighlock.errors import AdmissionError


def test_a_lockfile_that_is_not_signed_as_the_recorded_policy_requires(tmp_path):
    Key.make(tmp_path, "alice")
    (tmp_path / "models.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\n')
    policy = tmp_path / "weighlock.toml"
    policy.write_text('[evidence]\nrequire-signature = true\nsigners = [{ name = "alice", key = "alice.pub" }]\n')
    with pytest.raises(AdmissionError, match="none counts"):
        activate._require_readable(str(tmp_path / "models.lock"), str(policy))
    activate._require_readable(str(tmp_path / "models.lock"), None)
