"""ONNX operators that only a native library can compute.

## What it does

It lists the domains of operators that are neither onnx's own, nor built into onnxruntime, nor defined as functions by
the model itself: ``onnx:domain NAME``. Graphs in attributes, in functions and for training are gone through as well.
Operators that load compiled code or call Python are listed one by one: ``onnx:op com.microsoft EPContext``.

## Why it matters

Somebody has to load a native library for such an operator, and what that does with the attributes that the file chose
is unknown.

## Known limits

The operators of onnx and onnxruntime are taken to compute and no more; what a graph costs is not judged. Models in the
ORT format of onnxruntime are not read, and so are unverifiable.

## Sources

onnx.proto; `SessionOptions.register_custom_ops_library` and ``core/graph/constants.h`` of onnxruntime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist import onnx as allowlist
from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.formats.onnx import OnnxModel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = OnnxModel


def run(model: OnnxModel) -> Iterator[Finding]:
    """Yield one finding for all that needs an approval."""
    names = allowlist.needs(model)
    if names:
        yield Finding(
            check="onnx-operators",
            severity=Severity.MEDIUM,
            message=f"its graph asks for {listing(names)}",
            outcome=Outcome.NEEDS_APPROVAL,
            imports=names,
        )
