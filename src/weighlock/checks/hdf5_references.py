"""HDF5 files that lead to other files, or to a plugin.

## What it does

It reports links into other files, datasets whose data stand in other files, virtual datasets, and compression filters
that the HDF5 library looks for among its plugins. They are named ``hdf5:external link NAME``, ``hdf5:external file
NAME``, ``hdf5:virtual dataset`` and ``hdf5:filter NUMBER``.

## Why it matters

A model file is judged and pinned by its digest; the file that it leads to is neither. Reading the weights of such a
model can also read any file of the machine into them, from where they leave it with the next upload. A plugin is
native code that the library loads because the file asks for it.

## Known limits

The data of datasets are not read. Links within the file are followed by the objects that they lead to. Filters that
come with the library, h5py and PyTables are not reported.

## Sources

HDF5 File Format Specification 3.0. CVE-2026-1669, GHSA-3m4q-jmj6-r34q (external files in weights of Keras);
Keras' `safe_get_h5_dataset`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.formats.hdf5 import Hdf5

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Hdf5


def run(file: Hdf5) -> Iterator[Finding]:
    """Yield one finding for all that leads out of the file."""
    names = tuple(sorted(f"{kind} {target}".rstrip() for kind, target in file.external))
    if not names:
        return
    yield Finding(
        check="hdf5-references",
        severity=Severity.HIGH,
        message=f"reading it makes the HDF5 library leave the file: {listing(names)}",
        outcome=Outcome.NEEDS_APPROVAL,
        imports=tuple(f"hdf5:{name}" for name in names),
    )
