"""A Hugging Face Hub on the loopback interface, for the demonstration and for tests.

It speaks as much of the Hub as reading clients use (huggingface_hub 0.30, 1.x and 2.x, and what stands on them),
over plain HTTP downloads. Uploads and Xet storage are not spoken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.demo.handler import HubHandler
from weighlock.demo.repository import Repository
from weighlock.demo.server import Loopback

if TYPE_CHECKING:
    from collections.abc import Mapping


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


class LoopbackHub(Loopback):
    """A Hub on 127.0.0.1, empty at first; a context manager that serves while it is entered.

    Attributes:
        token: Where it is set, every request must carry it.
        requests: Every request that was answered, in order.
        repositories: By type and id.
    """

    handler = HubHandler

    def __init__(self, *, token: str | None = None) -> None:
        super().__init__()
        self.token = token
        self.requests: list[Request] = []
        self.repositories: dict[tuple[str, str], Repository] = {}

    @property
    def endpoint(self) -> str:
        """The value for ``HF_ENDPOINT``."""
        return f"http://127.0.0.1:{self.port}"

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
