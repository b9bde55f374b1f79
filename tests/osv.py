"""Small advisory databases for tests, made of OSV records as anybody would import them."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from weighlock.advisories import update

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def record(name, package="gantry", *, fixed=None, versions=None, aliases=(), severity="HIGH", modified=NOW, **fields):
    """Write a record about all versions of a package below `fixed`, or about these versions."""
    affected: dict = {"package": {"ecosystem": "PyPI", "name": package}}
    if versions is not None:
        affected["versions"] = list(versions)
    else:
        events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
    return {
        "id": name,
        "modified": f"{modified:%Y-%m-%dT%H:%M:%SZ}",
        "aliases": list(aliases),
        "affected": [affected],
        "database_specific": {"severity": severity},
        **fields,
    }


def archive(*records) -> bytes:
    """Write records as OSV publishes them."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for one in records or (record("PYSEC-2020-1", "nobody-has-it"),):
            written.writestr(f"{one['id']}.json", json.dumps(one))
    return file.getvalue()


def database(folder: Path, *records, now: datetime | None = None) -> Path:
    """Make a database of records; without `now` it knows one more, of today, about a package that nobody has."""
    if now is None:  # the commands under test have the clock of this machine, and take no old database
        records = (*records, record("PYSEC-2020-1", "nobody-has-it", modified=datetime.now(UTC)))
    source, path = folder / "all.zip", folder / "advisories.sqlite"
    source.write_bytes(archive(*records))
    update.from_files(path, [str(source)], now=now or datetime.now(UTC))
    return path
