"""The load gate's answers about repositories of a Hub: which commit, which files, and whether these are the bytes.

A program under the guard sees a locked repository as the lockfile describes it: at the locked commit, with the
locked files and no others. What it may load from there is still the load gate's decision.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from weighlock.gates.code import lock_command
from weighlock.lockfile import HubSource

if TYPE_CHECKING:
    from weighlock.gates.load import LoadGate
    from weighlock.lockfile import LockedFile, LockedModel

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")

LOADER = "a download"
"""Stands for a loader in the messages."""

# What huggingface_hub takes where nobody names a revision.
_DEFAULT_REVISION = "main"

# In a snapshot folder these need not be locked: the load gate judges the first kind when it is loaded, and nothing
# loads the second. Files that were left out of the lock on purpose are mostly of these kinds.
_JUDGED_AT_LOAD = (".bin", ".ckpt", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth", ".safetensors")
_NEVER_LOADED = (".gif", ".gitattributes", ".gitignore", ".jpeg", ".jpg", ".md", ".png", "LICENSE")

_pins: dict[str, Pin] = {}


class Pin:
    """A locked repository, as a program under the guard may see it.

    Args:
        gate: The gate of this process.
        model: The model that is locked for the repository.
        source: Where the lockfile says that it comes from.
    """

    def __init__(self, gate: LoadGate, model: LockedModel, source: HubSource) -> None:
        self.gate = gate
        self.model = model
        self._files = {file.path: file for file in model.files}
        self.kind = source.type
        self.repo = source.repo
        self.commit = source.revision
        self.enforced = gate.mode == "enforce"
        self.label = repository_name(source.type, source.repo)

    def paths(self) -> list[str]:
        """Return the paths of the files that may be downloaded, sorted."""
        return sorted(path for path in self._files if self.model.remote_code or not path.endswith(".py"))

    def hides(self, path: str) -> bool:
        """Say whether a program must believe that there is no such file; a gate that only warns hides nothing."""
        return self.enforced and posixpath.normpath(path) not in self._files

    def file(self, path: str) -> LockedFile | None:
        """Return the locked file of that path, or ``None`` where the lockfile does not list it.

        Raises:
            LoadRefused: It is Python code, and the lockfile does not admit the model's code.
        """
        file = self._files.get(posixpath.normpath(path))
        if file is None:
            if not self.enforced:
                self._refuse(path, None, "not-in-lock", "the lockfile does not list it")
        elif file.path.endswith(".py") and not self.model.remote_code:
            why = "it is code of the model's author, which the lockfile does not admit"
            self._refuse(path, file.sha256, "remote-code", why, lock_command(self.model.name))
        return file

    def absence(self, path: str) -> str:
        """Say why a program must believe that a file does not exist."""
        return f"weighlock: the lockfile does not list {path} of {self.label} at {self.commit[:12]}"

    def verify(self, file: LockedFile, descriptor: int, place: str, *, arriving: bool = False) -> None:
        """Check that an open file has the bytes of a locked file.

        Args:
            file: What it must be.
            descriptor: Read by offset; its position does not change.
            place: Where it lies, for the message.
            arriving: It was downloaded just now and is not in the cache yet.

        Raises:
            LoadRefused: It has other bytes.
        """
        if self.gate.holds(descriptor, file):
            label, located = f"{self.label}/{file.path}", ((self.model, file),)
            if self.gate.passes_quarantine(label, LOADER, lambda: (file.sha256,), located):
                self.gate.decisions.record_locked(label, LOADER, digest=file.sha256, size=file.size)
            return
        sync = f"`weighlock sync {self.model.name}`"
        why = f"{place} does not have the locked digest sha256:{file.sha256}"
        remedy = f"remove that file and run {sync}"
        if arriving:
            why = f"the Hub, or a mirror of it, sent other bytes than the locked sha256:{file.sha256}"
            remedy = f"one commit never changes, so ask another server, for example HF_ENDPOINT=URL {sync}"
        self._refuse(file.path, self.gate.digest_for_message(descriptor), "changed", why, remedy)

    def verify_path(self, file: LockedFile, path: str | os.PathLike[str], *, arriving: bool = False) -> None:
        """Check that a file on disk has the bytes of a locked file.

        Args:
            file: What it must be.
            path: Where it lies.
            arriving: As for `verify`.

        Raises:
            LoadRefused: It has other bytes.
            OSError: It cannot be opened.
        """
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        try:
            self.verify(file, descriptor, os.fspath(path), arriving=arriving)
        finally:
            os.close(descriptor)

    def verify_folder(self, folder: str) -> None:
        """Check that a snapshot folder has no file that nobody judged and that a library could load from there.

        Raises:
            LoadRefused: It has one.
        """
        for parent, folders, names in os.walk(folder):
            inside = os.path.relpath(parent, folder).replace(os.sep, "/")
            # A link to a folder is not walked through, and no client makes one: it counts as a file.
            names += [name for name in folders if os.path.islink(os.path.join(parent, name))]
            for path in sorted(posixpath.normpath(f"{inside}/{name}") for name in names):
                link = os.path.isdir(os.path.join(folder, path))
                if not link and (path in self._files or path.endswith(_JUDGED_AT_LOAD + _NEVER_LOADED)):
                    continue
                why = f"the lockfile does not list it, but it lies in {folder}"
                self._refuse(path, None, "not-in-lock", why, "remove it, or lock it on purpose")

    def _refuse(self, path: str, sha256: str | None, rule: str, why: str, remedy: str | None = None) -> None:
        digest = f"sha256:{sha256}" if sha256 else None
        self.gate.refuse(f"{self.label}/{path}", LOADER, digest, [(rule, why)], remedy)


def find_pin(gate: LoadGate, kind: str, repo: str, revision: str | None) -> Pin | None:
    """Return the locked repository, or ``None`` where it or that revision of it is not locked.

    A reference that floats means the locked commit: the one that was asked for when it was locked, and the default
    one, which a program that names no revision means.

    Args:
        gate: The gate of this process.
        kind: ``model``, ``dataset``, ``space`` or another type of repository.
        repo: ``organisation/name`` or ``name``.
        revision: Branch, tag or commit; ``None`` for the default. One that huggingface_hub resolved before looks
            like the name that was asked for, but stands for its commit.
    """
    model = gate.lockfile.by_repo(kind, repo) if gate.lockfile and gate.mode != "off" else None
    if model is None or not isinstance(model.source, HubSource):
        return None
    wanted = getattr(revision, "resolved", revision)
    if wanted in {None, _DEFAULT_REVISION, model.source.ref, model.source.revision}:
        return _pin_of(gate, model, model.source)
    return None


def pin(gate: LoadGate, kind: str, repo: str, revision: str | None) -> Pin | None:
    """Decide about a request for a repository, before anything is asked of the Hub.

    1. A locked repository at a reference that floats, or at its locked commit, is pinned.
    2. Any other branch, tag or commit of it is not what was locked.
    3. Without a lock entry, the policy's ``unlocked`` decides.

    Args:
        gate: The gate of this process.
        kind: As for `find_pin`.
        repo: As for `find_pin`.
        revision: As for `find_pin`.

    Returns:
        The locked repository, or ``None`` where the repository passes as it is, because the load gate judges what
        is loaded from it or because the gate only warns.

    Raises:
        LoadRefused: The repository, or that revision of it, is not locked.
    """
    found = find_pin(gate, kind, repo, revision)
    if found is not None or gate.mode == "off":
        return found
    name = repository_name(kind, repo)
    model = gate.lockfile.by_repo(kind, repo) if gate.lockfile else None
    if model is None or not isinstance(model.source, HubSource):
        refuse_unlocked(gate, name, "the lockfile does not list this repository", f"weighlock lock {name}")
        return None
    wanted = getattr(revision, "resolved", revision)
    what = "commit" if _COMMIT.match(str(wanted)) else "branch or tag"
    reason = f"the lockfile pins {model.source.ref} at {model.source.revision}, not this {what}"
    remedy = f"weighlock lock {name}@{wanted}"
    gate.refuse(f"{name}@{wanted}", LOADER, None, [("other-revision", reason)], remedy)
    return None


def _pin_of(gate: LoadGate, model: LockedModel, source: HubSource) -> Pin:
    """Return the same pin each time: a snapshot asks for it once for each of its files."""
    known = _pins.get(model.name)
    if known is None or known.gate is not gate or known.model is not model:
        known = _pins[model.name] = Pin(gate, model, source)
    return known


def refuse_unlocked(gate: LoadGate, label: str, why: str, remedy: str | None = None) -> None:
    """Refuse what the lockfile does not list, unless the policy leaves it to the load gate.

    Args:
        gate: The gate of this process.
        label: What is asked for.
        why: Why it is not in the lockfile, one sentence.
        remedy: The one command that would change that.

    Raises:
        LoadRefused: It is refused.
    """
    if gate.policy.unlocked == "refuse" and gate.mode != "off":
        gate.refuse(label, LOADER, None, [("not-in-lock", why)], remedy)


def repository_name(kind: str, repo: str) -> str:
    """Return the name of a repository as people write it: with its type in front where it is not a model."""
    return repo if kind == "model" else f"{kind}s/{repo}"
