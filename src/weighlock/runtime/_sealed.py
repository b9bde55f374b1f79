"""Copies of files in memory that nobody can change any more, whoever holds the file itself open for writing."""

from __future__ import annotations

import os

from weighlock.runtime import _gate

_STEP = 1 << 30
"""Bytes that the system copies in one call."""


def sealed_copy(descriptor: int, label: str) -> int:
    """Copy an open file into memory and seal the copy, which is then judged in its place.

    Args:
        descriptor: A regular file; its position does not change.
        label: Its name, for messages.

    Returns:
        The descriptor of the copy, which is the caller's to close.

    Raises:
        LoadRefused: This system has no such memory, or there is no room in it.
    """
    import fcntl

    if not hasattr(os, "memfd_create") or not hasattr(fcntl, "F_SEAL_WRITE"):
        why = 'this system cannot seal memory, which verify = "sealed" asks for'
        _gate.refuse(label, why, 'set verify = "full" in the policy, and mount models read-only')
    copy = os.memfd_create("weighlock", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _fill(copy, descriptor)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
    except OSError as error:
        os.close(copy)
        _gate.refuse(label, f"it cannot be copied into memory: {error.strerror}")
    except BaseException:
        os.close(copy)
        raise
    return copy


def _fill(copy: int, descriptor: int) -> None:
    left, offset = os.fstat(descriptor).st_size, 0
    while left:
        sent = os.sendfile(copy, descriptor, offset, min(left, _STEP))
        if not sent:  # the file became shorter, and so has another digest
            return
        offset += sent
        left -= sent
