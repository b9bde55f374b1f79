"""The door from the hooks to what the lockfile says of repositories on a Hub."""

from __future__ import annotations

from weighlock.runtime import _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from weighlock.gates.hub import Pin


def pin(kind: str, repo: str, revision: str | None) -> Pin | None:
    """Decide about a request for a repository of a Hub, see `weighlock.gates.hub.pin`.

    Raises:
        LoadRefused: The repository, or that revision of it, is not locked.
    """
    from weighlock.gates import hub

    return hub.pin(_gate.gate(), kind, repo, revision)


def find_pin(kind: str, repo: str, revision: str | None) -> Pin | None:
    """Return the locked repository, or ``None`` where it or that revision of it is not locked."""
    from weighlock.gates import hub

    return hub.find_pin(_gate.gate(), kind, repo, revision)


def refuse_unlocked(label: str, why: str) -> None:
    """Refuse what no lockfile can list, unless the policy leaves it to the load gate.

    Raises:
        LoadRefused: It is refused.
    """
    from weighlock.gates import hub

    hub.refuse_unlocked(_gate.gate(), label, why)
