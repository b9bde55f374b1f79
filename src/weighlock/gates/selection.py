"""Which files of a repository are locked: those that were asked for, and safetensors in place of pickles.

Without ``include`` patterns and ``all_formats``, a repository that has safetensors files is locked without

* weights of the same name in another format (``pytorch_model*.bin`` counts as the name ``model``, shards and
  index files included), which loaders would ignore in favour of safetensors;
* weights of other frameworks (TensorFlow, Flax, Rust, ONNX, OpenVINO, Core ML, TensorFlow Lite), which
  huggingface users have to ask for by name, too.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from weighlock.sources.interface import Offer

_SHARD = re.compile(r"[-_.]?\d{5}-of-\d{5}")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_OTHER_SUFFIXES = (".h5", ".msgpack", ".ot", ".onnx", ".onnx_data", ".tflite", ".mlmodel")
_OTHER_FOLDERS = ("onnx", "openvino", "coreml")
_OTHER_FILES = re.compile(r"(?:openvino_.*\.(?:bin|xml)|(?:tf|flax|rust)_model\..*|.*\.(?:h5|msgpack)\.index\.json)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is locked and what is not.

    Args:
        files: To be locked.
        covered: Paths that were left out because safetensors files cover them.
        other: Paths that were left out because they belong to another framework.
        excluded: Paths that were left out by the patterns.
    """

    files: tuple[Offer, ...]
    covered: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def select(
    offers: Sequence[Offer], include: Sequence[str] = (), exclude: Sequence[str] = (), *, all_formats: bool = False
) -> Selection:
    """Choose files.

    Args:
        offers: All that a source has.
        include: Patterns as huggingface_hub's ``allow_patterns``; a file that matches one is locked in any format.
        exclude: Patterns as huggingface_hub's ``ignore_patterns``.
        all_formats: Do not prefer safetensors.

    Raises:
        UsageError: There is no file, a pattern of `include` matches nothing, or nothing is left.
    """
    if not offers:
        raise UsageError("there is no file to lock", hint="name a file, or a folder or repository with files")
    for pattern in include:
        if not any(matches(offer.path, (pattern,)) for offer in offers):
            raise UsageError("matches no file of the model", where=pattern, hint="see --include")
    selection = divide(offers, include, exclude, all_formats=all_formats)
    if not selection.files:
        raise UsageError("no file is left to lock", hint="see --include and --exclude")
    return selection


def divide(
    offers: Sequence[Offer], include: Sequence[str] = (), exclude: Sequence[str] = (), *, all_formats: bool = False
) -> Selection:
    """Say which files `select` chooses, also where that is none.

    Args:
        offers: As for `select`.
        include: As for `select`.
        exclude: As for `select`.
        all_formats: As for `select`.
    """
    kept = [offer for offer in offers if not include or matches(offer.path, include)]
    kept = [offer for offer in kept if not matches(offer.path, exclude)]
    selection = Selection(files=tuple(kept)) if include or all_formats else _prefer_safetensors(kept)
    paths = {offer.path for offer in kept}
    return replace(selection, excluded=tuple(offer.path for offer in offers if offer.path not in paths))


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path matches one of some patterns; ``folder/`` means everything below it.

    Source:
        ``huggingface_hub.utils.filter_repo_objects``.
    """
    return any(fnmatch.fnmatchcase(path, f"{pattern}*" if pattern.endswith("/") else pattern) for pattern in patterns)


def _prefer_safetensors(offers: Sequence[Offer]) -> Selection:
    names = {_name(offer.path) for offer in offers if offer.path.endswith(".safetensors")}
    if not names:
        return Selection(files=tuple(offers))
    covered = [offer.path for offer in offers if _is_pickled(offer.path) and _name(offer.path) in names]
    other = [offer.path for offer in offers if _is_other(offer.path) and offer.path not in covered]
    left_out = {*covered, *other}
    return Selection(
        files=tuple(offer for offer in offers if offer.path not in left_out),
        covered=tuple(covered),
        other=tuple(other),
    )


def _name(path: str) -> str:
    """Return the folder and the name of the weights that a file is a part of, without format and shard."""
    folder, _, file = path.rpartition("/")
    stem = file.removesuffix(".index.json").rpartition(".")[0]
    stem = _SHARD.sub("", stem).replace("pytorch_model", "model")
    return f"{folder}/{stem}"


def _is_pickled(path: str) -> bool:
    return path.removesuffix(".index.json").endswith(_PICKLED)


def _is_other(path: str) -> bool:
    *folders, file = path.split("/")
    return (
        file.endswith(_OTHER_SUFFIXES)
        or _OTHER_FILES.match(file) is not None
        or any(folder in _OTHER_FOLDERS or folder.endswith((".mlpackage", ".mlmodelc")) for folder in folders)
    )
