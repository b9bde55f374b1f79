"""Inert payloads that the tricks are built around: each creates the marker in the working directory."""

from __future__ import annotations

from tests.corpus import opcodes as op
from tests.corpus.case import MARKER

CODE = f"__import__('os').mkdir('{MARKER}')"
SHELL = f"mkdir {MARKER}"

#: Push the callable and its argument; `MKDIR_CALL` is the finished call.
MKDIR = op.glob("os", "mkdir")
MKDIR_ARGUMENTS = op.tup(op.text(MARKER))
MKDIR_CALL = MKDIR + MKDIR_ARGUMENTS + op.REDUCE

EXEC_CALL = op.call(op.glob("builtins", "exec"), op.text(CODE))
SYSTEM_CALL = op.call(op.glob("posix", "system"), op.text(SHELL))

#: A whole small pickle of protocol 4, of protocol 2 and of protocol 0.
PICKLE = op.stream(MKDIR_CALL)
PICKLE2 = op.proto(2) + op.call(op.glob("os", "mkdir"), op.binunicode(MARKER)) + op.STOP
PICKLE0 = b"cos\nmkdir\n(V" + MARKER.encode() + b"\ntR."

PAYLOADS = {"mkdir": MKDIR_CALL, "exec": EXEC_CALL, "system": SYSTEM_CALL}
