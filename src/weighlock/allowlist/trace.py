"""What one pickle would do, as the interpreter saw it: the structure that the pickle checks read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.formats.torch_legacy import Storages


class Role(StrEnum):
    """What the allowlist says of a name. ``None`` in its place: unknown, a person has to approve it."""

    DATA = "data"
    DANGEROUS = "dangerous"


@dataclass(frozen=True, slots=True)
class Import:
    """A name that the stream imports, as Python 3 resolves it."""

    name: str
    role: Role | None
    offset: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is not as it should be, and where."""

    message: str
    offset: int


@dataclass(frozen=True, slots=True)
class Nested:
    """Bytes inside the stream that a loader would, or could, unpickle.

    Args:
        offset: Where they start in the source.
        size: How many there are.
        recode: How they become what is loaded: a codec that decodes them and one that encodes them again, and before
            these ``"unescape"`` for escapes of Python 2; empty where they are it already.
        loaded: The stream itself hands them to a loader; else they only look like a pickle.
        data: The bytes, where they are short.
    """

    offset: int
    size: int
    recode: tuple[str, ...]
    loaded: bool
    data: bytes | None = None


@dataclass(slots=True, eq=False)
class PickleTrace:
    """What one pickle would do.

    Args:
        loader: The loader whose reading this is, such as ``"pickle"`` or ``"joblib"``.
        imports: In the order of the stream, each name once.
        breaches: Allowed names that are used in a way that plain data never is.
        evasions: What no pickler writes.
        persistent: Persistent ids that are not tensors.
        storages: Of torch, named by persistent ids; ``None`` where there are none.
        nested: Bytes to be judged on their own.
        calls: How many times code of an imported name would run, or could in a way that is not known: calls, states,
            methods that take items, evasions.
        failure: Why every unpickler would stop before the end; ``None`` where one would succeed.
        exhausted: What was over budget; ``None`` where nothing was.
        marked: The stream starts with the PROTO opcode.
        start: Where it starts in the source.
        end: Where it stops in the source.
    """

    loader: str
    start: int = 0
    imports: dict[str, Import] = field(default_factory=dict)
    breaches: list[Event] = field(default_factory=list)
    evasions: list[Event] = field(default_factory=list)
    persistent: list[Event] = field(default_factory=list)
    storages: Storages | None = None
    nested: list[Nested] = field(default_factory=list)
    calls: int = 0
    failure: str | None = None
    exhausted: str | None = None
    marked: bool = False
    end: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        """The names that are not plain data, sorted."""
        return tuple(sorted(name for name, item in self.imports.items() if item.role is not Role.DATA))
