"""Training under the guard: what a program saved itself, and what its processes send each other, is not refused."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# The defaults refuse what is not in the lockfile, but for what this project saved; this lets plain data pass as well.
INSPECT = 'unlocked = "inspect"\n'
UNTRUSTED = "trust-saved = false\n"

TRAIN = """
    import sys
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 12
        def __getitem__(self, index):
            return {"input_ids": torch.tensor([1, 2, index % 9]), "labels": torch.tensor(index % 2)}

    config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=16, max_position_embeddings=16)

    def train(steps, resume):
        arguments = TrainingArguments("out", max_steps=steps, save_steps=2, per_device_train_batch_size=2,
                                      dataloader_num_workers=1, report_to=[], use_cpu=True, disable_tqdm=True,
                                      eval_strategy="steps", eval_steps=2, load_best_model_at_end=True)
        trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=Rows(), eval_dataset=Rows())
        trainer.train(resume_from_checkpoint=resume)
        assert trainer.state.best_model_checkpoint
        return trainer.state.global_step

    if __name__ == "__main__":
        print("SAVED", train(2, resume=False))
        saved = "out/checkpoint-4/training_args.bin"
        print("RESUMED", train(4, resume=True), torch.load(saved, weights_only=False).max_steps)
"""

ACCELERATE = """
    import torch
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    model(torch.ones(4)).sum().backward()
    optimizer.step()
    for safe in (True, False):
        accelerator.save_state(f"state-{safe}", safe_serialization=safe)
        print("SAVED", safe)
        accelerator.load_state(f"state-{safe}")
        print("RESUMED", safe)
"""

LOADERS = """
    import torch

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 8
        def __getitem__(self, index):
            return {"row": torch.full((2,), index), "text": str(index), "nested": [index, {"a": (index,)}]}

    if __name__ == "__main__":
        for method in ("fork", "spawn", "forkserver"):
            loader = torch.utils.data.DataLoader(Rows(), batch_size=2, num_workers=2, multiprocessing_context=method)
            print(method, sum(int(batch["row"].sum()) for batch in loader))
"""

COLLECTIVES = """
    import os
    import torch.distributed as dist
    import torch.multiprocessing as mp

    class Loss:
        def __init__(self, rank):
            self.rank = rank

    def work(rank, folder):
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
        gathered = [None, None]
        dist.all_gather_object(gathered, {"rank": rank, "own class": Loss(rank), "tensor": __import__("torch").ones(2)})
        box = [Loss(7) if rank == 0 else None]
        dist.broadcast_object_list(box, src=0)
        if rank == 0:
            print("GATHERED", [item["own class"].rank for item in gathered], box[0].rank, flush=True)
        dist.destroy_process_group()

    if __name__ == "__main__":
        mp.spawn(work, (os.getcwd(),), nprocs=2)
"""


def accepted(done, *parts):
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(part in done.stdout for part in parts), done.stdout
    assert "weighlock" not in done.stderr, done.stderr
    return True


def refused(done, before, after):
    assert before in done.stdout, done.stderr
    assert after not in done.stdout
    assert done.returncode == 1, done.stderr
    assert "rule: not-in-lock" in done.stderr, done.stderr
    return True


def test_a_trainer_saves_reloads_its_best_model_and_resumes(workshop):
    assert accepted(workshop.run(TRAIN), "SAVED 2", "RESUMED 4 4")


def test_a_trainer_does_not_resume_where_own_files_are_not_trusted(workshop):
    workshop.policy(UNTRUSTED)
    assert refused(workshop.run(TRAIN), "", "RESUMED")


def test_accelerate_saves_and_loads_state(workshop):
    assert accepted(workshop.run(ACCELERATE), "RESUMED True", "RESUMED False")


def test_accelerate_does_not_load_state_where_own_files_are_not_trusted(workshop):
    workshop.policy(UNTRUSTED)
    assert refused(workshop.run(ACCELERATE), "SAVED True", "RESUMED")


@pytest.mark.parametrize("policy", ["", INSPECT])
def test_data_loader_workers_are_not_refused(workshop, policy):
    workshop.policy(policy)
    assert accepted(workshop.run(LOADERS), "fork 56", "spawn 56", "forkserver 56")


@pytest.mark.parametrize("policy", ["", INSPECT])
def test_collectives_of_objects_are_not_refused(workshop, policy):
    workshop.policy(policy)
    assert accepted(workshop.run(COLLECTIVES), "GATHERED [0, 1] 7")


def test_a_malicious_checkpoint_among_the_saved_ones_is_refused(workshop):
    workshop.policy(INSPECT)
    swap = """
        import torch
        class Payload:
            def __reduce__(self):
                return (open, ("marker", "w"))
        torch.save({"state": {}, "param_groups": Payload()}, "out/checkpoint-2/optimizer.pt")
        torch.serialization.add_safe_globals([open])
    """
    split = TRAIN.replace('print("SAVED"', 'RESUME or print("SAVED"').replace(
        'print("RESUMED"', 'RESUME and print("RESUMED"'
    )
    first = "RESUME = False\n" + "\n".join(line[4:] for line in split.splitlines())
    assert accepted(workshop.run(first), "SAVED 2")
    assert workshop.run(swap, guard=False).returncode == 0
    done = workshop.run(first.replace("RESUME = False", "RESUME = True", 1))
    assert done.returncode == 1, done.stderr
    assert "optimizer.pt" in done.stderr
    assert "RESUMED" not in done.stdout
    assert not (workshop.folder / "marker").exists()
