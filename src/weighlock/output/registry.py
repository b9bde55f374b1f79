"""The issuer of tokens for people: who may do what, and the configuration of the registry behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.registry.oci.config import Config, Rule


def render_config(config: Config) -> str:
    """Return who may do what, a line for each pattern."""
    head = f"{config.service}: {len(config.users)} users, tokens for {config.token_seconds} seconds\n"
    return head + "".join(f"{_rule(rule)}\n" for rule in config.rules)


def render_auth(config: Config, place: str) -> str:
    """Return the table ``auth`` of a registry's config.yml.

    Args:
        config: Of the issuer.
        place: Where the registry finds the certificate.

    Source:
        The Distribution project, "Configuring a registry", ``auth``.
    """
    values = {"realm": config.realm, "service": config.service, "issuer": config.issuer, "rootcertbundle": place}
    # What JSON says of a text, YAML understands.
    lines = [f"    {key}: {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["auth:", "  token:", *lines, ""])


def _rule(rule: Rule) -> str:
    kind = "open" if rule.stage is None else f"gated: {rule.stage}, from {rule.origin}"
    may = {"pull": rule.pull, "push": rule.push, "delete": rule.delete, "promote": rule.promote}
    words = [f"{action} {', '.join(sorted(roles))}" for action, roles in may.items() if roles]
    return f"  {rule.pattern} ({kind}): {'; '.join(words) or 'nobody'}"
