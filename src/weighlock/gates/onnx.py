"""Which files beside an ONNX model hold its tensors, told from its judged bytes."""

from __future__ import annotations

import os

from weighlock.checks.onnx_external_data import leads_inside
from weighlock.formats import onnx
from weighlock.formats.source import Budget, BytesSource, FileSource


def external_files(model: int | bytes) -> tuple[list[str], list[str]]:
    """Return the files inside of the folder of a model, and the places outside of it.

    Args:
        model: The descriptor of an open file, or its bytes.

    Raises:
        FormatError: It is no model.
        OverBudgetError: It is too large to tell.
    """
    source = BytesSource(model) if isinstance(model, bytes) else FileSource(model, os.fstat(model).st_size)
    locations = sorted({external.location for external in onnx.parse(source, Budget()).external})
    return [one for one in locations if leads_inside(one)], [one for one in locations if not leads_inside(one)]
