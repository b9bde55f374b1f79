"""The last part of the demonstration: what was decided is written down, and one changed byte anywhere in it is found.

12. Lock a model, describe it, sign both where the libraries for that are installed, and keep a checkpoint.
13. Change one byte of the model, the lockfile, the bill of materials, a signature and the ledger, one after the other.
"""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.demo.screen import Screen
    from weighlock.demo.stage import Ended, Stage

_PLACE = "evidence"
_LEDGER = os.path.join("xdg", "weighlock", "ledger")
_VERIFY = ("weighlock", "verify", "--chain", "--since", "kept.note")


class Evidence:
    """Plays the last part.

    Args:
        stage: Where.
        screen: What it prints on.
        weights: A safetensors file.
    """

    def __init__(self, stage: Stage, screen: Screen, weights: str) -> None:
        self._stage = stage
        self._screen = screen
        self._weights = weights
        self._signs = find_spec("cryptography") is not None
        self._wrong: list[str] = []

    def play(self) -> list[str]:
        """Play both acts.

        Returns:
            What did not come out as it should.
        """
        os.makedirs(self._path("weights"))
        shutil.copy(self._weights, self._path("weights", "model.safetensors"))
        self._write()
        if not self._wrong:
            self._tamper()
        return self._wrong

    def _write(self) -> None:
        self._screen.heading("12. What was decided, as evidence for others")
        self._screen.say("Lockfile, bill of materials, signatures and ledger name the same digests:")
        self._show(self._run("weighlock", "lock", "./weights"))
        self._show(self._run("weighlock", "bom", "--output", "models.cdx.json"))
        if self._signs:
            self._show(self._run("weighlock", "sign", "--generate-key", "team.pem", "--no-passphrase"))
            with open(self._path("weighlock.toml"), "w", encoding="utf-8") as policy:
                policy.write('[[evidence.signers]]\nname = "team"\nkey = "team.pem.pub"\n')
            for document in ("models.lock", "models.cdx.json"):
                self._show(self._run("weighlock", "sign", document, "--key", "team.pem"))
        else:
            self._screen.item("Skipped: signatures, because cryptography is not installed here.")
        self._show(self._run("weighlock", "ledger", "checkpoint", "--output", "kept.note"))
        self._show(self._run(*_VERIFY))

    def _tamper(self) -> None:
        self._screen.heading("13. One byte is changed, somewhere")
        places = {
            "the model": self._path("weights", "model.safetensors"),
            "the lockfile": self._path("models.lock"),
            "the bill of materials": self._path("models.cdx.json"),
            **({"a signature": self._path("models.lock.sigstore.json")} if self._signs else {}),
            "the ledger": self._bundle(),
        }
        self._screen.say("`weighlock verify --chain` names the links that it breaks, each time:")
        for what, path in places.items():
            found = self._found(path)
            self._screen.item(f"{what}: {', '.join(found) or 'nothing is found'}")
            if not found:
                self._wrong.append(f"one byte of {what}")

    def _found(self, path: str) -> list[str]:
        """Change a byte, return the links that are broken, and take the change back."""
        with open(path, "rb") as file:
            data = file.read()
        middle = len(data) - 3
        with open(path, "wb") as file:
            file.write(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        ended = self._stage.run(*_VERIFY, "--format", "json", project=_PLACE)
        with open(path, "wb") as file:
            file.write(data)
        try:
            links = json.loads(ended.out)["links"]
        except (ValueError, KeyError):
            return [ended.err.splitlines()[0]] if ended.code and ended.err else []
        return [link["name"] for link in links if link["status"] == "broken"] if ended.code else []

    def _bundle(self) -> str:
        """Return the file with the entries of the ledger."""
        folder = self._path(_LEDGER, "tile", "entries", "000.p")
        return os.path.join(folder, max(os.listdir(folder), key=int))

    def _run(self, *words: str) -> Ended:
        ended = self._stage.run(*words, project=_PLACE)
        if ended.code:
            self._wrong.append(f"`{ended.command}` ended with {ended.code}")
        return ended

    def _show(self, ended: Ended) -> None:
        self._screen.command(str(ended.command))
        self._screen.output(ended.err)
        self._screen.output(ended.out)

    def _path(self, *parts: str) -> str:
        return self._stage.path(_PLACE, *parts)
