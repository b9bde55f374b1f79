"""diffusers, accelerate and sentence-transformers under the guard: locked models load, refusals are not swallowed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.e2e import matrix

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


ADAPTER = """
from peft import PeftModel
from transformers import AutoModel
from peft import AutoPeftModelForFeatureExtraction
print("LOADED", type(AutoPeftModelForFeatureExtraction.from_pretrained("org/tiny")).__name__)
"""


def test_an_adapter_of_peft_loads_with_its_base_and_needs_both_in_the_lock(workshop, tiny):
    workshop.serve("org/base", tiny("bert"), lock=False)
    workshop.serve("org/tiny", tiny("adapter"))
    assert refused(workshop.run(ADAPTER), "hint: weighlock lock org/base")
    workshop.serve("org/base", tiny("bert"))
    assert loaded(workshop.run(ADAPTER))
    workshop.poison("org/tiny", "adapter_model.safetensors")
    assert refused(workshop.run(ADAPTER, HF_HUB_OFFLINE="1"), "adapter_model.safetensors")


VISION = """
import sys
sys.path.insert(0, {folder!r})
import torch
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import timm
"""


@pytest.fixture(scope="session")
def vision():
    try:
        return VISION.format(folder=str(matrix.provide_vision()))
    except matrix.NoIndexError as error:
        pytest.skip(str(error))


def test_a_model_of_timm_loads_from_the_hub_and_from_a_file_and_tampered_ones_do_not(workshop, vision):
    made = workshop.run(
        vision
        + """
model = timm.create_model("test_vit", pretrained=False, num_classes=2)
from timm.models import save_for_hf
save_for_hf(model, "made", safe_serialization="both")
torch.save(model.state_dict(), "checkpoint.pth")
""",
        guard=False,
    )
    assert made.returncode == 0, made.stderr
    files = {path.name: path.read_bytes() for path in (workshop.folder / "made").iterdir()}
    workshop.serve("org/tiny", {name: data for name, data in files.items() if not name.endswith(".bin")})
    hub = vision + 'print("LOADED", timm.create_model("hf-hub:org/tiny", pretrained=True).num_classes)'
    assert loaded(workshop.run(hub))
    workshop.poison("org/tiny", "model.safetensors")
    assert refused(workshop.run(hub, HF_HUB_OFFLINE="1"), "model.safetensors")
    file = (
        vision
        + """
timm.create_model("test_vit", checkpoint_path="checkpoint.pth", num_classes=2)
print("LOADED")
"""
    )
    assert refused(workshop.run(file), "checkpoint.pth", "rule: not-in-lock")
    (workshop.folder / "checkpoints").mkdir()
    (workshop.folder / "checkpoints" / "checkpoint.pth").write_bytes((workshop.folder / "checkpoint.pth").read_bytes())
    workshop.lock_folder("checkpoints")
    assert loaded(workshop.run(file))
