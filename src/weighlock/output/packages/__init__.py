"""Reports about packages, of ``weighlock install`` and ``weighlock check``: one form per file, each with `render`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.gates.packages import PackageReport

FORMS = ("text", "json", "sarif", "junit", "markdown", "github")
"""The names of the forms, the one for people first."""


def render(report: PackageReport, form: str) -> str:
    """Return the report in one of `FORMS`, as it is written to a file or a pipe."""
    text: str = import_module(f"{__name__}.{form}").render(report)
    return text
