"""Knows what the allowed names do, and watches the machine with that knowledge.

Facts only: what is imported, which uses of allowed names break their contracts, what no pickler writes.
"""

from __future__ import annotations

from weighlock.allowlist import ENTRIES, STATES, names_of
from weighlock.allowlist.dangerous import is_dangerous
from weighlock.allowlist.entry import Entry
from weighlock.allowlist.numpy import JOBLIB_ARRAY
from weighlock.allowlist.spec import is_data, is_int, matches
from weighlock.allowlist.special import CONTRACTS, STATE_CONTRACTS
from weighlock.allowlist.trace import Event, Import, Nested, PickleTrace, Role
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.pickle.values import Container, Global, Instance, Opaque, Tuple, carried
from weighlock.formats.torch_legacy import TAR, Memory, Storages, element_size

# More of the same says nothing new, and a hostile stream could make millions.
_MOST_EVENTS = 64
_MOST_CONSTANTS = 1024

# Real files need a few hundred names, and load some ten thousand tensors from bytes.
_MOST_IMPORTS = 20_000
_MOST_NESTED = 100_000

_FOREIGN = {"foreign", "unknown"}

# What can be text, so that a name can be made of it.
_SHOWN = 64
_MAYBE_TEXT = {*_FOREIGN, "foreign-attribute", "builtins.str", "numpy.generic"}
_NO_TEXT = {"number", "bytes", "bytearray"}

_TEXT = (str, bytes)

_NAMES_OF_NUMPY = {"_frombuffer", "_reconstruct", "dtype", "ndarray", "scalar"}

# To pickle.load the array behind a joblib wrapper is opcodes, and its first byte may well be a call.
_NOT_ITERABLE = {JOBLIB_ARRAY}


PROGRAM = "torch-program"
"""The loaders of archives that hold programs of torch; their pickles refer to the program beside them."""

# What TorchScript calls its own types, which its loader finds in the archive and never imports.
_SCRIPT_TYPES = "__torch__."
_NATIVE_TYPES = "__torch__.torch.classes."


class Interpreter:
    """The observer of one pickle.

    Args:
        loader: Whose reading of the bytes this is.
    """

    def __init__(self, loader: str) -> None:
        self.trace = PickleTrace(loader)
        self.offset = 0

    def imported(self, name: Global) -> None:
        """Note the import and what the allowlist says of it."""
        if self.trace.loader == PROGRAM and f"{name}".startswith(_SCRIPT_TYPES):
            self._imported_type(f"{name}", name)
            return
        names = names_of(name.module, name.name, legacy=name.legacy)
        if names[0] not in ENTRIES and not is_dangerous(names[0]):
            self._refuse_confusion(name.name)
        for full in names:
            self._note_import(full, name.offset)
        # Where the loader decides which of two names is meant, neither is known well enough to be called.
        entry = ENTRIES.get(names[0]) if all(full in ENTRIES for full in names) else None
        name.entry = entry
        name.inert = entry is None or not entry.function

    def _imported_type(self, full: str, name: Global) -> None:
        """Note a type of TorchScript only where it is a class in C++: the archive's code stands for all others."""
        name.entry, name.inert = None, True
        if full.startswith(_NATIVE_TYPES):
            self._note_import(f"torch.jit:class {full.removeprefix(_SCRIPT_TYPES)}", name.offset)

    def _refuse_confusion(self, name: object) -> None:
        # joblib writes an array of objects as a pickle inside the pickle, with a memo of its own. pickle.load looks its
        # modules up in the memo of the outer one, and finds no such name there.
        outside = self.trace.loader == "pickle" and JOBLIB_ARRAY in self.trace.imports
        if outside and isinstance(name, str) and name in _NAMES_OF_NUMPY:
            raise FormatError("a name of NumPy is looked up in another module")

    def _note_import(self, full: str, offset: int) -> None:
        if full not in self.trace.imports:
            if len(self.trace.imports) >= _MOST_IMPORTS:
                raise OverBudgetError("over the budget for imported names")
            role = Role.DATA if full in ENTRIES else Role.DANGEROUS if is_dangerous(full) else None
            self.trace.imports[full] = Import(full, role, offset)

    def called(
        self, how: str, function: object, args: list[object] | Instance | None, keywords: object, offset: int
    ) -> Instance:
        """Compare the call with the contract of the name, and return what stands for the result."""
        if isinstance(args, Instance):
            if args.kind in _NOT_ITERABLE:
                raise FormatError("the arguments of a call are not a tuple")
            args = None
        self.trace.calls += 1
        self.offset = offset
        if isinstance(function, Instance):
            return self._called_result(function, args, offset)
        if not isinstance(function, Global):
            self._add(self.trace.evasions, "it calls something that is not a name", offset)
            return Instance("unknown")
        if not isinstance(function.entry, Entry):
            return self._called_foreign(str(function), args, keywords, offset)
        result = self._contract(function.entry, how, args, keywords)
        if result is None:
            self._add(self.trace.breaches, f"it calls {function} in a way that plain data never does", offset)
            return Instance("unknown")
        return result

    def _called_result(self, function: Instance, args: list[object] | None, offset: int) -> Instance:
        if function.kind == "function" and args is not None:
            entry = ENTRIES[str(function.detail)]
            return self._contract(entry, "REDUCE", args, None) or self._breach(str(function.detail), offset)
        if function.kind == "foreign-attribute":
            return self._called_foreign(str(function.detail), args, None, offset)
        self._add(self.trace.evasions, "it calls the result of a call", offset)
        return Instance("unknown")

    def _called_foreign(self, name: str, args: list[object] | None, keywords: object, offset: int) -> Instance:
        values = [*(args or ()), keywords]
        if any(carried(value) is not None for value in values):
            self._add(self.trace.breaches, f"it gives {name} a function that rebuilds objects", offset)
        return Instance("foreign", name)

    def attribute(self, name: str) -> Instance:
        """Note that the stream gets hold of ``module.class.attribute``, whatever it does with it."""
        self._note_import(name, self.offset)
        return Instance("foreign-attribute", name)

    def _breach(self, name: str, offset: int) -> Instance:
        self._add(self.trace.breaches, f"it calls {name} in a way that plain data never does", offset)
        return Instance("unknown")

    def _contract(self, entry: Entry, how: str, args: list[object] | None, keywords: object) -> Instance | None:
        if args is None or not _no_keywords(keywords) or (entry.function and how != "REDUCE"):
            return None
        if entry.special is not None:
            return CONTRACTS[entry.special](self, args)
        if any(matches(signature, args) for signature in entry.calls):
            return Instance(entry.result)
        return None

    def built(self, target: object, state: object, offset: int) -> None:
        """Compare the state with what the target's kind may be given."""
        self.offset = offset
        self.trace.calls += 1
        if isinstance(target, Instance) and target.kind in _FOREIGN:
            if not is_data(state):
                self._add(self.trace.breaches, "it gives an object a function that rebuilds objects", offset)
            return
        if not isinstance(target, Instance) or target.kind == "foreign-attribute":
            self._add(self.trace.evasions, "it changes the attributes of something that is not a new object", offset)
            return
        contract = STATES.get(target.kind) or getattr(ENTRIES.get(target.kind), "build", None)
        if contract in STATE_CONTRACTS:
            agrees = STATE_CONTRACTS[contract](target, state)
        else:
            agrees = contract is not None and matches(contract, [state])
        if not agrees:
            self._add(self.trace.breaches, f"it gives a {target.kind} a state that plain data never has", offset)

    def extended(self, how: str, target: object, items: list[object], offset: int) -> None:
        """Compare the method that will be called with those that the target's kind allows."""
        self.offset = offset
        self.trace.calls += 1
        if isinstance(target, Instance):
            if any(carried(item) is not None for item in items):
                self._add(self.trace.breaches, "it gives an object a function that rebuilds objects", offset)
            entry = ENTRIES.get(target.kind)
            if target.kind in _FOREIGN or (entry is not None and how in entry.fill):
                return
        self._add(self.trace.evasions, f"it puts items into something that does not take them ({how})", offset)

    def carried(self, function: Global, offset: int) -> None:
        """Note that a function is kept as data."""
        self._add(self.trace.breaches, f"it keeps {function}, which rebuilds objects, as data", offset)

    def persistent(self, identifier: object, offset: int) -> object:
        """Return what torch finds for the persistent ids that it writes: a storage, or the class of a module."""
        items = identifier.items if isinstance(identifier, Tuple) else []
        if self.trace.loader == TAR and _is_tar_id(identifier):
            return Instance("torch.Tensor")
        if self.trace.loader == TAR and len(items) == 3 and isinstance(items[0], Global):
            return items[0]
        if self.trace.loader == PROGRAM and items and items[0] == "reduce_package":
            return self._reduced(items[1:], offset)
        if _is_storage_id(items, numbered=self.trace.loader == PROGRAM):
            self._note_storage(items)
            return Instance("torch.storage")
        if _is_module_id(items):
            return items[1]
        self._add(self.trace.persistent, "it names an object that only the program that wrote it finds", offset)
        return Instance("unknown")

    def _reduced(self, items: list[object], offset: int) -> Instance:
        """Note a call: torch.package/package_importer.py, persistent_load. The importer is its first argument."""
        function = items[-2] if len(items) in {2, 3} else None
        if isinstance(function, Global) and not isinstance(function.entry, Entry):
            self.trace.calls += 1
            return self._called_foreign(str(function), items[-1:], None, offset)
        self._add(self.trace.evasions, "it rebuilds an object by something that is no function of a library", offset)
        return Instance("unknown")

    def _note_storage(self, items: list[object]) -> None:
        storages = self.trace.storages = self.trace.storages or Storages()
        kind, key, _, count = items[1:5]
        element = element_size(kind.name) if isinstance(kind, Global) else None
        kept = count if isinstance(count, int) else None
        storages.note(key, None if element is None else Memory(element, kept))
        view = items[5] if len(items) == 6 else None
        if view is not None:
            # A part of the storage, with a key of its own by which the loader finds it as well.
            storages.note(view.items[0] if isinstance(view, Tuple) and view.items else view, None)

    def constant(self, kind: str, offset: int, size: int) -> None:
        """Note bytes that look like a pickle."""
        if len(self.trace.nested) < _MOST_CONSTANTS:
            self.nest(offset, size, ("utf-8", "latin-1") if kind == "text" else (), loaded=False)

    def computed(self, module: object, name: object, offset: int) -> Instance:
        """Note a name that cannot be known."""
        if not (_may_be_text(module) and _may_be_text(name)):
            raise FormatError("a name is not text")
        self._refuse_confusion(name)
        if isinstance(module, str):
            # Whatever the name is, the module is imported.
            self._note_import(f"{module}.{name[:_SHOWN] if isinstance(name, str) else ''}", offset)
        else:
            self.trace.calls += 1
        self._add(self.trace.evasions, "it imports a name that is computed or too long to be a name", offset)
        return Instance("unknown")

    def extension(self, offset: int) -> Instance:
        """Note a name that only the program knows that registered it."""
        self._add(self.trace.evasions, "it imports a name by a number from the extension registry", offset)
        return Instance("unknown")

    def evasive(self, what: str, offset: int) -> None:
        """Note what no pickler writes."""
        self.trace.calls += 1
        self._add(self.trace.evasions, what, offset)

    def nest(self, offset: int, size: int, recode: tuple[str, ...], *, loaded: bool, data: bytes | None = None) -> None:
        """Note bytes that are to be judged on their own."""
        if len(self.trace.nested) >= _MOST_NESTED:
            raise OverBudgetError("over the budget for nested pickles")
        self.trace.nested.append(Nested(offset, size, recode, loaded, data))

    def _add(self, events: list[Event], message: str, offset: int) -> None:
        if len(events) < _MOST_EVENTS:
            events.append(Event(message, offset))


def _no_keywords(keywords: object) -> bool:
    return keywords is None or (isinstance(keywords, Container) and keywords.whole and not keywords.items)


def _is_tar_id(identifier: object) -> bool:
    # torch/serialization.py, legacy_load: tensors and storages alike are found by a number, or by its text.
    return is_int(identifier) or (isinstance(identifier, str) and identifier.isascii() and identifier.isdigit())


def _is_module_id(items: list[object]) -> bool:
    # Until 1.12: ("module", class, path of its source file, its source). Only compared, never executed.
    return len(items) == 4 and items[0] in {"module", b"module"} and isinstance(items[1], Global)


def _is_storage_id(items: list[object], *, numbered: bool) -> bool:
    # torch/serialization.py: ("storage", storage type, key, location, size[, view metadata]).
    if len(items) not in {5, 6} or items[0] not in {"storage", b"storage"}:
        return False
    kind, key, location, size = items[1:5]
    plain = (isinstance(key, _TEXT) or (numbered and is_int(key))) and isinstance(location, _TEXT) and is_int(size)
    return plain and isinstance(kind, Global) and getattr(kind.entry, "group", None) == "storage-type"


def _may_be_text(value: object) -> bool:
    if isinstance(value, Opaque):
        return value.kind not in _NO_TEXT
    return isinstance(value, str) or (isinstance(value, Instance) and value.kind in _MAYBE_TEXT)
