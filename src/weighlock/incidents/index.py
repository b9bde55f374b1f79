"""The index: one SQLite file of this user, made from other things and made again whenever there is a doubt about it.

- It lies in a folder that nobody else can read or write. Where that cannot be had, it lives in memory and is made each
  time.
- One process at a time uses it; others wait. Whoever is killed leaves what was written before its last transaction.
- A file of another user, a link, a file with other tables, views or triggers, of another version, or a broken one is
  removed and made anew, and that is told.

What it says is never the only reason to say that something is nowhere: see `weighlock.gates.where_doubt`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Any, Self

from weighlock.errors import WeighlockError
from weighlock.incidents.tables import APPLICATION, TABLES, VERSION
from weighlock.own_saves import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

_MEMORY = ":memory:"
_PARTS = ("", "-wal", "-shm", "-journal")
_SAFE = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"))
_SETTINGS = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-131072",
    "PRAGMA mmap_size=1073741824",
)


def place_of(environ: Mapping[str, str], ledger: str) -> str | None:
    """Return where the index of a ledger lies, or `None` where there is no place for one.

    Args:
        environ: ``WEIGHLOCK_STATE``, ``XDG_STATE_HOME`` or ``HOME`` say where.
        ledger: Its place.
    """
    folder = state_folder(environ)
    name = hashlib.sha256(os.fsencode(ledger)).hexdigest()[:16]
    return os.path.join(folder, "where", f"{name}.sqlite") if folder else None


class Index:
    """An open index; a context manager.

    Args:
        path: Of its file; `None` is in memory.
        anew: Do not look at what is there.

    Attributes:
        notes: What was wrong with it, in sentences without a full stop.
    """

    def __init__(self, path: str | None, *, anew: bool = False) -> None:
        self.path = path or _MEMORY
        self.notes: list[str] = []
        self._lock = -1
        self._words: dict[str | bytes, int] = {}
        if path is not None:
            try:
                self._lock = _alone(os.path.dirname(path))
            except (OSError, WeighlockError) as error:
                self._in_memory(error.message if isinstance(error, WeighlockError) else error.strerror or str(error))
        self._connection = self._open(anew=anew)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and let others use it."""
        self._connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def begin_anew(self, why: str) -> None:
        """Forget everything.

        Args:
            why: In a sentence without a full stop.
        """
        self.notes.append(why)
        self._words.clear()
        self._connection.close()
        self._connection = self._open(anew=True)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a statement finds."""
        return self._connection.execute(statement, values)

    def write(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Carry out a statement for each row."""
        self._connection.executemany(statement, rows)

    def add(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Carry out a statement, and return the number of the row that it added."""
        return int(self._connection.execute(statement, values).lastrowid or 0)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of what follows, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._words.clear()  # some of them may not be there any more
            self._connection.execute("ROLLBACK")
            raise

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value of the table of single values."""
        return next((row[0] for row in self.rows("SELECT value FROM meta WHERE key = ?", (key,))), default)

    def put(self, key: str, value: str | bytes | int) -> None:
        """Keep a single value."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def word(self, word: str | bytes) -> int:
        """Return the number of a word, which is made where there is none."""
        number = self._words.get(word)
        if number is None:
            number = self.known(word)
            if number is None:
                number = self.add("INSERT INTO word (word) VALUES (?)", (word,))
            if len(self._words) > 1 << 20:
                self._words.clear()
            self._words[word] = number
        return number

    def known(self, word: str | bytes) -> int | None:
        """Return the number of a word, or `None` where nothing has it."""
        return next((row[0] for row in self.rows("SELECT id FROM word WHERE word = ?", (word,))), None)

    def size(self) -> int:
        """Return how many bytes it has on disk."""
        return sum(os.path.getsize(self.path + part) for part in _PARTS if os.path.exists(self.path + part))

    def _open(self, *, anew: bool) -> sqlite3.Connection:
        if self.path != _MEMORY:
            try:
                return self._open_file(anew=anew)
            except OSError as error:
                self._in_memory(error.strerror or str(error))
        return _made(sqlite3.connect(_MEMORY, isolation_level=None))

    def _in_memory(self, why: str) -> None:
        self.notes.append(f"the index cannot lie in {os.path.dirname(self.path)}, and was made in memory: {why}")
        self.path = _MEMORY

    def _open_file(self, *, anew: bool) -> sqlite3.Connection:
        problem = None if anew else _problem(self.path)
        if problem is None and not anew and os.path.lexists(self.path):
            connection = sqlite3.connect(self.path, isolation_level=None)
            try:
                _require_ours(connection)
            except (sqlite3.Error, ValueError) as error:
                connection.close()
                problem = str(error)
            else:
                return connection
        if problem is not None:
            self.notes.append(f"the index {self.path} was not believed and made anew: {problem}")
        for part in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + part)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, 0o600))
        return _made(sqlite3.connect(self.path, isolation_level=None))


def _made(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA page_size=8192")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    for statement in (*_SETTINGS, *TABLES):
        connection.execute(statement)
    return connection


def _require_ours(connection: sqlite3.Connection) -> None:
    """Demand the tables of this version and nothing else: a view or a trigger would answer or write in their place.

    Raises:
        ValueError: It has something else.
        sqlite3.Error: It is broken.
    """
    for statement in _SETTINGS:
        connection.execute(statement)
    marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if marks != [APPLICATION, VERSION]:
        raise ValueError("it is of another version, or no index")
    found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if found != set(TABLES):
        raise ValueError("it has other tables than an index")


def _alone(folder: str) -> int:
    """Make the folder for this user alone, and hold it until the returned descriptor is closed.

    Raises:
        OSError: It cannot be made or opened.
        WeighlockError: It is not this user's alone.
    """
    if os.name != "posix":
        raise WeighlockError("this system cannot keep it for one user and one process alone", where=folder)
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _SAFE)
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        os.close(descriptor)
        raise WeighlockError("it has to be a folder of this user alone (chmod 700)", where=folder)
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _problem(path: str) -> str | None:
    """Say why a file is not one that only this user could have written; one that is not there is none."""
    for part in _PARTS:
        try:
            status = os.lstat(path + part)
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            return f"{os.path.basename(path + part)} is no file of its own"
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            return f"{os.path.basename(path + part)} is not this user's alone"
    return None
