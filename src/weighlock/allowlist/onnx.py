"""What an ONNX graph may ask for: the domains whose operators only compute, and the operators in them that do more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.formats.onnx import OnnxModel

DOMAINS = frozenset(
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "ai.onnx.training",
        "com.microsoft",
        "com.microsoft.experimental",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
    }
)
"""Domains of onnx itself and of those operators that are built into onnxruntime (its ``core/graph/constants.h``)."""

DO_MORE = frozenset({("com.microsoft", "EPContext"), ("com.microsoft", "PythonOp"), ("com.microsoft", "PythonOpGrad")})
"""EPContext loads compiled code of an accelerator from a file of its choice, PythonOp calls Python."""


def needs(model: OnnxModel) -> tuple[str, ...]:
    """Return what a person has to approve: ``onnx:domain NAME`` or ``onnx:op DOMAIN NAME``."""
    found = set()
    for domain, name in model.operators - model.functions:
        if domain not in DOMAINS:
            found.add(f"onnx:domain {domain}")
        elif (domain, name) in DO_MORE:
            found.add(f"onnx:op {domain} {name}")
    return tuple(sorted(found))
