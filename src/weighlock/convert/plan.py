"""Which tensors of a checkpoint are written under which names, which are tied, and what becomes of everything else."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from weighlock.convert.side_data import to_json, unfit
from weighlock.errors import OverBudgetError, UnsupportedError
from weighlock.finding import listing
from weighlock.formats.safetensors import TORCH_DTYPES
from weighlock.formats.torch_checkpoint import DictNode, ListNode, Node, Other, TensorView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from weighlock.formats.torch_checkpoint import Checkpoint

# Of the header itself.
_RESERVED = "__metadata__"
_FORMAT = "format"

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# Expanded tensors and views of views may well take more room than the file; not a terabyte from a kilobyte.
_GROWTH = 4
_GROWTH_BASE = 64 << 20

_LISTED = 8

_WORDS = {
    ListNode: "a list", bool: "a truth value", bytes: "bytes", float: "a number", int: "a number", str: "text",
    tuple: "a tuple", type(None): "None",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person wants of a checkpoint.

    Args:
        keys: The way to the dict of tensors, such as ``("state_dict",)``.
        without: Entries to be left out, by their exact names.
        extras: Keep entries that are no tensors as JSON.
        untie: Write each of several names of one tensor in full.
    """

    keys: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    extras: bool = False
    untie: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is written.

    Args:
        tensors: By their names.
        tied: Names that stand for a tensor of another name, and that name.
        extras: What is kept as JSON, by key; empty where nothing is.
        left_out: Entries that are not kept, as they were asked for.
    """

    tensors: Mapping[str, TensorView]
    tied: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def plan(checkpoint: Checkpoint, choice: Choice, size: int) -> Plan:
    """Choose the tensors of a checkpoint.

    Args:
        checkpoint: That was read.
        choice: What is wanted of it.
        size: Bytes of the checkpoint.

    Raises:
        UnsupportedError: An entry has no place in a safetensors file; `where` is its key.
        OverBudgetError: The tensors would take far more bytes than the checkpoint has.

    Source:
        ``safetensors.torch.save_model`` (``_remove_duplicate_names``): of several names of one tensor the first one in
        the order of the alphabet is kept, and the metadata map the others to it.
    """
    sorter = _Sorter(choice)
    chosen = sorter.descend(checkpoint.root)
    tensors = sorter.tensors(chosen)
    kept, tied = (tensors, {}) if choice.untie else _tied(tensors)
    _require_bounded(kept, size)
    return Plan(tensors=kept, tied=tied, extras=sorter.extras, left_out=tuple(sorter.left_out))


class _Sorter:
    """Goes through a checkpoint and says of each entry what becomes of it.

    Args:
        choice: What is wanted.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._levels: list[dict[str, Any]] = []
        self.left_out: list[str] = []

    @property
    def extras(self) -> dict[str, Any]:
        """What is kept as JSON, as deep in the document as it was in the checkpoint."""
        *above, kept = self._levels
        for key, level in zip(reversed(self._choice.keys), reversed(above), strict=True):
            kept = {**level, key: kept} if kept else level
        return kept

    def descend(self, root: Node) -> DictNode:
        """Follow the keys to the dict of tensors; what lies beside the way is kept, left out or refused."""
        node, path = root, ""
        for key in self._choice.keys:
            if not isinstance(node, DictNode) or key not in node.items:
                raise UnsupportedError(f"there is no {key!r} in it", where=path or None, hint=_keys(node))
            path = f"{path}.{key}" if path else key
            self._sort({name: value for name, value in node.items.items() if name != key}, node)
            node = node.items[key]
        if not isinstance(node, DictNode):
            raise UnsupportedError(
                f"it is {_what(node)} and no dict of tensors", where=path or None, hint="save a dict of tensors"
            )
        return node

    def tensors(self, chosen: DictNode) -> dict[str, TensorView]:
        """Return the tensors of the chosen dict."""
        found = {
            _name(key): _fitting(str(key), value)
            for key, value in chosen.items.items()
            if isinstance(value, TensorView) and key not in self._choice.without
        }
        self._sort({key: value for key, value in chosen.items.items() if key not in found}, chosen)
        if not found:
            raise UnsupportedError("it holds no tensor", hint=_keys(chosen))
        return found

    def _sort(self, items: Mapping[object, Node], among: DictNode) -> None:
        level: dict[str, Any] = {}
        for key, value in items.items():
            if isinstance(key, str) and key in self._choice.without:
                self.left_out.append(key)
                continue
            try:
                side = self._side(value)
            except UnsupportedError as error:
                error.where = key if isinstance(key, str) else repr(key)[:80]
                error.hint = self._advice(items, among)
                raise
            level[_name(key)] = side
        self._levels.append(level)

    def _side(self, value: Node) -> Any:
        if isinstance(value, Other):
            raise UnsupportedError(f"is {value.what}, which safetensors cannot hold")
        if not self._choice.extras:
            raise UnsupportedError(f"is {_what(value)} and no tensor")
        return to_json(value)

    def _advice(self, items: Mapping[object, Node], among: DictNode) -> str:
        """Name all options that this dict needs, so that one more attempt is enough."""
        candidates = () if self._choice.keys else _candidates(among)
        passed = self._choice.without.union(candidates[:1])
        rest = {key: value for key, value in items.items() if key not in passed}
        if not all(isinstance(key, str) for key in rest):
            return "save the checkpoint with names of text"
        homeless = unfit(rest)
        steps = []
        if candidates:
            others = f" (or {listing(candidates[1:], _LISTED)})" if candidates[1:] else ""
            steps.append(f"choose the tensors with --key {shlex.quote(candidates[0])}{others}")
        if homeless:
            options = " ".join(f"--without {shlex.quote(str(key))}" for key in homeless[:_LISTED])
            more = f" and {len(homeless) - _LISTED} more" if len(homeless) > _LISTED else ""
            steps.append(f"leave out what JSON cannot hold with {options}{more}")
        if len(homeless) < len(rest) and not self._choice.extras:
            steps.append(f"keep {'the rest' if homeless else 'what is no tensor'} as JSON with --extras")
        return ", ".join(steps)


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise UnsupportedError(
            "is a key that is no text, which safetensors cannot hold",
            where=repr(key)[:80],
            hint="save the checkpoint with names of text",
        )
    if key == _RESERVED or _UNFIT.search(key):
        raise UnsupportedError(
            "is a name that a safetensors file must not have",
            where=key,
            hint=f"leave it out with --without {shlex.quote(key)}",
        )
    return key


def _fitting(name: str, view: TensorView) -> TensorView:
    if view.dtype not in TORCH_DTYPES:
        raise UnsupportedError(
            f"is of the data type {view.dtype}, for which safetensors has no word",
            where=name,
            hint=f"convert it to another one before it is saved, or leave it out with --without {shlex.quote(name)}",
        )
    return view


def _tied(tensors: Mapping[str, TensorView]) -> tuple[dict[str, TensorView], dict[str, str]]:
    """Return the tensors without further names of the same one, and for each of these names the one that is kept."""
    first: dict[TensorView, str] = {}
    tied = {}
    for name in sorted(tensors):
        view = tensors[name]
        if not view.size:
            continue
        # The one of the two that is a parameter is the same memory.
        same = replace(view, requires_grad=False, is_parameter=False)
        if same not in first:
            first[same] = name
        elif name != _FORMAT:
            # The metadata have a word of their own of that name.
            tied[name] = first[same]
    return {name: view for name, view in tensors.items() if name not in tied}, tied


def _require_bounded(tensors: Mapping[str, TensorView], size: int) -> None:
    total = sum(view.size for view in tensors.values())
    if total > _GROWTH * size + _GROWTH_BASE:
        largest = max(tensors, key=lambda name: tensors[name].size)
        raise OverBudgetError(
            f"its tensors would take {total} bytes, and the checkpoint has {size}; the largest one is {largest!r}",
            hint=f"it is expanded from few items; leave it out with --without {shlex.quote(largest)}",
        )


def require_used(choice: Choice, left_out: Iterable[str]) -> None:
    """Demand that every entry to be left out was there.

    Raises:
        UnsupportedError: One was not.
    """
    missing = sorted(choice.without.difference(left_out))
    if missing:
        raise UnsupportedError("there is no such entry", where=missing[0], hint="correct --without")


def _what(node: Node) -> str:
    if isinstance(node, DictNode):
        held = sum(isinstance(value, TensorView) for value in node.items.values())
        return f"a dict of {held} tensors" if held else "a dict"
    if isinstance(node, (TensorView, Other)):
        return "a tensor" if isinstance(node, TensorView) else node.what
    return _WORDS.get(type(node), "something else")


def _keys(node: Node) -> str:
    if not isinstance(node, DictNode) or not node.items:
        return "look at what was saved"
    names = [str(key)[:80] if isinstance(key, str) else repr(key)[:80] for key in node.items]
    return f"it holds {listing(names, _LISTED)}; choose one with --key"


def _candidates(among: DictNode) -> tuple[str, ...]:
    """Return the entries that might be the dict of tensors that was meant."""
    if _holds_tensors(among):
        return ()
    return tuple(key for key, value in among.items.items() if isinstance(key, str) and _holds_tensors(value))


def _holds_tensors(node: Node) -> bool:
    return isinstance(node, DictNode) and any(isinstance(value, TensorView) for value in node.items.values())
