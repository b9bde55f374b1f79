"""The tables of the index. Names and digests are words with a number; everything else is about numbers."""

from __future__ import annotations

APPLICATION = 0x776C7768
"""``wlwh``: a file with another mark is somebody else's."""

VERSION = 1
"""Of the tables; an index with another one is made anew."""

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    # A text, or the 32 bytes of a digest.
    "CREATE TABLE word (id INTEGER PRIMARY KEY, word NOT NULL UNIQUE)",
    # What entries of the ledger have in common; `evidence` is digests with blanks between them.
    "CREATE TABLE circumstance (id INTEGER PRIMARY KEY, gate TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, "
    "loader TEXT NOT NULL, verdict TEXT NOT NULL, enforced INTEGER NOT NULL, rules TEXT NOT NULL, "
    "evidence TEXT NOT NULL, UNIQUE (gate, kind, actor, loader, verdict, enforced, rules, evidence))",
    "CREATE TABLE evidence (word INTEGER NOT NULL, circumstance INTEGER NOT NULL, PRIMARY KEY (word, circumstance)) "
    "WITHOUT ROWID",
    # Entries that differ in nothing but event, size and time; `first` and `last` are microseconds since 1970.
    "CREATE TABLE access (digest INTEGER NOT NULL, subject INTEGER NOT NULL, circumstance INTEGER NOT NULL, "
    "count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, numbers BLOB NOT NULL, "
    "PRIMARY KEY (digest, subject, circumstance)) WITHOUT ROWID",
    "CREATE INDEX access_by_subject ON access (subject)",
    "CREATE INDEX access_by_circumstance ON access (circumstance)",
    # The newest record of a document in the ledger, by its path and the host that recorded it.
    "CREATE TABLE document (path TEXT NOT NULL, host TEXT NOT NULL, digest BLOB NOT NULL, number INTEGER NOT NULL, "
    "PRIMARY KEY (path, host)) WITHOUT ROWID",
    # Lockfiles, bills, environments and registries, as they were read last.
    "CREATE TABLE source (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, stamp TEXT NOT NULL, "
    "digest BLOB NOT NULL, problem TEXT NOT NULL, told TEXT NOT NULL, used INTEGER NOT NULL, UNIQUE (kind, place))",
    # What they hold: models, files, components, packages, promoted versions.
    "CREATE TABLE item (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, kind TEXT NOT NULL, name INTEGER NOT NULL, "
    "version TEXT NOT NULL, parent INTEGER, digest INTEGER, size INTEGER, detail TEXT NOT NULL)",
    "CREATE INDEX item_by_source ON item (source)",
    "CREATE INDEX item_by_parent ON item (parent) WHERE parent IS NOT NULL",
    # Every way to ask for an item: its digests, its names, what is said to be wrong with it.
    "CREATE TABLE key (word INTEGER NOT NULL, item INTEGER NOT NULL, PRIMARY KEY (word, item)) WITHOUT ROWID",
    "CREATE INDEX key_by_item ON key (item)",
    # A model and what it was made from, or a component and what it needs, which is named by a word.
    "CREATE TABLE edge (word INTEGER NOT NULL, item INTEGER NOT NULL, kind TEXT NOT NULL, "
    "PRIMARY KEY (word, item, kind)) WITHOUT ROWID",
    "CREATE INDEX edge_by_item ON edge (item)",
)
