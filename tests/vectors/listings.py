"""Vectors of checks that read what an index or a requirement says."""

from __future__ import annotations

import json
from collections.abc import Iterator

Vectors = Iterator[tuple[str, bytes]]

_INDEX = "https://index.example/simple"
_NAME = "tool-1.0-py3-none-any.whl"
_HONEST, _OTHER = "1" * 64, "2" * 64


def _changed() -> Vectors:
    """Write listings that differ from what the installer was given."""
    yield "exchanged.json", _candidate(_HONEST, _page(_INDEX, _OTHER))
    yield "second-index.json", _candidate(_HONEST, _page(_INDEX, _HONEST), _page("https://other.example", _OTHER))


def _unchanged() -> Vectors:
    """Write listings that agree, or say nothing."""
    yield "same.json", _candidate(_HONEST, _page(_INDEX, _HONEST))
    yield "without-digest.json", _candidate(_HONEST, _page(_INDEX, None))
    yield "other-file.json", _candidate(_HONEST, _page(_INDEX, _OTHER, filename="tool-0.9-py3-none-any.whl"))
    yield "not-yet-known.json", _candidate(None, _page(_INDEX, _OTHER))


def _candidate(sha256: str | None, *pages: dict) -> bytes:
    artifact = {"name": "tool", "version": "1.0", **({"digest": sha256} if sha256 else {})}
    release = {"artifact": artifact, "pages": pages, "asked": True}
    return json.dumps({"release": release}, indent=1).encode() + b"\n"


def _page(index: str, sha256: str | None, filename: str = _NAME) -> dict:
    file = {"filename": filename, "url": f"{index}/files/{filename}", "sha256": sha256}
    return {"index": index, "name": "tool", "files": [file]}


def _builds() -> Vectors:
    """Write one of each kind."""
    for kind in ("vcs", "folder", "sdist", "url", "something-new"):
        yield f"{kind}.json", json.dumps({"build": {"kind": kind}}).encode() + b"\n"
    yield "editable.json", json.dumps({"build": {"kind": "folder", "editable": True}}).encode() + b"\n"


def _recorded() -> Vectors:
    """Write components of which a bill records what they may execute."""
    yield "pickle.json", _component("pytorch_model.bin")
    yield "capitals.json", _component("weights.PKL")
    yield "imports.json", _component("weights", ["weighlock:imports", "os.system"])
    yield "risk.json", _component("weights", ["security:risk_level", "high"])


def _silent() -> Vectors:
    """Write components of which it records nothing of that kind."""
    yield "safetensors.json", _component("model.safetensors")
    yield "other-properties.json", _component("model.gguf", ["size", "9"], ["weighlock:imports", ""])


def _component(name: str, *properties: list[str]) -> bytes:
    component = {"name": name, "where": "components[0]", "properties": properties}
    return json.dumps({"component": component}, indent=1).encode() + b"\n"


CHECKS = {
    "changed-listing": (_changed, _unchanged),
    "needs-build": (_builds, _unchanged),
    "recorded-risks": (_recorded, _silent),
}
