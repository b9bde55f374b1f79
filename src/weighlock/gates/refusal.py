"""How a refused load reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


def refusal(
    label: str,
    loader: str,
    digest: str | None,
    reasons: Iterable[tuple[str, str]],
    remedy: str | None = None,
    *,
    enforced: bool = True,
) -> str:
    """Write a refusal for a person: artifact, digest, findings with their rules, remedy; one line each."""
    first = f"weighlock refused {loader} of {label}"
    if not enforced:
        first = f"weighlock would refuse {loader} of {label}; it is let through, because the mode is warn"
    lines = [first, f"  digest: {digest or 'not computed'}"]
    lines += [f"  finding: {message} (rule: {rule})" for rule, message in reasons]
    if remedy:
        lines.append(f"  hint: {remedy}")
    return "\n".join(map(printable, lines))
