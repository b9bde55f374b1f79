"""Who watches the machine: the interface between decoding a pickle and having an opinion about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighlock.formats.pickle.values import Global, Instance


class Observer(Protocol):
    """Sees everything by which an unpickler could reach code. Each method is called before the effect.

    Where an unpickler would fail for certain, the machine stops; the observer need not know.
    """

    def imported(self, name: Global) -> None:
        """`name` is imported; sets ``name.entry`` and ``name.inert``.

        Raises:
            FormatError: Every unpickler would fail here.
        """

    def called(
        self, how: str, function: object, args: list[object] | Instance | None, keywords: object, offset: int
    ) -> Instance:
        """`function` is called.

        Args:
            how: ``"REDUCE"``, ``"NEWOBJ"`` (``__new__`` only), ``"NEWOBJ_EX"``, ``"OBJ"`` or ``"INST"``.
            function: Any symbol.
            args: The positional arguments, or what stands for them where they are not a literal.
            keywords: A `Container` of kind ``dict``, or ``None``.
            offset: Of the opcode.

        Returns:
            What stands for the result.

        Raises:
            FormatError: Every unpickler would fail here.
        """

    def built(self, target: object, state: object, offset: int) -> None:
        """BUILD: ``__setstate__`` of `target`, or its attributes, receive `state`."""

    def extended(self, how: str, target: object, items: list[object], offset: int) -> None:
        """Items go into something that is not a literal container, through its methods."""

    def carried(self, function: Global, offset: int) -> None:
        """A function is data: an item of a literal container, or what the whole pickle stands for."""

    def persistent(self, identifier: object, offset: int) -> object:
        """The loader resolves a persistent id; returns what stands for the result."""

    def constant(self, kind: str, offset: int, size: int) -> None:
        """A constant of text or bytes begins like something that a loader would unpickle.

        Args:
            kind: As of `Opaque`.
            offset: Of its first byte.
            size: How many bytes it has.
        """

    def computed(self, module: object, name: object, offset: int) -> object:
        """A name is imported that is not in the stream as it is, or too long to be one; returns what stands for it.

        Raises:
            FormatError: Every unpickler would fail here.
        """

    def extension(self, offset: int) -> object:
        """A name is imported by a number from the extension registry; returns what stands for it."""

    def evasive(self, what: str, offset: int) -> None:
        """The stream does something that no pickler writes."""
