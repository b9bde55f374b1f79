"""Facts about a model that passes every question of the machine, to be spoiled one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from weighlock.audit.facts import (
    BomFacts,
    CardFacts,
    Facts,
    FileFacts,
    LedgerProof,
    PackageFacts,
    Packages,
    Relative,
    SignatureFacts,
)
from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.lockfile import HubSource

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"
DIGEST = "sha256:" + "d" * 64


def file(path: str = "model.safetensors", **changes: Any) -> FileFacts:
    base = FileFacts(path=path, size=1000, sha256="a" * 64, format="safetensors", outcome=Outcome.DATA_ONLY)
    return replace(base, **changes)


def plain(path: str, **changes: Any) -> FileFacts:
    return file(path, **{"format": None, "outcome": Outcome.NOT_A_MODEL, "sha256": "b" * 64, **changes})


def finding(check: str = "pickle-imports", **changes: Any) -> Finding:
    base = Finding(
        check=check, severity=Severity.HIGH, message="it does harm", location=Location(members=("data.pkl",), offset=7)
    )
    return replace(base, **changes)


PROOF = LedgerProof(
    index=41,
    size=64,
    root="e" * 64,
    checkpoint="ledger.example/host\n64\n7u7u\n\n— ledger.example/host AAAA\n",
    hashes=("1" * 64, "2" * 64),
    entry=DIGEST,
    time="2026-11-25T11:00:00Z",
    gate="lock",
    verdict="ALLOW",
)


def facts(**changes: Any) -> Facts:
    card = CardFacts(
        path="README.md", digest=DIGEST, license="apache-2.0", base_models=("org/base",), datasets=("squad",)
    )
    base: dict[str, Any] = {
        "model": "org/model",
        "now": NOW,
        "source": HubSource(repo="org/model", revision=COMMIT),
        "license": "apache-2.0",
        "lock": DIGEST,
        "policy": DIGEST,
        "files": (plain("LICENSE"), plain("README.md"), file()),
        "card": card,
        "relatives": (
            Relative(name="org/base", kind="model", revision=COMMIT, license="mit", locked=True),
            Relative(name="squad", kind="dataset", revision=COMMIT, locked=True),
        ),
        "packages": Packages(
            inputs=("requirements.txt",),
            packages=(PackageFacts(name="torch", version="2.13.0"),),
            advisories="2026-11-24",
        ),
        "signatures": (SignatureFacts(place="org--model.oms.sigstore.json", digest=DIGEST, signer="release key"),),
        "ledger": PROOF,
        "bom": BomFacts(place="models.cdx.json", digest=DIGEST),
        "licenses": ("apache-2.0", "mit"),
    }
    return Facts(**{**base, **changes})
