"""What training leaves behind: state dicts of modules, optimizers, schedulers, and states of random generators."""

from __future__ import annotations

import collections
import datetime
import io
import pickle
import random
from collections.abc import Iterator

import numpy as np
import torch

from tests.corpus.benign.tensors import saved
from tests.corpus.case import Case

_OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, amsgrad=True),
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": lambda p: torch.optim.RMSprop(p, centered=True, momentum=0.5),
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "lbfgs": torch.optim.LBFGS,
}


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    )


def _stepped(make: object) -> torch.optim.Optimizer:
    network = torch.nn.Linear(3, 2)
    optimizer = make(list(network.parameters()))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = network(torch.ones(1, 3)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


def _schedulers() -> Iterator[tuple[str, object]]:
    optimizer = _stepped(_OPTIMIZERS["sgd"])
    schedulers = torch.optim.lr_scheduler
    yield "step", schedulers.StepLR(optimizer, 3)
    yield "multi-step", schedulers.MultiStepLR(optimizer, [2, 5])
    yield "cosine", schedulers.CosineAnnealingLR(optimizer, 10)
    yield "plateau", schedulers.ReduceLROnPlateau(optimizer)
    yield "one-cycle", schedulers.OneCycleLR(optimizer, 0.1, 10)


def _states() -> Iterator[tuple[str, object]]:
    network = _network()
    yield "state-dict", network.state_dict()
    yield "lstm-state-dict", torch.nn.LSTM(3, 4, 2).state_dict()
    yield "transformer-state-dict", torch.nn.TransformerEncoderLayer(8, 2, 16).state_dict()
    yield "half-state-dict", network.half().state_dict()
    yield "torch-rng", torch.get_rng_state()
    yield "generator-state", torch.Generator().manual_seed(3).get_state()
    yield "python-rng", random.Random(3).getstate()
    yield "numpy-rng", np.random.RandomState(3).get_state()
    yield "numpy-rng-dict", np.random.RandomState(3).get_state(legacy=False)
    yield "numpy-generator-state", np.random.default_rng(3).bit_generator.state
    yield (
        "all-rng",
        {
            "python": random.Random(1).getstate(),
            "numpy": np.random.RandomState(1).get_state(),
            "cpu": torch.get_rng_state(),
            "cuda": [],
        },
    )
    yield "lightning", _lightning(network)
    yield "swa", {"n_averaged": torch.tensor(3), "module": network.state_dict(), "counter": collections.Counter(a=2)}
    yield (
        "grad-scaler",
        {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000, "_growth_tracker": 0},
    )
    yield (
        "trainer-state",
        {
            "log_history": [{"loss": 0.1, "step": 1}],
            "best_metric": np.float64(0.5),
            "saved": datetime.datetime(2024, 1, 1),
        },
    )


def _lightning(network: torch.nn.Module) -> dict[str, object]:
    return {
        "epoch": 2,
        "global_step": 100,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": network.state_dict(),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3, "completed": 2}}}},
        "callbacks": {
            "ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.1), "best_model_path": "a/b.ckpt"}
        },
        "optimizer_states": [_stepped(_OPTIMIZERS["adamw"]).state_dict()],
        "lr_schedulers": [{"base_lrs": [0.1], "last_epoch": 2, "_last_lr": [0.1]}],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3, "layers": [1, 2], "dropout": None},
    }


def cases() -> Iterator[Case]:
    """Make a file per state, most in both formats."""
    for name, make in _OPTIMIZERS.items():
        state = _stepped(make).state_dict()
        yield Case(f"optimizer-{name}.pt", saved(state), "torch_load")
        if name in {"sgd", "adam", "lbfgs"}:
            yield Case(f"optimizer-{name}-legacy.pt", saved(state, legacy=True), "torch_load")
    for name, scheduler in _schedulers():
        yield Case(f"scheduler-{name}.pt", saved(scheduler.state_dict()), "torch_load")
    for name, value in _states():
        yield Case(f"training-{name}.pt", saved(value), "torch_load")
        if name in {"state-dict", "lightning", "all-rng", "numpy-rng"}:
            yield Case(f"training-{name}-legacy.ckpt", saved(value, legacy=True), "torch_load")
    yield Case("training-state-dict.pkl", pickle.dumps(_network().state_dict()))
    yield Case("training-tensor-protocol-5.pkl", pickle.dumps([torch.ones(3), torch.nn.Parameter(torch.zeros(2))], 5))
    yield Case("training-tensor-protocol-2.pkl", pickle.dumps({"w": torch.ones(3, dtype=torch.bfloat16)}, 2))
    buffer = io.BytesIO()
    torch.save(_network().state_dict(), buffer, pickle_protocol=4)
    yield Case("training-state-dict-protocol-4.bin", buffer.getvalue(), "torch_load_file")
