"""The policy about quarantine, ``[tool.weighlock.quarantine]``: which lists of denied artifacts hold, and who signs.

Source:
    ``docs/policy.md`` for the keys, ``docs/quarantine.md`` for what they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from weighlock.errors import PolicyError
from weighlock.policy_keys import age, age_text, choice, require_keys, text, texts

STALE = ("refuse", "warn")
LEDGER = "ledger"
"""The word for the list that lies with the ledger."""

_TABLE = "tool.weighlock.quarantine"
_KEYS = ("lists", "signers", "max-age", "stale")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinePolicy:
    """Which quarantine lists hold. That of this user, beside the ledger, always does, where it is there.

    Args:
        lists: Paths relative to the policy file, URLs, or ``ledger``; each of them has to be there, verify and be new.
        signers: Names of the signers whose lists count; none means all signers of the policy.
        max_age: A list that was signed longer ago is stale.
        stale: What a stale list, or one that cannot be had, does: ``refuse`` every load, or ``warn``.
    """

    lists: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    max_age: timedelta = timedelta(days=7)
    stale: str = "refuse"

    @classmethod
    def from_dict(cls, data: Any) -> QuarantinePolicy:
        """Make the policy from the parsed table.

        Raises:
            PolicyError: A key or value is not known or makes no sense, with the path of the key.

        Source:
            ``docs/policy.md``.
        """
        require_keys(data, _KEYS, _TABLE)
        places = texts(data.get("lists", []), f"{_TABLE}.lists")
        for index, place in enumerate(places):
            _require_place(place, f"{_TABLE}.lists[{index}]")
        return cls(
            lists=places,
            signers=texts(data.get("signers", []), f"{_TABLE}.signers"),
            max_age=age(data.get("max-age", "7 days"), f"{_TABLE}.max-age"),
            stale=choice(text(data.get("stale", "refuse"), f"{_TABLE}.stale"), STALE, f"{_TABLE}.stale"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table that says all of it."""
        return {
            "lists": list(self.lists),
            "signers": list(self.signers),
            "max-age": age_text(self.max_age),
            "stale": self.stale,
        }


def is_url(place: str) -> bool:
    """Say whether a list is behind a URL."""
    return place.startswith(("https://", "http://"))


def _require_place(place: str, where: str) -> None:
    if "://" in place and not is_url(place):
        raise PolicyError("must be a path, an http or https URL, or the word ledger", where=where)
    if is_url(place) and "@" in place.partition("://")[2].partition("/")[0]:
        raise PolicyError("holds credentials", where=where, hint="remove them; a policy is read by everybody")
