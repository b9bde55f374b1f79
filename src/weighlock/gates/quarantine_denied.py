"""What the lists that hold deny, ready to be asked about one artifact."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.quarantine import folded_model, folded_package, folded_signer
from weighlock.quarantine_policy import LEDGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from weighlock.gates.watched_list import WatchedList
    from weighlock.quarantine import Denial

_DAY = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Something that is in quarantine.

    Args:
        what: The digest or name that was asked about.
        denial: The entry of the list.
        place: Where the list is.
        digest: Of the signed list, ``sha256:…``.
        own: It is the list of this user.
        apart: It lies beside another ledger than the one of the project.
    """

    what: str
    denial: Denial
    place: str
    digest: str
    own: bool
    apart: bool = False

    @property
    def message(self) -> str:
        """Why it is refused: reason, who, and until when."""
        denial = self.denial
        until = "for good" if denial.expires is None else f"until {denial.expires:{_DAY}}"
        subject = f"{denial.subject.kind} {denial.subject.value}"
        about = "" if self.what in (denial.subject.value, f"sha256:{denial.subject.value}") else f" ({subject})"
        return (
            f"{self.what} is in quarantine{about}: {denial.reason} "
            f"({denial.by}, {denial.time:{_DAY}}, {until}; {denial.id} of {self.place})"
        )

    @property
    def remedy(self) -> str:
        """The one step that takes it back."""
        place = LEDGER if self.place.startswith("postgresql://") else self.place
        options = "" if self.own else f" --list {shlex.quote(place)} --key FILE"
        if self.place.startswith(("http://", "https://")):
            return f"whoever signs {self.place} takes it back with `weighlock quarantine --release {self.denial.id}`"
        if self.apart:
            folder = shlex.quote(os.path.dirname(self.place))
            return (
                f"`WEIGHLOCK_LEDGER={folder} weighlock quarantine --release {self.denial.id} "
                f'--reason "…" --list {shlex.quote(self.place)}` takes it back'
            )
        return f'`weighlock quarantine --release {self.denial.id} --reason "…"{options}` takes it back'


@dataclass(frozen=True, slots=True)
class Index:
    """Everything that is denied, by what it is known by; of several denials of one thing, those that last are kept.

    Args:
        digests: Denials by SHA-256, without the algorithm.
        models: By the folded name.
        packages: By the canonical name, with the version, which is empty where every one is denied.
        signers: By the folded name.
    """

    digests: dict[str, list[Denied]]
    models: dict[str, list[Denied]]
    packages: dict[str, list[tuple[str, Denied]]]
    signers: dict[str, list[Denied]]

    def by_digests(self, wanted: Iterable[str], now: float) -> Denied | None:
        """Return the denial of one of some digests."""
        if not self.digests:
            return None
        for one in wanted:
            found = self.digests.get(one.removeprefix("sha256:").lower())
            if found and (denied := _in_force(found, now)):
                return denied
        return None

    def by_models(self, wanted: Iterable[str], now: float) -> Denied | None:
        """Return the denial of one of some models."""
        if not self.models:
            return None
        for one in wanted:
            found = self.models.get(folded_model(one))
            if found and (denied := _in_force(found, now)):
                return denied
        return None

    def by_packages(self, wanted: Iterable[str], now: float) -> Denied | None:
        """Return the denial of one of some distributions."""
        for one in wanted if self.packages else ():
            name, version = folded_package(one)
            found = [denied for said, denied in self.packages.get(name, ()) if not said or _is_version(said, version)]
            if denied := _in_force(found, now):
                return denied
        return None

    def by_signers(self, wanted: Iterable[str], now: float) -> Denied | None:
        """Return the denial of one of some signers."""
        for one in wanted if self.signers else ():
            found = self.signers.get(folded_signer(one))
            if found and (denied := _in_force(found, now)):
                return denied
        return None

    def signers_now(self, now: float) -> dict[str, Denied]:
        """Return every signer that is denied, by the folded name."""
        found = ((name, _in_force(all_of, now)) for name, all_of in self.signers.items())
        return {name: denied for name, denied in found if denied is not None}


def index_of(lists: Sequence[WatchedList]) -> Index | None:
    """Return what some lists deny, or ``None`` where that is nothing."""
    index = Index({}, {}, {}, {})
    for one in lists:
        for denial in one.known.in_force if one.known is not None else ():
            _add(index, denial, one)
    return index if any((index.digests, index.models, index.packages, index.signers)) else None


def _add(index: Index, denial: Denial, one: WatchedList) -> None:
    def denied(what: str) -> Denied:
        return Denied(what=what, denial=denial, place=one.name, digest=one.digest or "", own=one.own, apart=one.apart)

    for digest in denial.digests:
        index.digests.setdefault(digest.removeprefix("sha256:"), []).append(denied(digest))
    for name in denial.models:
        index.models.setdefault(folded_model(name), []).append(denied(name))
    for text in denial.packages:
        name, version = folded_package(text)
        index.packages.setdefault(name, []).append((version, denied(text)))
    for name in denial.signers:
        index.signers.setdefault(folded_signer(name), []).append(denied(name))


def _in_force(found: Iterable[Denied], now: float) -> Denied | None:
    moment: datetime | None = None
    for one in found:
        if one.denial.expires is None:
            return one
        moment = moment or datetime.fromtimestamp(now, UTC)
        if not one.denial.is_over(moment):
            return one
    return None


def _is_version(said: str, version: str) -> bool:
    """Say whether two texts are one version, however it is spelled."""
    if not version:
        return True  # who asks about a name without a version asks about this one, too
    try:
        from packaging.version import InvalidVersion, Version
    except ImportError:
        return said == version
    try:
        return Version(said) == Version(version)
    except InvalidVersion:
        return said == version
