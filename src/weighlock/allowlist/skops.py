"""Which names of a skops file are plain data, and which no honest file has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock import allowlist
from weighlock.allowlist.trace import Role

if TYPE_CHECKING:
    from weighlock.formats.skops import SkopsTree

PLAIN = frozenset(
    f"builtins.{name}"
    for name in (
        "bool bytearray bytes complex dict float frozenset int list NoneType range set slice str tuple"
    ).split()
) | frozenset(
    {
        "collections.OrderedDict",
        "collections.defaultdict",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.ma.MaskedArray",
        "numpy.random.mtrand.RandomState",
        "numpy.random._generator.Generator",
        *(
            f"numpy.{name}"
            for name in (
                "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble"
                " complex64 complex128 clongdouble str_ bytes_ object_ datetime64 timedelta64 void intc uintc longlong"
                " ulonglong"
            ).split()
        ),
        *(f"scipy.sparse._{kind}.{kind}_{form}" for kind in "csr csc coo".split() for form in ("matrix", "array")),
    }
)
"""Types that a node of skops makes from JSON or from an array without calling anything else."""


@dataclass(frozen=True, slots=True)
class SkopsNeeds:
    """What a skops file needs beyond plain data.

    Args:
        names: What a person may approve.
        harmful: What no honest file has.
        lies: Nodes that say one name and load another.
    """

    names: tuple[str, ...]
    harmful: tuple[str, ...]
    lies: tuple[str, ...]


def examine(tree: SkopsTree) -> SkopsNeeds:
    """Sort the names of a tree."""
    names, harmful = {f"skops:loader {loader}" for loader in tree.loaders}, set()
    for full in tree.names - PLAIN:
        module, _, name = full.rpartition(".")
        role = allowlist.role(module, name)
        if role is Role.DANGEROUS:
            harmful.add(full)
        elif not allowlist.is_harmless(module, name):
            names.add(full)
    return SkopsNeeds(tuple(sorted(names)), tuple(sorted(harmful)), tuple(sorted(set(tree.lies))))
