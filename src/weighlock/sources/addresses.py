"""Addresses of hosts, looked up once for all requests of a transport.

Many requests at once would make many look-ups at once, and resolvers of small systems and containers lose some of them:
each that is lost costs five seconds.
"""

from __future__ import annotations

import socket
import threading


class Addresses:
    """Connects to hosts by name, and remembers their addresses for as long as it lives."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], list[str]] = {}
        self._lock = threading.Lock()

    def connect(
        self, address: tuple[str, int], timeout: float, source_address: tuple[str, int] | None = None
    ) -> socket.socket:
        """Connect as `socket.create_connection` does.

        Args:
            address: Host and port.
            timeout: Seconds.
            source_address: Of this end.

        Raises:
            OSError: The host is not known, or does not answer at any of its addresses.
        """
        failed: OSError | None = None
        for number in self._numbers(address):
            try:
                return socket.create_connection((number, address[1]), timeout, source_address)
            except OSError as error:
                failed = error
        raise failed or OSError("the host has no address")

    def _numbers(self, address: tuple[str, int]) -> list[str]:
        with self._lock:
            if address not in self._known:
                found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
                self._known[address] = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            return self._known[address]
