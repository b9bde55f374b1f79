"""How complete a bill of materials on this disk is, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.bom.completeness import score
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.files import read_regular
from weighlock.formats.bill import document_of, inventory_of
from weighlock.formats.inventory import LARGEST

if TYPE_CHECKING:
    from weighlock.bom.completeness import Scorecard


def scored(path: str) -> tuple[Scorecard, ...]:
    """Return how complete a document is, by every list of elements.

    Raises:
        WeighlockError: It cannot be read, or it is no bill of materials that is understood.
    """
    try:
        document = document_of(read_regular(path, LARGEST + 1))
        inventory_of(document)  # what is broken or of an unknown version has no score
    except (FormatError, OverBudgetError, UnsupportedError) as error:
        where = f"{path}, {error.where}" if error.where else path
        raise WeighlockError(error.message, where=where, hint=error.hint) from error
    except OSError as error:
        raise WeighlockError(f"cannot be read: {error.strerror}", where=path) from error
    return score(document)
