"""Bent checkpoints: read or refused, never anything else, and where torch loads them as well, to the same bits."""

from __future__ import annotations

import io
import random
import time
from collections import OrderedDict

import pytest
import safetensors.torch
import torch

from tests.formats.checkpoints import legacy, raw, saved, storage, tensor, zipped
from weighlock.convert import Choice, lay_out, plan, write
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.finding import Outcome
from weighlock.formats.source import Budget, BytesSource
from weighlock.formats.torch_checkpoint import read_checkpoint
from weighlock.inspector import inspect

_SECONDS = 1.5
_OPCODES = b"KMJ(tQRubsaeh0.2q}])\x85\x86\x87N\x88\x89"


class Memory:
    def __init__(self, source):
        self.source = source
        self.parts = []

    def write(self, data):
        self.parts.append(bytes(data))

    def copy(self, offset, size):
        self.parts.append(self.source.read_at(offset, size))


def seeds():
    base = torch.arange(24.0)
    value = {
        "a": base.view(4, 6),
        "b": base[2:9],
        "c": torch.ones(3, dtype=torch.float8_e5m2),
        "n": torch.nn.Parameter(torch.ones(2, 2).t()),
        "d": {"x": [1, 2.5, (3, "y")]},
        "o": OrderedDict(y=3),
    }
    return {
        "zip": saved(value),
        "legacy": legacy(value),
        "small": zipped({"w": tensor(), "v": tensor(storage(), 1, (2,), (2,)), "e": 3}),
    }


def bent(data, chance):
    """Change a few bytes, mostly of the pickle."""
    data = bytearray(data)
    start = data.find(b"data.pkl") + 8 if data.startswith(b"PK") and chance.random() < 0.85 else 0
    end = data.find(b"PK\x03\x04", start) if start else len(data)
    for _ in range(chance.randint(1, 3)):
        place, kind = chance.randrange(start, min(end, len(data))), chance.random()
        if kind < 0.5:
            data[place] = chance.randrange(256)
        elif kind < 0.7:
            other, size = chance.randrange(start, min(end, len(data))), chance.randint(1, 12)
            data[place : place + size] = data[other : other + size]
        else:
            data[place] = chance.choice(_OPCODES)
    return bytes(data)


def converted(data):
    """Return the safetensors file of a checkpoint, and the names in it of its tensors; ``None`` where it is refused."""
    source = BytesSource(data)
    try:
        chosen = plan(read_checkpoint(source, Budget()), Choice(extras=True), len(data))
    except (FormatError, OverBudgetError, UnsupportedError):
        return None
    memory = Memory(source)
    write(lay_out(chosen), source, memory)
    return b"".join(memory.parts), {**{name: name for name in chosen.tensors}, **chosen.tied}


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", seeds())
def test_bent_checkpoints(kind):
    data, chance, end = seeds()[kind], random.Random(kind), time.process_time() + _SECONDS
    while time.process_time() < end:
        input_ = bent(data, chance)
        found = converted(input_)
        if found is None or inspect(BytesSource(input_)).outcome is not Outcome.DATA_ONLY:
            continue
        loaded = safetensors.torch.load(found[0])
        try:
            value = torch.load(io.BytesIO(input_), weights_only=True)
        except Exception:  # noqa: BLE001, S112 - torch may refuse what is harmless
            continue
        tensors = {name: item for name, item in value.items() if isinstance(item, torch.Tensor)}
        assert tensors.keys() == found[1].keys(), input_
        for name, item in tensors.items():
            ours = loaded[found[1][name]]
            assert (ours.dtype, ours.shape, raw(ours)) == (item.dtype, item.shape, raw(item)), input_
