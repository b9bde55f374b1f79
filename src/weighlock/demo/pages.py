"""Pages of the loopback package index, in the two forms of the simple repository API.

Source:
    PEP 503 and 691; see `demo/index.py` for what each field comes from.
"""

from __future__ import annotations

import hashlib
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.demo.index import Listed, Project

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
_VERSION = "1.4"


def root_json(names: Sequence[str]) -> dict[str, Any]:
    """Return the list of all projects."""
    return {"meta": {"api-version": _VERSION}, "projects": [{"name": name} for name in names]}


def root_html(names: Sequence[str]) -> str:
    """Return the list of all projects."""
    return _html("Simple index", "", [f'<a href="{quote(name)}/">{escape(name)}</a>' for name in names])


def project_json(project: Project, base: str, provenance: str) -> dict[str, Any]:
    """Return the page of a project.

    Args:
        project: The project.
        base: Where its files lie.
        provenance: Where their provenance lies.
    """
    meta: dict[str, Any] = {"api-version": _VERSION}
    if project.tracks:
        meta["tracks"] = list(project.tracks)
    page: dict[str, Any] = {"meta": meta, "name": project.name}
    page["versions"] = sorted({file.package.version for file in project.files})
    page["files"] = [_file_json(file, base, provenance) for file in project.files]
    if project.status is not None:
        page["project-status"] = {"status": project.status, **({"reason": project.reason} if project.reason else {})}
    return page


def project_html(project: Project, base: str, provenance: str) -> str:
    """Return the page of a project; sizes and upload times have no place in it."""
    head = "".join(f'<meta name="pypi:tracks" content="{escape(url)}">\n' for url in project.tracks)
    if project.status is not None:
        head += f'<meta name="pypi:project-status" content="{escape(project.status)}">\n'
        if project.reason:
            head += f'<meta name="pypi:project-status-reason" content="{escape(project.reason)}">\n'
    links = [_link(file, base, provenance) for file in project.files]
    return _html(f"Links for {project.name}", head, links)


def _file_json(file: Listed, base: str, provenance: str) -> dict[str, Any]:
    package = file.package
    row: dict[str, Any] = {"filename": package.filename, "url": f"{base}{quote(package.filename)}"}
    row["hashes"] = {} if file.sha256 is None else {"sha256": file.sha256}
    if package.requires_python is not None:
        row["requires-python"] = package.requires_python
    if file.size is not None:
        row["size"] = file.size
    if file.uploaded is not None:
        row["upload-time"] = file.uploaded.isoformat(timespec="microseconds").replace("+00:00", "Z")
    row["yanked"] = False if file.yanked is None else file.yanked or True
    row["core-metadata"] = {"sha256": _metadata_digest(file)} if file.metadata else False
    row["provenance"] = None if file.provenance is None else f"{provenance}{quote(package.filename)}"
    return row


def _link(file: Listed, base: str, provenance: str) -> str:
    package = file.package
    fragment = "" if file.sha256 is None else f"#sha256={file.sha256}"
    attributes = {"href": f"{base}{quote(package.filename)}{fragment}"}
    if package.requires_python is not None:
        attributes["data-requires-python"] = package.requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if file.metadata:
        attributes["data-core-metadata"] = f"sha256={_metadata_digest(file)}"
    if file.provenance is not None:
        attributes["data-provenance"] = f"{provenance}{quote(package.filename)}"
    text = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {text}>{escape(package.filename)}</a>"


def _metadata_digest(file: Listed) -> str:
    return hashlib.sha256(file.package.metadata).hexdigest()


def _html(title: str, head: str, links: Sequence[str]) -> str:
    body = "".join(f"{link}<br>\n" for link in links)
    return (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta name="pypi:repository-version" content="{_VERSION}">\n'
        f"{head}<title>{escape(title)}</title>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )
