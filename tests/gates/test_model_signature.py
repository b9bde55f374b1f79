"""Attacks on models with a valid signature of OpenSSF Model Signing: `model_signing` accepts, weighlock refuses."""

from __future__ import annotations

import os
import sys

import pytest

from tests.signing.signed_models import (
    FILES,
    Key,
    payload_of,
    sign_statement,
    sign_stock,
    statement,
    stock_accepts,
    write_model,
)
from weighlock.errors import ForgedError, UnsupportedError, UsageError
from weighlock.gates.model_signature import verify_folder
from weighlock.signing.oms import read_manifest


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return Key.make(tmp_path_factory.mktemp("key"))


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def bundle(tmp_path, folder, key):
    return sign_stock(folder, tmp_path / "model.sig", key)


def judge(folder, bundle, **how):
    """Return the exit code and what is wrong, by path."""
    report = verify_folder(read_manifest(payload_of(bundle)), folder, signatures=[bundle], **how)
    return report.exit_code, {
        os.path.relpath(file.path, folder): file.status for file in report.files if file.status != "good"
    }


def hashing(**how):
    from model_signing.hashing import Config

    return Config().use_file_serialization(**how)


def test_a_signed_model_is_what_was_signed(folder, bundle, key):
    assert stock_accepts(folder, bundle, key)
    assert judge(folder, bundle) == (0, {})
    assert judge(folder, bundle, name="model") == (0, {})


@pytest.mark.parametrize("algorithm", ["blake2", "blake3"])
def test_other_digests_are_computed(tmp_path, folder, key, algorithm):
    bundle = sign_stock(folder, tmp_path / "b.sig", key, hashing(hashing_algorithm=algorithm))
    assert judge(folder, bundle) == (0, {})
    (folder / "config.json").write_bytes(b'{"model_type": "berT"}')
    assert judge(folder, bundle) == (1, {"config.json": "changed"})


def test_a_digest_that_cannot_be_computed_is_never_ok(tmp_path, folder, key, monkeypatch):
    bundle = sign_stock(folder, tmp_path / "b.sig", key, hashing(hashing_algorithm="blake3"))
    monkeypatch.setattr("weighlock.signing.oms_digests.find_spec", lambda name: None)
    with pytest.raises(UnsupportedError, match="BLAKE3"):
        judge(folder, bundle)


def test_shards_are_compared(tmp_path, folder, key):
    from model_signing.hashing import Config

    bundle = sign_stock(folder, tmp_path / "s.sig", key, Config().use_shard_serialization(shard_size=300))
    assert judge(folder, bundle) == (0, {})
    data = bytearray(FILES["model.safetensors"])
    data[650] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    assert judge(folder, bundle) == (1, {"model.safetensors": "changed"})


def test_bytes_after_the_last_shard_are_refused(tmp_path, folder, key):
    from model_signing.hashing import Config

    bundle = sign_stock(folder, tmp_path / "s.sig", key, Config().use_shard_serialization(shard_size=300))
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"more")
    assert judge(folder, bundle) == (1, {"model.safetensors": "changed"})


def test_an_empty_file_that_shards_cannot_sign_is_refused(tmp_path, folder, key):
    from model_signing.hashing import Config

    bundle = sign_stock(folder, tmp_path / "s.sig", key, Config().use_shard_serialization(shard_size=300))
    (folder / "__init__.py").touch()
    # The library cannot verify its own shards without being told how they were made.
    assert stock_accepts(folder, bundle, key, hashing=Config().use_shard_serialization(shard_size=300))
    assert judge(folder, bundle) == (1, {"__init__.py": "extra"})


# -- weak spot 1: the root digest covers no name


def test_bytes_under_other_names_with_the_same_root_digest(tmp_path, folder, bundle, key):
    # The same bytes, and an interpreter runs one of them now.
    renamed = dict(zip(["evil.py", "model.pkl", "z"], [FILES[path] for path in sorted(FILES)], strict=True))
    other = write_model(tmp_path / "other", renamed)
    roots = {statement(files)["subject"][0]["digest"]["sha256"] for files in (FILES, renamed)}
    assert len(roots) == 1
    code, wrong = judge(other, bundle)
    assert code == 1
    assert wrong == {
        **dict.fromkeys(("evil.py", "model.pkl", "z"), "extra"),
        **dict.fromkeys(("config.json", "model.safetensors", os.path.join("vocab", "words.txt")), "missing"),
    }


# -- weak spot 2: files of git are outside of the signature


@pytest.mark.parametrize("path", [".github/x.py", ".git/hooks/post-checkout", ".git/config", ".gitattributes/x.py"])
def test_files_of_git_that_nobody_signed(folder, bundle, key, path):
    write_model(folder, {path: b"import os"})
    assert stock_accepts(folder, bundle, key)
    assert judge(folder, bundle) == (1, {os.path.normpath(path): "extra"})


@pytest.mark.parametrize("path", [".gitattributes", ".gitignore"])
def test_a_small_text_of_git_may_be_unsigned_and_is_named(folder, bundle, path):
    write_model(folder, {path: b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
    assert judge(folder, bundle) == (0, {path: "unsigned"})


@pytest.mark.parametrize("data", [b"\x80\x04.", b"x" * (65 << 10), "é".encode(), b"\x00"])
def test_a_pickle_in_the_place_of_a_text_of_git(folder, bundle, key, data):
    write_model(folder, {".gitattributes": data})
    assert stock_accepts(folder, bundle, key)
    assert judge(folder, bundle) == (1, {".gitattributes": "extra"})


def test_a_text_of_git_that_its_signer_did_not_leave_out(tmp_path, folder, key):
    bundle = sign_statement(statement(FILES), tmp_path / "own.sig", key)
    write_model(folder, {".gitattributes": b"* text\n"})
    assert stock_accepts(folder, bundle, key)
    assert judge(folder, bundle) == (1, {".gitattributes": "extra"})


@pytest.mark.parametrize("path", ["modeling_x.py", "vocab/x.py", "__pycache__/a.pyc", "a.pkl"])
def test_paths_that_the_predicate_says_to_ignore(tmp_path, folder, key, path):
    ignored = [path.split("/", maxsplit=1)[0]] if path.startswith("__") else [path]
    bundle = sign_statement(statement(FILES, ignore_paths=ignored), tmp_path / "own.sig", key)
    write_model(folder, {path: b"import os"})
    assert stock_accepts(folder, bundle, key)
    assert judge(folder, bundle) == (1, {os.path.normpath(path): "extra"})


def test_everything_is_to_be_ignored(tmp_path, folder, key):
    bundle = sign_statement(statement(FILES, ignore_paths=["."]), tmp_path / "own.sig", key)
    write_model(folder, {"modeling_x.py": b"import os"})
    assert judge(folder, bundle) == (1, {"modeling_x.py": "extra"})


# -- weak spot 3: files that nobody signed


@pytest.mark.parametrize("path", ["modeling_x.py", ".cache/x.pkl", "__pycache__/config.cpython-311.pyc", "vocab/.x"])
def test_a_file_that_was_added(folder, bundle, key, path):
    write_model(folder, {path: b"import os"})
    assert stock_accepts(folder, bundle, key, ignore_unsigned=True)
    assert judge(folder, bundle) == (1, {os.path.normpath(path): "extra"})


def test_a_file_that_is_called_like_the_signature(tmp_path, folder, key):
    bundle = sign_stock(folder, folder / "model.sig", key)
    assert judge(folder, bundle) == (0, {})
    write_model(folder, {"vocab/model.sig": b"import os"})
    assert judge(folder, bundle) == (1, {os.path.join("vocab", "model.sig"): "extra"})


def test_the_name_of_the_signature_is_taken_while_it_is_verified_elsewhere(tmp_path, folder, key):
    ignoring = hashing().set_ignored_paths(paths=["model.sig"])  # as its command line does
    bundle = sign_stock(folder, folder / "model.sig", key, ignoring)
    kept = bundle.rename(tmp_path / "kept.sig")
    write_model(folder, {"model.sig": b"\x80\x04N."})
    assert stock_accepts(folder, kept, key)
    assert judge(folder, kept) == (1, {"model.sig": "extra"})


# -- weak spot 4: nothing is signed


def test_an_empty_model_is_no_signed_model(tmp_path, key):
    folder = tmp_path / "empty"
    folder.mkdir()
    bundle = sign_stock(folder, tmp_path / "model.sig", key)
    assert stock_accepts(folder, bundle, key)
    with pytest.raises(ForgedError, match="without files"):
        judge(folder, bundle)


# -- weak spot 5: the name of the model is not part of what is verified


def test_the_signature_of_another_model_of_the_same_signer(tmp_path, folder, bundle, key):
    served = folder.rename(tmp_path / "another")
    assert stock_accepts(served, bundle, key)
    with pytest.raises(ForgedError, match="for the model 'model', not 'another'"):
        judge(served, bundle, name="another")


# -- what else is not one plain file


def test_a_link_out_of_the_folder(tmp_path, folder, bundle, key):
    outside = tmp_path / "outside"
    outside.write_bytes(FILES["config.json"])
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(outside)
    assert judge(folder, bundle) == (1, {"config.json": "changed"})


def test_a_link_to_a_folder_is_not_passed_over(folder, bundle):
    (folder / "transformers").symlink_to("vocab")
    assert judge(folder, bundle) == (1, {"transformers": "extra"})


def test_a_link_to_nothing_and_one_in_a_circle(folder, bundle):
    (folder / "nothing").symlink_to("not there")
    (folder / "circle").symlink_to("circle")
    assert judge(folder, bundle) == (1, {"nothing": "extra", "circle": "extra"})


def test_a_snapshot_of_a_hub_cache_is_links_to_its_blobs(tmp_path, folder, bundle):
    blobs = tmp_path / "models--a--b" / "blobs"
    snapshot = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    blobs.mkdir(parents=True)
    for number, path in enumerate(FILES):
        (blobs / str(number)).write_bytes(FILES[path])
        (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / path).symlink_to(blobs / str(number))
    assert judge(snapshot, bundle) == (0, {})


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_a_named_pipe_is_not_waited_for(folder, bundle):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    assert judge(folder, bundle) == (1, {"config.json": "changed"})


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_no_unicode(folder, bundle):
    with open(os.path.join(os.fsencode(folder), b"\xff.py"), "wb"):
        pass
    code, wrong = judge(folder, bundle)
    assert code == 1
    assert list(wrong.values()) == ["extra"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_never_ok(folder, bundle):
    (folder / "config.json").chmod(0)
    assert judge(folder, bundle) == (2, {"config.json": "unreadable"})


def test_a_size_that_was_signed_is_compared(tmp_path, folder, key):
    document = statement(FILES)
    names = [resource["name"] for resource in document["predicate"]["resources"]]
    sizes = [len(FILES[name]) for name in names]
    claim = {"model": "model", "source": {"path": "m"}, "sizes": [sizes[0] + 1, *sizes[1:]], "skipped": []}
    document["predicate"]["weighlock"] = claim
    bundle = sign_statement(document, tmp_path / "own.sig", key)
    assert stock_accepts(folder, bundle, key)
    assert judge(folder, bundle) == (1, {names[0]: "changed"})


def test_a_folder_that_is_not_there(tmp_path, bundle):
    with pytest.raises(UsageError):
        judge(tmp_path / "nowhere", bundle)
