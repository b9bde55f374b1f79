"""The gate of ``weighlock convert``: a checkpoint that holds data alone becomes a safetensors file.

One sequence for each file:
    1. collect: open it once;
    2. inspect: under every loader that would take the bytes; only what holds data alone goes on;
    3. read and plan: which tensors, which names, what becomes of the rest;
    4. write: into an unfinished file beside the output, hashed on the way;
    5. verify: the input is still what was inspected, the output is a safetensors file with every rule of the format;
    6. publish: all files at once, each under its name by one step of the file system.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock import inspector
from weighlock.convert import Choice, lay_out, plan, require_used, write
from weighlock.errors import AdmissionError, FormatError, SourceError, UsageError, WeighlockError
from weighlock.finding import Outcome, listing
from weighlock.formats import safetensors
from weighlock.formats.source import FileSource
from weighlock.formats.torch_checkpoint import read_checkpoint
from weighlock.gates.outputs import Output, publish, require_free
from weighlock.inspector.spool import default_budget
from weighlock.policy import path_argument
from weighlock.sources.directory import opened, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from weighlock.convert import Plan

_EXTRAS = ".extras.json"
_PREFIX = "pytorch_model"
SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """One checkpoint that was converted.

    Args:
        source: The checkpoint.
        path: The safetensors file.
        size: Its bytes.
        sha256: Its digest.
        tensors: How many it holds.
        data_size: Bytes of these tensors.
        tied: Names that stand for a tensor of another name.
        left_out: Entries that are not kept.
        extras: The file with the entries that are no tensors, or ``None``.
        names: Of the tensors.
    """

    source: str
    path: str
    size: int
    sha256: str
    tensors: int
    data_size: int
    tied: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    extras: str | None = None
    names: tuple[str, ...] = field(default=(), repr=False)


def convert(
    source: Path,
    output: Path | None,
    choice: Choice,
    *,
    force: bool = False,
    tick: Callable[[int], None] | None = None,
) -> Converted:
    """Convert one checkpoint.

    Args:
        source: The checkpoint.
        output: The safetensors file; by default beside the checkpoint.
        choice: What is wanted of it.
        force: Replace files that are there.
        tick: Is told how many bytes were written.

    Raises:
        AdmissionError: The checkpoint does not hold data alone.
        WeighlockError: It cannot be read, has no place in a safetensors file, or the output cannot be written.
    """
    _require_file(source)
    place = output or source.with_name(output_name(source.name))
    with ExitStack() as stack:
        converted, outputs = prepare(source, place, choice, stack, force=force, tick=tick)
        require_used(choice, converted.left_out)
        publish(outputs, force=force)
    return converted


def prepare(
    source: Path,
    place: Path,
    choice: Choice,
    stack: ExitStack,
    *,
    force: bool,
    tick: Callable[[int], None] | None,
) -> tuple[Converted, list[Output]]:
    """Write the files of one checkpoint and publish none; `stack` removes what is not published in the end."""
    _require_file(source)
    if place.exists() and source.exists() and place.samefile(source):
        raise UsageError(
            "is the checkpoint itself",
            where=str(place),
            hint="a safetensors file needs no conversion; for a checkpoint of that name, name another file with -o",
        )
    require_free(place, force=force)
    with opened(source) as (descriptor, size):
        stamp = stamp_of(descriptor)
        chosen = _plan(source, FileSource(descriptor, size), choice)
        extras = place.with_name(f"{place.name.removesuffix(SUFFIX)}{_EXTRAS}") if chosen.extras else None
        if extras is not None:
            require_free(extras, force=force)
        layout = lay_out(chosen)
        output = stack.enter_context(Output(place, descriptor, tick))
        write(layout, FileSource(descriptor, size), output)
        digest, written = output.finish()
        if stamp_of(descriptor) != stamp:
            raise SourceError("changed while it was converted", where=str(source), hint="run it again")
    _require_valid(output, written, chosen)
    outputs = [output]
    if extras is not None:
        outputs.append(stack.enter_context(Output(extras)))
        outputs[-1].write(json.dumps(chosen.extras, indent=2, ensure_ascii=True).encode() + b"\n")
        outputs[-1].finish()
    return (
        Converted(
            source=str(source),
            path=str(place),
            size=written,
            sha256=digest,
            tensors=len(layout.tensors),
            data_size=layout.data_size,
            tied=chosen.tied,
            left_out=chosen.left_out,
            extras=None if extras is None else str(extras),
            names=tuple(layout.tensors),
        ),
        outputs,
    )


def output_name(name: str) -> str:
    """Return what huggingface calls the safetensors file of a checkpoint, or the shard of one, of this name."""
    stem = name.rpartition(".")[0] or name
    if stem.startswith(_PREFIX):
        stem = f"model{stem.removeprefix(_PREFIX)}"
    return f"{stem}{SUFFIX}"


def _require_file(source: Path) -> None:
    if source.is_dir():
        raise UsageError(
            "is a folder", where=str(source), hint="name the checkpoint in it, or its index, such as *.bin.index.json"
        )
    if source.is_symlink() and not source.exists():
        raise UsageError("is a link to nothing", where=str(source), hint="download or restore its target")
    if not source.exists():
        raise UsageError("does not exist", where=str(source), hint="correct the path")


def _plan(path: Path, source: FileSource, choice: Choice) -> Plan:
    _require_data_only(path, source)
    try:
        return plan(read_checkpoint(source, default_budget(source.size)), choice, source.size)
    except WeighlockError as error:
        error.where = f"{path}: {error.where}" if error.where else str(path)
        error.hint = error.hint or "only checkpoints as torch.save writes them can be converted"
        raise


def _require_data_only(path: Path, source: FileSource) -> None:
    inspection = inspector.inspect(source)
    if inspection.outcome is Outcome.NOT_A_MODEL or inspection.format == "safetensors":
        what = "a safetensors file already" if inspection.format else "no torch checkpoint"
        raise FormatError(f"it is {what}", where=str(path), hint="name a checkpoint that torch.save wrote")
    if inspection.outcome is Outcome.DATA_ONLY:
        return
    reason = next((each.message for each in inspection.findings if each.outcome is inspection.outcome), "see the scan")
    if inspection.outcome is Outcome.NEEDS_APPROVAL and inspection.needs:
        reason = f"it imports {listing(inspection.needs, 8)}"
    raise AdmissionError(
        f"is not converted, because it is {inspection.outcome}: {reason}",
        where=str(path),
        hint=f"look at it with `weighlock scan {path_argument(str(path))}`; "
        "only a checkpoint that holds data alone is converted, so save its state_dict anew where it is trusted",
    )


def _require_valid(output: Output, size: int, chosen: Plan) -> None:
    """Read the header of what was written as any reader of safetensors would."""
    found = safetensors.parse(FileSource(output.descriptor, size))
    if {tensor.name: tensor.shape for tensor in found.tensors} != {
        name: view.shape for name, view in chosen.tensors.items()
    }:
        raise FormatError("the file that was written does not hold what was planned", where=str(output.place))
