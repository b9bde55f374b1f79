"""The load gate's answers about models of MLflow: which version a name means, and whether a folder is that version.

A program under the guard sees a registered model as the lockfile describes it: a ref that floats is the locked version,
and a folder of a model holds the locked files and no others. MLflow's artifacts can be overwritten, so what a server
delivers counts for nothing but its digests.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from weighlock.gates.hub import refuse_unlocked
from weighlock.model_source import MlflowSource
from weighlock.policy import path_argument

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from weighlock.gates.admission import Admission
    from weighlock.gates.load import LoadGate
    from weighlock.lockfile import LockedModel

LOADER = "the load by MLflow"
"""Stands for a loader in the messages."""

MODEL_FILE = "MLmodel"

_CODE = (".py", ".pyc", ".pyw", ".so", ".pyd")

_FLAVORS = frozenset(
    """
    catboost diffusers keras lightgbm onnx pmdarima prophet python_function pytorch sentence_transformers sklearn
    statsmodels tensorflow transformers xgboost
    """.split()
)
"""Flavors whose loaders read data and pickles. The others make what their configuration names, which is code."""

_LOADERS = frozenset(
    f"mlflow.{name}"
    for name in """
    catboost keras lightgbm onnx pmdarima prophet pyfunc.loaders.chat_agent pyfunc.loaders.chat_model
    pyfunc.loaders.code_model pyfunc.loaders.responses_agent pyfunc.model pytorch sentence_transformers sklearn
    statsmodels tensorflow transformers xgboost
    """.split()
)

_MODULES = {
    "keras_module": frozenset({"keras", "keras.src", "tensorflow.keras", "tf_keras"}),
    "pickle_module": frozenset({"cloudpickle", "mlflow.pytorch.pickle_module", "pickle"}),
}
"""Modules that a file of a model, or its configuration, may name without being code of the model."""

_NAMING = {"keras_module.txt": "keras_module", "pickle_module_info.txt": "pickle_module"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A folder that has to be a locked model.

    Args:
        gate: The gate of this process.
        model: What is locked.
        folder: The part of it that is asked for, ``""`` for all.
        uri: Of the locked version, for MLflow, where the model has one.
    """

    gate: LoadGate
    model: LockedModel
    folder: str = ""
    uri: str = ""

    def admit(self, path: str, descriptor: int, place: str) -> Admission | None:
        """Judge one open file of the folder.

        Args:
            path: Relative to the folder, ``""`` where a single file was asked for.
            descriptor: Read by offset.
            place: Where it lies.

        Returns:
            ``None`` where it is refused and the gate only warns.

        Raises:
            LoadRefused: It is not the locked file of that path, or may not be loaded.
        """
        from weighlock.formats.source import FileSource

        full = posixpath.join(self.folder, path) if path else self.folder
        label = f"{self.model.name}:{full}"
        locked = self.model.file(full)
        if locked is None:
            why = f"the lockfile does not list it, but it lies in {os.path.dirname(place)}"
            self._refuse(label, None, "not-in-lock", why, "remove it there, or lock the model again on purpose")
            return None
        if full.endswith(_CODE) and not self.model.remote_code:
            why = "it is code of the model's author, which the lockfile does not admit"
            self._refuse(label, f"sha256:{locked.sha256}", "remote-code", why, self.locking)
            return None
        if not self.gate.holds(descriptor, locked):
            digest = self.gate.digest_for_message(descriptor)
            why = f"{place} does not have the locked digest sha256:{locked.sha256}"
            remedy = (
                f"find out who overwrote it; `weighlock sync {self._subject}` brings the locked bytes while they exist"
            )
            self._refuse(label, f"sha256:{digest}" if digest else None, "changed", why, remedy)
            return None
        located = self.gate.lockfile.by_digest(locked.sha256) if self.gate.lockfile else ()
        return self.gate.admit_locked(located, label, LOADER, FileSource(descriptor, locked.size))

    @property
    def locking(self) -> str:
        """The step that admits the code of the model."""
        return f"read the code, then run `weighlock lock {self._subject} --remote-code`"

    @property
    def _subject(self) -> str:
        return path_argument(self.model.name) if os.path.isdir(self.model.name) else shlex.quote(self.model.name)

    def _refuse(self, label: str, digest: str | None, rule: str, why: str, remedy: str) -> None:
        self.gate.refuse(label, LOADER, digest, [(rule, why)], remedy)


def pin_of_uri(gate: LoadGate, uri: str) -> Pin | None:
    """Decide about a URI of a registered model, before anything is asked of a server.

    1. The ref that is locked, and the locked version, mean the locked version.
    2. Any other alias, version or stage of that model is not what was locked; aliases are told apart by case.
    3. Without a lock entry, the policy's ``unlocked`` decides.

    Args:
        gate: The gate of this process.
        uri: Whatever a program gave to MLflow.

    Returns:
        What is locked; ``None`` where the URI names no registered model, or passes as it is.

    Raises:
        LoadRefused: It, or that version of it, is not locked.
    """
    parsed = _parse(gate, uri)
    if parsed is None:
        return None
    name, ref, path = parsed
    models = gate.lockfile.models if gate.lockfile else ()
    found = next((one for one in models if isinstance(one.source, MlflowSource) and one.source.name == name), None)
    asked = f"models:/{name}{'' if ref.startswith('@') else '/'}{ref}"
    if found is None or not isinstance(found.source, MlflowSource):
        refuse_unlocked(gate, asked, "the lockfile does not list this registered model", f"weighlock lock {asked}")
        return None
    source = found.source
    if ref in (source.ref, source.revision) or (not ref.startswith("@") and ref.lower() == source.ref.lower()):
        uri = f"models:/{name}/{source.revision}{'/' if path else ''}{path}"
        return Pin(gate=gate, model=found, folder=path, uri=uri)
    why = f"the lockfile pins {source.shown} at version {source.revision}, not this one"
    gate.refuse(asked, LOADER, None, [("other-revision", why)], f"weighlock lock {shlex.quote(asked)}")
    return None


def pin_of_folder(gate: LoadGate, model_file: bytes, paths: Collection[str]) -> Pin | None:
    """Find the locked model that a folder has to be, by the bytes of its ``MLmodel``.

    Args:
        gate: The gate of this process.
        model_file: All bytes.
        paths: Of the files in the folder.
    """
    located = gate.lockfile.by_digest(hashlib.sha256(model_file).hexdigest()) if gate.lockfile else ()
    pins = [
        Pin(gate=gate, model=model, folder=posixpath.dirname(file.path))
        for model, file in located
        if posixpath.basename(file.path) == MODEL_FILE
    ]
    return max(pins, key=lambda pin: sum(_has(pin, path) for path in paths), default=None)


def admit_unlocked(gate: LoadGate, descriptor: int, place: str) -> bool:
    """Judge an ``MLmodel`` that the lockfile does not list: this project may have saved it.

    Returns:
        Whether it is admitted; otherwise the gate only warns.

    Raises:
        LoadRefused: It is not.
    """
    return gate.admit_file(descriptor, place, LOADER).denied is None


def require_known(gate: LoadGate, pin: Pin | None, document: object, place: str) -> None:
    """Check that an ``MLmodel`` names no code, unless the lockfile admits the code of that model.

    Args:
        gate: The gate of this process.
        pin: What is locked, if it is.
        document: What the file says, as MLflow reads it.
        place: Where it lies.

    Raises:
        LoadRefused: It names code.
    """
    if gate.mode == "off" or (pin is not None and pin.model.remote_code):
        return
    for what in _code_named_by(document):
        why = f"it names {what}, and the lockfile does not admit code of this model"
        remedy = (
            pin.locking if pin else f"read the code, then run `weighlock lock {path_argument(place)} --remote-code`"
        )
        gate.refuse(pin.model.name if pin else place, LOADER, None, [("remote-code", why)], remedy)


def names_a_module(name: str) -> bool:
    """Say whether a file of that name holds the name of a module, which MLflow imports."""
    return name in _NAMING


def require_known_module(gate: LoadGate, pin: Pin | None, name: str, data: bytes, place: str) -> None:
    """Check a file that names a module.

    Raises:
        LoadRefused: It names another one than MLflow's own writers do.
    """
    named = {_NAMING[name]: data.decode("utf-8", "replace")}
    require_known(gate, pin, {"flavors": {"pytorch": named}}, place)


def _parse(gate: LoadGate, uri: str) -> tuple[str, str, str] | None:
    """Return name, ref and path as MLflow finds them.

    Source:
        ``ModelsArtifactRepository.split_models_uri`` and ``_parse_model_uri`` of MLflow 3.
    """
    parts = urlsplit(uri)
    if parts.scheme != "models":
        return None
    if parts.netloc or parts.query or parts.fragment or "\\" in uri:
        refuse_unlocked(gate, uri, "a lockfile lists registered models as models:/NAME@ALIAS or models:/NAME/VERSION")
        return None
    first, _, rest = parts.path.lstrip("/").rstrip("/").partition("/")
    if "@" in first:
        name, _, alias = first.rpartition("@")
        return name, f"@{alias}", rest
    ref, _, path = rest.partition("/")
    if not ref:
        return None  # the id of a logged model, which is judged by what lies there
    return first, str(int(ref)) if ref.isascii() and ref.isdigit() else ref, path


def _has(pin: Pin, path: str) -> bool:
    return pin.model.file(posixpath.join(pin.folder, path)) is not None


def _code_named_by(document: object) -> Iterator[str]:
    """Yield what an ``MLmodel`` names that is, or makes, code."""
    flavors = document.get("flavors") if isinstance(document, dict) else None
    if not isinstance(flavors, dict):
        return
    for flavor, conf in flavors.items():
        if flavor not in _FLAVORS:
            yield f"the flavor {flavor}"
        elif not isinstance(conf, dict):
            yield f"a flavor {flavor} that cannot be understood"
        else:
            yield from _code_of(conf)


def _code_of(conf: Mapping[Any, Any]) -> Iterator[str]:
    loader = conf.get("loader_module")
    if loader is not None and loader not in _LOADERS:
        yield f"the loader {loader}"
    for key in ("code", "model_code_path"):
        if conf.get(key):
            yield f"the code {conf[key]}"
    for key, known in _MODULES.items():
        if conf.get(key) is not None and conf[key] not in known:
            yield f"the module {conf[key]}"
