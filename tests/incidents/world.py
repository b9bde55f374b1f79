"""A project with a ledger, lockfiles and bills to look into, made without running anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from weighlock.artifact import Digest
from weighlock.entry import Entry
from weighlock.gates.ledger import open_ledger
from weighlock.lockfile import HubSource, LockedFile, LockedModel, Lockfile
from weighlock.verdict import Decision

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
COMMIT = "a" * 40


def digest(name: str) -> str:
    """Return the digest of a file of that name, 64 digits."""
    return hashlib.sha256(name.encode()).hexdigest()


def locked(name: str, *files: str, formats: str | None = "safetensors") -> LockedModel:
    """Return a model of the Hub whose files have the digests of their names."""
    return LockedModel(
        name=name,
        source=HubSource(repo=name, revision=COMMIT),
        files=tuple(
            LockedFile(path=file.rpartition(":")[2], size=10, sha256=digest(file), format=formats) for file in files
        ),
    )


class World:
    """A project of one user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        (self.project / "weighlock.toml").write_text("")
        self.environ = {
            "HOME": str(folder),
            "WEIGHLOCK_STATE": str(folder / "state"),
            "WEIGHLOCK_LEDGER": str(folder / "ledger"),
            "WEIGHLOCK_ROOT": str(self.project),
            "WEIGHLOCK_ADVISORIES": str(folder / "advisories.sqlite"),
        }
        self._count = 0

    @property
    def ledger(self):
        """The ledger."""
        return open_ledger(self.environ)

    def lock(self, *models: LockedModel, place: Path | None = None) -> Path:
        """Write a lockfile."""
        path = place or self.project / "models.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Lockfile(models=models).dumps())
        return path

    def bill(self, document: dict[str, Any], name: str = "models.cdx.json") -> Path:
        """Write a bill of materials."""
        path = self.project / name
        path.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1} | document))
        return path

    def entry(self, file: str | None = None, **changes: Any) -> Entry:
        """Return an entry about a file."""
        self._count += 1
        plain = Entry(
            time=NOW - timedelta(days=10) + timedelta(minutes=self._count),
            event=f"e:{self._count}",
            gate="load",
            kind="model",
            subject=file or "something",
            verdict=Decision.ALLOW,
            digest=Digest.sha256(digest(file)) if file else None,
            actor="ann@train-1",
            loader="torch.load",
        )
        return replace(plain, **changes)

    def record(self, *entries: Entry, sealed: bool = True) -> None:
        """Put entries into the ledger."""
        ledger = self.ledger
        ledger.append([one.to_bytes() for one in entries])
        if sealed:
            ledger.checkpoint()

    def where(self, subject: str, **options: Any):
        """Ask."""
        from weighlock.gates.where import Question, answer

        return answer(Question(subject=subject, environ=self.environ, now=NOW, **options))
