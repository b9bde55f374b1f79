"""ONNX tensors whose data lie in other files.

## What it does

It reads where the tensors of a model have their data outside of it. A place that leads out of the folder of the model
is refused: an absolute path, a drive, ``..``, an address, a character that no file name has; so are a negative offset
or length, and a key that the format does not know. A file inside of the folder is named.

## Why it matters

Loading the model reads these files. A path to any file of the machine hands its content to the model, and on to
whoever sees its answers. Releases of onnx set every key as an attribute of an object, and followed links.

## Known limits

Links, and offsets beyond the end of the file, are for the guard, which sees the folder. The files themselves need lock
entries of their own.

## Sources

CVE-2022-25882 and CVE-2024-27318 (paths out of the folder), CVE-2024-5187 (members of a hub's tar, see
`archive-anomalies`), GHSA-538c-55jv-c5g9 (keys, offsets and lengths); ExternalData.md of onnx.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.onnx import OnnxModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.onnx import External

STRUCTURE = OnnxModel

_SHOWN = 20
_KEYS = frozenset({"location", "offset", "length", "checksum", "basepath"})
_KEY_OF_ONNXRUNTIME = re.compile(r"prepacked(?:_\d+)?\Z")
_NUMBER = re.compile(r"[0-9]{1,19}\Z")
_ODD = re.compile(r"[\x00-\x1f\x7f:*?\"<>|\\]")


def run(model: OnnxModel) -> Iterator[Finding]:
    """Yield a finding for each file, and for each place that no honest model names."""
    for external in sorted(model.external, key=lambda each: (each.location, each.entries))[: _SHOWN * 50]:
        for reason in _reasons(external):
            message = f"it has tensors in {external.location!r}: {reason}"
            yield _finding(message, Severity.CRITICAL, Outcome.REFUSED)
    inside = sorted({external.location for external in model.external if leads_inside(external.location)})
    for location in inside[:_SHOWN]:
        yield _finding(f"it has tensors in the file {location} beside it", Severity.INFO, Outcome.DATA_ONLY)


def leads_inside(location: str) -> bool:
    """Tell whether a path leads to a file inside of the folder of the model, on every system, links aside."""
    parts = location.split("/")
    return bool(location) and not _ODD.search(location) and ".." not in parts and parts[0] not in {"", "~"}


def _reasons(external: External) -> Iterator[str]:
    if not leads_inside(external.location):
        yield "that is no file inside of its folder"
    for key, value in external.entries:
        if key not in _KEYS and not _KEY_OF_ONNXRUNTIME.match(key):
            yield f"{key[:80]!r} is no key of external data"
        if key in {"offset", "length"} and not _NUMBER.match(value):
            yield f"its {key} is no number"


def _finding(message: str, severity: Severity, outcome: Outcome) -> Finding:
    return Finding(check="onnx-external-data", severity=severity, message=message, outcome=outcome)
