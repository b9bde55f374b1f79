"""Chat templates that reach for more than texts.

## What it does

It reads the Jinja templates of ``chat_template.jinja``, ``tokenizer_config.json``, ``processor_config.json``,
``chat_template.json`` and GGUF files with a lexer of its own. Attributes and items that begin with an underscore,
names of Python's internals, also where they are cut up or escaped, and ``import``, ``include`` and ``extends`` are
refused. A lookup whose name the template puts together first, from pieces, by formatting or through variables, could
be any name: it waits for an approval as ``jinja:computed lookup``, and objects such as ``cycler`` as
``jinja:cycler``. Counts beyond a million are reported and do no more than cost time.

## Why it matters

A template is a program. transformers renders it in a sandbox; llama-cpp-python once did not, so that a GGUF file ran
commands when its model answered, and other programs still do not.

## Known limits

What a template writes is not judged: it can put words into the mouth of its user. Texts that a program hands to a
template count as harmless, apart from special tokens, which lie in the same files. In JSON without a known name, the
template is looked for under its plain key only.

## Sources

CVE-2024-34359 (llama-cpp-python, GHSA-56xg-wfcc-g829); CVE-2024-56326 and CVE-2025-27516 (ways out of
Jinja's sandbox by ``format`` and ``|attr``); `jinja2.sandbox`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.chat_template import ChatTemplate

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = ChatTemplate


def run(template: ChatTemplate) -> Iterator[Finding]:
    """Yield a finding for each kind of thing that the template does."""
    if template.escapes:
        message = f"its chat template tries to leave Jinja: {'; '.join(template.escapes[:3])}"
        yield _finding(message, Severity.CRITICAL, Outcome.REFUSED)
    if template.computed:
        message = f"its chat template asks for {', '.join(template.computed)}, which could be anything"
        yield _finding(message, Severity.HIGH, Outcome.NEEDS_APPROVAL, template.computed)
    if template.broken:
        yield _finding(f"its chat template cannot be read: {template.broken}", Severity.MEDIUM, Outcome.UNVERIFIABLE)
    for loop in template.loops:
        yield _finding(f"its chat template may take long: {loop}", Severity.LOW, Outcome.DATA_ONLY)


def _finding(message: str, severity: Severity, outcome: Outcome, imports: tuple[str, ...] = ()) -> Finding:
    return Finding(check="chat-template", severity=severity, message=message, outcome=outcome, imports=imports)
