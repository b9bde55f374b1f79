"""Policies for tests: a valid value for every key, stricter and weaker ones, and ways to break them."""

from __future__ import annotations

KEY = {"name": "a", "key": "/keys/a.pub"}
IDENTITY = {"name": "b", "identity": "ci@corp.example", "issuer": "https://issuer.example"}
AUTHORITY = {"name": "c", "identity": "ci@corp.example", "certificate": "/ca.pem"}
ACCEPTED = {"package": "corp-*", "check": "startup-files", "reason": "ours", "expires": "2027-06-30"}
IGNORED = {"id": "PYSEC-2021-1", "reason": "not called", "expires": "2027-06-30"}
STAGE = {"name": "production", "names": ["prod"], "approvals": 2, "approvers": ["a", "b"], "fail-on": "high"}
OPA = {"opa": "http://127.0.0.1:8181", "query": "data.corp.allow", "timeout": "0.5 s", "token": "OPA_TOKEN"}

FULL = {
    "mode": "enforce",
    "unlocked": "inspect",
    "verify": "lazy",
    "profiles": ["scikit-learn"],
    "lock": "locks/models.lock",
    "trust-saved": False,
    "models": {
        "org/a": "main",
        "org/b": {"ref": "v1", "type": "dataset", "include": ["*.json"], "exclude": ["x"], "remote-code": True},
    },
    "install": {
        "min-age": "12 hours",
        "fail-on": "low",
        "advisory-max-age": "7d",
        "allow-build": ["gantry", "Cargo_Net == 1.0"],
        "indexes": {"corp-*": "https://pypi.corp.example/simple"},
        "licenses": ["MIT"],
        "accept": [ACCEPTED, {"package": "a", "check": "native-code", "reason": "b", "version": "1"}],
        "ignore-advisories": [{**IGNORED, "package": "gantry"}],
    },
    "evidence": {
        "require-signature": True,
        "threshold": 2,
        "signers": [KEY, IDENTITY, AUTHORITY],
        "ledger": {"place": "/var/lib/ledger", "required": True},
        "engines": [{"rego": "policies", "timeout": "2 seconds"}, OPA],
    },
    "promotion": {
        "store": "promotions",
        "verifiers": ["b"],
        "valid-for": "12 hours",
        "open-names": ["candidate"],
        "stages": [
            {"name": "staging", "require": ["lock", "scan"]},
            {
                "name": "production",
                "after": "staging",
                "names": ["champion"],
                "require": ["lock", "scan", "signature", "bom", "audit", "approval"],
                "signatures": 2,
                "approvals": 2,
                "approvers": ["a", "b"],
                "actors": ["ci"],
                "fail-on": "high",
            },
        ],
    },
    "quarantine": {
        "lists": ["denied.json", "https://security.corp.example/denied.json", "ledger"],
        "signers": ["a"],
        "max-age": "2 days",
        "stale": "warn",
    },
}

WEAKER: tuple[tuple[str, object, object, object], ...] = (
    # key, the organisation's value, a value as strict or stricter, a weaker one
    ("mode", "warn", "enforce", "off"),
    ("mode", None, "enforce", "warn"),
    ("unlocked", None, "refuse", "inspect"),
    ("unlocked", "inspect", "refuse", None),
    ("verify", None, "sealed", "lazy"),
    ("verify", "sealed", "sealed", "full"),
    ("profiles", ["scikit-learn", "torch-training"], ["scikit-learn"], ["skops"]),
    ("profiles", None, [], ["scikit-learn"]),
    ("lock", "/etc/weighlock/models.lock", "/etc/weighlock/models.lock", "/etc/weighlock/x/../models.lock"),
    ("trust-saved", False, False, True),
    ("models", {"org/a": "v1"}, {"org/b": "main"}, {"org/a": "main"}),
    ("models", {"org/a": {"ref": "v1"}}, {"org/a": "v1"}, {"org/a": {"ref": "v1", "exclude": ["*.json"]}}),
    ("models.remote-code", None, {"org/b": {"remote-code": False}}, {"org/b": {"remote-code": True}}),
    ("install.min-age", "7 days", "200 hours", "3 days"),
    ("install.min-age", None, "72h", "0d"),
    ("install.fail-on", "medium", "low", "high"),
    ("install.fail-on", None, "info", "critical"),
    ("install.advisory-max-age", "7 days", "1 day", "30 days"),
    ("install.allow-build", ["gantry==1.0"], ["Gantry==1.0"], ["gantry"]),
    ("install.allow-build", ["gantry"], ["gantry==1.0"], ["other"]),
    ("install.indexes", {"corp-*": "https://a"}, {"other": "https://b"}, {"corp-*": "https://b"}),
    ("install.licenses", ["MIT", "BSD-3-Clause"], ["MIT"], []),
    ("install.licenses", ["MIT"], ["MIT"], ["MIT", "GPL-3.0-only"]),
    ("install.accept", [ACCEPTED], [{**ACCEPTED, "package": "corp-a", "version": "1"}], [{**ACCEPTED, "package": "*"}]),
    ("install.accept", [ACCEPTED], [{**ACCEPTED, "expires": "2027-01-01"}], [{**ACCEPTED, "expires": "2028-01-01"}]),
    ("install.accept", None, [], [ACCEPTED]),
    ("install.accept", [ACCEPTED], [{**ACCEPTED, "reason": "another"}], [{**ACCEPTED, "package": "corp-[a-z]*"}]),
    ("install.ignore-advisories", [IGNORED], [{**IGNORED, "package": "a"}], [{**IGNORED, "id": "GHSA-1"}]),
    ("install.ignore-advisories", [{**IGNORED, "package": "a"}], [], [IGNORED]),
    ("evidence.require-signature", None, False, None),
    ("evidence.threshold", 2, 3, 1),
    ("evidence.signers", [KEY, IDENTITY], [IDENTITY], [KEY, AUTHORITY]),
    ("evidence.signers", None, [KEY], None),
    ("evidence.ledger.place", "/var/ledger", "/var/ledger", "/tmp/ledger"),
    ("evidence.ledger.place", "postgresql://corp/ledger", "postgresql://corp/ledger", "postgresql://evil/ledger"),
    ("evidence.ledger.required", True, True, False),
    ("evidence.engines", [OPA], [{"rego": "mine"}], None),
    ("promotion.store", "/srv/models", "/srv/models", "/tmp/models"),
    ("promotion.store", "s3://corp/models", "s3://corp/models", "s3://evil/models"),
    ("promotion.verifiers", ["ci", "release"], ["ci"], ["ci", "me"]),
    ("promotion.verifiers", ["ci"], ["ci"], []),
    ("promotion.valid-for", None, "89 days", "91 days"),
    ("promotion.open-names", ["candidate"], [], ["candidate", "live"]),
    ("promotion.stages", None, None, [{"name": "production"}]),
    ("promotion.stages", [STAGE], [{**STAGE, "approvals": 3, "approvers": ["a"]}], [{**STAGE, "approvals": 1}]),
    ("promotion.stages", [STAGE], [{**STAGE, "fail-on": "low"}, {"name": "eu"}], [{**STAGE, "fail-on": "critical"}]),
    ("promotion.stages", [STAGE], [{**STAGE, "names": ["prod", "live"]}], [{**STAGE, "names": []}]),
    ("promotion.stages", [STAGE], [STAGE], [{**STAGE, "require": ["lock", "scan"]}]),
    ("promotion.stages", [STAGE], [STAGE], [{**STAGE, "approvers": []}]),
    ("quarantine.lists", ["/srv/denied.json"], ["ledger"], None),
    ("quarantine.signers", ["security"], ["security"], []),
    ("quarantine.max-age", None, "1 day", "8 days"),
    ("quarantine.stale", None, "refuse", "warn"),
    ("quarantine.stale", "warn", "refuse", None),
)


def written(name: str, value: object) -> dict:
    """Return the table in which only one key stands."""
    path = ["models"] if name == "models.remote-code" else name.split(".")
    table: object = value
    for step in reversed(path):
        table = {step: table}
    assert isinstance(table, dict)
    return {} if value is None else table
