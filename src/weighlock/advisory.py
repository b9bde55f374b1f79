"""Advisories: what somebody published about some versions of a package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad something is, from `INFO` to `CRITICAL`; `UNKNOWN` counts as the worst wherever a threshold asks."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    def reaches(self, threshold: Severity) -> bool:
        """Say whether it is as bad as a threshold, or worse. What is not known is."""
        order = list(Severity)
        return order.index(self) >= order.index(threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One advisory about one version of one package, all its records under other names taken together.

    Args:
        id: The name that it is reported under, such as ``PYSEC-2021-114``.
        aliases: Every other name, sorted.
        severity: From the record, one of its aliases, or `Severity.UNKNOWN`.
        summary: One line, or the beginning of the details; may hold anything, escaped by `output`.
        fixed: Versions that are said to be free of it, ascending; those above the version asked about.
        malware: It reports the package itself as malicious.
        source: The database that has it, such as ``osv``.
        url: A page about it.
        unclear: It names the package, and whether this version is meant cannot be told: it may be.
    """

    id: str
    aliases: tuple[str, ...] = ()
    severity: Severity = Severity.UNKNOWN
    summary: str = ""
    fixed: tuple[str, ...] = ()
    malware: bool = False
    source: str = "osv"
    url: str | None = None
    unclear: bool = False

    @property
    def names(self) -> frozenset[str]:
        """All its names."""
        return frozenset({self.id, *self.aliases})
