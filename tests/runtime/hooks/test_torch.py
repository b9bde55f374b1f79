"""`torch.load` under the guard: what was judged is what is loaded, whatever the caller does."""

from __future__ import annotations

import gzip
import io
import os
import pathlib
import pickle
import tempfile
import threading

import pytest
import torch
from torch import load as early_load

from tests.runtime.hooks.torch_files import TENSORS, save
from tests.runtime.payload import Payload
from weighlock.errors import LoadRefused


@pytest.fixture
def model(bench):
    save("model.pt")
    bench.lock("model.pt", format="torch-zip", outcome="data-only", imports=TENSORS)
    bench.guard()
    return bench


@pytest.fixture
def unlisted(bench):
    torch.save(b"unlisted", "unlisted.pt")
    bench.guard()
    return bench


def _is_model(loaded):
    return torch.equal(loaded["w"], torch.zeros(4))


@pytest.mark.parametrize("weights_only", [True, False, None])
@pytest.mark.parametrize("mmap", [True, False, None])
def test_a_locked_file_loads_by_path(model, weights_only, mmap):
    assert _is_model(torch.load("model.pt", weights_only=weights_only, mmap=mmap))


@pytest.mark.parametrize(
    "load",
    [
        lambda: torch.load(pathlib.Path("model.pt")),
        lambda: torch.load(f="model.pt"),
        lambda: torch.load("model.pt", "cpu", pickle, weights_only=False),
        lambda: torch.load("model.pt", map_location="cpu", encoding="utf-8", weights_only=False),
        lambda: early_load("model.pt"),
        lambda: torch.load(io.BytesIO(pathlib.Path("model.pt").read_bytes())),
        lambda: torch.serialization.load("model.pt"),
    ],
)
def test_a_locked_file_loads_by_every_signature(model, load):
    assert _is_model(load())


def test_a_locked_file_loads_from_file_objects_which_end_where_torch_leaves_them(model):
    for opened in (open("model.pt", "rb"), open("model.pt", "rb", buffering=0)):  # noqa: SIM115
        with opened:
            assert _is_model(torch.load(opened))
            assert opened.tell() > 0
    with tempfile.NamedTemporaryFile() as temporary:
        temporary.write(pathlib.Path("model.pt").read_bytes())
        temporary.seek(0)
        assert _is_model(torch.load(temporary))


def test_identity_is_the_digest_so_a_renamed_copy_loads(model):
    os.rename("model.pt", "other name.bin")
    assert _is_model(torch.load("other name.bin"))


def test_two_locked_pickles_in_a_row_load_from_one_stream(bench):
    with open("two.pt", "wb") as file:
        save(file, 0, _use_new_zipfile_serialization=False)
        save(file, 1, _use_new_zipfile_serialization=False)
    bench.lock("two.pt", outcome="data-only", imports=TENSORS)
    bench.guard()
    with open("two.pt", "rb") as file:
        assert torch.load(file)["w"][0] == 0
        assert torch.load(file)["w"][0] == 1


@pytest.mark.parametrize(
    "load",
    [
        lambda: torch.load("unlisted.pt"),
        lambda: torch.load(pathlib.Path("unlisted.pt"), weights_only=True),
        lambda: torch.load("unlisted.pt", mmap=True),
        lambda: torch.load(f="unlisted.pt", weights_only=False),
        lambda: early_load("unlisted.pt"),
        lambda: torch.load(io.BytesIO(pathlib.Path("unlisted.pt").read_bytes())),
    ],
)
def test_an_unlisted_file_is_refused_by_every_signature(unlisted, load):
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        load()


def test_an_unlisted_file_is_refused_through_every_file_object(unlisted):
    pathlib.Path("unlisted.gz").write_bytes(gzip.compress(pathlib.Path("unlisted.pt").read_bytes()))
    for opened in (open("unlisted.pt", "rb"), open("unlisted.pt", "r+b"), gzip.open("unlisted.gz")):  # noqa: SIM115
        with opened, pytest.raises(LoadRefused):
            torch.load(opened)


def test_the_refusal_says_what_where_why_and_what_next(unlisted):
    with pytest.raises(LoadRefused) as refused:
        torch.load("unlisted.pt")
    text = str(refused.value)
    for part in ("torch.load of unlisted.pt", "digest: sha256:", "finding:", "not-in-lock", "hint: weighlock lock"):
        assert part in text


def test_a_hostile_file_name_is_not_printed_raw(bench):
    name = "a\n\x1b[31mb\u202e.pt"
    torch.save(1, name)
    bench.guard()
    with pytest.raises(LoadRefused) as refused:
        torch.load(name)
    assert name not in str(refused.value)
    assert "\x1b" not in str(refused.value)


def test_a_refusal_inside_except_exception_is_not_swallowed(unlisted):
    with pytest.raises(LoadRefused):
        try:
            torch.load("unlisted.pt")
        except Exception:  # noqa: BLE001 - what transformers does
            pytest.fail("swallowed")


def test_one_flipped_bit_in_a_locked_file_is_refused(model):
    data = bytearray(pathlib.Path("model.pt").read_bytes())
    data[-1] ^= 1
    pathlib.Path("model.pt").write_bytes(data)
    with pytest.raises(LoadRefused):
        torch.load("model.pt")


def test_a_rewrite_in_the_same_second_as_an_admitted_load_is_refused(model):
    assert _is_model(torch.load("model.pt"))
    status = os.stat("model.pt")
    data = bytearray(pathlib.Path("model.pt").read_bytes())
    data[-1] ^= 1
    pathlib.Path("model.pt").write_bytes(data)
    os.utime("model.pt", ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(LoadRefused):
        torch.load("model.pt")


def test_a_symbolic_link_swapped_between_check_and_load_does_not_matter(model, monkeypatch):
    """The swap happens after the file was judged, when torch opens what the guard hands on."""
    torch.save({"w": torch.ones(4)}, "evil.pt")
    os.symlink("model.pt", "link.pt")
    original = torch.serialization._open_file_like

    def swap(*args):
        os.unlink("link.pt")
        os.symlink("evil.pt", "link.pt")
        return original(*args)

    monkeypatch.setattr(torch.serialization, "_open_file_like", swap)
    assert _is_model(torch.load("link.pt"))
    assert os.readlink("link.pt") == "evil.pt"


def test_a_file_swapped_before_its_second_opening_for_mmap_does_not_matter(model, monkeypatch):
    original = torch.serialization._open_zipfile_reader

    def swap(*args):
        save("evil.pt", 1)
        os.replace("evil.pt", "model.pt")
        return original(*args)

    monkeypatch.setattr(torch.serialization, "_open_zipfile_reader", swap)
    assert _is_model(torch.load("model.pt", mmap=True))


def test_a_file_rewritten_in_place_during_the_load_is_refused(model, monkeypatch):
    original = torch.serialization._load

    def rewrite(*args, **kwargs):
        loaded = original(*args, **kwargs)
        with open("model.pt", "r+b") as file:
            file.write(file.read(1))
        return loaded

    monkeypatch.setattr(torch.serialization, "_load", rewrite)
    with pytest.raises(LoadRefused, match="changed while it was being loaded"):
        torch.load("model.pt")


def test_memory_changed_after_it_was_judged_is_not_loaded(model, monkeypatch):
    buffer = io.BytesIO(pathlib.Path("model.pt").read_bytes())
    save("evil.pt", 1)
    original = torch.serialization._open_file_like

    def rewrite(*args):
        buffer.seek(0)
        buffer.write(pathlib.Path("evil.pt").read_bytes())
        return original(*args)

    monkeypatch.setattr(torch.serialization, "_open_file_like", rewrite)
    assert _is_model(torch.load(buffer))


def test_a_file_object_that_answers_differently_the_second_time_is_read_once(model):
    class Liar(io.BytesIO):
        reads = 0

        def read(self, *args):
            self.reads += 1
            return pathlib.Path("model.pt").read_bytes() if self.reads == 1 else b"evil"

    assert _is_model(torch.load(Liar()))


def test_a_reader_with_the_descriptor_of_a_locked_file_but_other_bytes_is_refused(model):
    class Liar(io.RawIOBase):
        def __init__(self, inner):
            self.inner = inner

        def readable(self):
            return True

        def seekable(self):
            return True

        def seek(self, *args):
            return self.inner.seek(*args)

        def readinto(self, buffer):
            return self.inner.readinto(buffer)

        def fileno(self):
            return honest.fileno()

    torch.save(1, "evil.pt")
    with open("model.pt", "rb") as honest, open("evil.pt", "rb") as evil, pytest.raises(LoadRefused):
        torch.load(io.BufferedReader(Liar(evil)))


def test_a_buffer_filled_before_the_good_bytes_were_put_back_is_not_loaded(model):
    good = pathlib.Path("model.pt").read_bytes()
    pathlib.Path("model.pt").write_bytes(bytes(len(good)))
    with open("model.pt", "rb") as file:
        file.peek(1)
        with open("model.pt", "r+b") as back:
            back.write(good)
        assert _is_model(torch.load(file))


def test_a_payload_in_a_locked_name_is_not_run(model):
    torch.save(Payload(model.marker), "model.pt")
    with pytest.raises(LoadRefused):
        torch.load("model.pt", weights_only=False)
    assert not model.marker.exists()


def test_a_zip_at_an_offset_is_judged_from_that_offset(bench):
    save("model.pt")
    data = pathlib.Path("model.pt").read_bytes()
    pathlib.Path("shifted.pt").write_bytes(b"0123456789abcdef" + data)
    bench.lock("model.pt", outcome="data-only", imports=TENSORS)
    bench.guard()
    with open("shifted.pt", "rb") as file:
        file.seek(16)
        assert _is_model(torch.load(file))
        file.seek(0)
        with pytest.raises(LoadRefused):
            torch.load(file)


def test_a_named_pipe_is_refused_and_a_folder_is_an_error_as_ever(model):
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: open("pipe", "wb").close())
    writer.start()
    with pytest.raises(LoadRefused, match="not a regular file"):
        torch.load("pipe")
    writer.join()
    with pytest.raises(IsADirectoryError):
        torch.load(".")
    with pytest.raises(FileNotFoundError):
        torch.load("missing.pt")
    with pytest.raises(FileNotFoundError):
        torch.load("missing.safetensors")


def test_safetensors_through_torch_load_is_judged_too(bench):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file({"w": torch.zeros(4)}, "model.safetensors")
    safetensors.save_file({"w": torch.ones(4)}, "evil.safetensors")
    bench.lock("model.safetensors", format="safetensors")
    bench.guard()
    assert _is_model(torch.load("model.safetensors"))
    with pytest.raises(LoadRefused):
        torch.load("evil.safetensors")


def test_warn_says_it_once_and_lets_through(bench, capsys):
    torch.save({"w": torch.zeros(4)}, "unlisted.pt")
    bench.guard("warn")
    for _ in range(2):
        assert _is_model(torch.load("unlisted.pt"))
    assert capsys.readouterr().err.count("warning: weighlock would refuse torch.load of unlisted.pt") == 1


def test_off_by_policy_judges_nothing(bench):
    torch.save(Payload(bench.marker), "model.pt")
    bench.policy('mode = "off"')
    bench.guard(mode=None)
    torch.load("model.pt", weights_only=False)
    assert bench.marker.exists()


def test_caches_of_the_compiler_are_off_unless_the_environment_asks_for_them(bench, monkeypatch):
    import weighlock.runtime

    monkeypatch.delenv("TORCHINDUCTOR_AUTOGRAD_CACHE", raising=False)
    monkeypatch.setenv("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
    bench.guard()
    assert os.environ["TORCHINDUCTOR_AUTOGRAD_CACHE"] == "0"
    assert os.environ["TORCHINDUCTOR_FX_GRAPH_CACHE"] == "1"
    weighlock.runtime.uninstall()
    assert "TORCHINDUCTOR_AUTOGRAD_CACHE" not in os.environ


def test_taking_the_guard_away_restores_torch(bench):
    code = torch.load.__code__
    bench.guard()
    assert torch.load.__code__ is not code
    import weighlock.runtime

    weighlock.runtime.uninstall()
    assert torch.load.__code__ is code
    assert "_weighlock_load" not in vars(torch.serialization)
