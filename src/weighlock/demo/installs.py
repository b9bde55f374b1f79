"""The second half of the demonstration: packages of real attacks are installed by pip, and refused by weighlock.

8. Put them, and an honest one, on two indexes on this machine.
9. Install them with pip, and use them.
10. Install them with `weighlock install`.
11. Compare.
"""

from __future__ import annotations

import io
import json
import os
import venv
import zipfile
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from weighlock.advisories import update
from weighlock.demo import attacks
from weighlock.demo.attempts import Outcome
from weighlock.demo.packages import wheel
from weighlock.demo.stage import Command
from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.demo.attacks import Attack
    from weighlock.demo.screen import Screen
    from weighlock.demo.stage import Ended, Stage

PLAIN, GUARDED = "plain", "guarded"
"""Folders of the two environments, in which the commands run as well."""

_HONEST = "fathom"
_NEEDED = "plumbline"
_SHOWN = "litellm"
_PYTHON = os.path.join("Scripts", "python.exe") if os.name == "nt" else os.path.join("bin", "python")


class Installs:
    """Plays the second half.

    Args:
        stage: Where.
        screen: What it prints on.
    """

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._said = attacks.said("", datetime.now(UTC))
        self._held = attacks.held("")
        self._reports: dict[str, dict[str, Any]] = {}

    @property
    def attacks(self) -> list[Attack]:
        """Everything that is tried beside the honest package."""
        return [*self._said, *self._held]

    def play(self) -> list[str]:
        """Play every act.

        Returns:
            What did not come out as it should.
        """
        if find_spec("pip") is None:
            self._screen.say("Skipped: installing packages, because pip is not installed here.")
            return []
        self._publish()
        shown = [attack for attack in self.attacks if attack.package.project == _SHOWN]
        pins = [attack.pin for attack in self.attacks]
        modules = sorted(attack.module for attack in self.attacks if attack.module)
        plain, honest, refused, *judged = self._stage.run_all(
            [
                Command(("pip", "--python", _PYTHON, "install", "-q", _HONEST, *pins), PLAIN),
                self._guarded(_HONEST),
                self._guarded(*(attack.pin for attack in shown)),
                self._guarded("--format=json", *(attack.pin for attack in self._said)),
                self._guarded("--format=json", *(attack.pin for attack in self._held)),
            ]
        )
        used = [self._use(PLAIN, *modules), self._use(GUARDED, _HONEST)]
        self._show_plain(plain, used[0])
        self._show_guarded(honest, refused, judged)
        return self._compare(honest, used)

    def _publish(self) -> None:
        index = self._stage.index
        for place in (PLAIN, GUARDED):
            venv.create(self._stage.path(place), with_pip=False, symlinks=os.name != "nt")
        index.add(wheel(_HONEST, "1.0", requires=[_NEEDED]))
        index.add(wheel(_NEEDED, "2.0"))
        attacks.publish(index, self.attacks)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as written:
            for record in attacks.records(datetime.now(UTC)):
                written.writestr(f"{record['id']}.json", json.dumps(record))
        source = self._stage.path("advisories.zip")
        with open(source, "wb") as file:
            file.write(archive.getvalue())
        update.from_files(self._stage.advisories, [source], now=datetime.now(UTC))
        self._screen.heading("8. Packages: releases of real attacks, on indexes on this machine")
        self._screen.say(
            "Names, versions and ways in are those of the public reports; what the code does is not. Beside them there "
            f"is an honest package, {_HONEST}."
        )
        for attack in self.attacks:
            self._screen.item(f"{attack.title}: {attack.what}")

    def _show_plain(self, plain: Ended, used: Ended) -> None:
        self._screen.heading("9. Without weighlock")
        self._screen.say("pip installs what the indexes serve, and a program imports it:")
        self._show(plain)
        self._show(used)
        for attack in self.attacks:
            if self._ran(attack, PLAIN):
                self._screen.alarm(f"{attack.title} ran its payload")

    def _show_guarded(self, honest: Ended, refused: Ended, judged: Sequence[Ended]) -> None:
        self._screen.heading("10. The same with weighlock")
        self._screen.say("An honest package is judged and installed, with what it needs:")
        self._show(honest)
        self._screen.say("Everything else is refused before one line of it runs:")
        self._show(refused)
        self._screen.say("All of them, each with its reason, from the reports of these commands:")
        for ended in judged:
            self._screen.command(str(ended.command))
            packages = _packages(ended)
            self._reports |= {package["name"]: package for package in packages}
            for package in packages:
                for reason in package["verdict"]["reasons"][:1]:
                    self._screen.output(f"- {package['name']} {package['version']}: {reason['message']}")

    def _compare(self, honest: Ended, used: Sequence[Ended]) -> list[str]:
        self._screen.heading("11. What was installed")
        rows: list[tuple[str, ...]] = [("", "pip", "weighlock install")]
        right = []
        fine = honest.code == 0 and self._is_there(_HONEST, GUARDED) and self._is_there(_NEEDED, GUARDED)
        came = tuple(Outcome.INSTALLED if ended.code == 0 else Outcome.FAILED for ended in used)
        rows.append((f"{_HONEST} 1.0, an honest package", *came))
        right.append(fine and came == (Outcome.INSTALLED,) * 2)
        for attack in self.attacks:
            came = (self._observe_plain(attack), self._observe_guarded(attack))
            rows.append((f"{attack.title}: {attack.what}", *came))
            right.append(came == (Outcome.PAYLOAD, Outcome.REFUSED))
        self._screen.table(rows, right)
        return [row[0] for row, good in zip(rows[1:], right, strict=True) if not good]

    def _observe_plain(self, attack: Attack) -> Outcome:
        if self._ran(attack, PLAIN):
            return Outcome.PAYLOAD
        return Outcome.INSTALLED if self._is_there(attack.package.project, PLAIN) else Outcome.FAILED

    def _observe_guarded(self, attack: Attack) -> Outcome:
        """Believe what lies on the disk, and a refusal only where its reason is the right one."""
        if self._ran(attack, GUARDED):
            return Outcome.PAYLOAD
        if self._is_there(attack.package.project, GUARDED):
            return Outcome.INSTALLED
        verdict = self._reports.get(attack.package.project, {}).get("verdict", {})
        rules = {reason["rule"] for reason in verdict.get("reasons", ())}
        return Outcome.REFUSED if verdict.get("decision") != "allow" and attack.check in rules else Outcome.FAILED

    def _ran(self, attack: Attack, place: str) -> bool:
        """Say whether the marker lies in the environment, or for the guarded one anywhere but in the plain one."""
        name = attacks.marker("", attack.package.project)
        if place == PLAIN:
            return os.path.lexists(self._stage.path(PLAIN, name))
        found = (folder for folder, _, files in os.walk(self._stage.folder) if name in files)
        return any(folder != self._stage.path(PLAIN) for folder in found)

    def _is_there(self, project: str, place: str) -> bool:
        start = f"{project.replace('-', '_')}-"
        return any(
            name.startswith(start) and name.endswith(".dist-info")
            for _, folders, _ in os.walk(self._stage.path(place))
            for name in folders
        )

    def _guarded(self, *words: str) -> Command:
        return Command(("weighlock", "install", "--python", _PYTHON, *words), GUARDED)

    def _use(self, place: str, *modules: str) -> Ended:
        return self._stage.run(_PYTHON, "-c", f"import {', '.join(modules)}", project=place)

    def _show(self, ended: Ended) -> None:
        self._screen.command(str(ended.command))
        self._screen.output(ended.out)
        self._screen.output(ended.err)


def _packages(ended: Ended) -> list[dict[str, Any]]:
    try:
        packages: list[dict[str, Any]] = json.loads(ended.out)["packages"]
    except (ValueError, KeyError) as error:
        raise FormatError(f"made no report: {ended.err.strip() or ended.out}", where=f"`{ended.command}`") from error
    return packages
