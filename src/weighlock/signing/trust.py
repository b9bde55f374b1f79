"""Whose signatures count, and how many different signers that has to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import PolicyError

if TYPE_CHECKING:
    from weighlock.signing.public_key import PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """Whoever holds the private half of a pinned key.

    Args:
        name: For people, and of the person: two signers of one name are one.
        key: The public half.
    """

    name: str
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCertificate:
    """Whoever an authority of one's own has certified under exactly one identity.

    Args:
        name: For people, and of the person.
        roots: The authority's certificates, PEM.
        identity: An e-mail address or URI that the signer's certificate has to name, exactly.
    """

    name: str
    roots: bytes
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIdentity:
    """Whoever had an identity when Sigstore asked its issuer.

    Args:
        name: For people, and of the person.
        identity: An e-mail address or URI that the certificate has to name, exactly.
        issuer: URL of the OpenID Connect issuer, exactly.
        trusted_root: Sigstore's keys as a document; by default those that came with the library.
        staging: The default keys are those of Sigstore's staging instance.
    """

    name: str
    identity: str
    issuer: str
    trusted_root: bytes | None = None
    staging: bool = False


TrustedSigner = TrustedKey | TrustedCertificate | TrustedIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose signatures count, and how many of them it takes.

    Args:
        signers: At least one: who trusts nobody has verified nothing.
        threshold: So many different signers.

    Raises:
        PolicyError: Nobody is trusted, or the signers are too few to reach the threshold.
    """

    signers: tuple[TrustedSigner, ...]
    threshold: int = 1

    def __post_init__(self) -> None:
        if not self.signers:
            raise PolicyError(
                "nobody's signature counts, so nothing can be verified",
                hint="name a signer with --key FILE.pub, or in [[tool.weighlock.evidence.signers]]",
            )
        if not all(signer.name.strip() for signer in self.signers):
            raise PolicyError("a signer has no name")
        for signer in self.signers:
            pins = () if isinstance(signer, TrustedKey) else (signer.identity, getattr(signer, "issuer", "-"))
            if not all(pin.strip() for pin in pins):
                raise PolicyError(
                    "a certificate without an identity, and who vouches for it, is anybody's",
                    where=signer.name,
                    hint="name the exact e-mail address or URI with --identity, and --issuer for Sigstore",
                )
        if self.threshold < 1 or self.threshold > len(set(people(self.signers).values())):
            raise PolicyError(f"{self.threshold} different signers can never be reached with those that are named")


def people(signers: tuple[TrustedSigner, ...], seen: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
    """Tell who is the same person: signers that share a name, a key or an identity, directly or over others.

    Args:
        signers: Who is trusted.
        seen: Names of signers with keys, or other marks, that turned out to be theirs.

    Returns:
        A representative for each name and each mark.
    """
    parents: dict[str, str] = {}

    def find(mark: str) -> str:
        parents.setdefault(mark, mark)
        while parents[mark] != mark:
            parents[mark] = parents[parents[mark]]
            mark = parents[mark]
        return mark

    for name, mark in (*((signer.name, mark_of(signer)) for signer in signers), *seen):
        parents[find(person_mark(name))] = find(mark)
    return {mark: find(mark) for mark in parents}


def person_mark(name: str) -> str:
    """Return the mark of a person; capital letters make no second one."""
    return f"name {name.strip().casefold()}"


def mark_of(signer: TrustedSigner) -> str:
    """Return what two signers of one person may share: the key, or the identity whoever vouches for it."""
    if isinstance(signer, TrustedKey):
        return f"key {signer.key.digest}"
    return f"identity {signer.identity.strip().casefold()}"


def names_of(signer: TrustedSigner) -> tuple[str, ...]:
    """Return everything by which a signer may be denied: the name, and what was verified of them."""
    if isinstance(signer, TrustedKey):
        return signer.name, f"key {signer.key.digest}"
    return signer.name, signer.identity
