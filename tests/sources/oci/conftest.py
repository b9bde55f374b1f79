"""Registries for tests; nothing of the person who runs them is sent anywhere."""

from __future__ import annotations

import pytest

from tests.docker_registry import DockerRegistry
from tests.sources.oci.fake import FakeRegistry


@pytest.fixture(scope="module")
def docker_registry(tmp_path_factory):
    """A real registry, shared by the tests of a module; each test uses repositories of its own."""
    with DockerRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def fake():
    with FakeRegistry() as running:
        yield running


@pytest.fixture(autouse=True)
def no_logins(tmp_path, monkeypatch):
    for name in ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "weighlock-cache"))
