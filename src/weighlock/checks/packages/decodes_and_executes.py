"""Python code that turns text which nobody can read into code, and executes it.

## What it does

It looks through every Python file of a wheel for calls of `exec`, `eval`, `compile`, `__import__`, `marshal.loads` and
of functions that start programs, whose argument is decoded, decompressed, decrypted, made of numbers, read backwards
or fetched from the network by the same expression; for functions that are looked up by a name in pieces
(``getattr(builtins, "ex" + "ec")``); and for programs that are started with code, as text, that does such a thing. All
of these it refuses, also where a variable or a function of the same file stands between the two, if what is decoded is
text of the file itself; and `pickle.loads` of such text. Where it comes from elsewhere by way of a variable, it says
so.

## Why it matters

Hidden code is how stolen packages carry what they do: one line in an ordinary module, which decodes the rest when it
is imported. Reading the text does not show it, and neither does a search for names. No honest release among hundreds
of popular ones does it.

## Known limits

The text is read and never run, so that decoding by arithmetic, patterns or replacements of its own, names that arrive
at run time, objects found by walking from class to class, calls through ``methodcaller``, ``reduce`` or the matching
of patterns, decoders of other libraries and of json, email and ast, UTF-16, native code, other files of the wheel
that are read and executed (or put on the import path) and data that another file executes are not followed. Pickles
in constants are followed where they are encoded, and from 24 characters on: libraries test with short and plain ones.
A name that has more than 16 meanings in one file is followed into the first of them. Honest packages do load code
from caches and plug-ins by way of variables, which is why that only informs.

## Sources

The reports about aiocpa 0.1.13 (November 2024) and litellm 1.82.7 (March 2026); PEP 3131 on names in normal form, PEP
263 on encodings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.python.source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PythonFile


def run(file: PythonFile) -> Iterator[Finding]:
    """Yield a finding for each execution."""
    for execution in file.executions:
        where = f"in line {execution.line}"
        if execution.direct:
            message = f"{where} it executes what it decodes: {execution.sink} on {execution.decoder}"
            severity, outcome = Severity.CRITICAL, Outcome.REFUSED
        else:
            message = f"{where} {execution.sink} may execute what {execution.decoder} gives"
            severity, outcome = Severity.LOW, Outcome.DATA_ONLY
        yield Finding(
            check="decodes-and-executes",
            severity=severity,
            message=message,
            location=Location(members=(file.path,)),
            outcome=outcome,
        )
