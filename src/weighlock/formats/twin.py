"""A checkpoint and the safetensors files that should hold the same tensors: what differs, bit by bit.

Names decide which tensors belong together. Of the data, as much is read at a time as one step of the reader gives.

Source:
    ``safetensors.torch.save_model`` and ``_remove_duplicate_names``, and `save_pretrained` of transformers: of names
    that share one tensor, a safetensors file keeps one, and may say in its metadata which.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import safetensors
from weighlock.formats.torch_checkpoint import iter_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from weighlock.formats.source import RandomAccess
    from weighlock.formats.torch_checkpoint import TensorView


class Kind(StrEnum):
    """How a tensor differs."""

    BYTES = "bytes"
    SHAPE = "shape"
    DTYPE = "dtype"
    MISSING = "missing"
    ADDITIONAL = "additional"


OTHER_CONTENT = frozenset({Kind.BYTES, Kind.SHAPE})
"""What no honest conversion does to a tensor that keeps its name."""

_WORDS = {
    Kind.BYTES: "with other bytes",
    Kind.SHAPE: "with another shape",
    Kind.DTYPE: "with another data type",
    Kind.MISSING: "in the checkpoint only",
    Kind.ADDITIONAL: "in safetensors only",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One tensor that is not the same in both.

    Args:
        kind: What is not the same.
        tensor: Its name.
        file: The safetensors file that it is in; ``None`` where it is missing.
    """

    kind: Kind
    tensor: str
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison came to.

    Args:
        checkpoint: Name of the checkpoint.
        twin: Names of the safetensors files that it was compared with.
        holders: Those of them that hold its tensors.
        differences: All that differs, but of other bytes only the first tensor; none is the proof.
        obstacle: Why there could be no comparison.
    """

    checkpoint: str
    twin: tuple[str, ...]
    holders: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    obstacle: str | None = None

    @property
    def proved(self) -> bool:
        """Whether every tensor of the checkpoint was found with the same dtype, shape and bytes."""
        return not self.differences and self.obstacle is None

    @property
    def summary(self) -> str:
        """Why nothing is proved, in a few words with the first tensor of each kind."""
        if self.obstacle is not None:
            return self.obstacle
        parts = []
        for kind, words in _WORDS.items():
            names = [one.tensor for one in self.differences if one.kind is kind]
            rest = f" and {len(names) - 1} more" if len(names) > 1 else ""
            parts += [f"{names[0]}{rest} {words}"] if names else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A tensor of a twin.

    Args:
        file: Name of its file.
        source: The bytes of that file.
        offset: Where it begins in them.
        tensor: What the header says.
    """

    file: str
    source: RandomAccess
    offset: int
    tensor: safetensors.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One safetensors file, or several that are the shards of one model.

    Args:
        tensors: Of all files, by name.
        aliases: Names that the files leave out, with the name under which the same tensor is kept.
    """

    tensors: Mapping[str, Stored]
    aliases: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that hold tensors."""
        return tuple(sorted({stored.file for stored in self.tensors.values()}))


def read_twin(files: Mapping[str, RandomAccess]) -> Twin:
    """Read the headers of safetensors files.

    Args:
        files: Their bytes, by name.

    Raises:
        FormatError: A header is broken, or two files have a tensor of the same name.
    """
    tensors: dict[str, Stored] = {}
    aliases: dict[str, str] = {}
    for name, source in files.items():
        header = safetensors.parse(source)
        aliases |= header.metadata
        for tensor in header.tensors:
            if tensor.name in tensors:
                raise FormatError(f"{name} and {tensors[tensor.name].file} have a tensor of the same name")
            tensors[tensor.name] = Stored(
                file=name, source=source, offset=header.data_offset + tensor.start, tensor=tensor
            )
    return Twin(tensors=tensors, aliases=aliases)


def compare(
    name: str, source: RandomAccess, views: Mapping[str, TensorView], twin: Twin, others: Collection[str] = ()
) -> Comparison:
    """Compare every tensor of a checkpoint with that of the same name in its twin.

    Args:
        name: Of the checkpoint.
        source: Its bytes.
        views: Its tensors by name.
        twin: What should hold the same.
        others: Names of tensors in the other shards of the checkpoint.

    Raises:
        FormatError: The checkpoint ends before a tensor does.
    """
    matched, differences = match(views, twin)
    differences += [
        Difference(kind=Kind.ADDITIONAL, tensor=tensor, file=stored.file)
        for tensor, stored in twin.tensors.items()
        if tensor not in views and tensor not in others
    ]
    for tensor, stored in matched.items():
        if stored.tensor.name == tensor and not _same_bytes(source, views[tensor], stored):
            differences.append(Difference(kind=Kind.BYTES, tensor=tensor, file=stored.file))
            break
    holders = tuple(sorted({stored.file for stored in matched.values()}))
    return Comparison(checkpoint=name, twin=twin.files, holders=holders, differences=tuple(differences))


def match(views: Mapping[str, TensorView], twin: Twin) -> tuple[dict[str, Stored], list[Difference]]:
    """Find each tensor of a checkpoint in its twin, without reading data.

    Args:
        views: The tensors of the checkpoint by name.
        twin: Where to look.

    Returns:
        What has the same name, dtype and shape; and what has not. A name that the twin leaves out has the tensor of a
        name that is the same view of the same memory.
    """
    matched: dict[str, Stored] = {}
    differences = []
    for name, view in views.items():
        stored = twin.tensors.get(name)
        if stored is None:
            continue
        kind = _difference(view, stored.tensor)
        if kind is None:
            matched[name] = stored
        else:
            differences.append(Difference(kind=kind, tensor=name, file=stored.file))
    kept = {_identity(views[name]): name for name in matched}
    for name in views.keys() - twin.tensors.keys():
        other = kept.get(_identity(views[name]))
        alias = twin.aliases.get(name)
        says_otherwise = alias is not None and alias in views and _identity(views[alias]) != _identity(views[name])
        if other is None or says_otherwise:
            differences.append(Difference(kind=Kind.MISSING, tensor=name))
        else:
            matched[name] = matched[other]
    return matched, differences


def _difference(view: TensorView, tensor: safetensors.Tensor) -> Kind | None:
    if safetensors.TORCH_DTYPES.get(view.dtype) != tensor.dtype:
        return Kind.DTYPE
    return None if tuple(view.shape) == tensor.shape else Kind.SHAPE


def _identity(view: TensorView) -> tuple[object, ...]:
    """Return what two names of one tensor have in common."""
    strides = tuple(stride for stride, size in zip(view.stride, view.shape, strict=True) if size != 1)
    return (view.storage.key, view.offset, tuple(view.shape), strides, view.dtype)


def _same_bytes(source: RandomAccess, view: TensorView, stored: Stored) -> bool:
    """Compare a tensor with its twin, which has the same dtype and shape and so the same number of bytes."""
    offset = stored.offset
    end = offset + stored.tensor.end - stored.tensor.start
    for part in iter_bytes(source, view):
        if offset + len(part) > end or stored.source.read_at(offset, len(part)) != bytes(part):
            return False
        offset += len(part)
    return offset == end
