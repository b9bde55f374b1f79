"""Library folders of environments, each with one distribution and what somebody did to it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator

Vectors = Iterator[tuple[str, bytes]]

_INFO = "demo-1.0.dist-info"
_CODE = b"VALUE = 1\n"


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def folder(files: dict[str, bytes], *, more: str = "") -> dict[str, bytes]:
    """Return an installed distribution whose RECORD lists some files, and lines beside them.

    Args:
        files: By their paths.
        more: Lines for RECORD.
    """
    metadata = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    content = {**files, f"{_INFO}/METADATA": metadata, f"{_INFO}/INSTALLER": b"pip\n"}
    rows = [f"{path},{_digest(data)},{len(data)}" for path, data in content.items()]
    text = "\n".join([*rows, f"{_INFO}/RECORD,,"]) + "\n" + more
    return {**content, f"{_INFO}/RECORD": text.encode()}


def _vectors(folders: dict[str, dict[str, bytes]]) -> Vectors:
    for name, files in folders.items():
        for path, data in files.items():
            yield f"{name}/{path}", data


def installed_bad() -> Vectors:
    good = folder({"demo.py": _CODE})
    without_record = {path: data for path, data in good.items() if not path.endswith("RECORD")}
    starting = folder({"demo.py": _CODE, "demo.pth": b"import demo\n"})
    yield from _vectors(
        {
            "changed": {**good, "demo.py": b"VALUE = 2\n"},
            "grown": {**good, "demo.py": _CODE + b"MORE = 2\n"},
            "missing": {path: data for path, data in good.items() if path != "demo.py"},
            "no-record": without_record,
            "no-digest": {**folder({}, more="demo.py,,\n"), "demo.py": _CODE},
            "weak-digest": {**folder({}, more="demo.py,md5=AAAA,\n"), "demo.py": _CODE},
            "outside": folder({"demo.py": _CODE}, more="../../../../../../etc/hostname,,\n"),
            "two-rows": {**good, f"{_INFO}/RECORD": good[f"{_INFO}/RECORD"] + b"demo.py,sha256=AAAA,1\n"},
            "editable": {**good, f"{_INFO}/direct_url.json": b'{"url": "file:///src", "dir_info": {"editable": true}}'},
            "starts": starting,
            "customizes": folder({"sitecustomize.py": _CODE}),
        }
    )


def installed_good() -> Vectors:
    yield from _vectors(
        {
            "plain": folder({"demo.py": _CODE}),
            "folders-to-import-from": folder({"demo.py": _CODE, "demo.pth": b"# more\nlib\n"}),
        }
    )


def stray_bad() -> Vectors:
    good = folder({"demo.py": _CODE})
    yield from _vectors(
        {
            "pth": {**good, "zz.pth": b"import os\n"},
            "pth-after-a-carriage-return": {**good, "zz.pth": b"# nothing\rimport os\n"},
            "pth-in-capitals": {**good, "ZZ.PTH": b"import os\n"},
            "pth-with-folders": {**good, "zz.pth": b"/opt/lib\n"},
            "start": {**good, "zz.start": b"zz:main\n"},
            "named-as-of-a-tool": {
                **good,
                "_virtualenv.pth": b"import _virtualenv\n",
                "_virtualenv.py": b"VALUE = 1\n",
            },
            "sitecustomize": {**good, "sitecustomize.py": b"VALUE = 1\n"},
            "usercustomize-folder": {**good, "usercustomize/__init__.py": b"VALUE = 1\n"},
            "module": {**good, "zz.py": b"VALUE = 1\n"},
            "beside": {**folder({"demo/__init__.py": _CODE}), "demo/extra.so": b"no library"},
        }
    )


def stray_good() -> Vectors:
    yield from _vectors(
        {
            "plain": folder({"demo.py": _CODE}),
            "data": {**folder({"demo/__init__.py": _CODE}), "demo/cache.json": b"{}", "readme.txt": b"text"},
        }
    )


CHECKS = {
    "installed-files": (installed_bad, installed_good),
    "stray-files": (stray_bad, stray_good),
}
