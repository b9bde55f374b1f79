"""What a loader demands beyond an admission: a lockfile may be older than what weighlock knows of a format."""

from __future__ import annotations

from weighlock.runtime import _gate, _loads


def require_approved(loading: _loads.Loading, name: str, loader: str) -> None:
    """Check that a person approved one capability of what is being loaded.

    The lockfile may have been written by a weighlock that did not know the format yet.

    Args:
        loading: What was admitted.
        name: The exact capability, such as ``torch.jit:code``.
        loader: Who loads it.

    Raises:
        LoadRefused: Nobody did, and the gate enforces.
    """
    admission = loading.admission
    if admission.anything or name in admission.approved:
        return
    digest = admission.digest and f"sha256:{admission.digest}"
    reason = ("needs-approval", f"it needs {name}, which no approval or enabled profile names")
    _gate.gate().refuse(loading.label, loader, digest, [reason], _gate.gate().approval(loading.label))


def require_locked(loading: _loads.Loading, loader: str) -> None:
    """Check that a file is in the lockfile, for loaders that run it as it is.

    Raises:
        LoadRefused: It is not, and the gate enforces.
    """
    admission = loading.admission
    if admission.anything or admission.digest:
        return
    reason = ("not-in-lock", "it is native code, and its digest is not in the lockfile")
    _gate.gate().refuse(loading.label, loader, None, [reason], _gate.gate().locking(loading.label))
