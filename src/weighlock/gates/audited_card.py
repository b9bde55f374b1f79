"""What an audited model says about itself: its card, and what an adapter builds on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.audit.facts import GOOD, CardFacts, Relative
from weighlock.checks.remote_code import OTHER_REPOSITORY
from weighlock.errors import FormatError, OverBudgetError
from weighlock.files import read_regular
from weighlock.formats import json_text, model_card
from weighlock.formats.source import Budget, BytesSource
from weighlock.lockfile import HubSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from weighlock.audit.facts import Facts, FileFacts
    from weighlock.formats.model_card import Card
    from weighlock.lockfile import Lockfile

_CARD = "README.md"
_ADAPTER = "adapter_config.json"
_LARGEST = 32 << 20
_KEYS = ("license", "license_name", "base_model", "datasets")
_MOST = 100
"""Relatives; an honest card names a handful."""


def with_card(facts: Facts, lockfile: Lockfile, place: Callable[[str], Path]) -> Facts:
    """Add what the card of the model says, and which of the things that it names are locked.

    Args:
        facts: With the files; the card is one of them, with the digest that was found.
        lockfile: Lists what the model was made of, or does not.
        place: Of a file of the model on this machine.
    """
    card = _card(facts, place)
    bases = [*(card.base_models if card else ()), *_adapter_bases(facts, place)]
    named = [("model", name) for name in bases] + [("dataset", name) for name in (card.datasets if card else ())]
    named += [("code", name) for name in _code_repositories(facts)]
    relatives = tuple(_relative(kind, name, lockfile) for kind, name in list(dict.fromkeys(named))[:_MOST])
    return replace(facts, card=card, relatives=relatives)


def _card(facts: Facts, place: Callable[[str], Path]) -> CardFacts | None:
    data = _bytes(facts, _CARD, place)
    if data is None:
        return None
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    try:
        card = model_card.parse(data)
    except (FormatError, OverBudgetError) as error:
        return CardFacts(path=_CARD, digest=digest, problem=error.message)
    twice = [key for key in _KEYS if key in card.repeated]
    problem = card.problem or (f"it says {twice[0]} twice, and readers differ in which one counts" if twice else None)
    return CardFacts(
        path=_CARD,
        digest=digest,
        license=_license(card),
        base_models=card.all("base_model"),
        datasets=card.all("datasets"),
        problem=problem,
    )


def _license(card: Card) -> str | None:
    """Return the licence, by the name that the author gave it where it is none of those that the Hub knows."""
    named = card.all("license")
    if named == ("other",):
        return card.text("license_name") or "other"
    return " and ".join(named) or None


def _adapter_bases(facts: Facts, place: Callable[[str], Path]) -> Iterable[str]:
    data = _bytes(facts, _ADAPTER, place)
    if data is None:
        return []
    try:
        document = json_text.parse(BytesSource(data), Budget())
    except (FormatError, OverBudgetError):
        return []  # the inspector says that it cannot be read
    if not isinstance(document, json_text.JsonObject):
        return []
    return [text for text in document.every("base_model_name_or_path") if isinstance(text, str) and text]


def _code_repositories(facts: Facts) -> Iterable[str]:
    """Return the other repositories whose code its configurations ask for."""
    names = (name for _, finding in facts.findings("remote-code") for name in finding.imports)
    return (name.removeprefix(OTHER_REPOSITORY) for name in names if name.startswith(OTHER_REPOSITORY))


def _bytes(facts: Facts, path: str, place: Callable[[str], Path]) -> bytes | None:
    """Return the bytes of a file of the model, if they are the ones that were identified."""
    file: FileFacts | None = next((one for one in facts.files if one.path == path), None)
    if file is None or not file.inspected or (file.locked and file.disk != GOOD):
        return None
    try:
        data = read_regular(place(path), _LARGEST + 1)
    except OSError:
        return None
    return data if len(data) <= _LARGEST and hashlib.sha256(data).hexdigest() == file.sha256 else None


def _relative(kind: str, name: str, lockfile: Lockfile) -> Relative:
    model = lockfile.by_repo("model" if kind == "code" else kind, name)
    if model is None or not isinstance(model.source, HubSource):
        return Relative(name=name, kind=kind)
    return Relative(name=name, kind=kind, revision=model.source.revision, license=model.license, locked=True)
