"""The options of ``weighlock verify --signature``, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from weighlock.gates.project import Project
    from weighlock.signing.trust import Trust, TrustedSigner

_OPTIONS = (
    click.option("--signature", "bundles", multiple=True, metavar="BUNDLE", help="Verify who signed PATH."),
    click.option("--key", "keys", multiple=True, metavar="FILE", help="A public key (PEM) whose signature counts."),
    click.option("--certificate", metavar="FILE", help="An authority (PEM) that vouches for --identity."),
    click.option("--identity", metavar="ID", help="The exact e-mail address or URI in the certificate."),
    click.option("--issuer", metavar="URL", help="Who vouches for --identity at Sigstore."),
    click.option("--trusted-root", metavar="FILE", help="Sigstore's keys; by default those of the library."),
    click.option("--staging", is_flag=True, help="Sigstore's staging instance, whose signatures prove nothing."),
    click.option(
        "--threshold",
        type=click.IntRange(1, 100),
        metavar="N",
        help="So many different signers; never fewer than the policy demands of its own.",
    ),
    click.option("--model", metavar="NAME", help="The name that a model was signed under."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureOptions:
    """What is to be verified about signatures."""

    bundles: tuple[str, ...]
    keys: tuple[str, ...]
    certificate: str | None
    identity: str | None
    issuer: str | None
    trusted_root: str | None
    staging: bool
    threshold: int | None
    model: str | None


def signature_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Take ``signature``, which is ``None`` where no signature is to be verified."""
    from functools import wraps

    names = tuple(SignatureOptions.__dataclass_fields__)

    @wraps(function)
    def with_signature(**options: Any) -> Any:
        chosen = SignatureOptions(**{name: options.pop(name) for name in names})
        named = any(getattr(chosen, name) for name in names)
        if named and not chosen.bundles and not options["chain"]:
            hint = "weighlock verify --signature FILE"
            raise UsageError("only says whose signature counts", where="--key and its like", hint=hint)
        return function(signature=chosen if named else None, **options)

    for option in reversed(_OPTIONS):
        with_signature = option(with_signature)
    return with_signature


def verify_signatures(
    paths: tuple[str, ...], options: SignatureOptions, project: Project, *, kind: str, output: str | None
) -> int:
    """Verify the signatures of one file or folder, and report."""
    from weighlock.gates.model_signature import verify_model
    from weighlock.gates.signatures import is_model_signing, record, verify_document
    from weighlock.output.signatures import signed_model_json, signed_model_text, verified_json, verified_text

    place, bundles = _what(paths, options)
    trust = trust_named(options, project)
    trusted_by = "options" if options.keys or options.identity else "policy"
    now = datetime.now(UTC)
    if bundles and place.is_dir() and all(is_model_signing(bundle) for bundle in bundles):
        with TerminalProgress() as progress:
            model = verify_model(
                bundles, place, trust, name=options.model, now=now, progress=progress, decider=project.decider("verify")
            )
        emit((signed_model_json if kind == "json" else signed_model_text)(model, trusted_by), output)
        return model.report.exit_code
    report = verify_document(place, trust, bundles=bundles, name=options.model, now=now)
    record(report, place, project.decider("verify"))
    emit((verified_json if kind == "json" else verified_text)(report, trusted_by), output)
    if report.tally.reached:
        return 0
    return 2 if any(one.undecided for one in report.tally.not_counted) else 1


def _what(paths: tuple[str, ...], options: SignatureOptions) -> tuple[Path, list[Path]]:
    """Return what is verified, and by which bundles; ``--signature FILE`` alone means those beside FILE."""
    if len(paths) > 1 or (not paths and len(options.bundles) > 1):
        raise UsageError(
            "are verified for one PATH at a time", where="signatures", hint="weighlock verify --signature BUNDLE PATH"
        )
    if not paths:
        return Path(options.bundles[0]), []
    return Path(paths[0]), [Path(path) for path in options.bundles]


def trust_named(options: SignatureOptions, project: Project) -> Trust:
    """Return whose signatures count: those that were named, else those of the policy."""
    from weighlock.gates.signed_lockfile import trust_of
    from weighlock.signing.trust import Trust

    signers = _named(options)
    if not signers:
        trust = trust_of(project.policy.evidence, project.policy_path)
        return Trust(signers=trust.signers, threshold=max(trust.threshold, options.threshold or 1))
    return Trust(signers=signers, threshold=options.threshold or 1)


def _named(options: SignatureOptions) -> tuple[TrustedSigner, ...]:
    from weighlock.gates.signatures import read_key_file
    from weighlock.signing.public_key import read_public_key
    from weighlock.signing.trust import TrustedCertificate, TrustedIdentity, TrustedKey

    signers: list[TrustedSigner] = [
        TrustedKey(name=path, key=read_public_key(read_key_file(Path(path)), where=path)) for path in options.keys
    ]
    if options.certificate and options.issuer:
        raise UsageError("is for Sigstore, not for an authority of one's own", where="--issuer", hint="leave it out")
    if options.certificate:
        if not options.identity:
            hint = "--identity release@example.org, exactly as in the certificate"
            raise UsageError("without an identity anybody who has one could sign", where="--certificate", hint=hint)
        roots = read_key_file(Path(options.certificate))
        signers.append(TrustedCertificate(name=options.identity, roots=roots, identity=options.identity))
    elif options.identity or options.issuer:
        if not (options.identity and options.issuer):
            hint = "--identity ID --issuer URL, or --certificate FILE --identity ID"
            raise UsageError("an identity counts with who vouches for it", where="--identity", hint=hint)
        root = _root(options.trusted_root)
        signers.append(
            TrustedIdentity(
                name=options.identity,
                identity=options.identity,
                issuer=options.issuer,
                trusted_root=root,
                staging=options.staging,
            )
        )
    return tuple(signers)


def _root(path: str | None) -> bytes | None:
    from weighlock.gates.signatures import read_key_file

    return None if path is None else read_key_file(Path(path))
