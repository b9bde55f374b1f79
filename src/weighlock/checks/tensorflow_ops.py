"""Ops of TensorFlow and TFLite that do more than compute.

## What it does

It lists every op of a SavedModel, a frozen graph or a TFLite model that is not on an exact list of ops that only
compute: ``tensorflow:op NAME``, ``tflite:op NAME``, and assets that lie outside of the model's folder
(``tensorflow:file NAME``). Ops that TensorFlow does not know, custom ops and ops of the Flex
delegate are among them. The functions of a graph count whether anything calls them or not.

## Why it matters

A graph is a program. ``ReadFile`` and ``WriteFile`` read and write any file of the machine when the model is used,
others open sockets, call Python functions of the process, or run code that a plugin brought.

## Known limits

Ops that save and restore variables pass where the name of the file comes from whoever runs them, as in every model that
TensorFlow saved; so do vocabularies that are assets of the model. Models of TensorFlow 1 keep the default name in the
graph, and need an approval. What the ops compute, and how much memory they take, is not judged. Native code of an op is
as safe as TensorFlow is.

## Sources

TensorFlow's op registry, version 2.21, and its SECURITY.md ("TensorFlow models are programs"); the schema of TFLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.tensorflow import OpNeeds
from weighlock.finding import Finding, Outcome, Severity, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = OpNeeds


def run(needs: OpNeeds) -> Iterator[Finding]:
    """Yield one finding for all ops that need an approval."""
    if not needs.names:
        return
    yield Finding(
        check="tensorflow-ops",
        severity=Severity.HIGH,
        message=f"it does more than compute: {listing(needs.names)}",
        outcome=Outcome.NEEDS_APPROVAL,
        imports=needs.names,
    )
