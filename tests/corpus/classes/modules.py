"""Whole torch modules, as `torch.save(model)` writes them."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import torch
from torch import nn

from tests.corpus.benign.tensors import saved
from tests.corpus.case import Case


def _layers() -> dict[str, nn.Module]:
    return {
        "linear": nn.Linear(3, 2),
        "conv": nn.Conv2d(1, 2, 3, padding=1),
        "transposed": nn.ConvTranspose1d(1, 2, 3),
        "lstm": nn.LSTM(3, 4, 2, bidirectional=True),
        "gru": nn.GRU(3, 4),
        "attention": nn.MultiheadAttention(8, 2),
        "encoder-layer": nn.TransformerEncoderLayer(8, 2, 16),
        "encoder": nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
        "transformer": nn.Transformer(8, 2, 1, 1, 16),
        "embedding": nn.Embedding(10, 4, padding_idx=0),
        "batch-norm": nn.BatchNorm1d(4),
        "layer-norm": nn.LayerNorm(4),
        "group-norm": nn.GroupNorm(2, 4),
        "bilinear": nn.Bilinear(2, 2, 2),
        "prelu": nn.PReLU(),
        "pooling": nn.AdaptiveAvgPool2d((1, 1)),
        "upsample": nn.Upsample(scale_factor=2),
    }


def _models() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    convolutional = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    return {
        "sequential": convolutional,
        "module-list": nn.ModuleList([nn.Linear(1, 1), nn.Tanh(), nn.GELU(), nn.SiLU()]),
        "module-dict": nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Softmax(-1)}),
        "parameter-list": nn.ParameterList([torch.zeros(1), torch.ones(2)]),
        "parameter-dict": nn.ParameterDict({"w": torch.zeros(1)}),
        "losses": nn.ModuleList([nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss()]),
        "activations": nn.ModuleList(
            [nn.Sigmoid(), nn.LeakyReLU(), nn.ELU(), nn.Hardswish(), nn.Mish(), nn.Identity()]
        ),
        "paddings": nn.ModuleList([nn.ZeroPad2d(1), nn.ReflectionPad1d(1), nn.ConstantPad2d(1, 0.0)]),
    }


def cases() -> Iterator[Case]:
    """Make a file per module; some in the old format, where torch adds the module's source, and some by pickle."""
    for name, module in {**_layers(), **_models()}.items():
        yield Case(f"module-{name}.pt", saved(module), "torch_load")
    for name in ("linear", "lstm", "attention"):
        yield Case(f"module-{name}-legacy.pth", saved(_layers()[name], legacy=True), "torch_load")
    yield Case("module-sequential-legacy.pth", saved(_models()["sequential"], legacy=True), "torch_load")
    yield Case("module-in-checkpoint.pt", saved({"model": _layers()["linear"], "epoch": 3}), "torch_load")
    yield Case("module-linear.pkl", pickle.dumps(_layers()["linear"]))
    parameters = list(nn.Linear(2, 2).parameters())
    yield Case("module-optimizer.pt", saved(torch.optim.SGD(parameters, lr=0.1)), "torch_load")
    yield Case("module-optimizer-adam.pt", saved(torch.optim.Adam(parameters)), "torch_load")
    yield Case(
        "module-scheduler.pt",
        saved(torch.optim.lr_scheduler.StepLR(torch.optim.SGD(parameters, lr=0.1), 3).__class__),
        "torch_load",
    )
    yield Case("module-dataset.pt", saved(torch.utils.data.TensorDataset(torch.ones(2, 2))), "torch_load")
