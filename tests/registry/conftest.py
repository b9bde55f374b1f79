"""One database of each kind with the servers on it, for all tests that do not stop them."""

from __future__ import annotations

import pytest

from tests import mlflow_rig


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def rig(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"mlflow-{request.param}")
    with mlflow_rig.running(request.param, folder, servers=2 if request.param == "postgresql" else 1) as running:
        yield running
