"""Records the files of distributed checkpoints that this program writes, so that the same project may load them again.

## Covers

- `torch.distributed.checkpoint.save` and `async_save` through `FileSystemWriter` and `FsspecWriter`: each ``.distcp``
  file as a whole. (The ``.metadata`` beside them are written by `pickle.dump`.)

## Does not cover

- Storage writers of other libraries.
- torch before 2.3, whose writer opens files by itself: its checkpoints need the lockfile.
"""

from __future__ import annotations

from weighlock.runtime import _gate, _saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_CREATE = "create_stream"


def patch(module: ModuleType, patches: Patches) -> None:
    """Follow what the writer writes.

    Raises:
        LookupError: This torch has no such function, although its file systems open streams.
    """
    if hasattr(getattr(module, "FileSystem", None), _CREATE):
        patches.answer(module, "_write_files_from_queue", _write)


class _Stream(_saving.Followed):
    """A followed file that can be synchronised with the disk and closed, which is all that the writer wants of it."""

    def fileno(self) -> int:
        """Return the descriptor of the other file."""
        return self._file.fileno()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the other file."""
        self._file.close()


def _write(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not _gate.records_saves():
        return original(*args, **kwargs)
    if _CREATE in kwargs:
        return original(*args, **{**kwargs, _CREATE: _followed(kwargs[_CREATE])})
    return original(_followed(args[0]), *args[1:], **kwargs)


def _followed(create_stream: Callable[..., Any]) -> Callable[..., Any]:
    from contextlib import contextmanager

    @contextmanager
    def create(path: Any, mode: str) -> Iterator[Any]:
        with create_stream(path, mode) as stream:
            followed = _Stream(stream)
            yield followed
        _saving.record(followed)

    return create
