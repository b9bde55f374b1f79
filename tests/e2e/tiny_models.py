"""Real models of a few kilobytes, written by the real libraries, as the files of a repository."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

Files = dict[str, bytes]

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "boat", "is", "weighed"]


def _saved(save: Callable[[str], object]) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        save(folder)
        root = Path(folder)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def bert() -> Files:
    """Make a BERT encoder with safetensors weights."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    return _saved(BertModel(config).save_pretrained)


def pickled(files: Files) -> Files:
    """Turn the safetensors weights of a repository into the pickled ones that the libraries wrote before."""
    import torch
    from safetensors.torch import load

    weights = io.BytesIO()
    torch.save(load(files["model.safetensors"]), weights)
    return {
        **{path: data for path, data in files.items() if not path.endswith(".safetensors")},
        "pytorch_model.bin": weights.getvalue(),
    }


def sentences() -> Files:
    """Make a sentence-transformers model around the BERT encoder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertTokenizerFast

    with tempfile.TemporaryDirectory() as folder:
        for path, data in bert().items():
            (Path(folder) / path).write_bytes(data)
        (Path(folder) / "vocab.txt").write_text("\n".join(VOCABULARY))
        BertTokenizerFast(str(Path(folder) / "vocab.txt")).save_pretrained(folder)
        encoder = Transformer(folder, max_seq_length=8)
        model = SentenceTransformer(modules=[encoder, Pooling(8)], device="cpu")
        return _saved(lambda target: model.save_pretrained(target, create_model_card=False))


def pipeline() -> Files:
    """Make a diffusers pipeline: a U-Net and a scheduler."""
    import torch
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(4, 4),
        norm_num_groups=2,
        attention_head_dim=2,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )
    return _saved(DDPMPipeline(unet, DDPMScheduler(num_train_timesteps=4)).save_pretrained)


def linear() -> Files:
    """Make the state of one linear layer, in both formats."""
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    state = torch.nn.Linear(4, 2).state_dict()
    weights = io.BytesIO()
    torch.save(state, weights)
    return {"model.safetensors": save(state), "pytorch_model.bin": weights.getvalue()}


def both() -> Files:
    """Make models in both formats, each in a folder: an encoder, a tied decoder, the same in shards, and a U-Net."""
    import torch
    from diffusers import UNet2DModel
    from huggingface_hub import split_torch_state_dict_into_shards
    from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    small = {"vocab_size": len(VOCABULARY), "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = BertModel(BertConfig(intermediate_size=16, max_position_embeddings=16, **small))
    decoder = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_positions=16, n_embd=8, n_layer=1, n_head=2))
    unet = UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(4, 4), norm_num_groups=2,
        attention_head_dim=2, down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip

    def save(folder: str) -> None:
        root = Path(folder)
        for name, model in (("encoder", encoder), ("decoder", decoder)):
            model.save_pretrained(root / name)
            torch.save(model.state_dict(), root / name / "pytorch_model.bin")
        encoder.save_pretrained(root / "shards", max_shard_size="2KB")
        state = encoder.state_dict()
        split = split_torch_state_dict_into_shards(
            state, filename_pattern="pytorch_model{suffix}.bin", max_shard_size="3KB"
        )
        for file, names in split.filename_to_tensors.items():
            torch.save({name: state[name] for name in names}, root / "shards" / file)
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        (root / "shards" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
        unet.save_pretrained(root / "unet")
        unet.save_pretrained(root / "unet", safe_serialization=False)

    return _saved(save)


def adapter() -> Files:
    """Make a LoRA adapter of peft, on top of the BERT encoder in ``org/base``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import BertModel

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers for a name that it will give up
        for path, data in bert().items():
            (Path(folder) / path).write_bytes(data)
        torch.manual_seed(0)
        model = get_peft_model(BertModel.from_pretrained(folder), LoraConfig(r=2, target_modules=["query"]))
        files = _saved(model.save_pretrained)
    config = json.loads(files["adapter_config.json"])
    return {**files, "adapter_config.json": json.dumps({**config, "base_model_name_or_path": "org/base"}).encode()}
