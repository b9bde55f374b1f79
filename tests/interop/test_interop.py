"""Bundles of weighlock are verified by other people's code, in processes without sockets.

Every one of them must also refuse the same bundle with one byte changed, so that none of them is believed for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.signing.signed_models import FILES, Key, payload_of, write_model
from weighlock.files import parse_lockfile
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.signing.key import read_key
from weighlock.signing.lockfile_statement import statement_of
from weighlock.signing.oms_bundle import sign_model

HERE = Path(__file__).parent
PYTHON = ("securesystemslib", "model_signing", "in_toto_attestation")
EVERY = ("sigstore_js", *PYTHON)
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Install @sigstore/verify, exactly as pinned, and return the folder."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed, so nothing was verified with sigstore-js")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    if int(re.match(r"v(\d+)", version)[1]) < 20:
        pytest.skip(f"sigstore-js needs Node 20, and this is {version.strip()}")
    folder = tmp_path_factory.mktemp("sigstore-js")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)
    if done.returncode:
        pytest.skip(f"sigstore-js cannot be installed, so nothing was verified with it: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture(scope="module")
def server():
    """Listen on this machine, so that a process that has sockets is seen to have them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Return a folder with a model, a key, and the bundles of the lockfile and of the model in it."""
    folder = tmp_path_factory.mktemp("signed")
    write_model(folder / "model")
    files = tuple(
        LockedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()) for path, data in FILES.items()
    )
    model = LockedModel(name="org/model", source=PathSource(path="model"), files=files)
    lock = Lockfile(models=(model,)).dumps().encode()
    key = read_key(Key.make(folder).private.read_bytes(), lambda: b"", where="a.key")
    (folder / "model.json").write_bytes(sign_model(model, key, key.public).to_bytes())
    statement = statement_of(lock, parse_lockfile(lock, "models.lock"))
    (folder / "lockfile.json").write_bytes(key.sign(statement.to_bytes()).to_bytes())
    return folder


def ask(how, bundle, key, port, request, *, sockets=False):
    if how == "sigstore_js":
        folder = request.getfixturevalue("node")
        command = [
            "node",
            *([] if sockets else ["--import", HERE / "blocked.mjs"]),
            HERE / "verify.mjs",
            bundle,
            key,
            port,
        ]
        environ = {"WEIGHLOCK_INTEROP": str(folder)}
    else:
        command = [sys.executable, HERE / "verify.py", how, bundle, key, port]
        environ = {"WEIGHLOCK_INTEROP_SOCKETS": "open"} if sockets else {}
    own = [] if sockets else without_network()
    done = subprocess.run(
        [*own, *map(str, command)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


def without_network():
    """Return the command that takes the network from a process altogether, where the system lets us."""
    command = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        return command
    return []


def with_one_byte_changed(bundle, place, *, where):
    document = json.loads(bundle.read_bytes())
    envelope = document["dsseEnvelope"]
    holder = envelope if where == "payload" else envelope["signatures"][0]
    data = bytearray(base64.b64decode(holder[where]))
    data[len(data) // 2] ^= 1
    holder[where] = base64.b64encode(data).decode()
    place.write_text(json.dumps(document))
    return place


CASES = [("model", how) for how in EVERY] + [("lockfile", how) for how in EVERY if how != "model_signing"]


@pytest.mark.parametrize(("what", "how"), CASES)
def test_other_implementations_accept_a_bundle_without_a_network(what, how, signed, server, request):
    bundle = signed / f"{what}.json"
    answer = ask(how, bundle, signed / "a.pub", server, request)
    assert answer["verified"], answer
    assert not answer["reached"]
    assert answer["payload"].encode() == payload_of(bundle)


@pytest.mark.parametrize("where", ["payload", "sig"])
@pytest.mark.parametrize(("what", "how"), CASES)
def test_other_implementations_refuse_one_changed_byte(what, how, where, signed, request, tmp_path):  # noqa: PLR0917
    write_model(tmp_path / "model")
    changed = with_one_byte_changed(signed / f"{what}.json", tmp_path / "changed.json", where=where)
    answer = ask(how, changed, signed / "a.pub", request.getfixturevalue("server"), request)
    assert not answer["verified"]
    assert answer["error"]


@pytest.mark.parametrize(("what", "how"), CASES)
def test_other_implementations_refuse_the_key_of_somebody_else(what, how, signed, request, tmp_path):
    other = Key.make(tmp_path).public
    answer = ask(how, signed / f"{what}.json", other, request.getfixturevalue("server"), request)
    assert not answer["verified"]


def test_the_library_for_models_refuses_a_changed_file_of_the_model(signed, server, request, tmp_path):
    folder = write_model(tmp_path / "model")
    bundle = tmp_path / "model.json"
    bundle.write_bytes((signed / "model.json").read_bytes())
    assert ask("model_signing", bundle, signed / "a.pub", server, request)["verified"]
    (folder / "config.json").write_bytes(b"{}")
    assert not ask("model_signing", bundle, signed / "a.pub", server, request)["verified"]


@pytest.mark.parametrize("how", ["sigstore_js", "securesystemslib"])
def test_without_the_block_the_same_process_would_have_sockets(how, signed, server, request):
    assert ask(how, signed / "model.json", signed / "a.pub", server, request, sockets=True)["reached"]


@pytest.mark.parametrize("how", ["sigstore_js", "securesystemslib"])
def test_the_block_holds_where_the_system_cannot_take_the_network_away(how, signed, server, request, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "without_network", list)
    answer = ask(how, signed / "model.json", signed / "a.pub", server, request)
    assert answer["verified"]
    assert not answer["reached"]
