"""A server on the loopback interface that runs in a thread, and hangs up on every client when it is closed."""

from __future__ import annotations

import socket
import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from types import TracebackType


class Server(ThreadingHTTPServer):
    """A server on a free port of 127.0.0.1.

    Args:
        handler: Answers one request.
        owner: Whom the handler asks for its answers.
    """

    daemon_threads = True
    request_queue_size = 64  # clients that ask for many files at once open many connections at once

    def __init__(self, handler: type[BaseHTTPRequestHandler], owner: Any) -> None:
        self.owner = owner
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then answer it in a thread of its own."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing where a client hangs up in the middle of an answer."""

    def server_close(self) -> None:
        """Close the listening socket and every connection that clients keep alive."""
        super().server_close()
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # The client was faster.


class Loopback:
    """Something that is served on 127.0.0.1 while it is entered."""

    handler: type[BaseHTTPRequestHandler]

    def __init__(self) -> None:
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = self._make_server()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="loopback", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = self._thread = None

    @property
    def port(self) -> int:
        """The port of the running server."""
        if self._server is None:
            raise RuntimeError("the loopback server is not running")
        return self._server.server_address[1]

    def _make_server(self) -> Server:
        return Server(self.handler, self)
