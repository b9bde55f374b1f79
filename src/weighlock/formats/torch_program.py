"""Archives of torch that hold programs: TorchScript, torch.package, torch.export and AOTInductor.

One archive can be several of them at once, since each loader looks for its own members and ignores the others. What
such a program may do cannot be told from its bytes; what it *is*, and what it names, can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import OverBudgetError
from weighlock.formats.torch_export import PROGRAM, read_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighlock.formats.archive import Archive, ArchiveEntry
    from weighlock.formats.source import Budget

SCRIPT, PACKAGE, EXPORT = "torchscript", "torch-package", "pt2"
KINDS = (SCRIPT, PACKAGE, EXPORT)

SCRIPT_CODE = "torch.jit:code"
PACKAGE_CODE = "torch.package:code"
NATIVE_CODE = "aoti:native-code"

_NATIVE = "data/aotinductor/"
_LONGEST_SOURCE = 64 << 20
_LONGEST_TOTAL = 256 << 20

# What the operators of torch 2.13 have that opens files of any name, out of torch._C._jit_get_all_schemas().
_FILE_OPERATORS = {
    b"from_file": "torch.jit:op aten::from_file",
    b"save": "torch.jit:op aten::save",
    b"load_tensor": "torch.jit:op debugprims::load_tensor",
}
# Namespaces of operators that torch itself registers, from the same place.
_OWN_NAMESPACES = frozenset(
    {
        *("aten", "prim", "prims", "quantized", "_quantized", "quantization", "sparse", "mkl", "mkldnn", "onednn"),
        *("mkldnn_prepacked", "prepacked", "xnnpack", "static_runtime", "profiler", "inductor", "inductor_prims"),
        *("_c10d_functional", "_c10d_functional_autograd", "c10d", "rngprims", "onnx", "export", "metal", "vulkan"),
    }
)
_FILES = re.compile(rb"\b(%s)\b" % b"|".join(_FILE_OPERATORS))
_OPERATOR = re.compile(rb"\bops\s*\.\s*(\w+)\s*\.\s*(\w+)")
_NAMESPACES = re.compile(rb"\bops\b")
_QUALIFIED = re.compile(rb"(\w{1,64})::(\w{1,64})")


@dataclass(frozen=True, slots=True)
class Program:
    """What an archive holds that is more than data.

    Args:
        capabilities: Exact names of what loading or running it can do, sorted.
        expressions: Texts that a loader would evaluate, and that are no arithmetic of sizes.
    """

    capabilities: tuple[str, ...]
    expressions: tuple[str, ...] = ()


def kinds_of(names: Iterable[str]) -> tuple[str, ...]:
    """Tell which loaders of torch would take an archive for one of their programs.

    Args:
        names: Of its members, in any case: torch's reader ignores it.

    Source:
        ``caffe2/serialize/inline_container.cc``, ``torch/csrc/jit/serialization/import.cpp``,
        ``torch/package/package_importer.py``, ``torch/export``, ``torch/csrc/inductor/aoti_package`` of PyTorch 2.13.
    """
    lower = [_plain(name) for name in names]
    found = []
    # torch's reader takes no archive that has none of its two records of a version.
    if any(name.rpartition("/")[2] == "version" for name in lower):
        if any(map(_is_of_script, lower)):
            found.append(SCRIPT)
        if any(name.endswith(".data/extern_modules") for name in lower):
            found.append(PACKAGE)
    if any(map(_is_of_export, lower)):
        found.append(EXPORT)
    return tuple(found)


def parse(archive: Archive, budget: Budget) -> Program:
    """Read what the programs in an archive can do.

    Args:
        archive: Of any of `KINDS`.
        budget: Pays for the sources that are read.

    Raises:
        OverBudgetError: A source is too long to be read.

    Source:
        See `kinds_of`.
    """
    return _Reading(archive, budget).program()


class _Reading:
    def __init__(self, archive: Archive, budget: Budget) -> None:
        self._archive = archive
        self._budget = budget
        self._left = _LONGEST_TOTAL
        self._expressions: list[str] = []

    def program(self) -> Program:
        kinds = kinds_of(entry.name for entry in self._archive.entries)
        capabilities: set[str] = set()
        if SCRIPT in kinds:
            capabilities.add(SCRIPT_CODE)
        for entry in self._archive.entries:
            name = _plain(entry.name)
            if SCRIPT in kinds or "ts_code/" in name:
                capabilities.update(self._script(entry, name))
            if PACKAGE in kinds:
                capabilities.update(_package(entry.name))
            if EXPORT in kinds:
                capabilities.update(self._export(entry, name))
        if EXPORT in kinds and NATIVE_CODE not in capabilities:
            capabilities.add(PROGRAM)
        return Program(tuple(sorted(capabilities)), tuple(self._expressions))

    def _script(self, entry: ArchiveEntry, name: str) -> Iterator[str]:
        source = name.endswith(".py") and "code/" in name
        if not (source or name.rpartition("/")[2] == "bytecode.pkl"):
            return
        yield SCRIPT_CODE
        yield from (_operators_of_source if source else _operators_of_bytecode)(self._read(entry))

    def _export(self, entry: ArchiveEntry, name: str) -> Iterator[str]:
        if _NATIVE in name:
            yield NATIVE_CODE
        elif name.endswith(".json") and ("models/" in name or name.endswith("serialized_exported_program.json")):
            found = read_program(entry.open(self._budget), self._budget)
            self._expressions.extend(found.expressions)
            yield from found.capabilities

    def _read(self, entry: ArchiveEntry) -> bytes:
        data = entry.open(self._budget).head(min(_LONGEST_SOURCE, self._left) + 1)
        self._left -= len(data)
        if len(data) > _LONGEST_SOURCE or self._left < 0:
            raise OverBudgetError("over the budget for the sources of a program")
        return data


def _plain(name: str) -> str:
    return name.lower().replace("\\", "/")


def _is_of_script(name: str) -> bool:
    last = name.rpartition("/")[2]
    legacy = name.count("/") <= 1 and last == "model.json"
    return legacy or last in {"constants.pkl", "bytecode.pkl"} or last.endswith(".debug_pkl")


def _is_of_export(name: str) -> bool:
    return _NATIVE in name or name.rpartition("/")[2] in {"archive_format", "serialized_exported_program.json"}


def _package(name: str) -> Iterator[str]:
    # The name of the archive comes first, then the path of the module; `.data` holds no modules.
    path = name.partition("/")[2]
    if not name.lower().endswith(".py") or path.startswith(".data/"):
        return
    module = path[: -len(".py")].removesuffix("/__init__").replace("/", ".")
    yield f"{PACKAGE_CODE} {module if module.isprintable() and module else ascii(name)}"


def _operators_of_source(source: bytes) -> Iterator[str]:
    """Yield the operators beyond torch's own; the names stand in the source, since nothing computes them there."""
    for word in set(_FILES.findall(source)):
        yield _FILE_OPERATORS[word]
    named = _OPERATOR.findall(source)
    yield from _foreign(named)
    if len(_NAMESPACES.findall(source)) > len(named):
        yield "torch.jit:op unknown"


def _operators_of_bytecode(data: bytes) -> Iterator[str]:
    named = _QUALIFIED.findall(data)
    for _, word in named:
        if word in _FILE_OPERATORS:
            yield _FILE_OPERATORS[word]
    yield from _foreign(named)


def _foreign(named: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    for space, word in set(named):
        namespace = space.decode("ascii", "replace")
        # In the bytecode, the byte in front of a text is its length, and may look like a letter of its name.
        if namespace not in _OWN_NAMESPACES and namespace[1:] not in _OWN_NAMESPACES:
            yield f"torch.jit:op {namespace}::{word.decode('ascii', 'replace')}"
