"""Model files and pickles in wheels: found by their first bytes, and judged like any other model file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.finding import Outcome
from weighlock.formats.compression import HEAD, codec_of
from weighlock.formats.source import Budget, BytesSource
from weighlock.formats.wheel import PackagedModel
from weighlock.inspector import inspect
from weighlock.inspector.spool import default_budget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.finding import Finding, Inspection
    from weighlock.formats.wheel import Content

_NAMES = re.compile(
    r"\.(?:bin|ckpt|dill|gguf|h5|hdf5|joblib|keras|lite|mar|model|npy|npz|onnx|ort|pb|pck|pcl|pickle|pk|pkl|pt|pt2"
    r"|pte|pth|ptl|safetensors|sav|skops|tflite|p|gz|bz2|xz|lzma|zip|tar|tgz|7z|whl|egg)\Z",
    re.IGNORECASE,
)
_MAGIC = re.compile(
    rb"""(?sx)
    \x80[\x02-\x05]            # a pickle of protocol 2 or later
    | PK[\x03\x05]             # zip
    | \x93NUMPY | \x89HDF | GGUF | 7z\xbc\xaf | ZF
    | .{4}(?:TFL3|ET\d\d|PTMF|ORTM)
    | .{3}[\x00-\x0f]\x00{4}\{   # a safetensors header of up to 256 MB
    | \x08[\x01-\x20][\x12\x1a\x22\x3a]  # the first fields of an ONNX or TensorFlow model
    | .{257}ustar
    """
)
# Pickles of protocol 0 and 1 have no magic number, and begin with an opcode that needs nothing on the stack. Text that
# begins so is mostly none: it must also name something to be imported, by opcode and two lines, or from the stack.
# Later ones need no magic number either: what comes behind it may as well stand at the beginning.
_TEXT_PICKLE = re.compile(rb"[(\])}cIJKLMNSTUVXGFBCP\x80\x88\x8a-\x8f\x95\x96]|\x89(?!PNG)")
_IMPORTS = re.compile(rb"[ci][A-Za-z_][\w.]{0,250}\r?\n[A-Za-z_][\w.]{0,250}\r?\n|\x93|[\x82-\x84]")
# JSON is looked into where it may be a configuration that names code or holds a template.
_CONFIGURATION = re.compile(rb'"(?:class_name|chat_template|auto_map|_class_name|custom_pipelines)"')
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[{\[]")
_LONGEST_JSON = 4 << 20


def models(content: Content, budget: Budget) -> Iterator[Finding]:
    """Yield what the check of packaged models says of a member, if a loader would take it."""
    if not may_be_model(content.member.name, content.data):
        return
    before = _copied(budget, content.member.size)
    inspection = _inspect(content, before)
    budget.opcodes, budget.inflated, budget.entries = before.opcodes, before.inflated, before.entries
    if inspection.outcome is not Outcome.NOT_A_MODEL:
        found = PackagedModel(member=content.member, inspection=inspection, is_exhausted=before.is_spent)
        yield from checks.run(found, checks.PACKAGES)


def may_be_model(name: str, data: bytes) -> bool:
    """Tell from a name and the first bytes whether it is worth to ask the inspector of models.

    The name only ever adds to what the bytes say.
    """
    if not data:
        return False
    if _MAGIC.match(data) or _NAMES.search(name):
        return True
    if _TEXT_PICKLE.match(data) and _IMPORTS.search(data):
        return True
    if name.lower().endswith(".json") or _JSON.match(data):
        return _CONFIGURATION.search(data[:_LONGEST_JSON]) is not None
    return codec_of(data[:HEAD]) is not None


def _inspect(content: Content, budget: Budget) -> Inspection:
    # A template in a package is what its own code renders, and no chat template of a model.
    name = "" if ".jinja" in content.member.name.lower() else content.member.name
    source = BytesSource(content.data) if content.is_whole else content.member.open(budget)
    return inspect(source, name=name, budget=budget)


def _copied(budget: Budget, size: int) -> Budget:
    """Return a budget that has what is left for the whole wheel, and the memory that a file of that size gets."""
    own = default_budget(size)
    own.opcodes, own.inflated, own.entries = budget.opcodes, budget.inflated, budget.entries
    return own
