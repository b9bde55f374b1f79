"""The ways past the gate that have to do with what it remembers, once more, with PostgreSQL in place of SQLite."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from tests import postgres
from tests.issuer import issuing
from tests.registry.oci.test_bypass import (  # noqa: F401 - fixtures and tests, found by their names
    alone,
    net,
    resting,
    test_a_manifest_that_was_changed_in_the_storage_is_not_pulled,
    test_a_summary_that_was_used_before_moves_nothing,
    test_a_tag_that_was_overwritten_in_the_storage_is_not_pulled,
    test_a_tag_that_was_put_back_to_an_older_version_is_corrected,
    test_an_older_version_that_went_into_quarantine_is_removed_before_anything_is_pulled,
    test_another_model_s_summary_moves_nothing,
    test_nothing_is_pulled_from_where_nothing_was_promoted,
    test_of_two_promotions_at_once_by_two_issuers_one_counts,
    test_the_same_files_in_another_manifest_are_not_what_was_promoted,
    test_what_is_in_quarantine_is_not_pulled_and_not_promoted,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with postgres.server() as url, issuing(tmp_path_factory.mktemp("oci"), state=url) as place:
        yield place


def test_a_database_that_ends_admits_nothing_and_quotes_no_password(tmp_path):
    with postgres.server() as url, closing(psycopg.connect(url, autocommit=True)) as admin:
        admin.execute("create database tokens")
        secret = url.replace("weighlock@/postgres", "weighlock:hunter2@/tokens")
        with issuing(tmp_path, state=secret) as place:
            manifest, _ = place.promoted({"a": b"1"})
            admin.execute("alter database tokens with allow_connections false")
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'tokens'")
            assert place.access("viewer", "repository:prod/net:pull") == []
            reply = place.promote(manifest, b"{}")
            assert (reply.status, b"hunter2" in reply.data) == (503, False), reply
            admin.execute("alter database tokens with allow_connections true")
            assert place.tag().status == 200
