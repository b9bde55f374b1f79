"""diffusers, accelerate and sentence-transformers under the guard: locked models load, refusals are not swallowed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Library:
    model: str
    weights: str
    code: str


LIBRARIES = {
    "diffusers-pipeline": Library(
        "pipeline",
        "unet/diffusion_pytorch_model.safetensors",
        """
        from diffusers import DDPMPipeline
        pipeline = DDPMPipeline.from_pretrained("org/tiny")
        print("LOADED", pipeline(num_inference_steps=1, output_type="np").images.shape)
        """,
    ),
    "diffusers-model": Library(
        "pipeline",
        "unet/diffusion_pytorch_model.safetensors",
        """
        from diffusers import UNet2DModel
        print("LOADED", UNet2DModel.from_pretrained("org/tiny", subfolder="unet").config.in_channels)
        """,
    ),
    "accelerate-safetensors": Library(
        "linear",
        "model.safetensors",
        """
        import torch
        from accelerate import init_empty_weights, load_checkpoint_and_dispatch
        from huggingface_hub import snapshot_download
        with init_empty_weights():
            model = torch.nn.Linear(4, 2)
        folder = snapshot_download("org/tiny", ignore_patterns="*.bin")
        model = load_checkpoint_and_dispatch(model, folder, device_map={"": "cpu"})
        print("LOADED", model(torch.zeros(4)).shape)
        """,
    ),
    "accelerate-pickle": Library(
        "linear",
        "pytorch_model.bin",
        """
        import torch
        from accelerate import init_empty_weights, load_checkpoint_and_dispatch
        from huggingface_hub import hf_hub_download
        with init_empty_weights():
            model = torch.nn.Linear(4, 2)
        file = hf_hub_download("org/tiny", "pytorch_model.bin")
        model = load_checkpoint_and_dispatch(model, file, device_map={"": "cpu"})
        print("LOADED", model(torch.zeros(4)).shape)
        """,
    ),
    "sentence-transformers": Library(
        "sentences",
        "model.safetensors",
        """
        from sentence_transformers import SentenceTransformer
        model = SentenceTransformer("org/tiny", device="cpu")
        print("LOADED", model.encode(["a boat is weighed"]).shape)
        """,
    ),
}
ALL = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
ONE_EACH = pytest.mark.parametrize(
    "library",
    [LIBRARIES[name] for name in ("diffusers-pipeline", "accelerate-pickle", "sentence-transformers")],
    ids=["diffusers", "accelerate", "sentence-transformers"],
)


def loaded(done):
    assert done.returncode == 0, done.stderr
    assert "LOADED" in done.stdout
    assert "weighlock" not in done.stderr, done.stderr
    return True


def refused(done, *parts):
    assert "LOADED" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1, done.stderr
    assert all(part in done.stderr for part in ("weighlock refused", *parts)), done.stderr
    return True


@ALL
def test_a_locked_repository_loads_and_its_tampered_cache_is_refused(workshop, tiny, library):
    files = tiny(library.model)
    workshop.serve("org/tiny", files)
    workshop.hub.commit("org/tiny", {library.weights: b"swapped"})
    assert loaded(workshop.run(library.code))
    workshop.poison("org/tiny", library.weights)
    assert refused(workshop.run(library.code, HF_HUB_OFFLINE="1"), library.weights)


@ONE_EACH
def test_a_tampered_download_is_refused_and_never_published(workshop, tiny, library):
    files = tiny(library.model)
    workshop.serve("org/tiny", files)
    data = files[library.weights]
    workshop.hub.tamper("org/tiny", library.weights, data[:-1] + bytes([data[-1] ^ 1]))
    assert refused(workshop.run(library.code), library.weights)
    assert not list(workshop.cache.glob(f"*/snapshots/*/{library.weights}"))


@ONE_EACH
def test_an_unlocked_repository_is_refused_with_the_command_that_locks_it(workshop, tiny, library):
    workshop.serve("org/tiny", tiny(library.model), lock=False)
    assert refused(workshop.run(library.code), "hint: weighlock lock org/tiny")
    assert not any("/resolve/" in request.path for request in workshop.hub.requests)
