"""The load gate's answers about Python code that came with a model: it runs only where the lockfile admits it.

Code cannot be inspected the way a pickle can: what it does is for a person to read. So the bytes must be those of a
file of a model that is locked with ``remote-code = true``, whatever the policy says about files that are not locked.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shlex
from typing import TYPE_CHECKING

from weighlock.policy import path_argument

if TYPE_CHECKING:
    from weighlock.gates.load import LoadGate
    from weighlock.lockfile import Located, Lockfile

LOADER = "the import"
"""Stands for a loader in the messages."""


def admit_code(gate: LoadGate, source: bytes, place: str, model: str | None = None) -> None:
    """Judge the source of a module that is about to be compiled.

    Args:
        gate: The gate of this process.
        source: All bytes that will be compiled.
        place: Where they lie.
        model: The folder of the model that the program named, if it lies there.

    Raises:
        LoadRefused: It is not a file of that name of a model that is locked with ``remote-code = true``.
    """
    if gate.mode == "off" or not source:
        return  # The libraries make empty files, so that their folders are packages
    digest = hashlib.sha256(source).hexdigest()
    name = os.path.basename(place)
    located = gate.lockfile.by_digest(digest) if gate.lockfile else ()
    if any(model.remote_code and posixpath.basename(file.path) == name for model, file in located):
        if gate.passes_quarantine(place, LOADER, lambda: (digest,), located):
            gate.decisions.record_locked(place, LOADER, digest=digest, size=len(source))
        return
    rule, why, remedy = _why(gate, name, located, model)
    gate.refuse(place, LOADER, f"sha256:{digest}", [(rule, why)], remedy)


def refuse_code(gate: LoadGate, place: str, why: str) -> None:
    """Refuse code in a form that nobody can read before it runs.

    Raises:
        LoadRefused: Unless the gate only warns.
    """
    if gate.mode != "off":
        gate.refuse(place, LOADER, None, [("remote-code", why)], "remove that file, and lock the source code")


def admit_class(gate: LoadGate, name: str, model: str | None) -> None:
    """Judge a class of another package that a model's configuration names, and that is about to be imported.

    Args:
        gate: The gate of this process.
        name: Of the class, with its module.
        model: The repository, or the folder, whose configuration names it.

    Raises:
        LoadRefused: The model is not locked with ``remote-code = true``.
    """
    if gate.mode == "off" or (model is not None and _admits_code(gate, model)):
        return
    why = f"its configuration names {name}, which is code of another package, and the lockfile does not admit code"
    gate.refuse(model or name, LOADER, None, [("remote-code", why)], lock_command(model or "MODEL"))


def _admits_code(gate: LoadGate, model: str) -> bool:
    """Say whether a model is locked with its code; a folder is known by the bytes of its list of modules."""
    if gate.lockfile is None:
        return False
    if not os.path.isdir(model):
        locked = gate.lockfile.by_repo("model", model)
        return locked is not None and locked.remote_code
    try:
        with open(os.path.join(model, "modules.json"), "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return False
    return any(locked.remote_code for locked, _ in gate.lockfile.by_digest(digest))


def _why(gate: LoadGate, name: str, located: tuple[Located, ...], model: str | None) -> tuple[str, str, str]:
    """Return the rule, the reason and the remedy for code that may not run."""
    if located and not any(one.remote_code for one, _ in located):
        why = "it is code of the model's author, which the lockfile does not admit"
        return "remote-code", why, lock_command(located[0][0].name)
    if model is None and gate.lockfile and _has_code_named(gate.lockfile, name):
        why = f"it is not the {name} that the lockfile lists"
        return "changed", why, "remove that file, so that the library copies it from the locked repository again"
    why = "it is code, and no model that is locked with remote-code = true has it"
    return "not-in-lock", why, lock_command(model or "MODEL")


def _has_code_named(lockfile: Lockfile, name: str) -> bool:
    models = (model for model in lockfile.models if model.remote_code)
    return any(posixpath.basename(file.path) == name for model in models for file in model.files)


def lock_command(model: str) -> str:
    """Return the step that admits the code of a model, a repository or a folder."""
    subject = path_argument(model) if os.path.isdir(model) else shlex.quote(model)
    return f"read the code, then run `weighlock lock {subject} --remote-code`"
