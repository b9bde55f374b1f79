"""A bill of materials in whatever form it has: CycloneDX or SPDX, told apart by what they say of themselves.

Source:
    CycloneDX (``bomFormat``), SPDX 2 (``spdxVersion``), SPDX 3 (``@context``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats import cyclonedx, spdx, spdx3, spdx_tags
from weighlock.formats.inventory import load

if TYPE_CHECKING:
    from weighlock.formats.inventory import Inventory

_FORMS = {"bomFormat": cyclonedx.parse, "spdxVersion": spdx.parse, "@context": spdx3.parse}


def parse(data: bytes) -> Inventory:
    """Return what a bill of materials lists.

    Args:
        data: All bytes of the document.

    Raises:
        FormatError: It is none of these, it is several of these at once, or something in it is broken; `where` is the
            path of that.
        OverBudgetError: It is too large, nested too deeply or lists too much.
        UnsupportedError: It is a bill of materials in a form that is not read.
    """
    return inventory_of(document_of(data))


def document_of(data: bytes) -> dict[str, Any]:
    """Return the JSON object that a bill of materials is; SPDX as tags and values becomes the one that it would be.

    Raises:
        FormatError: It is no JSON object, and no tags and values.
        OverBudgetError: It is too large or nested too deeply.
        UnsupportedError: It is a bill of materials in a form that is not read.
    """
    start = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        raise UnsupportedError("is XML, and bills of materials are read as JSON", hint="let its generator write JSON")
    if start.startswith((b"SPDXVersion:", b"#")):
        return spdx_tags.parse(data)
    if start.startswith((b"---", b"spdxVersion:", b"SPDXID:")):
        why = "is YAML, and bills of materials are read as JSON"
        raise UnsupportedError(why, hint="let its generator write JSON, such as spdx-json")
    return load(data)


def inventory_of(document: dict[str, Any]) -> Inventory:
    """Return what a document lists.

    Args:
        document: As `document_of` returns it.

    Raises:
        FormatError: As `parse` does.
        OverBudgetError: The same.
    """
    given = [key for key in _FORMS if key in document]
    if len(given) != 1:
        why = "is several forms of a bill of materials at once" if given else "is no bill of materials that is known"
        raise FormatError(why, hint="CycloneDX and SPDX are read")
    if given[0] == "bomFormat" and document["bomFormat"] != "CycloneDX":
        raise FormatError(f"is {str(document['bomFormat'])[:40]!r} and not CycloneDX", where="bomFormat")
    return _FORMS[given[0]](document)
