"""What a client asks for: nothing but the exact name of a repository means anything."""

from __future__ import annotations

import time

import pytest

from weighlock.errors import UsageError
from weighlock.registry.oci.scopes import is_repository, parse_scopes


def granted(*values):
    return [(one.repository, one.actions) for one in parse_scopes(values) if one.repository is not None]


def test_actions_are_read_in_their_order_and_each_repository_once():
    assert granted("repository:prod/net:push,pull") == [("prod/net", ("pull", "push"))]
    assert granted("repository:a/b:pull repository:c:push", "repository:a/b:delete") == [
        ("a/b", ("pull", "delete")),
        ("c", ("push",)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "repository:prod/../staging/net:pull",
        "repository:staging/../prod/net:push",
        "repository:./prod/net:pull",
        "repository:/prod/net:pull",
        "repository:prod/net/:pull",
        "repository:prod//net:pull",
        "repository:Prod/net:pull",
        "repository:PROD/NET:pull",
        "repository:prod%2Fnet:pull",
        "repository:prod/net%00:pull",
        "repository:prod/net\x00:pull",
        "repository:prod/net\n:pull",
        "repository:ｐrod/net:pull",
        "repository:prоd/net:pull",
        "repository:prod/n\u200bet:pull",
        "repository:prod/*:pull",
        "repository:*:pull",
        "repository::pull",
        "repository:host:5000/prod/net:pull",
        "repository(plugin):prod/net:pull",
        "Repository:prod/net:pull",
        "registry:catalog:pull",
        "registry:*:*",
        "prod/net:pull",
        "repository:prod/net",
        "repository:" + "a" * 256 + ":pull",
    ],
)
def test_a_name_that_is_not_written_exactly_means_nothing(text):
    assert granted(text) == []
    assert not any(one.catalog for one in parse_scopes([text]))


def test_a_text_that_looks_like_a_name_neither_adds_nor_takes_anything():
    for order in (["repository:prod/net:pull", "prod/net"], ["prod/net", "repository:prod/net:pull"]):
        assert granted(*order) == [("prod/net", ("pull",))]


@pytest.mark.parametrize("actions", ["*", "PULL", "pull ", "", ",", "admin", "pull;push", "pu\u200bll"])
def test_an_action_that_nobody_knows_is_none(actions):
    found = granted(f"repository:prod/net:{actions}")
    assert all(set(one) <= {"pull"} and actions == "pull " for _, one in found if one)


def test_everything_is_not_an_action():
    assert granted("repository:prod/net:*,pull") == [("prod/net", ("pull",))]


def test_more_scopes_than_any_client_asks_for_are_an_error():
    with pytest.raises(UsageError):
        parse_scopes([" ".join(f"repository:a{number}:pull" for number in range(40))])
    with pytest.raises(UsageError):
        parse_scopes(["repository:" + "a" * 5000 + ":pull"])


def test_no_name_takes_long_to_read():
    begun = time.perf_counter()
    for name in ("a-" * 120 + "!", "a" * 254 + "!", "a__" * 80 + "/", "-" * 255):
        assert not is_repository(name)
    assert time.perf_counter() - begun < 0.5
