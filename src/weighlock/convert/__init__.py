"""From a torch checkpoint to safetensors: what goes into the file, and its bytes. Opens nothing, executes nothing.

Three steps, each in a file of its own:
    1. plan: which tensors are written, under which names, and what becomes of the rest;
    2. layout: the header, and where each tensor lies;
    3. write: the bytes, a few megabytes at a time.
"""

from __future__ import annotations

from weighlock.convert.layout import Layout, lay_out
from weighlock.convert.plan import Choice, Plan, plan, require_used
from weighlock.convert.write import Sink, write

__all__ = ["Choice", "Layout", "Plan", "Sink", "lay_out", "plan", "require_used", "write"]
