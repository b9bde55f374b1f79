"""Gadgets: names whose mere call does harm, each in the plainest pickle there is.

Arguments make the gadget leave the marker. Where a gadget cannot leave one harmlessly (it needs the network, another
platform, another Python), the proof is that the loader asked for its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import Case
from tests.corpus.malicious import advisories, gadgets_libraries, gadgets_stdlib


def _slug(module: str, name: str) -> str:
    return f"{module}.{name}".replace("__", "").replace("<", "").replace(">", "")


def cases() -> Iterator[Case]:
    """Make a file for each gadget, called where it can be called harmlessly."""
    seen: dict[str, int] = {}
    for prefix, table in (("stdlib", gadgets_stdlib.TABLE), ("library", gadgets_libraries.TABLE)):
        for module, name, arguments in table:
            stem = f"gadget-{prefix}-{_slug(module, name)}"
            seen[stem] = seen.get(stem, 0) + 1
            suffix = f"-{seen[stem]}" if seen[stem] > 1 else ""
            yield _case(f"{stem}{suffix}.pkl", module, name, arguments)
    for advisory, module, name, arguments in advisories.TABLE:
        source = f"https://github.com/advisories/{advisory}" if advisory.startswith("GHSA") else None
        yield _case(f"advisory-{advisory}-{_slug(module, name)}.pkl", module, name, arguments, source)
    for advisory, stem, data in advisories.streams():
        source = f"https://github.com/advisories/{advisory}" if advisory.startswith("GHSA") else None
        yield Case(f"advisory-{advisory}-{stem}.pkl", data, source=source)


def _case(file: str, module: str, name: str, arguments: tuple[bytes, ...] | None, source: str | None = None) -> Case:
    function = op.stack_glob(module, name)
    if arguments is None:
        return Case(file, op.stream(function), asks=(module, name), source=source)
    return Case(file, op.stream(op.call(function, *arguments)), source=source)
