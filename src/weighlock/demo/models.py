"""Makes the small models of the demonstration, with the real libraries as far as they are installed.

``python -m weighlock.demo.models FOLDER`` writes ``FOLDER/ORGANISATION/NAME/FILE`` and prints, as JSON, what it used
and what each model is loaded as. It runs in a process of its own: weighlock itself never imports torch.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import sys
from array import array
from collections import OrderedDict
from importlib import import_module
from importlib.metadata import version
from typing import Any

from weighlock.demo.project.load import fingerprint

ORGANISATION = "acme"

_SAFETENSORS = ("encoder", "barge", "punt")
_PICKLES = ("classic", "ferry", "newcomer", "legacy")
_TURNED = "ferry"
"""The repository that becomes malicious after it was locked."""


class Payload:
    """What a malicious pickle holds: unpickling it runs a line of code, here a harmless one.

    Args:
        name: Of the model; the line creates an empty file that tells the name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Say that unpickling means to execute a line."""
        return exec, (f"open({marker(self._name)!r}, 'w').close()",)


def marker(name: str) -> str:
    """Return the name of the file that the payload of a model creates in the current folder."""
    return f"payload-of-{name}-ran"


def main(folder: str) -> None:
    """Write every model and say what was used."""
    random.seed(0)
    torch, transformers = _optional("torch", "save"), _optional("transformers", "BertModel")
    maker = Maker(folder, torch, transformers if torch else None)
    if torch:
        torch.manual_seed(0)
    maker.make()
    used = {name: version(name) for name in ("torch", "transformers", "safetensors") if maker.uses(name)}
    print(json.dumps({"used": used, "targets": maker.targets, "fingerprints": maker.fingerprints}))  # noqa: T201


class Maker:
    """Writes models.

    Args:
        folder: Where to.
        torch: The library, if it is installed.
        transformers: Likewise.

    Attributes:
        targets: What `load.py` calls each model.
        fingerprints: Of the weights, by model.
    """

    def __init__(self, folder: str, torch: Any, transformers: Any) -> None:
        self._folder = folder
        self._torch = torch
        self._transformers = transformers
        self._settings = import_module("fleet").Settings(rate=0.1)  # from the project, which is the current folder
        self.targets: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}

    def uses(self, library: str) -> bool:
        """Say whether a library wrote any of the models."""
        return {"torch": self._torch, "transformers": self._transformers}.get(library, self) is not None

    def make(self) -> None:
        """Write every model."""
        for name in _SAFETENSORS:
            if self._transformers and name != "barge":
                self._save_bert(name)
            else:
                self._save_tensors(name)
        for name in _PICKLES:
            self._save_pickle(name, {"settings": self._settings} if name == "legacy" else {})
        self._save_pickle("free-weights", {"extra": Payload("free-weights")})
        honest = self.fingerprints[_TURNED]
        self._save_pickle(_TURNED, {"extra": Payload(_TURNED)}, folder=f"{_TURNED}-later")
        self.fingerprints[_TURNED] = honest

    def _save_bert(self, name: str) -> None:
        library = self._transformers
        config = library.BertConfig(
            vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=16,
        )  # fmt: skip
        model = library.BertModel(config)
        model.save_pretrained(self._place(name))
        self._remember(name, f"{ORGANISATION}/{name}", dict(model.state_dict()))

    def _save_tensors(self, name: str) -> None:
        if self._torch:
            from safetensors.torch import save

            weights = {"weight": self._torch.rand(4, 4), "bias": self._torch.rand(4)}
            self._write(name, "model.safetensors", save(weights))
            self._remember(name, f"{ORGANISATION}/{name}:model.safetensors", weights)
            return
        values = {"weight": _numbers(16), "bias": _numbers(4)}
        self._write(name, "model.safetensors", _serialized(values))
        self._remember(name, f"{ORGANISATION}/{name}:model.safetensors", _raw(values))

    def _save_pickle(self, name: str, more: dict[str, object], folder: str | None = None) -> None:
        file = "pytorch_model.bin" if self._torch else "model.pkl"
        state: OrderedDict[str, Any] = OrderedDict(weight=_numbers(16).tolist(), bias=_numbers(4).tolist())
        if self._torch:
            state = OrderedDict((key, self._torch.tensor(values)) for key, values in state.items())
            buffer = io.BytesIO()
            self._torch.save({"state_dict": state, **more}, buffer)
            data = buffer.getvalue()
        else:
            data = pickle.dumps({"state_dict": state, **more})
        self._write(folder or name, file, data)
        self._remember(name, f"{ORGANISATION}/{name}:{file}", dict(state))

    def _remember(self, name: str, target: str, tensors: dict[str, Any]) -> None:
        self.targets[name] = target
        self.fingerprints[name] = fingerprint(tensors)

    def _place(self, name: str) -> str:
        place = os.path.join(self._folder, ORGANISATION, name)
        os.makedirs(place, exist_ok=True)
        return place

    def _write(self, name: str, file: str, data: bytes) -> None:
        with open(os.path.join(self._place(name), file), "wb") as stream:
            stream.write(data)


def _optional(name: str, needed: str) -> Any:
    """Return a library that works; one that is broken is as good as none."""
    try:
        library = import_module(name)
        getattr(library, needed)  # which transformers imports only now
    except Exception:  # noqa: BLE001 - OSError where a shared library is missing, and whatever old versions raise
        return None
    return library


def _numbers(count: int) -> array[float]:
    return array("f", (random.uniform(-1, 1) for _ in range(count)))  # noqa: S311 - weights, not secrets


def _raw(values: dict[str, array[float]]) -> dict[str, bytes]:
    return {name: numbers.tobytes() for name, numbers in values.items()}


def _serialized(values: dict[str, array[float]]) -> bytes:
    """Write safetensors without torch and numpy, by what the extension itself offers."""
    import safetensors

    described: dict[str, Any]
    if hasattr(safetensors, "TensorSpec"):  # since 0.8 it takes addresses; `values` keeps them alive
        described = {
            name: safetensors.TensorSpec(
                dtype="float32", shape=[len(numbers)], data_ptr=numbers.buffer_info()[0], data_len=4 * len(numbers)
            )
            for name, numbers in values.items()
        }
    else:
        described = {
            name: {"dtype": "float32", "shape": [len(numbers)], "data": numbers.tobytes()}
            for name, numbers in values.items()
        }
    return bytes(safetensors.serialize(described, None))


if __name__ == "__main__":
    main(sys.argv[1])
