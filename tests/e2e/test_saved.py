"""Checkpoints that a project saved itself, with the real libraries, under the strict defaults and an empty lockfile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LIGHTNING = """
    import logging
    import warnings

    warnings.simplefilter("ignore")
    import lightning
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, index):
            return self.layer(batch).pow(2).mean()

        def validation_step(self, batch, index):
            self.log("loss", self.layer(batch).pow(2).mean())

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters())

    def rows():
        return torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=4)

    def fit(epochs, resume=None):
        best = ModelCheckpoint(dirpath="out", monitor="loss", save_last=True)
        trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, callbacks=[best],
                                    enable_progress_bar=False, enable_model_summary=False)
        trainer.fit(Model(), rows(), rows(), ckpt_path=resume)
        return trainer, best.best_model_path

    fit(1)
    trainer, best = fit(2, "out/last.ckpt")
    print("RESUMED", trainer.current_epoch)
    trainer.validate(Model(), rows(), ckpt_path="best", verbose=False)
    print("BEST", type(Model.load_from_checkpoint(best)).__name__)
"""

RANKS = """
    import os
    import warnings
    import torch
    import torch.distributed as dist
    import torch.distributed.checkpoint as dcp
    import torch.multiprocessing as mp

    def say(line):  # in one write, as both ranks have the same pipe
        os.write(1, f"{line}\\n".encode())

    def work(rank, folder):
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
        state = {"model": torch.nn.Linear(3, 3).state_dict(), "step": 7, "names": ["a", "b"]}
        if rank == 0:
            torch.save(state, "rank0.pt")
        dist.barrier()
        say(f"LOADED {rank} {torch.load('rank0.pt')['step']}")
        dcp.save(state, checkpoint_id="distributed")
        other = {"model": torch.nn.Linear(3, 3).state_dict(), "step": 0, "names": None}
        dcp.load(other, checkpoint_id="distributed")
        say(f"SHARDS {rank} {other['step']} {other['names']}")
        dist.destroy_process_group()

    if __name__ == "__main__":
        mp.spawn(work, (os.getcwd(),), nprocs=2)
"""

FIT = """
    import joblib
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.arange(40.0).reshape(20, 2)
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows[:, 0] > 20), "model.joblib")
    print("SAVED")
"""

PREDICT = """
    import joblib
    print("LOADED", joblib.load("model.joblib").predict([[0.0, 1.0], [38.0, 39.0]]).tolist())
"""

CHECKPOINT = """
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=16, max_position_embeddings=16)
    row = {"input_ids": [1, 2, 3], "labels": 1}
    arguments = TrainingArguments("out", max_steps=1, save_steps=1, report_to=[], use_cpu=True, disable_tqdm=True)
    Trainer(BertForSequenceClassification(config), arguments, train_dataset=[row] * 8).train()
    print("SAVED")
"""

LOAD_CHECKPOINT = """
    import safetensors.torch
    import torch

    print("MODEL", len(safetensors.torch.load_file("out/checkpoint-1/model.safetensors")))
    print("OPTIMIZER", len(torch.load("out/checkpoint-1/optimizer.pt")))
    print("ARGUMENTS", torch.load("out/checkpoint-1/training_args.bin", weights_only=False).max_steps)
"""


def accepted(done, *parts):
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(part in done.stdout for part in parts), done.stdout
    assert "weighlock" not in done.stderr, done.stderr


def refused(done, rule, after):
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"rule: {rule}" in done.stderr, done.stderr
    assert after not in done.stdout


@pytest.fixture
def elsewhere(workshop, tmp_path):
    """A function that runs a script in a copy of the project, which is another project."""

    def run(code):
        project = workshop.folder
        workshop.folder = tmp_path / "elsewhere"
        shutil.rmtree(workshop.folder, ignore_errors=True)
        shutil.copytree(project, workshop.folder, ignore=shutil.ignore_patterns("elsewhere", "huggingface", "xdg"))
        try:
            return workshop.run(code)
        finally:
            workshop.folder = project

    return run


def weighlock(workshop, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "weighlock", *arguments],
        cwd=workshop.folder,
        env={**os.environ, "XDG_CACHE_HOME": str(workshop.folder / "xdg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_lightning_resumes_and_reloads_its_best_checkpoint(workshop):
    accepted(workshop.run(LIGHTNING), "RESUMED 2", "BEST Model")


def test_every_rank_loads_what_rank_0_saved_and_what_all_of_them_saved_in_shards(workshop):
    done = workshop.run(RANKS)
    accepted(done, *(f"LOADED {rank} 7" for rank in (0, 1)), *(f"SHARDS {rank} 7 ['a', 'b']" for rank in (0, 1)))


def test_an_estimator_loads_in_the_next_process_and_nowhere_else(workshop, elsewhere):
    accepted(workshop.run(FIT), "SAVED")
    accepted(workshop.run(PREDICT), "LOADED [False, True]")
    refused(elsewhere(PREDICT), "not-in-lock", "LOADED")
    data = bytearray((workshop.folder / "model.joblib").read_bytes())
    data[-10] ^= 1
    (workshop.folder / "model.joblib").write_bytes(data)
    refused(workshop.run(PREDICT), "not-in-lock", "LOADED")


def test_a_checkpoint_becomes_a_locked_model_that_loads_elsewhere_once_its_names_are_approved(workshop, elsewhere):
    accepted(workshop.run(CHECKPOINT), "SAVED")
    refused(elsewhere(LOAD_CHECKPOINT), "not-in-lock", "MODEL")
    locked = weighlock(workshop, "lock", "./out/checkpoint-1")
    assert locked.returncode == 0, locked.stderr
    assert "weighlock approve" in locked.stdout
    assert "training_args.bin" in locked.stdout
    accepted(workshop.run(LOAD_CHECKPOINT), "ARGUMENTS 1")
    done = elsewhere(LOAD_CHECKPOINT)
    refused(done, "needs-approval", "ARGUMENTS")
    assert "OPTIMIZER" in done.stdout
    approved = weighlock(workshop, "approve", "./out/checkpoint-1/training_args.bin", "--yes")
    assert approved.returncode == 0, approved.stderr
    accepted(elsewhere(LOAD_CHECKPOINT), "ARGUMENTS 1")
