"""The matrix of loaders: every way to load a file, in every kind of process, with a payload that leaves a marker.

``python -m tests.loaders`` runs it whole and writes ``docs/coverage.md``. A row is one loader: how a file with a
payload is written, and how a program binds and calls what loads it. A column is one kind of process.
"""
