"""Follows the files of torch in a row of pickles, so that what lies behind their memory is judged as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.torch_legacy import (
    KEYS,
    MAGIC,
    OBJECT,
    PICKLES,
    VERSION,
    KeyMachine,
    Storages,
    pass_memory,
)

if TYPE_CHECKING:
    from weighlock.allowlist.trace import PickleTrace


class LegacyFiles:
    """The files that `torch.save` wrote before its zip, in one source. One after the other is as good as one alone.

    `torch.load` compares numbers that need not be literals. So a pickle with storages has to be where a file that is
    recognised has its object: anywhere else it might be the object of a file that is not.
    """

    def __init__(self) -> None:
        self._part = 0
        self._index = 0
        self._storages = Storages()

    @property
    def is_open(self) -> bool:
        """Whether more pickles of a file have to follow."""
        return self._part > 0

    @property
    def machine(self) -> type[Machine]:
        """What has to execute the next pickle."""
        return KeyMachine if self._part == KEYS else Machine

    def follow(self, trace: PickleTrace, result: object) -> bool:
        """Take note of a pickle.

        Args:
            trace: Of a pickle that was executed to its end.
            result: What it comes to.

        Returns:
            Whether it is the last one of a file, so that memory follows.

        Raises:
            FormatError: No file of torch goes on like this.
        """
        part, index = self._part, self._index
        self._index += 1
        if trace.storages and part != OBJECT and index >= OBJECT:
            raise FormatError("a pickle names storages of torch, but is not where a file of torch has its object")
        if (part not in {0, OBJECT} and result == MAGIC) or (part == 1 and result != VERSION):
            raise FormatError("it begins like a file of torch and goes on like none")
        if part == OBJECT:
            self._storages = trace.storages or Storages()
        if part or result == MAGIC:
            self._part = (part + 1) % PICKLES
        return part == KEYS

    def pass_memory(self, machine: Machine, trace: PickleTrace, result: object) -> None:
        """Pass over the memory of all storages.

        Args:
            machine: Has executed the last pickle of the file.
            trace: Of that pickle.
            result: What it comes to.

        Raises:
            FormatError: The memory is not what the pickles say.
        """
        if not isinstance(machine, KeyMachine) or trace.imports or trace.calls:
            raise FormatError("the fifth pickle is not a list of storages")
        for key in machine.keys(result):
            pass_memory(machine.window, self._storages.memory(key))
