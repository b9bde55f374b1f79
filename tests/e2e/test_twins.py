"""Real libraries that load pickled weights get them from the proved safetensors files; a tampered one is refused."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.hub, pytest.mark.timeout(600)]

LOCK = """
    import sys
    from weighlock._cli import main
    sys.argv = ["weighlock", "lock", "org/both", "--all-formats"]
    sys.exit(main())
"""

LOAD = """
    import os, sys
    unpickled = []
    sys.addaudithook(lambda event, args: unpickled.append(args[1:]) if event == "pickle.find_class" else None)
    import torch, torch._weights_only_unpickler as unpickler
    def load(self, original=unpickler.Unpickler.load):
        unpickled.append("weights_only")
        return original(self)
    unpickler.Unpickler.load = load
    from diffusers import UNet2DModel
    from huggingface_hub import snapshot_download
    from transformers import AutoModel, AutoModelForCausalLM
    from weighlock.errors import LoadRefused
    folder = snapshot_download("org/both")
    def models(**options):
        yield AutoModel.from_pretrained("org/both", subfolder="encoder", **options)
        yield AutoModelForCausalLM.from_pretrained("org/both", subfolder="decoder", **options)
        yield AutoModel.from_pretrained("org/both", subfolder="shards", **options)
        yield UNet2DModel.from_pretrained("org/both", subfolder="unet", **options)

    del unpickled[:]
    pickled = [model.state_dict() for model in models(use_safetensors=False)]
    pickled.append(torch.load(os.path.join(folder, "decoder/pytorch_model.bin"), weights_only=False))
    assert unpickled == [], unpickled
    expected = [model.state_dict() for model in models(use_safetensors=True)]
    expected.append(expected[1])
    for one, other in zip(pickled, expected, strict=True):
        assert list(one) == list(other)
        assert all(torch.equal(one[name], other[name]) for name in one)
    tied = pickled[-1]
    assert tied["lm_head.weight"].data_ptr() == tied["transformer.wte.weight"].data_ptr()
    assert type(tied).__name__ == "OrderedDict" and tied._metadata[""] == {"version": 1}
    print("SERVED")

    def flip(path):
        with open(os.path.realpath(os.path.join(folder, path)), "r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
    def refusal(path, number):
        flip(path)
        made = models(use_safetensors=False)
        try:
            for _ in range(number):
                next(made)
        except LoadRefused as error:
            print("REFUSED", path, str(error).replace("\\n", " "))
        assert not unpickled
        flip(path)
    refusal("encoder/model.safetensors", 1)
    refusal("decoder/pytorch_model.bin", 2)
    refusal("shards/{shard}", 3)
    refusal("unet/diffusion_pytorch_model.safetensors", 4)
    os.remove(os.path.join(folder, "encoder/model.safetensors"))
    next(models(use_safetensors=False))
    assert unpickled == ["weights_only"]
"""


def test_libraries_are_served_from_proved_twins_and_tampering_is_refused(workshop, tiny):
    files = tiny("both")
    workshop.hub.add_repo("org/both", files)
    done = workshop.run(LOCK, guard=False)
    assert done.returncode == 0, done.stderr
    assert "unproved" not in done.stdout
    pickles = [path for path in files if path.endswith(".bin")]
    assert len(pickles) > 4
    assert done.stdout.count("proved    org/both:") == len(pickles)
    shards = json.loads(files["shards/model.safetensors.index.json"])["weight_map"]
    done = workshop.run(LOAD.replace("{shard}", max(shards.values())))
    assert done.returncode == 0, done.stderr
    refused = [line for line in done.stdout.splitlines() if line.startswith("REFUSED")]
    rules = ["twin-changed", "changed", "twin-changed", "twin-changed"]
    assert [f"(rule: {rule})" in line for rule, line in zip(rules, refused, strict=True)] == [True] * 4


def test_a_hijacked_conversion_is_refused_when_it_is_locked(workshop, tiny):
    files = tiny("linear")
    twin = files["model.safetensors"]
    workshop.hub.add_repo("org/both", {**files, "model.safetensors": twin[:-1] + bytes([twin[-1] ^ 1])})
    before = (workshop.folder / "models.lock").read_text()
    done = workshop.run(LOCK, guard=False)
    assert done.returncode == 1
    assert "org/both: model.safetensors is refused: tensor " in done.stderr
    assert "has other bytes than in pytorch_model.bin" in done.stderr
    assert (workshop.folder / "models.lock").read_text() == before
    assert not list(workshop.cache.glob("models--org--both/snapshots/*/*"))
