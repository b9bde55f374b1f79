"""Whatever is signed, reading it ends with a manifest that names plain files, or with one of our errors."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import string

from hypothesis import given
from hypothesis import strategies as st

from weighlock.errors import WeighlockError
from weighlock.signing.bundle import read_bundle
from weighlock.signing.oms import read_manifest, same_name

_NAMES = ("config.json", "model.safetensors", "vocab/words.txt")
_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just(1e300),
    st.text(max_size=8),
    st.sampled_from(["../x", "/x", "CONFIG.json", "a:0:1", "shards", "blake3", "0" * 64, "f" * 128]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
_PATHS = st.text(st.sampled_from(string.ascii_letters + "./\\:é\u0301\u202e\0 "), min_size=1, max_size=10)


def _statement(names, method="files"):
    digests = [hashlib.sha256(name.encode("utf-8", "replace")).digest() for name in names]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": hashlib.sha256(b"".join(digests)).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": method, "hash_type": "sha256", "allow_symlinks": False, "shard_size": 10},
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest.hex()}
                for name, digest in zip(names, digests, strict=True)
            ],
            "weighlock": {"model": "model", "source": {}, "sizes": [1] * len(names), "skipped": []},
        },
    }


def _places(value, path=()):
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in rows:
        yield from _places(item, (*path, key))


_PLACES = [path for path in _places(_statement(_NAMES)) if path]


def _require_plain(manifest):
    names = list(manifest.files)
    assert names
    assert len({same_name(name) for name in names}) == len(names)
    for name in names:
        assert not os.path.isabs(name)
        assert name == os.path.normpath(name)
        assert ".." not in name.split("/")
        assert "\\" not in name


@given(st.sampled_from(_PLACES), _JUNK)
def test_any_value_in_any_place(path, junk):
    document = copy.deepcopy(_statement(_NAMES))
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = junk
    with contextlib.suppress(WeighlockError):
        _require_plain(read_manifest(json.dumps(document).encode()))


@given(st.lists(_PATHS, min_size=1, max_size=4), st.sampled_from(["files", "shards"]))
def test_any_names(names, method):
    with contextlib.suppress(WeighlockError):
        _require_plain(read_manifest(json.dumps(_statement(names, method)).encode()))


@given(st.binary(max_size=200))
def test_any_bytes(data):
    for read in (read_manifest, read_bundle):
        try:
            read(data)
        except WeighlockError:
            continue
