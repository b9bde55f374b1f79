from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from weighlock.signing.key import generate
from weighlock.signing.statement import Statement, Subject

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def alice():
    return generate()


@pytest.fixture(scope="session")
def bob():
    return generate()


@pytest.fixture
def statement():
    subjects = (Subject.sha256("models.lock", "a" * 64), Subject.sha256("org/name/model.safetensors", "b" * 64))
    return Statement(predicate_type="https://example.org/test/v1", subjects=subjects, predicate={"n": 1})


@pytest.fixture
def bundle(alice, statement):
    return alice.sign(statement.to_bytes()).to_bytes()


def changed(data, change):
    """Return a bundle after a change of its document."""
    document = json.loads(data)
    change(document)
    return json.dumps(document).encode()


def b64(data):
    return base64.b64encode(data).decode()
