"""The tables of the index. Names and digests are words with a number; everything else is about numbers.

- ``word``: a text, or the 32 bytes of a digest.
- ``circumstance``: what entries of the ledger have in common.
- ``basis``: what entries rest on, digests with blanks between them; ``evidence`` finds it by one of these.
- ``access``: entries that differ in nothing but event, size and time; ``first`` and ``last`` are microseconds since
  1970, and ``numbers`` are the entries themselves.
- ``document``: the newest record of a document in the ledger, by its path and the host that recorded it.
- ``source``: lockfiles, bills, environments and registries, as they were read last.
- ``item``: what they hold; models, files, components, packages, promoted versions.
- ``key``: every way to ask for an item: its digests, its names, what is said to be wrong with it.
- ``edge``: an item, and by a word what it was made from or needs.
"""

from __future__ import annotations

APPLICATION = 0x776C7768
"""``wlwh``: a file with another mark is somebody else's."""

VERSION = 1
"""Of the tables; an index with another one is made anew."""

_ALL = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE word (id INTEGER PRIMARY KEY, word NOT NULL UNIQUE);
CREATE TABLE circumstance (id INTEGER PRIMARY KEY,
    gate TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, loader TEXT NOT NULL, verdict TEXT NOT NULL,
    enforced INTEGER NOT NULL, rules TEXT NOT NULL,
    UNIQUE (gate, kind, actor, loader, verdict, enforced, rules));
CREATE TABLE basis (id INTEGER PRIMARY KEY, evidence TEXT NOT NULL UNIQUE);
CREATE TABLE evidence (word INTEGER NOT NULL, basis INTEGER NOT NULL, PRIMARY KEY (word, basis)) WITHOUT ROWID;
CREATE TABLE access (
    digest INTEGER NOT NULL, subject INTEGER NOT NULL, circumstance INTEGER NOT NULL, basis INTEGER NOT NULL,
    count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, numbers BLOB NOT NULL,
    PRIMARY KEY (digest, subject, circumstance, basis)) WITHOUT ROWID;
CREATE INDEX access_by_subject ON access (subject);
CREATE INDEX access_by_basis ON access (basis);
CREATE TABLE document (path TEXT NOT NULL, host TEXT NOT NULL, digest BLOB NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (path, host)) WITHOUT ROWID;
CREATE TABLE source (id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, place TEXT NOT NULL, stamp TEXT NOT NULL, digest BLOB NOT NULL,
    problem TEXT NOT NULL, told TEXT NOT NULL, used INTEGER NOT NULL, UNIQUE (kind, place));
CREATE INDEX source_by_digest ON source (digest);
CREATE TABLE item (id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL, kind TEXT NOT NULL, name INTEGER NOT NULL, version TEXT NOT NULL,
    parent INTEGER, digest INTEGER, size INTEGER, detail TEXT NOT NULL);
CREATE INDEX item_by_source ON item (source);
CREATE INDEX item_by_parent ON item (parent) WHERE parent IS NOT NULL;
CREATE TABLE key (word INTEGER NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (word, item)) WITHOUT ROWID;
CREATE INDEX key_by_item ON key (item);
CREATE TABLE edge (word INTEGER NOT NULL, item INTEGER NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (word, item, kind)) WITHOUT ROWID;
CREATE INDEX edge_by_item ON edge (item);
"""

TABLES = tuple(statement.strip() for statement in _ALL.split(";") if statement.strip())
