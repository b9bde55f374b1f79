"""Names of files mean nothing to loaders: the same few payloads under suffixes that promise something else."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes
from tests.corpus.case import Case
from tests.corpus.malicious.payloads import EXEC_CALL, PICKLE, PICKLE0, PICKLE2

_PICKLED = (
    ".pkl",
    ".pickle",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".joblib",
    ".dat",
    ".model",
    ".p",
    ".npy",
    ".h5",
    ".onnx",
    ".gguf",
    ".safetensors",
)
_HARMLESS = (".txt", ".json", ".md", ".png", ".csv", ".yaml", ".py", ".zip", "")


def cases() -> Iterator[Case]:
    """Make the files."""
    for suffix in (*_PICKLED, *_HARMLESS):
        label = suffix.lstrip(".") or "none"
        data = PICKLE0 if suffix in _HARMLESS else PICKLE
        yield Case(f"suffix-{label}{suffix}", data)
    for suffix in (".safetensors", ".json", ".txt", ""):
        label = suffix.lstrip(".") or "none"
        checkpoint = zip_bytes(
            [Member(name="a/data.pkl", data=op.stream(EXEC_CALL, protocol=2)), Member(name="a/version", data=b"3\n")]
        )
        yield Case(f"suffix-torch-{label}{suffix}", checkpoint, "torch_load_file")
        yield Case(f"suffix-binary-{label}{suffix}", PICKLE2)
