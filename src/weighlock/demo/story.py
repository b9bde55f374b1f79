"""The demonstration: models are locked, attackers go to work, and every load is tried without and with weighlock.

1. Make small models with the real libraries, and put them on a Hub on this machine.
2. Lock what the project uses.
3. Attack: move a branch, change what the Hub serves, change a file in the cache.
4. Load everything without weighlock.
5. Load everything with weighlock.
6. Approve one class by its name.
7. Compare.

Then packages are installed, which `weighlock.demo.installs` plays, and what was decided becomes evidence for others,
which `weighlock.demo.evidence` does.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.demo.attempts import (
    APPROVED,
    ATTEMPTS,
    INSPECTED,
    MALICIOUS,
    MOVED,
    NEEDY,
    PLAIN,
    POISONED,
    SAFETENSORS,
    SERVED,
    UNLOCKED,
    Attempt,
    Observer,
    Outcome,
    refusal_of,
)
from weighlock.demo.evidence import Evidence
from weighlock.demo.installs import Installs
from weighlock.demo.models import ORGANISATION, marker
from weighlock.demo.stage import Command, Ended
from weighlock.errors import WeighlockError

if TYPE_CHECKING:
    from weighlock.demo.screen import Screen
    from weighlock.demo.stage import Stage

_LOCKED = ("encoder", "classic", "ferry", "barge", "punt", "legacy")
_ON_THE_HUB = (*_LOCKED, "newcomer", "free-weights")
_INSPECTING = 'unlocked = "inspect"\n'


@dataclass(frozen=True, slots=True)
class _Act:
    """One guarded command: what it shows, and what it tries."""

    words: str
    command: Command
    attempts: tuple[Attempt, ...]


class Story:
    """Plays the demonstration.

    Args:
        stage: Where.
        screen: What it prints on.
    """

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._observer = Observer({}, {})
        self._unguarded: dict[str, Outcome] = {}
        self._guarded: dict[str, Outcome] = {}
        self._wrong: list[str] = []

    def play(self) -> bool:
        """Play every act.

        Returns:
            Whether everything came out as it should.
        """
        start = time.monotonic()
        self._make()
        self._lock()
        if not self._wrong:
            self._attack()
            self._load()
            self._approve()
            self._compare()
            self._wrong += Installs(self._stage, self._screen).play()
            weights = self._stage.path("models", ORGANISATION, "barge", "model.safetensors")
            self._wrong += Evidence(self._stage, self._screen, weights).play()
        good = not self._wrong
        self._screen.heading(
            f"Everything came out as it should, in {time.monotonic() - start:.0f} seconds."
            if good
            else f"This did NOT come out as it should: {'; '.join(self._wrong)}."
        )
        return good

    def _make(self) -> None:
        self._screen.say(
            "Everything happens in a temporary folder, which is removed in the end. What is malicious here creates an "
            "empty file there, and does nothing else."
        )
        self._screen.heading("1. Small models, written by the real libraries, on a Hub on this machine")
        ended = self._stage.run("python", "-m", "weighlock.demo.models", self._stage.path("models"))
        if ended.code:
            raise WeighlockError(
                f"the models cannot be made: {(ended.err.strip() or 'no reason given').splitlines()[-1]}"
            )
        answer = json.loads(ended.out)
        self._observer = Observer(answer["targets"], answer["fingerprints"])
        for name in _ON_THE_HUB:
            self._stage.hub.add_repo(_repo(name), self._files(name))
        used = answer["used"]
        self._screen.item(f"Written by {', '.join(f'{name} {used[name]}' for name in used)} and pickle.")
        self._screen.item(f"Served by {self._stage.hub.endpoint}; nothing else is asked of any network.")
        if "torch" not in used:
            self._screen.item("Skipped: torch.load and transformers, because torch is not installed here.")
        elif "transformers" not in used:
            self._screen.item("Skipped: from_pretrained, because transformers is not installed here.")

    def _files(self, name: str) -> dict[str, bytes]:
        folder = self._stage.path("models", ORGANISATION, name)
        files = {}
        for file in os.listdir(folder):
            with open(os.path.join(folder, file), "rb") as stream:
                files[file] = stream.read()
        return files

    def _lock(self) -> None:
        self._screen.heading("2. Lock what the project uses")
        self._screen.say("Every file is downloaded into quarantine, hashed, inspected, and written to models.lock.")
        self._demand(self._show(self._stage.run("weighlock", "lock", *map(_repo, _LOCKED))), 0)
        self._screen.say("A repository with a malicious pickle does not get in. Nothing of it is run.")
        self._demand(self._show(self._stage.run("weighlock", "lock", _repo("free-weights"))), 1)

    def _attack(self) -> None:
        self._screen.heading("3. Weeks later, attackers go to work")
        stage, hub = self._stage, self._stage.hub
        hub.commit(_repo("ferry"), self._files("ferry-later"))
        self._screen.item(f"{_repo('ferry')}: somebody pushes malicious weights to the branch main.")
        data = self._files("barge")["model.safetensors"]
        hub.tamper(_repo("barge"), "model.safetensors", _changed(data))
        shutil.rmtree(stage.cached("project", _repo("barge")))
        self._screen.item(f"{_repo('barge')}: the Hub serves other bytes of the same length. It is not in the cache.")
        shutil.copytree(stage.cached("project", _repo("punt")), stage.cached("unguarded", _repo("punt")), symlinks=True)
        for project in ("project", "unguarded"):
            _poison(stage.cached(project, _repo("punt")))
        self._screen.item(f"{_repo('punt')}: its file in the cache is changed, size and time as before.")

    def _load(self) -> None:
        names = list(dict.fromkeys(attempt.name for attempt in ATTEMPTS))
        unguarded = Command(("python", "load.py", *map(self._target, names)), project="unguarded")
        acts = self._guarded_acts()
        # The two columns do not depend on each other: their children share the cores.
        ended = self._stage.run_all([unguarded, *(act.command for act in acts)])
        self._screen.heading("4. Without weighlock")
        self._screen.say("load.py is ordinary code; huggingface_hub and the loaders check nothing:")
        self._judge_unguarded(next(ended), names)
        self._screen.heading("5. The same code with weighlock")
        for act, one in zip(acts, ended, strict=True):
            if act.words:
                self._screen.say(act.words)
            self._judge(one, *act.attempts)

    def _judge_unguarded(self, ended: Ended, names: list[str]) -> None:
        self._show(ended, ended.err if ended.code else "")
        folder = self._stage.path(ended.command.project)
        for attempt in ATTEMPTS:
            self._unguarded[attempt.title] = self._observer.observe(attempt.name, folder, ended)
        for name in names:
            if os.path.lexists(os.path.join(folder, marker(name))):
                self._screen.alarm(f"{_repo(name)} ran its payload: it made {marker(name)}")
        changed = [attempt.name for attempt in ATTEMPTS if self._unguarded[attempt.title] is Outcome.CHANGED]
        if changed:
            self._screen.alarm(f"not the weights that were locked: {', '.join(map(_repo, changed))}")

    def _guarded_acts(self) -> list[_Act]:
        with open(self._stage.path("inspect.toml"), "w", encoding="utf-8") as policy:
            policy.write(_INSPECTING)
        inspecting = ("--policy", os.path.join("..", "inspect.toml"))
        return [
            self._act(
                f"What is locked loads. {_repo('ferry')} is the locked commit, wherever main went. The file that was "
                "changed in the cache ends the program, and no library can swallow that:",
                SAFETENSORS, PLAIN, MOVED, POISONED,
            ),
            self._act("Other bytes than the locked ones never reach the cache:", SERVED),
            self._act("What is not in the lockfile does not load, malicious or not:", MALICIOUS),
            self._act("", UNLOCKED),
            self._act(
                'A policy with unlocked = "inspect" looks into what is not locked, and admits plain data only:',
                INSPECTED, options=inspecting,
            ),
            self._act("A pickle that needs a class waits for a person:", NEEDY),
        ]  # fmt: skip

    def _act(self, words: str, *attempts: Attempt, options: tuple[str, ...] = ()) -> _Act:
        targets = (self._target(attempt.name) for attempt in attempts)
        return _Act(words, Command(("weighlock", "run", *options, "load.py", *targets)), attempts)

    def _approve(self) -> None:
        self._screen.heading("6. Approve that class, by its exact name, for exactly those bytes")
        # As `weighlock approve` names it: the model and the file in it.
        self._demand(self._show(self._stage.run("weighlock", "approve", "--yes", self._target("legacy"))), 0)
        act = self._act("", APPROVED)
        self._judge(self._stage.run(*act.command.words), *act.attempts)

    def _compare(self) -> None:
        self._screen.heading("7. What was tried")
        rows, right = [("", "without weighlock", "with weighlock")], []
        for attempt in ATTEMPTS:
            came = (self._unguarded[attempt.title], self._guarded[attempt.title])
            rows.append((attempt.title, *came))
            right.append(came == (attempt.unguarded, attempt.guarded))
            if not right[-1]:
                self._wrong.append(attempt.title)
        self._screen.table(rows, right)

    def _target(self, name: str) -> str:
        return self._observer.targets[name]

    def _judge(self, ended: Ended, *attempts: Attempt) -> None:
        """Show what came of guarded loads, and remember it."""
        refusal = refusal_of(ended.err)
        self._show(ended, refusal if refusal is not None and ended.code else ended.err if ended.code else "")
        folder = self._stage.path(ended.command.project)
        for attempt in attempts:
            came = self._observer.observe(attempt.name, folder, ended)
            self._guarded[attempt.title] = came
            if came is not attempt.guarded:
                self._screen.alarm(f"{_repo(attempt.name)}: {came}, but should be {attempt.guarded}")

    def _show(self, ended: Ended, err: str | None = None) -> Ended:
        """Show a command and what it printed; `err` in place of all that it wrote to standard error."""
        self._screen.command(str(ended.command))
        texts = [ended.out, ended.err if err is None else err]
        # Commands of ours say what they do on standard error, and the answer comes last.
        for text in texts if err is not None else reversed(texts):
            self._screen.output(text)
        return ended

    def _demand(self, ended: Ended, code: int) -> None:
        if ended.code != code:
            self._wrong.append(f"`{ended.command}` ended with {ended.code} instead of {code}")


def _repo(name: str) -> str:
    return f"{ORGANISATION}/{name}"


def _changed(data: bytes) -> bytes:
    """Change the last weight, and nothing else."""
    return data[:-1] + bytes([data[-1] ^ 1])


def _poison(repository: str) -> None:
    """Change the weights of a cached repository where they lie, as a write to the disk would."""
    for folder, _, files in os.walk(os.path.join(repository, "snapshots")):
        if "model.safetensors" not in files:
            continue
        path = os.path.realpath(os.path.join(folder, "model.safetensors"))
        times = os.stat(path)
        with open(path, "rb") as file:
            data = _changed(file.read())
        os.chmod(path, 0o600)
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
