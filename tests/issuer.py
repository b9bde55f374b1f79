"""The issuer of tokens before a real registry, with three users: dev pushes, ci promotes, viewer pulls."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.docker_registry import DockerRegistry
from tests.quarantines import denial, listed, release, signed
from weighlock.formats.oci_manifest import MANIFEST, digest_of
from weighlock.gates import promoted as promotions
from weighlock.gates.load_settings import find_policy
from weighlock.promotion import Promotable, Vsa
from weighlock.signing import vsa
from weighlock.signing.key import generate

PASSWORDS = {"dev": "of dev", "ci": "of ci", "viewer": "of viewer", "boss": "of boss"}
ROLES = {"dev": ["developers"], "ci": ["promoters"], "viewer": ["viewers"], "boss": ["developers", "viewers", "admins"]}
VERIFIER = generate()

POLICY = """
[[evidence.signers]]
name = "gate"
key = "gate.pub"

[promotion]
verifiers = ["gate"]

[quarantine]
lists = ["denied.json"]
"""


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self):
        return json.loads(self.data)


def ask(method: str, url: str, *, headers=None, body: bytes | None = None) -> Reply:
    """Make a request as it is; a refusal is an answer."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})  # noqa: S310 - of a test
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - of a test
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def basic(user: str, password: str | None = None) -> dict[str, str]:
    """Return the header of a login."""
    text = f"{user}:{PASSWORDS.get(user, '') if password is None else password}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Place:
    """A registry, its issuer, and the folder of both."""

    folder: Path
    registry: DockerRegistry
    port: int
    events: list = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "issuer.toml"

    def token(self, user: str | None, *scopes: str) -> str:
        query = urllib.parse.urlencode([("service", "tests"), *(("scope", one) for one in scopes)])
        reply = ask("GET", f"{self.url}/token?{query}", headers=basic(user) if user else {})
        assert reply.status == 200, reply
        return reply.json["token"]

    def access(self, user: str | None, *scopes: str) -> list:
        return claims_of(self.token(user, *scopes))["access"]

    def v2(self, method: str, path: str, token: str, *, body=None, kind: str = MANIFEST) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Accept": f"{kind}, */*"}
        url = path if "://" in path else f"{self.registry.url}/v2/{path}"
        return ask(method, url, headers=headers, body=body)

    def blob(self, repository: str, data: bytes, token: str) -> Reply:
        started = self.v2("POST", f"{repository}/blobs/uploads/", token, body=b"")
        if started.status != 202:
            return started
        where = started.headers["location"]
        where += f"{'&' if '?' in where else '?'}digest={digest_of(data)}"
        return self.v2("PUT", where, token, body=data, kind="application/octet-stream")

    def push(self, repository: str, files: dict[str, bytes], *, tag="v1", user="dev", **changed) -> str:
        """Push a model as oras does, and return the digest of its manifest."""
        token = self.token(user, f"repository:{repository}:pull,push")
        for data in (b"{}", *files.values()):
            assert self.blob(repository, data, token).status == 201
        data = manifest_of(files, **changed)
        assert self.v2("PUT", f"{repository}/manifests/{tag}", token, body=data).status == 201
        return digest_of(data)

    def summary(
        self,
        files: dict[str, bytes],
        manifest: str,
        *,
        previous=None,
        repository="prod/net",
        key=VERIFIER,
        **changed,
    ) -> bytes:
        """Return a signed verification summary."""
        policy, place = find_policy({"WEIGHLOCK_POLICY": str(self.folder / "weighlock.toml")})
        origin = repository.replace("prod/", "staging/")
        resource = promotions.resource_of(policy, "oci", f"{self.host}/{origin}", "production")
        hashed = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
        stage = promotions.stage_of(policy, resource.stage)
        said = {
            "promotable": Promotable(resource=resource, files=hashed),
            "version": manifest,
            "requirements": promotions.requirements_digest(policy, stage, place),
            "policy": policy.stamp.policy,
            "previous": previous,
            "made": datetime.now(UTC),
        }
        return key.sign(vsa.statement_of(Vsa(**(said | changed))).to_bytes()).to_bytes()

    def promote(
        self, manifest: str, bundle: bytes, *, user="ci", repository="prod/net", port: int | None = None
    ) -> Reply:
        body = {"repository": repository, "manifest": manifest, "bundle": base64.b64encode(bundle).decode()}
        url = f"http://127.0.0.1:{port or self.port}/promote"
        return ask("POST", url, headers=basic(user), body=json.dumps(body).encode())

    def promoted(self, files: dict[str, bytes], *, previous=None, name="net", tag="v1") -> tuple[str, str]:
        """Push and promote; return the digests of manifest and summary."""
        manifest = self.push(f"staging/{name}", files, tag=tag)
        bundle = self.summary(files, manifest, previous=previous, repository=f"prod/{name}")
        reply = self.promote(manifest, bundle, repository=f"prod/{name}")
        assert reply.status == 200, reply
        return manifest, reply.json["digest"]

    def tag(self, repository: str = "prod/net", tag: str = "production", user="viewer") -> Reply:
        return self.v2("GET", f"{repository}/manifests/{tag}", self.token(user, f"repository:{repository}:pull"))

    def promotions(self, name: str) -> list:
        """Return what was promoted, the newest first."""
        query = f"model={self.host}/staging/{name}&stage=production"
        return ask("GET", f"{self.url}/promotions?{query}", headers=basic("ci")).json["history"]

    def deny(self, *digests: str, **words) -> None:
        """Put digests, models or signers into quarantine."""
        self.events.append(denial(len(self.events) + 1, digests=digests, **words))
        self._publish()

    def release(self) -> None:
        """Take back what was denied last."""
        self.events.append(release(self.events[-1].id, len(self.events) + 1))
        self._publish()

    def _publish(self) -> None:
        fresh = self.folder / "denied.new"
        fresh.write_bytes(signed(listed(*self.events), VERIFIER))
        os.replace(fresh, self.folder / "denied.json")

    def logins(self, folder: Path, user: str) -> dict[str, str]:
        """Write what `docker login` writes, and return the variables that say where."""
        folder.mkdir(parents=True, exist_ok=True)
        auth = base64.b64encode(f"{user}:{PASSWORDS[user]}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
        return {"DOCKER_CONFIG": str(folder), "REGISTRY_AUTH_FILE": str(folder / "config.json")}


def manifest_of(files: dict[str, bytes], *, config: bytes = b"{}", annotations=None) -> bytes:
    layers = [
        {
            "mediaType": "application/octet-stream",
            "digest": digest_of(data),
            "size": len(data),
            "annotations": {"org.opencontainers.image.title": path},
        }
        for path, data in files.items()
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.model",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(config), "size": len(config)},
        "layers": layers,
        **({"annotations": annotations} if annotations else {}),
    }
    return json.dumps(document).encode()


def claims_of(token: str) -> dict:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def header_of(token: str) -> dict:
    part = token.split(".", maxsplit=1)[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def config_text(place: Place, *, state: str, token_seconds: int = 60) -> str:
    from weighlock.registry.oci.passwords import hash_password

    users = "".join(
        f'[[users]]\nname = "{name}"\nroles = {json.dumps(roles)}\n'
        f'password = "{hash_password(PASSWORDS[name], log_n=10)}"\n'
        for name, roles in ROLES.items()
    )
    return f"""
[server]
issuer = "weighlock-tests"
service = "tests"
realm = "{place.url}/token"
host = "{place.host}"
registry = "{place.registry.url}"
key = "issuer.pem"
policy = "weighlock.toml"
state = "{state}"
listen = "127.0.0.1:{place.port}"
token-seconds = {token_seconds}
catalog = ["admins"]

{users}
[[repositories]]
pattern = "dev/**"
pull = ["developers"]
push = ["developers"]

[[repositories]]
pattern = "staging/*"
pull = ["developers", "promoters"]
push = ["developers"]
delete = ["admins"]

[[repositories]]
pattern = "public/**"
pull = ["anonymous"]
push = ["developers"]

[[repositories]]
pattern = "prod/*"
stage = "production"
from = "staging/*"
pull = ["viewers", "promoters"]
promote = ["promoters"]
"""


def environ_of(folder: Path) -> dict[str, str]:
    names = {name: str(folder / name.lower()) for name in ("WEIGHLOCK_STATE", "WEIGHLOCK_LEDGER", "WEIGHLOCK_CACHE")}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), **names}


@contextmanager
def serving(place: Place, port: int = 0):
    """Serve the issuer of a place in a thread."""
    pytest.importorskip("waitress")
    from weighlock.registry.oci.app import App
    from weighlock.registry.oci.config import read_config
    from weighlock.registry.oci.serve import make_server, open_issuer

    config = read_config(str(place.config))
    issuer = open_issuer(config, environ_of(place.folder))
    server = make_server(App(issuer), replace(config, listen=("127.0.0.1", port or place.port)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.trigger.pull_trigger(server.close)
        thread.join(10)
        assert not thread.is_alive()
        issuer.close()


@contextmanager
def issuing(folder: Path, *, state: str = "oci-tokens.db", options=None, token_seconds: int = 60, served: bool = True):
    """Yield a registry with its issuer, both running."""
    pytest.importorskip("jwt")
    from weighlock.registry.oci.keys import new_key, read_key

    folder.mkdir(parents=True, exist_ok=True)
    port, key = free_port(), folder / "issuer.pem"
    new_key(str(key), "tests")
    (folder / "roots.pem").write_bytes(read_key(str(key)).bundle())
    (folder / "gate.pub").write_bytes(VERIFIER.public.pem)
    (folder / "weighlock.toml").write_text(POLICY)
    (folder / "denied.json").write_bytes(signed(listed(), VERIFIER))
    token = {
        "realm": f"http://127.0.0.1:{port}/token",
        "service": "tests",
        "issuer": "weighlock-tests",
        "rootcertbundle": str(folder / "roots.pem"),
    }
    with DockerRegistry(folder / "registry", token=token, options=options or {}) as registry:
        place = Place(folder, registry, port)
        place.config.write_text(config_text(place, state=state, token_seconds=token_seconds))
        with serving(place) if served else nullcontext():
            yield place


@contextmanager
def process_of(place):
    """Serve in a process of its own, and kill it."""
    words = [sys.executable, "-m", "weighlock", "registry", "serve", "--config", str(place.config)]
    environ = {**os.environ, **environ_of(place.folder)}
    server = subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        assert "tokens for tests" in server.stderr.readline()
        yield server
    finally:
        server.kill()
        server.communicate()


def killed(place: Place, standing: tuple[str, str], number: int, delay: float) -> tuple[tuple[str, str], bool]:
    """Kill a server some seconds after it was asked to promote, and demand that the old or the new is in force.

    Returns:
        Manifest and summary that are in force, and whether they are the new ones.
    """
    files = {"n": str(number).encode()}
    with process_of(place) as server:
        manifest = place.push("staging/net", files, tag=f"n{number}")
        bundle = place.summary(files, manifest, previous=standing[1])

        def offer():
            with suppress(OSError):
                place.promote(manifest, bundle)

        asking = threading.Thread(target=offer)
        asking.start()
        time.sleep(delay)
        server.kill()
        asking.join()
    with process_of(place):
        newest = place.promotions("net")[0]
        found = newest["manifest"], newest["digest"]
        assert digest_of(place.tag().data) == newest["manifest"]
        assert found in (standing, (manifest, digest_of(bundle)))
    return found, found != standing
