"""The Hub of `tests.runtime.hooks.locked_hub`, taken down with its guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.hooks.locked_hub import Guarded
from weighlock.demo.hub import LoopbackHub
from weighlock.runtime import deactivate


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with LoopbackHub() as hub:
        yield Guarded(hub, tmp_path, monkeypatch)
        deactivate()
