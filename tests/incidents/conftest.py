from __future__ import annotations

import pytest

from tests.incidents.world import World


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.chdir(made.project)
    return made
