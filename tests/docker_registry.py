"""A registry of containers of the tests' own: Debian's docker-registry, unmodified, on a free port of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

_COMMANDS = ("docker-registry", "/usr/bin/docker-registry")
_LISTENING = re.compile(r"listening on [^ ]*:(\d+)")


def require_registry() -> str:
    """Return the command, or skip the test."""
    command = next(filter(None, map(shutil.which, _COMMANDS)), None)
    if command is None:
        pytest.skip("docker-registry is not installed")
    return command


@dataclass
class DockerRegistry:
    """A running registry, a context manager.

    Args:
        folder: For its configuration and its storage.
        users: Names and passwords, by which it asks for Basic logins; needs `htpasswd` lines from `htpasswd_line`.
        token: Parameters of ``auth.token``: realm, service, issuer, rootcertbundle.
        options: Further tables of its configuration.
        address: Of this machine; every other than 127.0.0.1 counts as another machine for weighlock.
        tls: Files of its certificate and key.
    """

    folder: Path
    users: dict[str, str] = field(default_factory=dict)
    token: dict[str, str] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    address: str = "127.0.0.1"
    tls: tuple[str, str] | None = None
    port: int = 0

    def __enter__(self) -> Self:
        command = require_registry()
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "log"
        config = self.folder / "config.yml"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        environ = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "OTEL_TRACES_EXPORTER": "none"}
        with log.open("wb") as file:
            self.process = subprocess.Popen([command, "serve", str(config)], stdout=file, stderr=file, env=environ)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            found = _LISTENING.search(log.read_text(errors="replace"))
            if found:
                self.port = int(found[1])
                return self
            time.sleep(0.02)
        self.__exit__()
        raise RuntimeError(f"docker-registry does not start: {log.read_text(errors='replace')[-2000:]}")

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def host(self) -> str:
        """What stands in front of a repository."""
        return f"{self.address}:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.host}"

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def blob(self, digest: str) -> Path:
        """Return where the bytes of a blob or manifest lie in the storage."""
        value = digest.removeprefix("sha256:")
        return self.folder / "storage/docker/registry/v2/blobs/sha256" / value[:2] / value / "data"

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "storage")},
                "delete": {"enabled": True},
            },
        }
        http: dict[str, object] = {"addr": f"{self.address}:0", "secret": "of the tests", "relativeurls": False}
        if self.tls:
            http["tls"] = dict(zip(("certificate", "key"), self.tls, strict=True))
        config["http"] = http
        if self.users:
            file = self.folder / "htpasswd"
            file.write_text("".join(f"{htpasswd_line(*pair)}\n" for pair in self.users.items()))
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(file)}}
        if self.token:
            config["auth"] = {"token": self.token}
        return {**config, **self.options}


def htpasswd_line(user: str, password: str) -> str:
    """Return a line of an htpasswd file; the registry takes bcrypt alone."""
    bcrypt = pytest.importorskip("bcrypt")
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}"
