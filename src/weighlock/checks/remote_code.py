"""Configurations that tell a library to run code: of the model's own repository, of another one, of a package.

## What it does

It reads ``config.json``, ``tokenizer_config.json``, ``preprocessor_config.json``, ``processor_config.json``
(``auto_map`` and ``custom_pipelines``), ``model_index.json`` (pairs of module and class), ``modules.json`` (classes),
and ``adapter_config.json`` (the base model, and modules that peft imports). It says which code of the same repository
they refer to, which other repositories, and which packages.

## Why it matters

With ``trust_remote_code=True`` transformers imports the module that an ``auto_map`` names. A name such as
``other/code--module.Class`` takes it from another repository, at whatever that holds now, even where the program named
a commit of the first one. Older sentence-transformers imported and called whatever class ``modules.json`` named,
without asking. A file that says so is data all the same: the guard decides when the code is about to run.

## Known limits

Files are known by what is in them, so an ordinary JSON file that has such keys is taken for a configuration. Of a name
like ``module.Class`` alone nobody can tell whether the repository or an installed package has it. JSON of more than
4 MB is not looked at; the guard judges the code itself, whatever refers to it.

## Sources

`transformers.dynamic_module_utils`, `diffusers.pipelines.pipeline_utils`, `sentence_transformers.util`, `peft.auto`;
``docs/remote-code.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Severity, listing
from weighlock.formats.model_config import CodeReferences

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = CodeReferences

OTHER_REPOSITORY = "remote-code:"
"""Before the name of another repository in a finding's `imports`."""


def run(found: CodeReferences) -> Iterator[Finding]:
    """Yield a finding for each kind of code."""
    if found.repositories:
        message = f"it refers to code of another repository, which floats unless locked: {listing(found.repositories)}"
        names = tuple(OTHER_REPOSITORY + name for name in found.repositories)
        yield _finding(message, Severity.HIGH, names)
    if found.packages:
        yield _finding(f"it names modules for a library to import: {listing(found.packages)}", Severity.MEDIUM)
    if found.own:
        message = f"it refers to code beside it, or in a package of that name: {listing(found.own)}"
        yield _finding(message, Severity.MEDIUM)
    if found.bases:
        message = f"it builds on another repository, which needs a lock entry of its own: {listing(found.bases)}"
        yield _finding(message, Severity.INFO)


def _finding(message: str, severity: Severity, imports: tuple[str, ...] = ()) -> Finding:
    return Finding(check="remote-code", severity=severity, message=message, imports=imports)
