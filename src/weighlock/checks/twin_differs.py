"""Checkpoints whose safetensors twin holds other tensors.

## What it does

`weighlock lock` compares a pickled checkpoint with the safetensors file that has its name, or with its shards, tensor
by tensor and bit by bit, without executing the pickle. A tensor of the same name with other bytes or another shape is
refused. A tensor that only one of the two has, or that has another data type, is reported, and ends the proof.

## Why it matters

Most safetensors files on hubs were made from pickles by somebody else: a conversion service, a bot, a stranger's pull
request. Whoever controls that step gives other weights to everyone whose library prefers safetensors, and the pickle
that people reviewed stays as it was.

## Known limits

The comparison tells that the two differ, not which of them is the original. Where both were changed alike, nothing
differs. Honest conversions leave out buffers, rename tensors and change the data type; such tensors cannot be told from
exchanged ones, so that they are not refused, and nothing is served from that twin.

## Sources

HiddenLayer, "Silent Sabotage: Hijacking Safetensors Conversion on Hugging Face" (2024); `convert.py` of
huggingface/safetensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.twin import OTHER_CONTENT, Comparison, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Comparison


def run(comparison: Comparison) -> Iterator[Finding]:
    """Yield a finding for a tensor with other content, and one for what honest conversions do as well."""
    refused = next((one for one in comparison.differences if one.kind in OTHER_CONTENT), None)
    if refused is not None:
        yield Finding(
            check="twin-differs",
            severity=Severity.HIGH,
            message=f"tensor {refused.tensor} has another shape than in {comparison.checkpoint}"
            if refused.kind is Kind.SHAPE
            else f"tensor {refused.tensor} has other bytes than in {comparison.checkpoint}",
            outcome=Outcome.REFUSED,
        )
    others = [one for one in comparison.differences if one.kind not in OTHER_CONTENT]
    if others:
        yield Finding(
            check="twin-differs",
            severity=Severity.MEDIUM,
            message=f"{comparison.checkpoint} and {', '.join(comparison.twin)} are not proved to hold the same: "
            f"{comparison.summary}",
        )
