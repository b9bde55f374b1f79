"""Reports of ``weighlock push``, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from weighlock.gates.push import Pushed

_WORDS = ("present", "mounted", "uploaded")


def push_text(pushed: Pushed) -> str:
    """Say what was sent, and how others lock it."""
    lines = [f"{file.status:<10}{file.path}" for file in pushed.files if file.status != "present"]
    lines += [f"attached  {place} as {digest}" for place, digest in pushed.attached]
    counts = ", ".join(f"{sum(file.status == word for file in pushed.files)} {word}" for word in _WORDS)
    lines.append(f"pushed    {len(pushed.files)} files: {counts}")
    lines.append(f"manifest  {pushed.repository}@{pushed.digest}")
    lines.append(f"          `weighlock lock {quote(f'oci:{pushed.repository}:{pushed.tag}')}` locks it elsewhere")
    return "".join(f"{printable(line)}\n" for line in lines)


def push_json(pushed: Pushed) -> str:
    """Return the same facts for programs."""
    document = {"weighlock": __version__, "command": "push", **asdict(pushed)}
    document["attached"] = [{"file": place, "digest": digest} for place, digest in pushed.attached]
    return f"{json.dumps(document, indent=2, ensure_ascii=True)}\n"
