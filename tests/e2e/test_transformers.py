"""transformers under the guard: a locked repository loads, and no refusal is swallowed."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.hub, pytest.mark.timeout(900)]

LOAD = """
    import sys
    from transformers import AutoModel
    model = AutoModel.from_pretrained("org/tiny")
    print("LOADED", sum(p.numel() for p in model.parameters()))
"""
KINDS = ["bert", "bert-pickled"]
WEIGHTS = {"bert": "model.safetensors", "bert-pickled": "pytorch_model.bin"}


def refused(done, *parts):
    """Whether a child was stopped by a refusal: not zero, no model, and the reason on standard error."""
    assert "LOADED" not in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1, done.stderr
    assert all(part in done.stderr for part in ("weighlock refused", *parts)), done.stderr
    return True


def loaded(done):
    assert done.returncode == 0, done.stderr
    assert "LOADED" in done.stdout
    assert "weighlock" not in done.stderr, done.stderr
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_locked_repository_loads_and_its_tampered_cache_is_refused(workshop, tiny, kind):
    workshop.serve("org/tiny", tiny(kind))
    workshop.hub.commit("org/tiny", {WEIGHTS[kind]: b"swapped"})
    assert loaded(workshop.run(LOAD))
    workshop.hub.requests.clear()
    assert loaded(workshop.run(LOAD, HF_HUB_OFFLINE="1"))
    assert not workshop.hub.requests
    workshop.poison("org/tiny", WEIGHTS[kind])
    assert refused(workshop.run(LOAD), WEIGHTS[kind])
    assert refused(workshop.run(LOAD, HF_HUB_OFFLINE="1"), WEIGHTS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_changes_between_two_loads_of_a_folder_is_refused(workshop, tiny, kind):
    workshop.serve("org/tiny", tiny(kind))
    code = f"""
        import os
        from huggingface_hub import snapshot_download
        from transformers import AutoModel
        folder = snapshot_download("org/tiny")
        print("FIRST", AutoModel.from_pretrained(folder).config.hidden_size)
        with open(os.path.join(folder, "{WEIGHTS[kind]}"), "r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
        print("LOADED", AutoModel.from_pretrained(folder))
    """
    done = workshop.run(code)
    assert "FIRST 8" in done.stdout
    assert refused(done, WEIGHTS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_tampered_download_is_refused_and_never_published(workshop, tiny, kind):
    files = tiny(kind)
    workshop.serve("org/tiny", files)
    data = files[WEIGHTS[kind]]
    workshop.hub.tamper("org/tiny", WEIGHTS[kind], data[:-1] + bytes([data[-1] ^ 1]))
    assert refused(workshop.run(LOAD), WEIGHTS[kind])
    assert not list(workshop.cache.glob(f"*/snapshots/*/{WEIGHTS[kind]}"))


def test_an_unlocked_repository_is_refused_and_the_program_cannot_swallow_it(workshop, tiny):
    workshop.serve("org/tiny", tiny("bert"), lock=False)
    code = """
        from transformers import AutoModel
        try:
            AutoModel.from_pretrained("org/tiny")
        except Exception:
            pass
        print("LOADED")
    """
    assert refused(workshop.run(code), "hint: weighlock lock org/tiny")
    assert not workshop.hub.requests


def test_code_of_a_repository_is_not_run_unless_the_lockfile_admits_it(workshop, tiny):
    config = tiny("bert")["config.json"].replace(b"{", b'{"auto_map": {"AutoModel": "code.Model"},', 1)
    workshop.serve("org/tiny", {**tiny("bert"), "config.json": config, "code.py": b"print('LOADED')\n"})
    code = """
        from transformers import AutoModel
        AutoModel.from_pretrained("org/tiny", trust_remote_code=True)
    """
    assert refused(workshop.run(code), "rule: remote-code", "code.py")


def test_code_of_another_repository_needs_its_own_lock_entry(workshop, tiny):
    config = tiny("bert")["config.json"].replace(b"{", b'{"auto_map": {"AutoModel": "org/code--code.Model"},', 1)
    workshop.serve("org/tiny", {**tiny("bert"), "config.json": config})
    workshop.serve("org/code", {"code.py": b"print('LOADED')\n"}, lock=False)
    code = """
        from transformers import AutoModel
        AutoModel.from_pretrained("org/tiny", trust_remote_code=True)
    """
    assert refused(workshop.run(code), "hint: weighlock lock org/code")


def test_a_conversion_to_safetensors_does_not_leave_the_locked_commit(workshop, tiny):
    workshop.serve("org/tiny", tiny("bert-pickled"))
    workshop.hub.commit("org/tiny", {"model.safetensors": tiny("bert")["model.safetensors"]}, ref="refs/pr/1")
    code = (
        LOAD
        + """
    import threading
    for thread in threading.enumerate():
        if "auto_conversion" in thread.name:
            thread.join(30)
"""
    )
    assert loaded(workshop.run(code, DISABLE_SAFETENSORS_CONVERSION=""))
    assert not any(
        "pr" in request.path.split("/") or "discussions" in request.path for request in workshop.hub.requests
    )


def test_an_unlocked_repository_loads_where_it_is_inspected_unless_its_pickle_is_malicious(workshop, tiny):
    workshop.policy('unlocked = "inspect"\n')
    workshop.serve("org/tiny", tiny("bert-pickled"), lock=False)
    assert loaded(workshop.run(LOAD))
    payload = b"\x80\x02cio\nopen\nX\x06\x00\x00\x00markerX\x01\x00\x00\x00w\x86R."
    workshop.serve("org/tiny", {**tiny("bert-pickled"), "pytorch_model.bin": payload}, lock=False)
    assert refused(workshop.run(LOAD), "pytorch_model.bin", "io.open")
    assert not (workshop.folder / "marker").exists()
