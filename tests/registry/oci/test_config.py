"""The configuration of the issuer, and the ways in which it could open what it shall close."""

from __future__ import annotations

import pytest

from weighlock.errors import PolicyError
from weighlock.registry.oci.config import read_config

HASHED = "scrypt:10:8:1:JtbhAQvdWvQ2gaUtVWtj7g==:uMz/GlAI4jDjvrHmS4FV2vAIqKmNN6m6ifGG/9YzhVk="

GOOD = f"""
[server]
issuer = "weighlock"
service = "registry.example.org"
realm = "https://tokens.example.org/token"
host = "registry.example.org"
registry = "http://127.0.0.1:5000"
key = "issuer.pem"

[[users]]
name = "dev"
password = "{HASHED}"
roles = ["developers"]

[[repositories]]
pattern = "**"
push = ["developers"]

[[repositories]]
pattern = "prod/*"
stage = "production"
from = "staging/*"
pull = ["viewers"]
promote = ["ci"]
"""


@pytest.fixture
def read(tmp_path):
    def reading(text):
        (tmp_path / "issuer.toml").write_text(text)
        return read_config(str(tmp_path / "issuer.toml"))

    return reading


def test_a_gated_pattern_counts_before_an_open_one_that_stands_first(read):
    config = read(GOOD)
    rule = config.rule("prod/net")
    assert rule is not None
    assert (rule.stage, rule.push, rule.origin_of("prod/net")) == ("production", frozenset(), "staging/net")
    assert rule.target_of("staging/net") == "prod/net"
    assert rule.target_of("staging/a/b") is None
    for other in ("prod", "prod/a/b", "production/net", "xprod/net", "prod-x/net", "dev/prod/net"):
        assert config.rule(other).stage is None


def test_a_repository_of_two_stages_is_nobody_s(read):
    two = GOOD + '[[repositories]]\npattern = "*/net"\nstage = "staging"\nfrom = "dev/*"\npull = ["viewers"]\n'
    assert read(two).rule("prod/net") is None


def test_two_repositories_that_would_be_one_stage_of_one_model_are_nobody_s(read):
    two = (
        GOOD + '[[repositories]]\npattern = "mirror/*"\nstage = "Production"\nfrom = "staging/*"\npull = ["viewers"]\n'
    )
    config = read(two)
    assert (config.rule("prod/net"), config.rule("mirror/net"), config.target("staging/net", "production")) == (
        None,
    ) * 3
    assert read(GOOD).target("staging/net", "PRODUCTION") == "prod/net"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*", {"net"}), ("dev/*", {"dev/net"}), ("dev/**", {"dev/net", "dev/a/b"}), ("**", {"net", "dev/net", "dev/a/b"})],
)
def test_patterns_match_whole_parts(read, pattern, names):
    config = read(GOOD.replace('pattern = "**"', f'pattern = "{pattern}"'))
    asked = ("net", "dev", "dev/net", "dev/a/b", "devx/net", "devx/a/b")
    found = {name for name in asked if config.rules[0].is_about(name)}
    assert found == (names if pattern not in ("*", "**") else found)
    assert found >= names
    assert pattern == "**" or not found & {"devx/net", "devx/a/b"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('promote = ["ci"]', 'promote = ["ci"]\npush = ["developers"]', "nobody may push"),
        ('promote = ["ci"]', 'promote = ["ci"]\ndelete = ["developers"]', "nobody may push"),
        ('promote = ["ci"]', 'promote = ["anonymous"]', "may pull and nothing else"),
        ('from = "staging/*"', "", "says not where"),
        ('from = "staging/*"', 'from = "staging/net"', "same"),
        ('from = "staging/*"', 'from = "prod/*"', "another pattern"),
        ('pattern = "prod/*"', 'pattern = "Prod/*"', "no pattern"),
        ('pattern = "prod/*"', 'pattern = "prod/../*"', "no pattern"),
        ('pattern = "prod/*"', 'pattern = "**/net"', "no pattern"),
        ('pattern = "prod/*"', 'pattern = "pr*d/net"', "no pattern"),
        ('push = ["developers"]', 'pusch = ["developers"]', "unknown key"),
        ('push = ["developers"]', 'promote = ["developers"]', "has a stage"),
        ('roles = ["developers"]', 'roles = ["anonymous"]', "does not log in"),
        (HASHED, "secret", "no hash"),
        (HASHED, HASHED.replace(":10:", ":30:"), "no hash"),
        ('name = "dev"', 'name = "de:v"', "must be letters"),
        ('registry = "http://127.0.0.1:5000"', 'registry = "http://registry:5000"', "without encryption"),
        ('registry = "http://127.0.0.1:5000"', 'registry = "http://me:secret@127.0.0.1"', "without credentials"),
        ('key = "issuer.pem"', 'key = "issuer.pem"\nlisten = "0.0.0.0:5001"', "without encryption"),
        ('key = "issuer.pem"', 'key = "issuer.pem"\ntoken-seconds = 86400', "from 60 to 3600"),
        ('host = "registry.example.org"', 'host = "https://registry.example.org"', "must be a host"),
    ],
)  # fmt: skip
def test_what_would_open_it_is_an_error(read, old, new, said):
    assert old in GOOD
    with pytest.raises(PolicyError, match=said):
        read(GOOD.replace(old, new, 1))


def test_an_error_does_not_quote_a_password(read):
    with pytest.raises(PolicyError) as caught:
        read(GOOD.replace(HASHED, "hunter2"))
    assert "hunter2" not in str(caught.value)
