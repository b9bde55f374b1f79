"""What is in the wheels of one installation: all of them are inspected, in parallel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.finding import unverifiable
from weighlock.formats.source import FileSource
from weighlock.inspector.packages import inspect_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.finding import Inspection
    from weighlock.gates.install import Fetched


def inspect_all(fetched: Sequence[Fetched], owners: Mapping[str, str]) -> list[Inspection]:
    """Return the inspection of each wheel, in their order.

    Args:
        fetched: Wheels in quarantine.
        owners: Which distribution owns each file of the environment.
    """
    return [_inspect(one, owners) for one in fetched]


def _inspect(one: Fetched, owners: Mapping[str, str]) -> Inspection:
    descriptor = os.open(one.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        source = FileSource(descriptor, os.fstat(descriptor).st_size)
        return inspect_wheel(source, one.release.artifact.filename, expected=one.release.artifact, owners=owners)
    except Exception as error:  # noqa: BLE001 - not knowing is a reason to deny
        return unverifiable(f"judging it failed with {type(error).__name__}: {error}")
    finally:
        os.close(descriptor)
