from __future__ import annotations

import itertools

import pytest

from weighlock.formats.pypi_versions import FIRST, Interval, covers, intervals, key, keys, place


def affected(version: str, *events: tuple[str, str]) -> bool:
    return any(covers(interval, version) for interval in intervals(events))


def test_events_in_any_order_and_several_introduced_in_one_list():
    events = [("introduced", "2.12"), ("fixed", "2.12.4"), ("introduced", "0"), ("fixed", "2.11.6")]
    for order in itertools.permutations(events):
        assert [affected(version, *order) for version in ("1.0", "2.11.5", "2.12.3")] == [True] * 3
        assert [affected(version, *order) for version in ("2.11.6", "2.12.4", "3.0")] == [False] * 3


def test_what_is_fixed_and_introduced_in_one_version_was_not_fixed():
    events = [("introduced", "0"), ("fixed", "3.1.1"), ("introduced", "3.1.1"), ("fixed", "3.1.3")]
    for order in itertools.permutations(events):
        assert affected("3.1.1", *order)
        assert affected("3.1.2", *order)
        assert not affected("3.1.3", *order)


@pytest.mark.parametrize("version", ["0", "0.dev0", "0a0", "0.0.0.dev0", "0!0.dev0"])
def test_introduced_0_is_below_every_version(version):
    assert affected(version, ("introduced", FIRST), ("fixed", "1"))


def test_versions_are_not_compared_as_text():
    assert affected("1.10", ("introduced", "1.9"), ("fixed", "1.11"))
    assert not affected("1.9.1", ("introduced", "1.10"))
    assert affected("1!0.1", ("introduced", "2"))


def test_a_pre_release_of_the_fixed_version_is_affected():
    assert affected("2.0rc1", ("introduced", "0"), ("fixed", "2.0"))
    assert not affected("3.2a1", ("introduced", "3.2"), ("fixed", "3.2.19"))


@pytest.mark.parametrize("version", ["2.0", "2.0.0", "v2.0", "2.0.post1", "2.0+cpu", "2.0.post1+cpu"])
def test_post_releases_and_local_builds_of_the_fixed_version_are_fixed(version):
    assert not affected(version, ("introduced", "0"), ("fixed", "2.0"))


@pytest.mark.parametrize("version", ["1.9", "2.0", "2.0.0", "2.0+cpu", "2.0+zzz.9"])
def test_last_affected_and_its_local_builds_are_affected(version):
    assert affected(version, ("introduced", "0"), ("last_affected", "2.0"))


@pytest.mark.parametrize("version", ["2.0.1", "2.0.post1", "2.1.dev0"])
def test_what_comes_after_last_affected_is_not(version):
    assert not affected(version, ("introduced", "0"), ("last_affected", "2.0"))


def test_one_version_may_be_the_first_and_the_last():
    events = [("last_affected", "2.0"), ("introduced", "2.0")]
    assert [affected(version, *events) for version in ("1.9", "2.0", "2.1")] == [False, True, False]


def test_a_range_without_an_end_has_none():
    assert affected("99999999.post9", ("introduced", "1.0"))
    assert not affected("0.9", ("introduced", "1.0"))


def test_a_range_that_never_says_where_it_begins_begins_at_the_beginning():
    assert affected("0.dev0", ("fixed", "1.0"))
    assert affected("0.1", ("last_affected", "1.0"))


def test_a_limit_cuts_off_and_the_highest_of_several_counts():
    events = [("introduced", "1"), ("limit", "2"), ("limit", "3")]
    assert [affected(version, *events) for version in ("1", "2.5", "3", "4")] == [True, True, False, False]
    assert not affected("4.5", ("introduced", "4"), ("fixed", "5"), ("limit", "3"))
    assert affected("9", ("introduced", "1"), ("limit", "2"), ("limit", "*"))


@pytest.mark.parametrize("version", ["0.2.0.post1", "0.2.0", "0.1", "0.2.0rc1"])
def test_a_fixed_version_of_unknown_spelling_never_makes_clean_what_it_may_not(version):
    assert affected(version, ("introduced", "0"), ("fixed", "0.2.0-n653"))


def test_a_fixed_version_of_unknown_spelling_ends_where_the_next_number_begins():
    assert not affected("0.2.1", ("introduced", "0"), ("fixed", "0.2.0-n653"))
    assert affected("999", ("introduced", "0"), ("fixed", "no-number-at-all"))


def test_an_introduced_version_of_unknown_spelling_begins_as_early_as_it_may():
    assert affected("2.0.0.dev0", ("introduced", "2.0.0-final"))
    assert not affected("1.9", ("introduced", "2.0.0-final"))
    assert affected("0.1", ("introduced", "class.-jw"))


@pytest.mark.parametrize(
    "version", ["0.8.6p1", "2013-01-01T00:00:00", "-class.-jw.util.version", "", "…", "9" * 10_000]
)
def test_an_installed_version_of_unknown_spelling_is_never_an_error_and_affected_wherever_it_may_be(version):
    assert affected(version, ("introduced", "0"))
    assert place(version) == place(version)
    assert key(version) == key(version)


def test_an_installed_version_of_unknown_spelling_lies_near_its_number():
    assert affected("0.8.6p1", ("introduced", "0"), ("fixed", "0.8.6"))
    assert affected("0.8.6p1", ("introduced", "0.8.6.post3"), ("fixed", "1"))
    assert not affected("0.8.6p1", ("introduced", "0"), ("fixed", "0.8.5"))
    assert not affected("0.8.6p1", ("introduced", "0.8.8"))


@pytest.mark.parametrize(
    "spellings",
    [
        ("1.0", "1", "v1.0.0", " 1.0 ", "1.0.0.0", "0!1"),
        ("1.0rc1", "1.0.0-rc.1", "1c1", "1.0_RC1"),
        ("0.1.2.post2", "0.1.2-2", "0.1.2-r2"),
        ("0.9.7rc0", "0.9.7c"),
        ("2.0.0-Final", "2.0.0_final", "2.0.0-final"),
    ],
)
def test_all_spellings_of_a_version_have_one_key(spellings):
    assert len({key(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0.post0"), ("10", "1"), ("1!1", "1"), ("1.0a1", "1.0b1")])
def test_different_versions_have_different_keys(one, other):
    assert key(one) != key(other)


def test_a_local_build_is_found_where_its_public_version_is_listed():
    assert key("1.13.0") in keys("1.13+cu117")
    assert keys("1.13") == (key("1.13"),)


def test_intervals_are_hashable_values():
    assert intervals([("introduced", "0")]) == (Interval(),)
