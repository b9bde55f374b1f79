"""An organisation's policy above a project's: reading both, and what an environment may not loosen either.

1. Read every organisation's file; one that is there and cannot be read, or that everybody may change, is an error.
2. Read the project's, if it has one.
3. Compare: what loosens is an error, and nothing loads.
4. Compare the environment: ``WEIGHLOCK_MODE``, ``WEIGHLOCK_LOCK`` and ``WEIGHLOCK_LEDGER`` may not loosen either.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from weighlock.errors import GuardError, PolicyError
from weighlock.gates.policy_files import (
    checks_for,
    nearest_policy,
    organisation_files,
    profiles_for,
    read_text,
    root_of,
    table_of,
)
from weighlock.policy import MODES
from weighlock.policy_layers import Layer, combine, organisation_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from weighlock.lockfile import LockedModel
    from weighlock.policy import Policy


def organised_policy(environ: Mapping[str, str]) -> tuple[Policy, str | None, tuple[Layer, ...]]:
    """Return the policy that holds, the path of the project's, and the organisations'.

    Raises:
        PolicyError: One of them cannot be read, or the project's loosens.
        GuardError: The environment loosens.
    """
    layers = read_layers(environ)
    policy = combined(layers)
    above = tuple(layer for layer in layers if layer.organisation)
    _require_environment(environ, above)
    place = next((layer.path for layer in layers if not layer.organisation), None)
    return policy, place, above


def organisations_policy(environ: Mapping[str, str]) -> Policy:
    """Return what the organisation requires, whatever a project says; the defaults where there is none.

    Raises:
        PolicyError: It cannot be read.
        GuardError: The environment loosens.
    """
    above = organisations(environ)
    _require_environment(environ, above)
    return combined(above)


def organisations(environ: Mapping[str, str]) -> tuple[Layer, ...]:
    """Return the organisation's policies, the highest first.

    Raises:
        PolicyError: One of them cannot be read.
    """
    return tuple(read_organisation(path) for path in organisation_files(environ))


def read_layers(environ: Mapping[str, str]) -> tuple[Layer, ...]:
    """Return every policy file that counts here, the highest first and the project's last.

    Raises:
        PolicyError: One of them cannot be read.
    """
    above = organisations(environ)
    place = environ.get("WEIGHLOCK_POLICY") or nearest_policy(root_of(environ))
    if place is None or os.path.realpath(place) in {os.path.realpath(layer.path) for layer in above}:
        return above
    return (*above, read_project(place))


def combined(layers: Sequence[Layer]) -> Policy:
    """Return the policy that holds, see `combine`."""
    tables = [layer.table for layer in layers]
    return combine(layers, profiles=profiles_for(*tables), checks=checks_for(*tables))


def read_project(path: str) -> Layer:
    """Return a project's policy.

    Raises:
        PolicyError: It cannot be read.
    """
    text = read_text(path)
    return Layer(path=path, table=table_of(path, text) or {}, text=text)


def read_organisation(path: str) -> Layer:
    """Return an organisation's policy.

    Raises:
        PolicyError: It cannot be read, everybody may change it, or it holds no policy.
    """
    _require_protected(path)
    text = read_text(path)
    table = table_of(path, text)
    if table is None:
        raise PolicyError("holds no [tool.weighlock]", where=path, hint="correct it there")
    try:
        return organisation_layer(os.path.abspath(path), table, text)
    except PolicyError as error:
        error.where = f"{path}, {error.where}"
        raise


def require_mode(mode: str, above: Sequence[Layer]) -> None:
    """Refuse a mode that is weaker than an organisation's.

    Raises:
        GuardError: It is.
    """
    for depth, layer in enumerate(above, 1):
        required = combined(above[:depth]).mode
        if "mode" not in layer.delegate and MODES.index(mode) > MODES.index(required):
            raise GuardError(
                f"WEIGHLOCK_MODE is {mode}, and the organisation's policy {layer.path} says {required}",
                hint=f'unset it, or ask whoever writes {layer.path} to add "mode" to its `delegate`',
            )


def require_profiles(profiles: Sequence[str], environ: Mapping[str, str]) -> None:
    """Refuse profiles of a command line that an organisation does not approve.

    Raises:
        PolicyError: An organisation's policy cannot be read.
        GuardError: One of them is not among its profiles.
    """
    for path in organisation_files(environ):
        layer = read_organisation(path)
        refused = sorted(set(profiles).difference(combined([layer]).profiles))
        if refused and "profiles" not in layer.delegate:
            raise GuardError(
                f"--profile {refused[0]} is not among the profiles of the organisation's policy {path}",
                hint=f'leave it out, or ask whoever writes {path} to add it, or "profiles" to its `delegate`',
            )


def require_code(models: Iterable[LockedModel], lock: str, environ: Mapping[str, str]) -> None:
    """Refuse a lockfile that admits the code of a model whose code the organisation does not admit.

    Args:
        models: Of the lockfile. They are known by where they come from, for a lockfile may call them anything.
        lock: Its path.
        environ: Says where the organisation's policy is.

    Raises:
        PolicyError: An organisation's policy cannot be read.
        GuardError: It admits more.
    """
    require_code_of((model.source.origin for model in models if model.remote_code), lock, environ)


def require_code_of(names: Iterable[str], asker: str, environ: Mapping[str, str]) -> None:
    """Refuse the code of models that the organisation does not admit.

    Args:
        names: Of the models, as a policy has them.
        asker: Who wants it: a lockfile or an option.
        environ: As for `require_code`.

    Raises:
        PolicyError: As for `require_code`.
        GuardError: As for `require_code`.
    """
    wanted, above = set(names), organisations(environ)
    for depth, layer in enumerate(above, 1):
        admitted = {model.name for model in combined(above[:depth]).models if model.remote_code}
        refused = sorted(wanted - admitted)
        if refused and "models.remote-code" not in layer.delegate:
            raise GuardError(
                f"{asker} admits the code of {refused[0]}, and the organisation's policy {layer.path} does not",
                hint=f"lock it without its code, or ask whoever writes {layer.path} to name it with "
                '`remote-code = true`, or to add "models.remote-code" to its `delegate`',
            )


def require_option(option: str, key: str, value: Any, environ: Mapping[str, str]) -> None:
    """Refuse an option of a command line that is weaker than an organisation's policy.

    Args:
        option: As a person typed it.
        key: The path of the key that it stands for, such as ``install.fail-on``.
        value: As a policy would say it.
        environ: Says where the organisation's policy is.

    Raises:
        PolicyError: It is.
    """
    table: Any = value
    for step in reversed(key.split(".")):
        table = {step: table}
    for path in organisation_files(environ):
        combined([read_organisation(path), Layer(path=option, table=table)])


def _require_environment(environ: Mapping[str, str], above: Sequence[Layer]) -> None:
    for depth, layer in enumerate(above, 1):
        required = combined(above[:depth])
        for variable, key, place in (
            ("WEIGHLOCK_LOCK", "lock", required.lock),
            ("WEIGHLOCK_LEDGER", "evidence.ledger.place", required.evidence.ledger.place),
        ):
            named = environ.get(variable)
            if place and named and key not in layer.delegate and not _is_same(named, place, environ):
                raise GuardError(
                    f"{variable} is {named}, and the organisation's policy {layer.path} says {place}",
                    hint=f'unset it, or ask whoever writes {layer.path} to add "{key}" to its `delegate`',
                )


def _is_same(named: str, place: str, environ: Mapping[str, str]) -> bool:
    return named == place or os.path.realpath(os.path.join(root_of(environ), named)) == os.path.realpath(place)


def _require_protected(path: str) -> None:
    """Refuse a file that everybody may change or exchange: it would bind nobody."""
    if not hasattr(os, "geteuid"):
        return
    real = os.path.realpath(path)
    try:
        file, folder = os.stat(real), os.stat(os.path.dirname(real))
    except OSError as error:
        hint = "the organisation's policy has to be a file that everybody may read"
        raise PolicyError(f"cannot be read: {error.strerror}", where=path, hint=hint) from error
    exchangeable = folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX
    if stat.S_ISREG(file.st_mode) and (file.st_mode & stat.S_IWOTH or exchangeable):
        what = "its folder" if not file.st_mode & stat.S_IWOTH else "it"
        raise PolicyError(
            f"everybody may write to {what}, so it binds nobody", where=path, hint=f"chmod o-w {path} and its folder"
        )
