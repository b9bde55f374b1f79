"""Small OSV databases."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from weighlock.advisories import update
from weighlock.advisories.database import Database

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
YESTERDAY = "2026-11-24T12:00:00Z"
CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
MEDIUM = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N"}]
DAY = timedelta(days=1)


def span(*, introduced: str = "0", **events: str) -> dict:
    return {"type": "ECOSYSTEM", "events": [{"introduced": introduced}, *({key: events[key]} for key in events)]}


def record(name: str, package: str = "example", *, ecosystem: str = "PyPI", **fields: object) -> dict:
    """Return a record; what a package of it has goes there, the rest into the record."""
    inside = {key: fields.pop(key) for key in ("versions", "ranges") if key in fields}
    affected = [{"package": {"name": package, "ecosystem": ecosystem}, **inside}]
    return {"id": name, "modified": YESTERDAY, "affected": affected, **fields}


def zipped(*records: dict | bytes) -> bytes:
    """Return a zip file, one record a file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, found in enumerate(records):
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            archive.writestr(f"record-{number}.json", data)
    return file.getvalue()


def database(folder: Path, *records: dict | bytes, now: datetime = NOW) -> Database:
    """Make a database in a folder and open it."""
    file, path = folder / "all.zip", folder / "advisories.sqlite"
    file.write_bytes(zipped(*records))
    path.unlink(missing_ok=True)
    update.from_files(path, [str(file)], now=now)
    return Database(path)
