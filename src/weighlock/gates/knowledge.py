"""Where what is said about releases comes from, in one run of a command: put together here for every gate."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from weighlock.gates.releases import Knowledge
from weighlock.sources.index import Index, ask_all
from weighlock.sources.transport import Transport
from weighlock.sources.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.sources.pip.interface import PipRequest


def indexes_of(request: PipRequest) -> list[Index]:
    """Return everything that pip would ask for a name, reached as pip would reach it."""
    network = request.network
    trust = Trust(
        authorities=network.cert,
        client_certificate=network.client_cert,
        hosts=frozenset(network.trusted_hosts),
        proxy=network.proxy,
    )
    transport = Transport(trust=trust)
    indexes = [Index(location, transport=transport) for location in request.indexes]
    links = [Index(location, links=True, transport=transport) for location in request.find_links]
    return [*indexes, *links]


def gather(request: PipRequest, advisories: AdvisorySource, installed: Mapping[str, str], now: datetime) -> Knowledge:
    """Return where facts about what a request comes to are to be had.

    Args:
        request: What the user asked of the installer.
        advisories: The advisory database.
        installed: Version of every installed distribution, by canonical name.
        now: The time, with a time zone.
    """
    return Knowledge(advisories=advisories, ask=partial(ask_all, indexes_of(request)), installed=installed, now=now)
