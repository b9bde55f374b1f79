"""Promotion: what is promoted where, as every registry says it.

Values. How they are signed is in `weighlock.signing.vsa` and `weighlock.signing.approval`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock.promotion_policy import folded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from weighlock.artifact import Digest

BUILTIN, MLFLOW, OCI = "weighlock", "mlflow", "oci"
REGISTRIES = (BUILTIN, MLFLOW, OCI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A name in a registry that moves from version to version, such as one alias of one registered model.

    Args:
        registry: One of `REGISTRIES`.
        model: Its name there: of a model in the built-in store, of a registered model, or of a repository.
        stage: Name of the stage, as the policy writes it.
    """

    registry: str
    model: str
    stage: str

    @property
    def uri(self) -> str:
        """What stands in statements; no two resources have the same."""
        return f"{self.registry}:{quote(self.model, safe='/')}#{quote(folded(self.stage), safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotable:
    """Exact files of a model that are to be promoted, or were.

    Args:
        resource: Where to.
        files: SHA-256 of each file, 64 hexadecimal digits, by its path in the model; at least one.
    """

    resource: Resource
    files: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person agrees to one promotion.

    Args:
        promotable: What is promoted where.
        requirements: Digest of what the stage required then, ``sha256:…``.
        previous: Digest of the verification summary that is in force there, which it replaces; ``None`` for the first.
        made: When.
        expires: Until when it counts.
        reason: Why, in that person's words.
    """

    promotable: Promotable
    requirements: str
    previous: str | None
    made: datetime
    expires: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A document that a decision rests on.

    Args:
        kind: ``lockfile``, ``bom``, ``audit``, ``signature``, ``approval``, ``vsa`` of the stage before, ``entry`` of
            the lockfile, ``rollback`` to an earlier summary, or ``person`` for who signed or approved.
        name: Of its file, for people.
        digest: Of its bytes.
    """

    kind: str
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Vsa:
    """A verification summary: who decides says that exactly these files meet what a stage requires.

    Args:
        promotable: What may be promoted where.
        version: Of the model in its registry, for people.
        requirements: Digest of what the stage required, ``sha256:…``.
        policy: Digest of all of the policy, ``sha256:…``.
        previous: Digest of the verification summary that it replaces, so that it counts once; ``None`` for the first.
        made: When.
        inputs: What it rests on.
        actor: Who asked for it, ``user@host``.
    """

    promotable: Promotable
    version: str
    requirements: str
    policy: str
    previous: str | None
    made: datetime
    inputs: tuple[Input, ...] = ()
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A verification summary that was verified.

    Args:
        vsa: What it says.
        bundle: Its bytes, a Sigstore bundle.
        digest: Of the bundle, ``sha256:…``; what the next one names as `Vsa.previous`.
        verifier: Name that the policy gives to who signed it.
        identity: What was verified of them: ``key sha256:…``, or the identity in a certificate.
    """

    vsa: Vsa
    bundle: bytes = field(repr=False)
    digest: str
    verifier: str
    identity: str
