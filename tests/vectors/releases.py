"""Vectors of the checks that read what indexes and metadata say about a release."""

from __future__ import annotations

import json
from collections.abc import Iterator

Vectors = Iterator[tuple[str, bytes]]

_PUBLIC, _PRIVATE = "https://index.example/simple", "https://private.example/simple"
_OLD, _YOUNG, _FUTURE = "2026-01-01T00:00:00+00:00", "2026-11-25T06:00:00+00:00", "2026-11-26T00:00:00+00:00"
_ONE, _TWO = "1" * 64, "2" * 64
_GITHUB = {"kind": "GitHub", "repository": "org/tool", "workflow": "release.yml"}


def page(
    index: str = _PUBLIC, name: str = "tool", *, versions: int = 1, more: dict | None = None, **file: object
) -> dict:
    """Describe a page; its last file is ``NAME-1.0``, the others are older releases."""
    stem = name.replace("-", "_")
    names = [f"{stem}-0.{number}-py3-none-any.whl" for number in range(1, versions)] + [f"{stem}-1.0-py3-none-any.whl"]
    base = {"uploaded": _OLD, "sha256": _ONE}
    files = [{"filename": each, "url": f"{index}/files/{each}", **base} for each in names]
    files[-1] = {key: value for key, value in {**files[-1], **file}.items() if value is not None}
    return {"index": index, "name": name, "files": files, **(more or {})}


def candidate(*pages: dict, around: dict | None = None, name: str = "tool", **release: object) -> bytes:
    """Write a candidate whose file the first page serves."""
    said = {"pages": pages, "served_by": 0, "asked": True} if pages else {}
    data = {"release": {"artifact": {"name": name, "version": "1.0"}, **said, **release}}
    return json.dumps({**data, **({"surroundings": around} if around else {})}, indent=1).encode() + b"\n"


def _yanked() -> Vectors:
    yield "by-the-index.json", candidate(page(yanked="leaks a key"))
    yield "without-a-reason.json", candidate(page(yanked=""))
    yield "by-the-installer.json", candidate(yanked=True)
    yield "by-another-index.json", candidate(page(), page(_PRIVATE, yanked="broken"))


def _not_yanked() -> Vectors:
    yield "plain.json", candidate(page())
    yield "other-release.json", candidate(page(versions=2))


def _too_young() -> Vectors:
    yield "six-hours.json", candidate(page(uploaded=_YOUNG))
    yield "from-the-future.json", candidate(page(uploaded=_FUTURE))
    yield "not-said.json", candidate(page(uploaded=None))
    yield "not-listed.json", candidate(page(filename="tool-0.9-py3-none-any.whl"))
    yield "fixes-an-advisory.json", candidate(page(uploaded=_YOUNG), around={"fixes_installed": True})
    yield "folder.json", candidate(page("file:///srv/wheels", uploaded=None))


def _old_enough() -> Vectors:
    yield "old.json", candidate(page())
    yield "three-days.json", candidate(page(uploaded="2026-11-22T12:00:00+00:00"))
    yield "no-age-asked.json", candidate(page(uploaded=None), around={"min_age": 0})
    yield "by-path.json", candidate(direct="file")


def _not_owned() -> Vectors:
    yield "two-indexes.json", candidate(page(sha256=_TWO), page(_PRIVATE, versions=3))
    yield "owner-is-another.json", candidate(page(), page(_PRIVATE, sha256=_TWO), around={"owners": {"to*": _PRIVATE}})
    spelled = {"owners": {"Corp_to*": _PRIVATE}}
    yield "owner-of-another-spelling.json", candidate(page(name="corp-tool"), name="corp-tool", around=spelled)
    yield "owner-has-none.json", candidate(page(), around={"owners": {"tool": _PRIVATE}})
    yield "nobody-asked.json", candidate()
    yield "nobody-lists-it.json", candidate(page(filename="tool-2.0-py3-none-any.whl"))
    yield "same-file.json", candidate(page(), page(_PRIVATE))
    follows = {"tracks": ["https://elsewhere.example/simple/tool/"]}
    yield "follows-somebody-else.json", candidate(page(sha256=_TWO), page(_PRIVATE, more=follows))


def _owned() -> Vectors:
    yield "one-index.json", candidate(page())
    yield "owner-serves.json", candidate(page(_PRIVATE), page(sha256=_TWO), around={"owners": {"to*": _PRIVATE + "/"}})
    yield "owner-lists-the-same.json", candidate(page(), page(_PRIVATE), around={"owners": {"tool": _PRIVATE}})
    yield "follows.json", candidate(page(sha256=_TWO), page(_PRIVATE, more={"tracks": [f"{_PUBLIC}/tool/"]}))
    yield "empty-page.json", candidate(page(), {"index": _PRIVATE, "name": "tool"})
    yield "by-url.json", candidate(direct="url")


def _direct() -> Vectors:
    yield "url.json", candidate(direct="url", requested=True)
    yield "vcs.json", candidate(direct="vcs", requested=True)
    yield "own-file.json", candidate(direct="file", requested=True)
    yield "file-of-a-dependency.json", candidate(direct="file")


def _by_name() -> Vectors:
    yield "by-name.json", candidate(page(), requested=True)


def _look_alikes() -> Vectors:
    names = (
        "request reqeusts requestss requets nurnpy python-numpy dateutil-python scikitlearn colourama tensorflow-sdk"
    )
    for name in names.split():
        yield f"{name}.json", candidate(page(name=name), name=name)
    yield "many-and-old.json", candidate(page(name="requestz", versions=9), name="requestz")
    yield (
        "installed.json",
        candidate(page(name="corp-tolos"), name="corp-tolos", around={"installed": {"corp-tools": "1"}}),
    )
    yield "not-listed.json", candidate(name="reqeusts")


def _own_names() -> Vectors:
    names = "requests requests2 httpx httpx2 numpy python-dateutil torch torchx rich rish nvidia-cublas-cu13"
    for name in names.split():
        yield f"{name}.json", candidate(page(name=name), name=name)
    yield (
        "is-installed.json",
        candidate(page(name="requestz"), name="requestz", around={"installed": {"requestz": "1"}}),
    )
    yield "by-path.json", candidate(name="reqeusts", direct="file")


def _mistyped() -> Vectors:
    for name in ("cv2", "sklearn", "requirements-txt", "pip3-install", "r", "json", "pil", "yaml"):
        yield f"{name}.json", candidate(page(name=name), name=name, requested=True)


def _meant() -> Vectors:
    for name in ("opencv-python", "json5", "pyyaml", "requirements-parser"):
        yield f"{name}.json", candidate(page(name=name), name=name, requested=True)
    yield "of-a-dependency.json", candidate(page(name="yaml"), name="yaml")


def _given_up() -> Vectors:
    for status in ("quarantined", "archived", "deprecated", "sold"):
        yield f"{status}.json", candidate(page(more={"status": status, "status_reason": "see the page"}))
    yield "by-another-index.json", candidate(page(), page(_PRIVATE, more={"status": "quarantined"}))


def _active() -> Vectors:
    yield "active.json", candidate(page(more={"status": "active"}))
    yield "not-said.json", candidate(page())


def _suspect() -> Vectors:
    before = {"remembered": _GITHUB, "remembered_version": "0.9", "known": True}
    other = {**_GITHUB, "repository": "evil/tool"}
    stories = {
        "no-longer-attested": before,
        "index-fell-silent": {**before, "known": False},
        "other-repository": {**before, "publisher": other, "verified": True},
        "other-workflow": {**before, "publisher": {**_GITHUB, "workflow": "x.yml"}, "verified": True},
        "does-not-verify": {"publisher": _GITHUB, "broken": True, "problem": "the digest differs", "known": True},
        "could-not-verify": {**before, "publisher": _GITHUB, "problem": "weighlock[sign] is not installed"},
        "not-verified": {"publisher": _GITHUB, "known": True, "problem": "weighlock[sign] is not installed"},
    }
    for name, told in stories.items():
        yield f"{name}.json", candidate(page(), provenance=told)


def _unsuspected() -> Vectors:
    before = {"remembered": _GITHUB, "remembered_version": "0.9", "known": True, "verified": True}
    stories = {
        "same": {**before, "publisher": {**_GITHUB, "repository": "Org/Tool", "environment": "pypi"}},
        "first": {"publisher": _GITHUB, "verified": True, "known": True},
        "never-had-any": {"known": True},
        "not-known": {},
    }
    for name, told in stories.items():
        yield f"{name}.json", candidate(page(), provenance=told)


def _other_licences() -> Vectors:
    admits = {"licenses": ["MIT", "Apache-2.0"]}
    stories = {
        "expression": {"license_expression": "GPL-3.0-only"},
        "and": {"license_expression": "MIT AND GPL-3.0-only"},
        "broken": {"license_expression": "MIT OR"},
        "classifier": {"classifier": ["License :: OSI Approved :: GNU General Public License v3 (GPLv3)"]},
        "classifier-nobody-knows": {"classifier": ["License :: Other/Proprietary License"], "license": "MIT"},
        "text": {"license": "Permission is hereby granted, free of charge, to any person\nobtaining a copy"},
        "name": {"license": "GPLv3"},
        "nothing": {},
    }
    for name, metadata in stories.items():
        yield f"{name}.json", candidate(page(), metadata=metadata, around=admits)


def _listed_licences() -> Vectors:
    admits = {"licenses": ["MIT", "apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"]}
    stories = {
        "expression": {"license_expression": "MIT"},
        "or": {"license_expression": "GPL-3.0-only OR (MIT AND Apache-2.0)"},
        "with": {"license_expression": "gpl-2.0-only with classpath-exception-2.0"},
        "more-permissions": {"license_expression": "Apache-2.0 WITH LLVM-exception"},
        "classifiers": {"classifier": ["License :: OSI Approved", "License :: OSI Approved :: MIT License"]},
        "name": {"license": "Apache License, Version 2.0"},
    }
    for name, metadata in stories.items():
        yield f"{name}.json", candidate(page(), metadata=metadata, around=admits)
    yield "no-list.json", candidate(page(), metadata={"license_expression": "AGPL-3.0-only"})


CHECKS = {
    "direct-url": (_direct, _by_name),
    "index-ownership": (_not_owned, _owned),
    "license": (_other_licences, _listed_licences),
    "look-alike-name": (_look_alikes, _own_names),
    "project-status": (_given_up, _active),
    "provenance": (_suspect, _unsuspected),
    "release-age": (_too_young, _old_enough),
    "wrong-tool-name": (_mistyped, _meant),
    "yanked": (_yanked, _not_yanked),
}
