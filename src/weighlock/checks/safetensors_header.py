"""safetensors files whose header breaks a rule of the format.

## What it does

It reports a header that is not what the format demands: bad JSON, duplicate names, unknown data types, offsets that
overlap, leave holes or end elsewhere than the file.

## Why it matters

safetensors is safe because every byte of the file is accounted for. What is not accounted for is room for something
else.

## Known limits

The values of the tensors are not judged.

## Sources

The format description of safetensors 0.8 and its Rust implementation; the Trail of Bits audit of 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.obstacle import BrokenHeader

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = BrokenHeader


def run(header: BrokenHeader) -> Iterator[Finding]:
    """Yield the finding about the header."""
    yield Finding(
        check="safetensors-header",
        severity=Severity.HIGH,
        message=f"its safetensors header is not valid: {header.message}",
        outcome=Outcome.UNVERIFIABLE,
    )
