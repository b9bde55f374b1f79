"""Package indexes without a server: ``file:`` indexes, pages of links on disk, and plain folders of files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import url2pathname

from weighlock.errors import SourceError
from weighlock.formats import simple_index
from weighlock.release import IndexFile, ProjectPage

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGES = (".html", ".htm")


def path_of(location: str) -> str | None:
    """Return the path that a location on this machine means, or None for one on a network.

    Args:
        location: A URL, or a path as ``--find-links`` takes it.
    """
    if location[:5].lower() == "file:":
        return url2pathname(location[5:].removeprefix("//localhost").removeprefix("//"))
    return None if "://" in location else os.path.abspath(os.path.expanduser(location))


def index_page(path: str, name: str) -> ProjectPage | None:
    """Read the page of a project from a ``file:`` index: the ``index.html`` of its folder, as pip does.

    Args:
        path: Of the index.
        name: Canonical name of the project.

    Raises:
        SourceError: The page cannot be read.
        FormatError: It is no page.
    """
    folder = os.path.join(path, name)
    data = _read(os.path.join(folder, "index.html"), simple_index.LARGEST)
    if data is None:
        return None
    page = simple_index.Page(url=f"{_url(folder)}/", index=_url(path), name=name)
    return simple_index.parse(data, "text/html", page)


def links_page(path: str, name: str) -> ProjectPage | None:
    """Find the files of a project in a folder, or on a page of links.

    Args:
        path: A folder, a page in HTML or a single file.
        name: Canonical name of the project.

    Raises:
        SourceError: Something that is there cannot be read.
    """
    if not os.path.exists(path):
        return None
    files = tuple(_linked(path, name))
    return ProjectPage(index=_url(path), name=name, files=files) if files else None


def read_file(path: str, most: int) -> bytes:
    """Return the bytes of a file that a page on disk refers to.

    Raises:
        SourceError: It is not there, cannot be read or is larger than that.
    """
    data = _read(path, most)
    if data is None:
        raise SourceError("is not there", where=path)
    return data


def _linked(path: str, name: str) -> Iterator[IndexFile]:
    try:
        paths = [os.path.join(path, entry) for entry in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=path) from None
    for each in paths:
        filename = os.path.basename(each)
        if filename.lower().endswith(_PAGES):
            yield from _on_page(each, name)
        elif simple_index.is_archive(filename) and simple_index.belongs(filename, name) and os.path.isfile(each):
            yield IndexFile(filename=filename, url=_url(each), size=os.path.getsize(each))


def _on_page(path: str, name: str) -> Iterator[IndexFile]:
    data = _read(path, simple_index.LARGEST)
    if data is not None:
        page = simple_index.Page(url=_url(path), index=_url(path), name=name, links=True)
        yield from simple_index.parse(data, "text/html", page).files


def _read(path: str, most: int) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            data = stream.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise SourceError(f"cannot be read: {why}", where=path) from None
    if len(data) > most:
        raise SourceError(f"is larger than {most >> 20} MB", where=path)
    return data


def _url(path: str) -> str:
    return f"file://{quote(os.path.abspath(path))}"
