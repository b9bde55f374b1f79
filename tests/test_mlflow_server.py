"""The MLflow server of the tests: users have the rights that they were given, and nothing of it outlives the test."""

from __future__ import annotations

import os

import pytest

from tests import mlflow_server

pytestmark = pytest.mark.e2e


def test_two_users_and_a_server_that_dies_with_its_test(tmp_path):
    with mlflow_server.server(tmp_path, auth=True) as running:
        running.add_user("alice", "correct horse staple", {("registered_model", "*"): "MANAGE"})
        running.add_user("bob", "battery of horses", {})
        running.must("POST", "2.0/mlflow/registered-models/create", {"name": "credit"}, user="alice")
        tag = {"name": "credit", "key": "team", "value": "risk"}
        assert running.call("POST", "2.0/mlflow/registered-models/set-tag", tag, user="bob")[0] == 403
        assert running.call("POST", "2.0/mlflow/registered-models/set-tag", tag, user="alice")[0] == 200
        assert running.call("GET", "2.0/mlflow/registered-models/get?name=credit", user=None)[0] == 401
        group = running.process.pid
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
