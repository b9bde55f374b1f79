"""A project with a model that is locked, signed, described and audited, and the people who promote it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.gates.conftest import safetensors
from weighlock.audit.parts import QUESTIONS
from weighlock.gates.audit import Request as AuditRequest
from weighlock.gates.audit import audit
from weighlock.gates.lock import LockOptions, lock
from weighlock.gates.places import Places
from weighlock.gates.project import Project, find_project
from weighlock.gates.promotion.approval import approve
from weighlock.gates.promotion.case import Request
from weighlock.gates.promotion.gate import Promotion, promote, rehearse
from weighlock.gates.promotion.registries import open_store
from weighlock.gates.promotion.rollback import Request as RollbackRequest
from weighlock.gates.promotion.rollback import roll_back
from weighlock.gates.request import parse_request
from weighlock.gates.signing import sign_document
from weighlock.promotion import Resource
from weighlock.signing.key import generate
from weighlock.sources.interface import Silence

CARD = "---\nlicense: apache-2.0\nbase_model: org/base\ndatasets:\n- squad\n---\n# A model\n"
KEYS = {name: generate() for name in ("ci", "alice", "bob", "carol", "mallory")}
"""Of people; mallory is nobody."""

WAIVED = ("base-models", "packages-admitted", "no-advisories")


class Room:
    """A folder with everything that a promotion to production takes, but the approvals."""

    def __init__(self, folder: Path, store: str = "store", stages: str = "", signers: str = "", more: str = "") -> None:
        self.folder = folder
        self.environ = {"WEIGHLOCK_STATE": str(folder / "state"), "WEIGHLOCK_POLICY": str(folder / "weighlock.toml")}
        for name, key in KEYS.items():
            (folder / f"{name}.pub").write_bytes(key.public.pem)
        self.policy(store=store, stages=stages, signers=signers, more=more)
        (folder / "m").mkdir()
        self.model = folder / "m" / "model.safetensors"
        self.model.write_bytes(safetensors())
        (folder / "m" / "README.md").write_text(CARD)
        self.prepare()

    def policy(self, *, store: str = "store", stages: str = "", signers: str = "", more: str = "") -> None:
        people = ("ci", "alice", "bob", "carol")
        rows = [f'[[evidence.signers]]\nname = "{name}"\nkey = "{name}.pub"\n' for name in people]
        top = f'[promotion]\nstore = "{store}"\nverifiers = ["ci"]\n'
        (self.folder / "weighlock.toml").write_text("".join(rows) + signers + more + top + stages)

    @property
    def project(self) -> Project:
        return find_project(self.environ, str(self.folder / "models.lock"))

    def prepare(self) -> None:
        """Lock what is there, sign it, describe it and audit it."""
        project = self.project
        lock([parse_request("./m", self.folder)], project, LockOptions(all_formats=True), Silence())
        self.sign("alice")
        self.bom()
        self.audit()

    def sign(self, who: str, label: str | None = None) -> None:
        sign_document(self.folder / "models.lock", KEYS[who], label=label)

    def bom(self) -> None:
        from weighlock._cli import main

        out = self.folder / "models.cdx.json"
        out.unlink(missing_ok=True)
        assert main(["bom", "--lockfile", str(self.folder / "models.lock"), "--output", str(out)]) == 0

    def audit(self, *, expires: str | None = None) -> None:
        asked = AuditRequest(target="./m", environ=self.environ, now=self.now)
        digest = audit(asked, self.project, Places(folder=self.folder), Silence()).facts.digest
        day, until = self.now.date().isoformat(), expires or (self.now.date() + timedelta(days=30)).isoformat()
        text = f'audit-version = "1.0"\nlicenses = ["apache-2.0"]\n[[models]]\nname = "./m"\ndigest = "{digest}"\n'
        text += "".join(
            f'[[models.answers]]\nitem = "{one.id}"\nanswer = "pass"\ntext = "t"\nby = "Jo"\nat = {day}\n'
            for one in QUESTIONS
            if one.assess is None or one.id == "source-known"
        )
        text += "".join(
            f'[[models.waivers]]\nitem = "{item}"\nreason = "r"\nby = "Jo"\napprover = "Ann"\nat = {day}\n'
            f"expires = {until}\n"
            for item in WAIVED
        )
        (self.folder / "audit.toml").write_text(text)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def asked(self, stage: str = "production", **more: object) -> Request:
        return Request(model="./m", stage=stage, environ=self.environ, **more)

    def rehearse(self, stage: str = "production", **more: object) -> Promotion:
        return rehearse(self.asked(stage, **more), self.project, Places(folder=self.folder), Silence())

    def promote(self, stage: str = "production", by: str = "ci", **more: object) -> Promotion:
        return promote(self.asked(stage, **more), self.project, Places(folder=self.folder), Silence(), KEYS[by])

    def approve(self, by: str = "bob", stage: str = "production", days: int = 7, **more: object) -> Path:
        asked, places = self.asked(stage, **more), Places(folder=self.folder)
        lasts = timedelta(days=days)
        return approve(asked, self.project, places, Silence(), KEYS[by], reason="good", lasts=lasts).place

    def roll_back(self, to: str = "previous", by: str = "ci", **more: object):
        asked = RollbackRequest(model="./m", to=to, environ=self.environ, **more)
        return roll_back(asked, self.project, KEYS[by])

    def store(self):
        return open_store(self.project, self.environ)

    def in_force(self, stage: str = "production"):
        return self.store().in_force(Resource(registry="weighlock", model="./m", stage=stage))

    def change(self) -> None:
        """Make a second version of the model, and everything about it."""
        self.model.write_bytes(safetensors())
        self.prepare()

    def through(self) -> Promotion:
        """Promote what is there to staging and to production."""
        assert self.promote("staging").verdict.allowed
        self.approve()
        return self.promote()


def unmet(done: Promotion) -> dict[str, str]:
    return {one.kind: one.text for one in done.requirements if not one.met}
