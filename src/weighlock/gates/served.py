"""What a pickled checkpoint is served from: the safetensors files that the lockfile calls its equal.

1. collect: the files of the twin, in the place that they have in the model, beside the checkpoint;
2. identify and
3. decide: each is opened once, judged by the load gate like every file, and has exactly the locked bytes;
4. inspect: how the checkpoint arranges its tensors is read from its judged bytes, symbolically.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import TYPE_CHECKING, Protocol, TypeVar

from weighlock.errors import FormatError, LoadRefused, OverBudgetError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from weighlock.formats.source import RandomAccess
    from weighlock.gates.admission import Admission
    from weighlock.gates.load import LoadGate
    from weighlock.gates.recipe import Recipe
    from weighlock.lockfile import LockedFile, LockedModel

_LOADER = "torch.load"

_BUFFER = "torch.nn.parameter.Buffer"
"""A class of tensors that the reader of checkpoints does not tell from others."""

_MOST_RECIPES = 64
_recipes: dict[tuple[str, ...], Recipe] = {}
"""By the digests of the checkpoint and its twin: what is read from the same bytes is the same."""


class Loading(Protocol):
    """A load that the runtime admitted."""

    admission: Admission
    label: str
    descriptor: int | None

    def __enter__(self) -> object:
        """Begin it."""

    def __exit__(self, kind: type[BaseException] | None, /, *_: object) -> None:
        """End it, and close what was opened for it."""


_Load = TypeVar("_Load", bound=Loading)


def find(
    gate: LoadGate, loading: Loading, admit: Callable[[str, str], _Load], *, named: bool
) -> tuple[Recipe, list[_Load]] | None:
    """Find what an admitted checkpoint may be served from.

    Args:
        gate: Of this process.
        loading: The checkpoint.
        admit: Opens a path once and judges it, for a loader.
        named: The checkpoint was just opened by its label; otherwise the label may be an old name of it.

    Returns:
        How to build the checkpoint, and the files of its twin, which the recipe numbers in this order. ``None`` where
        no whole twin lies beside the file, or where today's reader cannot make a recipe.

    Raises:
        LoadRefused: A file of the twin is there, but is not the locked one.
    """
    if loading.descriptor is None or not (named or _leads_to(loading.label, loading.descriptor)):
        return None
    for model, checkpoint in loading.admission.models:
        # 1. Collect
        twin = _locked_twin(model, checkpoint, loading.label)
        if _BUFFER in checkpoint.imports or not all(os.path.exists(place) for place, _ in twin):
            continue
        # 2. Identify, 3. Decide
        files = _admit_all(gate, twin, admit)
        # 4. Inspect
        if len(files) == len(twin):
            recipe = _recipe(loading.descriptor, checkpoint, twin, [_descriptor(one) for one in files])
            if recipe is not None:
                return recipe, files
        _close(files)
        if len(files) < len(twin):
            _refuse(gate, loading.label, checkpoint, twin[len(files)][0])
    return None


Located = tuple[str, "LockedFile"]


def _admit_all(gate: LoadGate, twin: Sequence[Located], admit: Callable[[str, str], _Load]) -> list[_Load]:
    """Open and judge the files of a twin, up to the first that is not the locked one.

    Raises:
        LoadRefused: One has the locked bytes, but the policy does not admit them.
    """
    files: list[_Load] = []
    try:
        for place, locked in twin:
            loading = _admitted(gate, place, locked, admit)
            if loading is None:
                break
            files.append(loading)
    except BaseException:
        _close(files)
        raise
    return files


def _admitted(gate: LoadGate, place: str, locked: LockedFile, admit: Callable[[str, str], _Load]) -> _Load | None:
    """Open and judge a file; nothing where it is not the locked one or cannot be read."""
    try:
        status = os.stat(place)  # a named pipe would be waited for
        if not stat.S_ISREG(status.st_mode) or status.st_size != locked.size:
            return None
        loading = admit(place, _LOADER)
    except OSError:
        return None
    except LoadRefused:
        with open(place, "rb") as file:
            if gate.holds(file.fileno(), locked):
                raise
        return None
    if loading.admission.digest == locked.sha256:
        return loading
    _close([loading])
    return None


def _close(files: Iterable[Loading]) -> None:
    for one in files:
        with one:
            pass


def _descriptor(loading: Loading) -> int:
    return -1 if loading.descriptor is None else loading.descriptor


def _refuse(gate: LoadGate, label: str, checkpoint: LockedFile, place: str) -> None:
    message = f"it is served from {place}, which is not the locked file"
    remedy = "`weighlock sync` restores it; or take it away, and the checkpoint is loaded without it"
    gate.refuse(label, _LOADER, f"sha256:{checkpoint.sha256}", [("twin-changed", message)], remedy)


def _leads_to(label: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(label), os.fstat(descriptor))
    except OSError:
        return False


def _locked_twin(model: LockedModel, checkpoint: LockedFile, label: str) -> list[Located]:
    """Return where the files of a twin would be, if the checkpoint lies in a copy of its model."""
    here, folder = posixpath.dirname(checkpoint.path), os.path.dirname(label)
    twin = (file for file in model.files if file.path in checkpoint.equivalent_to)
    return [(os.path.join(folder, *posixpath.relpath(file.path, here or ".").split("/")), file) for file in twin]


def _recipe(
    descriptor: int, checkpoint: LockedFile, twin: Sequence[Located], descriptors: Sequence[int]
) -> Recipe | None:
    key = (checkpoint.sha256, *(locked.sha256 for _, locked in twin))
    recipe = _recipes.get(key) or _read_recipe(descriptor, descriptors)
    if recipe is not None:
        if len(_recipes) >= _MOST_RECIPES:
            _recipes.clear()
        _recipes[key] = recipe
    return recipe


def _read_recipe(descriptor: int, descriptors: Sequence[int]) -> Recipe | None:
    """Read how a checkpoint arranges its tensors, and where its twin has their bytes."""
    from weighlock.formats.source import FileSource
    from weighlock.formats.torch_checkpoint import flat_tensors, read_checkpoint
    from weighlock.formats.twin import match, read_twin
    from weighlock.gates.recipe import make_recipe
    from weighlock.inspector.spool import default_budget

    def source(one: int) -> RandomAccess:
        return FileSource(one, os.fstat(one).st_size)

    try:
        checkpoint = read_checkpoint(source(descriptor), default_budget(os.fstat(descriptor).st_size))
        views = flat_tensors(checkpoint)
        twin = read_twin({str(index): source(one) for index, one in enumerate(descriptors)})
        matched, differences = match(views, twin) if views is not None else ({}, [])
        if views is None or differences:
            return None  # the digests are right, so the lockfile was not written by us, or by another version
        return make_recipe(checkpoint, views, matched)
    except (FormatError, OverBudgetError, UnsupportedError):
        return None
