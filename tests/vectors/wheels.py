"""Wheels: written member by member, so that each field of one can be a lie."""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from tests.corpus.archives import Member, zip_bytes

Vectors = Iterator[tuple[str, bytes]]
Files = dict[str, bytes | str]

MODULE = "x = 1\n"
ABOUT = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"


def file_name(name: str, version: str = "1.0", tag: str = "py3-none-any") -> str:
    """Return the file name of a wheel."""
    return f"{name}-{version}-{tag}.whl"


def wheel(
    name: str,
    files: Files | None = None,
    *,
    version: str = "1.0",
    tag: str = "py3-none-any",
    fields: Sequence[str] = (),
    metadata: bytes | str | None = None,
    scripts: Sequence[str] = (),
    members: Sequence[Member] = (),
    record: str | None = None,
    **layout: Any,
) -> tuple[str, bytes]:
    """Write a wheel that is all right but for what is asked for.

    Args:
        name: Of the project.
        files: Further members; `None` for an ordinary module.
        version: Of the release.
        tag: Of the file name.
        fields: Further fields of METADATA.
        metadata: All of METADATA.
        scripts: Names of console scripts.
        members: Further members, which RECORD lists with their true digests.
        record: All of RECORD.
        layout: For `zip_bytes`.

    Returns:
        Its file name and its bytes.
    """
    info = f"{name}-{version}.dist-info"
    content: Files = {f"{name}.py": MODULE} if files is None else dict(files)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *fields]
    content[f"{info}/METADATA"] = "\n".join(lines) + "\n" if metadata is None else metadata
    content[f"{info}/WHEEL"] = ABOUT.format(pure="true" if tag.endswith("-any") else "false", tag=tag)
    if scripts:
        content[f"{info}/entry_points.txt"] = "[console_scripts]\n" + "".join(f"{s} = {name}:main\n" for s in scripts)
    listed = [*(Member(name=key, data=_bytes(value)) for key, value in content.items()), *members]
    if record is None:
        record = "".join(map(row, listed)) + f"{info}/RECORD,,\n"
    listed.append(Member(name=f"{info}/RECORD", data=_bytes(record)))
    return file_name(name, version, tag), zip_bytes(listed, **layout)


def row(member: Member, path: str | None = None) -> str:
    """Return the line of RECORD for a member."""
    return f"{path or member.name},sha256={digest(member.data)},{len(member.data)}\n"


def digest(data: bytes, algorithm: str = "sha256") -> str:
    """Return a digest as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


def unicode_path(shown: str, name: str) -> bytes:
    """Return the extra field that gives a member another name (Info-ZIP)."""
    body = b"\x01" + struct.pack("<L", zlib.crc32(shown.encode())) + name.encode()
    return struct.pack("<HH", 0x7075, len(body)) + body


def _module(name: str, **fields: Any) -> Member:
    return Member(name=name, data=MODULE.encode(), **fields)


def _plain() -> Vectors:
    yield wheel("plain")
    yield wheel("package", {"package/__init__.py": MODULE, "package/data.txt": "text\n"}, scripts=["package"])
    yield wheel("native", {"native.abi3.so": b"\x7fELF" + bytes(60)}, tag="cp311-abi3-linux_x86_64")


def _wheel_structure() -> Vectors:
    yield wheel("parent_folder", members=[_module("../outside.py")])
    yield wheel("dot_part", members=[_module("package/./module.py")])
    yield wheel("absolute", members=[_module("/tmp/outside.py")])
    yield wheel("drive", members=[_module("C:/outside.py")])
    yield wheel("backslash", members=[_module("package\\..\\outside.py")])
    yield wheel("zero_byte", members=[_module("sitecustomize.py\0.txt")])
    yield wheel("symbolic_link", members=[_module("link", mode=stat.S_IFLNK | 0o777)])
    yield wheel("device", members=[_module("device", mode=stat.S_IFCHR | 0o666)])
    yield wheel("set_user_id", members=[_module("tool", mode=stat.S_IFREG | stat.S_ISUID | 0o755)])
    yield wheel("twice", members=[_module("other.py"), Member(name="other.py", data=b"y = 2\n")])
    yield wheel("by_case", members=[_module("package/a.py"), _module("package/A.py")])
    yield wheel(
        "by_composition",
        members=[_module("package/\u00e9.py", flags=0x800), _module("package/e\u0301.py", flags=0x800)],
    )
    yield wheel("through_data", members=[_module("a.py"), _module("through_data-1.0.data/purelib/a.py")])
    yield wheel("file_and_folder", members=[_module("package"), _module("package/a.py")])
    yield wheel("encrypted", members=[_module("secret.py", flags=1, local_flags=1)])
    yield wheel("two_names", members=[_module("shown.py", local_name="other.py")])
    yield wheel("unicode_name", members=[_module("shown.py", central_extra=unicode_path("shown.py", "other.py"))])
    yield wheel("unlisted", members=[_module("hidden.py", listed=False)])
    yield wheel("in_front", prefix=b"#!/bin/sh\n")
    yield wheel("script_outside", scripts=["../../tool"])
    yield wheel("unknown_scheme", members=[_module("unknown_scheme-1.0.data/else/a.py")])
    yield wheel("long_name", members=[_module("a" * 300 + ".py")])


SURROUNDINGS: dict[str, dict[str, Any]] = {}
"""What `inspect_wheel` is told besides, by file name."""

CHECKS = {
    "wheel-structure": (_wheel_structure, _plain),
}
