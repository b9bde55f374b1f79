"""A Hugging Face Hub on the loopback interface, for the demonstration and for tests.

It speaks as much of the Hub as reading clients use (huggingface_hub 0.30, 1.x and 2.x, and what stands on them),
over plain HTTP downloads. Uploads and Xet storage are not spoken.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from weighlock.demo.handler import HubHandler
from weighlock.demo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the hub answered; it holds no headers, so no token either.

    Args:
        method: ``GET``, ``HEAD`` or ``POST``.
        path: Path and query, as they were sent.
        status: The HTTP status of the answer.
    """

    method: str
    path: str
    status: int


class HubServer(ThreadingHTTPServer):
    """The server of one hub; it hangs up on every client when it is closed."""

    daemon_threads = True

    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), HubHandler)

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


class LoopbackHub:
    """A Hub on 127.0.0.1, empty at first; a context manager that serves while it is entered.

    Attributes:
        token: Where it is set, every request must carry it.
        requests: Every request that was answered, in order.
        repositories: By type and id.
    """

    def __init__(self, *, token: str | None = None) -> None:
        self.token = token
        self.requests: list[Request] = []
        self.repositories: dict[tuple[str, str], Repository] = {}
        self._server: HubServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._server = HubServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="loopback-hub")
        self._thread.daemon = True
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
    def endpoint(self) -> str:
        """The value for ``HF_ENDPOINT``."""
        if self._server is None:
            raise RuntimeError("the loopback hub is not running")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add_repo(self, repo_id: str, files: Mapping[str, bytes], type: str = "model") -> str:  # noqa: A002 - the Hub's word
        """Make a repository with one commit on ``main``.

        Args:
            repo_id: ``org/name`` or ``name``.
            files: Bytes by path.
            type: ``model``, ``dataset`` or ``space``.

        Returns:
            The name of the commit, 40 hexadecimal digits.
        """
        repository = self.repositories[type, repo_id] = Repository(type, repo_id)
        return repository.commit(files, "main")

    def commit(
        self,
        repo_id: str,
        files: Mapping[str, bytes | None],
        ref: str = "main",
        type: str = "model",  # noqa: A002 - the Hub's word
    ) -> str:
        """Put a commit on a branch; older commits stay available.

        Args:
            repo_id: The repository.
            files: What changes: new bytes by path, or None to remove the file.
            ref: The branch, made from ``main`` where it is new.
            type: The repository's type.

        Returns:
            The name of the commit.
        """
        return self.repositories[type, repo_id].commit(files, ref)

    def tag(self, repo_id: str, name: str, sha: str, type: str = "model") -> None:  # noqa: A002 - the Hub's word
        """Give a commit a name; the name of an existing tag moves."""
        self.repositories[type, repo_id].tags[name] = sha

    def tamper(self, repo_id: str, path: str, data: bytes, type: str = "model") -> None:  # noqa: A002 - the Hub's word
        """Serve other bytes for a file, in every commit, with the headers of the true ones."""
        self.repositories[type, repo_id].tampered[path] = data

    def record(self, method: str, path: str, status: int) -> None:
        """Add a request to the log."""
        self.requests.append(Request(method, path, int(status)))
