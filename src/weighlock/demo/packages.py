"""Tiny wheels and sdists, the same bytes each time, for the demonstration and for tests.

They are written by hand and not by a build tool, so that they can also be what no build tool would write.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Files = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
    Metadata = str | bytes | Mapping[str, str | Sequence[str]] | None

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel or an sdist in memory.

    Args:
        filename: As an index lists it.
        data: Its bytes.
        metadata: The bytes of its METADATA or PKG-INFO.
        requires_python: As an index lists it.
    """

    filename: str
    data: bytes
    metadata: bytes
    requires_python: str | None = None

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def project(self) -> str:
        """The canonical name of its project."""
        return canonical(self._parts[0])

    @property
    def version(self) -> str:
        """The version in its file name."""
        return self._parts[1]

    @property
    def _parts(self) -> tuple[str, str]:
        if self.filename.endswith(".whl"):
            name, version, *_ = self.filename.split("-")
        else:
            name, _, version = self.filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")
        return name, version


def canonical(name: str) -> str:
    """Return the name of a project as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wheel(
    name: str,
    version: str,
    files: Files = (),
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    metadata: Metadata = None,
    record: str | bytes | None = None,
    tag: str = "py3-none-any",
    dist_info: Files = (),
    stored: bool = False,
) -> Package:
    """Make a wheel; without `files` it holds one module with a version.

    Args:
        name: Of the project, in any spelling.
        version: As in the file name.
        files: Bytes or text by path; pairs where a path shall be there twice. ``NAME-VERSION.data/…`` works as well.
        requires: ``Requires-Dist``.
        requires_python: ``Requires-Python``.
        metadata: More fields of METADATA (lists where they repeat), or the whole file where it is text or bytes.
        record: The whole RECORD in place of the right one; an empty one leaves it out.
        tag: The compatibility tag.
        dist_info: More files of the ``.dist-info`` folder, such as ``entry_points.txt``, by name.
        stored: Do not compress, so that bytes of the members can be found and changed.

    Source:
        The binary distribution format (PEP 427) and the core metadata specification.
    """
    stem = f"{_escaped(name)}-{version}"
    folder = f"{stem}.dist-info"
    fields = _metadata(name, version, requires, requires_python, metadata)
    members = _pairs(files) or [(f"{_escaped(name)}/__init__.py", f"__version__ = {version!r}\n".encode())]
    members += [(f"{folder}/METADATA", fields), (f"{folder}/WHEEL", _wheel_file(tag))]
    members += [(f"{folder}/{path}", data) for path, data in _pairs(dist_info)]
    written = _record(members, f"{folder}/RECORD") if record is None else _bytes(record)
    if written:
        members.append((f"{folder}/RECORD", written))
    return Package(f"{stem}-{tag}.whl", _zip(members, stored=stored), fields, requires_python)


def sdist(
    name: str,
    version: str,
    *,
    setup_py: str | None = None,
    pyproject: str | None = None,
    files: Files = (),
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    metadata: Metadata = None,
) -> Package:
    """Make an sdist.

    Args:
        name: Of the project, in any spelling.
        version: As in the file name.
        setup_py: Text of ``setup.py``, which pip runs in order to build.
        pyproject: Text of ``pyproject.toml``.
        files: More files by path.
        requires: ``Requires-Dist`` of PKG-INFO.
        requires_python: ``Requires-Python``.
        metadata: As for `wheel`.
    """
    stem = f"{_escaped(name)}-{version}"
    fields = _metadata(name, version, requires, requires_python, metadata)
    members = [("PKG-INFO", fields)]
    members += [("setup.py", setup_py.encode())] if setup_py is not None else []
    members += [("pyproject.toml", pyproject.encode())] if pyproject is not None else []
    data = _tar([(f"{stem}/{path}", body) for path, body in members + _pairs(files)])
    return Package(f"{stem}.tar.gz", data, fields, requires_python)


def marking(path: str) -> str:
    """Return Python code that leaves a marker: a file that says that the code was executed, and does nothing else."""
    return f"open({path!r}, 'a').write('executed\\n')\n"


def _escaped(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _pairs(files: Files) -> list[tuple[str, bytes]]:
    pairs = files.items() if hasattr(files, "items") else files
    return [(path, _bytes(data)) for path, data in pairs]


def _metadata(name: str, version: str, requires: Sequence[str], requires_python: str | None, more: Metadata) -> bytes:
    if isinstance(more, str | bytes):
        return _bytes(more)
    fields: dict[str, Sequence[str]] = {"Metadata-Version": ["2.4"], "Name": [name], "Version": [version]}
    if requires_python is not None:
        fields["Requires-Python"] = [requires_python]
    fields["Requires-Dist"] = requires
    for key, value in (more or {}).items():
        fields[key] = [value] if isinstance(value, str) else value
    return "".join(f"{key}: {value}\n" for key, values in fields.items() for value in values).encode()


def _wheel_file(tag: str) -> bytes:
    pure = "true" if tag.endswith("-none-any") else "false"
    return f"Wheel-Version: 1.0\nGenerator: weighlock\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()


def _record(members: Sequence[tuple[str, bytes]], itself: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for path, data in members:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow([path, f"sha256={digest}", len(data)])
    writer.writerow([itself, "", ""])
    return text.getvalue().encode()


def _zip(members: Sequence[tuple[str, bytes]], *, stored: bool) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members:
            row = zipfile.ZipInfo(path, _EPOCH)
            row.external_attr = 0o644 << 16
            row.create_system = 3
            row.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(row, data)
    return buffer.getvalue()


def _tar(members: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path, data in members:
            row = tarfile.TarInfo(path)
            row.size, row.mode = len(data), 0o644
            archive.addfile(row, io.BytesIO(data))
    return buffer.getvalue()
