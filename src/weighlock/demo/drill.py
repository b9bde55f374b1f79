"""The drill: an incident from promotion to report, with the real commands, and the times that it took.

``python -m weighlock.demo.drill`` plays it:

1. A team promotes two versions of a model; each is locked, signed, approved and promoted by another person.
2. A program under the guard keeps loading the second version.
3. That turns out bad: where is it?
4. Quarantine; the program that runs is refused at its next load.
5. Rollback; the program is started again, and loads the first version.
6. The report, and its proofs, verified with the separate verifier alone.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from weighlock.demo.screen import Screen
from weighlock.demo.serving import Serving
from weighlock.demo.stage import Stage
from weighlock.digests import digest_of
from weighlock.errors import WeighlockError
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from weighlock.demo.stage import Ended

_MODEL, _FILE = "./net", os.path.join("net", "weights.pkl")
_PLACE = "drill"
_FIRST, _SECOND = [1.0, 2.0], [3.0, 4.0]
_PEOPLE = ("alice", "bob", "ci")
_POLICY = """\
[promotion]
store = "store"
verifiers = ["ci"]

[[promotion.stages]]
name = "production"
require = ["lock", "scan", "signature", "approval"]
approvers = ["bob"]
"""


class Drill:
    """Plays the drill.

    Args:
        stage: Where.
        screen: What it prints on.
    """

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage, self._screen = stage, screen
        self._times: list[tuple[str, str, bool]] = []
        self._wrong: list[str] = []

    def play(self) -> bool:
        """Play every act.

        Returns:
            Whether every step happened.
        """
        acts = (self._promote, self._serve, self._where, self._quarantine, self._roll_back, self._report)
        os.makedirs(self._path("net"))
        with Serving(self._stage, _PLACE, _FILE) as self._serving:
            for act in acts:
                act()
                if self._wrong:
                    break
        self._screen.heading("How long it took")
        rows = [("", "took"), *((what, took) for what, took, _ in self._times)]
        self._screen.table(rows, [good for *_, good in self._times])
        good = not self._wrong
        self._screen.heading("Every step happened." if good else f"This did NOT happen: {'; '.join(self._wrong)}.")
        return good

    def _promote(self) -> None:
        self._screen.say(
            "Everything happens in a temporary folder, which is removed in the end, and without a network."
        )
        self._screen.heading("1. A team promotes two versions of a model")
        for name in _PEOPLE:
            self._run("sign", "--generate-key", f"{name}.pem", "--no-passphrase")
        signers = "".join(f'[[evidence.signers]]\nname = "{one}"\nkey = "{one}.pem.pub"\n' for one in _PEOPLE)
        with open(self._path("weighlock.toml"), "w", encoding="utf-8") as file:
            file.write(signers + _POLICY)
        self._screen.item("Alice makes models, Bob approves, and a pipeline has the key by which names move.")
        self._version(_FIRST, shows=True)
        self._version(_SECOND, shows=False)
        self._screen.item("The second version went the same way.")

    def _version(self, weights: list[float], *, shows: bool) -> None:
        with open(self._path(_FILE), "wb") as file:
            pickle.dump({"weights": weights}, file)
        why = ("--reason", "evaluated", "--expires", "7d")
        self._run("lock", _MODEL, shows=shows)
        self._run("sign", "models.lock", "--key", "alice.pem", shows=shows)
        self._run("approve-promotion", _MODEL, "--to", "production", *why, "--key", "bob.pem", shows=shows)
        self._run("promote", _MODEL, "--to", "production", "--key", "ci.pem", shows=shows)

    def _serve(self) -> None:
        self._screen.heading("2. A program under the guard keeps loading the second version")
        self._screen.command(f"weighlock run serve.py {_FILE}")
        self._serving.start()
        self._await(f"loaded {_SECOND}", 0.0, "the program loads the second version")

    def _where(self) -> None:
        self._screen.heading("3. That turns out bad: where is it?")
        self._bad = str(digest_of(self._path(_FILE))[0])
        found = self._run("where", self._bad, shows=True, code=1, told="where: what is known")
        if "1 promoted version (production, in force)" not in " ".join(found.out.split()):
            self._missed("`weighlock where` finds the promoted version")

    def _quarantine(self) -> None:
        self._screen.heading("4. Quarantine: the program that runs is refused at its next load")
        self._run(
            "quarantine", self._bad, "--reason", "a backdoor", "--yes", shows=True, told="quarantine: the command"
        )
        ended = time.time()
        if self._await("refused LoadRefused", self._denied(), "quarantine to refusal of the running program"):
            late = self._serving.count(f"loaded {_SECOND}", since=ended)
            if late:
                self._missed(f"no load that begins after the quarantine succeeds: {late} did")

    def _denied(self) -> float:
        """Return when the list was signed and in its place."""
        return os.stat(self._path("xdg", "weighlock", "ledger", "quarantine.sigstore.json")).st_mtime

    def _roll_back(self) -> None:
        self._screen.heading("5. Rollback: the last version that may be in force now")
        begin = time.time()
        words = (_MODEL, "--to", "previous", "--restore", "--key", "ci.pem")
        self._run("rollback", *words, shows=True, told="rollback: bytes, summary and quarantine looked at again")
        self._screen.say("The program is started again, since it has the lockfile of before in its memory.")
        self._serving.end()
        self._serving.start()
        self._await(f"loaded {_FIRST}", begin, "rollback, and the program loads the first version")
        self._serving.end()

    def _report(self) -> None:
        self._screen.heading("6. The report, and its proofs")
        words = ("incident", "report", self._bad)
        self._run(
            *words, "--output", "incident.md", "--proofs", "proofs", shows=True, told="report: ledger verified, proofs"
        )
        self._run(*words, "--format", "html", "--output", "incident.html", shows=True)
        found = self._run(*words, "--format", "json")
        if self._wrong:
            return
        actions = [one["action"] for one in json.loads(found.out)["steps"]]
        for action in ("promoted", "loaded", "quarantined", "refused", "rolled back"):
            if action not in actions:
                self._missed(f"the report says {action}")
        self._verify()

    def _verify(self) -> None:
        proofs = sorted(one for one in os.listdir(self._path("proofs")) if one.startswith("proof-"))
        begin, verified = time.monotonic(), 0
        for name in proofs:
            words = ("python", os.path.join("proofs", "verifier.py"), "proof", os.path.join("proofs", name))
            ended = self._stage.run(*words, "--key", os.path.join("proofs", "ledger.vkey"), project=_PLACE)
            if name == proofs[0]:
                self._screen.command(str(ended.command))
                self._screen.output(ended.out)
            verified += ended.code == 0
        self._note(f"{verified} proofs verified, without weighlock", time.monotonic() - begin)
        if not proofs or verified != len(proofs):
            self._missed("every proof verifies")

    def _run(self, *words: str, shows: bool = False, code: int = 0, told: str = "") -> Ended:
        begin = time.monotonic()
        ended = self._stage.run("weighlock", *words, project=_PLACE)
        if shows or ended.code != code:
            self._screen.command(str(ended.command))
            self._screen.output(ended.out)
            self._screen.output(ended.err if ended.code != code else "")
        if told:
            self._note(told, time.monotonic() - begin)
        if ended.code != code:
            self._missed(f"`{ended.command}` ends with {code}")
        return ended

    def _await(self, told: str, since: float, what: str) -> bool:
        """Wait until the program says something, and note how long after a time that was."""
        if self._wrong:
            return False
        at = self._serving.wait(told, since=since)
        if at is None:
            self._missed(what)
            return False
        self._screen.item(f"The program: {told}")
        if since:
            self._note(what, at - since)
        return True

    def _note(self, what: str, took: float) -> None:
        self._times.append((what, f"{took:.2f} s", True))

    def _missed(self, what: str) -> None:
        self._wrong.append(what)
        self._times.append((what, "did not happen", False))
        self._screen.alarm(f"did not happen: {what}")

    def _path(self, *parts: str) -> str:
        return self._stage.path(_PLACE, *parts)


def main() -> int:
    """Play the drill, and return 0 where every step happened, 1 where one did not, and 2 where it cannot be played."""
    if find_spec("cryptography") is None:
        sys.stderr.write(
            "error: the drill signs, and cryptography is not installed\nhint: pip install 'weighlock[sign]'\n"
        )
        return 2
    try:
        with Stage() as stage:
            good = Drill(stage, Screen(color=sys.stdout.isatty())).play()
    except WeighlockError as error:
        sys.stderr.write(f"error: {printable(str(error))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
