"""What a file of a corpus is."""

from __future__ import annotations

from dataclasses import dataclass

#: What every inert payload creates in its working directory, as a file or as a folder, or prints.
MARKER = "marker"


@dataclass(frozen=True, slots=True)
class Case:
    """One file and how a real loader takes it.

    Args:
        name: File name, unique in its corpus; loaders that go by suffixes see it.
        data: The bytes.
        loader: Name of a function in `loaders`.
        asks: ``module name`` pair that the loader must be seen asking for. ``None`` in the malicious corpus means that
            the payload must leave the marker, which is the stronger proof.
        source: Where the trick was published.
    """

    name: str
    data: bytes
    loader: str = "pickle_load"
    asks: tuple[str, str] | None = None
    source: str | None = None
