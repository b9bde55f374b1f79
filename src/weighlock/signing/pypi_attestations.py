"""Provenance of packages: attestations (PEP 740) are verified offline, for exactly the digest of a file.

The library ``pypi-attestations`` of the extra ``weighlock[sign]`` does it, with the keys of Sigstore that come with it
and no request to anybody.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, UnsupportedError
from weighlock.release import Publisher
from weighlock.signing.library import first_line, quiet

if TYPE_CHECKING:
    from weighlock.artifact import PackageFile

_MOST = 64  # attestations of one file; the index has one or two
_EXTRA = "weighlock[sign] is not installed"


def is_available() -> bool:
    """Say whether the extra is installed, without importing it: that takes half a second."""
    from importlib.util import find_spec

    return find_spec("pypi_attestations") is not None


def verify(document: bytes, artifact: PackageFile) -> Publisher:
    """Verify every attestation in a provenance document and return who published the file.

    Args:
        document: As the index serves it.
        artifact: With the digest that the attestations have to be for.

    Returns:
        The publisher that the certificates name. The environment is what the index says, and not in them.

    Raises:
        ForgedError: An attestation does not verify, or is for other bytes.
        UnsupportedError: Nobody could look: the extra is not installed, or does not know this kind of publisher.

    Source:
        PEP 740; the documentation of pypi-attestations.
    """
    if artifact.digest is None:
        raise UnsupportedError("the index does not say which digest the file has")
    try:
        import pypi_attestations as library
    except ImportError:
        raise UnsupportedError(_EXTRA, hint="pip install 'weighlock[sign]'") from None
    bundles = _bundles(document, library)
    subject = library.Distribution(name=artifact.filename, digest=artifact.digest.value)
    with quiet("sigstore"):
        for bundle in bundles:
            for attestation in bundle.attestations:
                _verify_one(attestation, bundle.publisher, subject)
    publishers = {_publisher(bundle.publisher) for bundle in bundles}
    if len(publishers) != 1:
        raise UnsupportedError("more than one publisher attests it")
    return publishers.pop()


def _bundles(document: bytes, library: Any) -> list[Any]:
    _require_known(document, library)
    try:
        bundles: list[Any] = library.Provenance.model_validate_json(document).attestation_bundles
    except ValueError as error:
        raise ForgedError("the provenance is not built as it has to be") from error
    if not bundles or not all(bundle.attestations for bundle in bundles):
        raise ForgedError("the provenance holds no attestation")
    if sum(len(bundle.attestations) for bundle in bundles) > _MOST:
        raise UnsupportedError(f"the provenance holds more than {_MOST} attestations")
    return bundles


def _require_known(document: bytes, library: Any) -> None:
    """Tell what is newer than the library from what is broken."""
    try:
        body = json.loads(document)
        kinds = [bundle["publisher"]["kind"] for bundle in body["attestation_bundles"]]
        version = body.get("version", 1)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ForgedError("the provenance is not built as it has to be") from error
    if version != 1:
        raise UnsupportedError(f"the provenance is of version {str(version)[:20]}, and only version 1 is known")
    for kind in kinds:
        if not isinstance(kind, str) or not hasattr(library, f"{kind}Publisher"):
            raise UnsupportedError(f"publishers of the kind {str(kind)[:50]!r} are not known")


def _verify_one(attestation: Any, publisher: Any, subject: Any) -> None:
    from pypi_attestations import AttestationError
    from sigstore.errors import Error as SigstoreError

    try:
        attestation.verify(publisher, subject, offline=True)
    except AttestationError as error:
        raise ForgedError(first_line(error)) from error
    except (SigstoreError, OSError) as error:  # the keys cannot be read
        raise UnsupportedError(first_line(error)) from error
    except Exception as error:  # whatever a parser says about hostile bytes, they are not verified
        raise UnsupportedError(f"the verification ended with {type(error).__name__}") from error


def _publisher(publisher: Any) -> Publisher:
    """Return the parts of the identity that the certificate was compared with."""
    environment = getattr(publisher, "environment", None)
    if publisher.kind == "Google":
        return Publisher(kind="Google", repository=publisher.email)
    if publisher.kind == "CircleCI":
        return Publisher(kind="CircleCI", repository=publisher.project_id, workflow=publisher.pipeline_definition_id)
    workflow = publisher.workflow if publisher.kind == "GitHub" else publisher.workflow_filepath
    return Publisher(kind=publisher.kind, repository=publisher.repository, workflow=workflow, environment=environment)
