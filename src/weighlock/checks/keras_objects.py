"""Keras configurations that ask for more than Keras' own plain objects.

## What it does

It reads the JSON that Keras rebuilds a model from: ``config.json`` of a ``.keras`` archive or folder,
``model_config`` and ``training_config`` of an HDF5 file, ``keras_metadata.pb`` of a SavedModel. It names every class
and function that is not on an exact list of Keras' own objects that only compute, says where Python code of the file
would run (``keras:Lambda``), and which files or addresses the model would read by itself (``keras:file NAME``).

## Why it matters

Loading such a configuration looks each class and function up and calls it with arguments that the file chose. A
``Lambda`` layer holds marshalled bytecode. Releases of Keras imported any module and called any function that the
file named; others read local files, fetched addresses, or let the file switch the safe mode off.

## Known limits

A custom class that was registered by the program has a name here and no contents: what it does with its configuration
is for the person who approves it. Names of functions that are plain texts, as older HDF5 files write them, cannot be
told from other texts; Keras looks them up among its own functions and those that the program registered.

## Sources

Keras' `serialization_lib`. CVE-2024-3660 (Lambda without safe mode), CVE-2025-1550 (any module and function),
CVE-2025-8747 (`keras.utils.get_file` as a function), CVE-2025-9905 (HDF5 files without safe mode), CVE-2025-9906
(`enable_unsafe_deserialization` by configuration), CVE-2025-12058 (``vocabulary`` that names a file or address),
CVE-2025-49655 (pickle in a ``TorchModuleWrapper``), CVE-2026-1462 (SavedModel in a ``TFSMLayer``);
VU#253266 of the CERT Coordination Center.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.keras import CODE, KerasNeeds
from weighlock.finding import Finding, Outcome, Severity, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = KerasNeeds


def run(needs: KerasNeeds) -> Iterator[Finding]:
    """Yield a finding for each kind of thing that the configuration asks for."""
    if needs.harmful:
        message = f"its configuration asks for {listing(needs.harmful)}, which no honest model needs"
        yield _finding(message, needs.harmful, Severity.CRITICAL, Outcome.REFUSED)
    if needs.code or CODE in needs.objects:
        yield _finding("loading it runs Python code of the file, a Lambda", (CODE,), Severity.HIGH)
    others = tuple(name for name in needs.objects if name != CODE)
    if others:
        message = f"loading it makes or calls {listing(others)}, which are not Keras' own plain objects"
        yield _finding(message, others, Severity.MEDIUM)
    if needs.files:
        names = tuple(f"keras:file {name}" for name in needs.files)
        yield _finding(f"loading it reads {listing(needs.files)}", names, Severity.HIGH)


def _finding(
    message: str, names: tuple[str, ...], severity: Severity, outcome: Outcome = Outcome.NEEDS_APPROVAL
) -> Finding:
    return Finding(check="keras-objects", severity=severity, message=message, outcome=outcome, imports=names)
