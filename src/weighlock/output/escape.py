"""Names and messages may hold bytes of a hostile artifact; nothing of them may reach a terminal unescaped."""

from __future__ import annotations

# Characters that take no room or no part in what is seen, but that `str.isprintable` lets pass.
_HIDDEN = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x180E), *range(0xFE00, 0xFE10)))
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))


def printable(text: str) -> str:
    r"""Make `text` safe to print: whatever a terminal would obey or hide becomes a visible escape.

    Control characters, line breaks, escape codes, direction overrides, characters without width, private
    and unassigned code points and lone surrogates become ``\n``, ``\x1b``, ``\u202e`` and so on.
    A backslash stays as it is: the answer is for people.

    Args:
        text: Any string, also one that `os.fsdecode` made of broken UTF-8.

    Returns:
        One line that can be encoded as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() and char not in _HIDDEN else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    if named:
        return named
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def inert(line: str) -> str:
    """Make a line of a report safe in the log of a build: what the system there would obey as a command is not.

    GitHub obeys a line that begins with ``::``, spaces or not, and ``##[`` anywhere; others obey ``##vso[`` and
    ``##teamcity[``. A name or a summary may hold these, and a wrapped line may begin with any word of it.
    """
    line = line.replace("##", "#\\x23")
    start = len(line) - len(line.lstrip())
    return f"{line[:start]}\\x3a{line[start + 1 :]}" if line.startswith("::", start) else line


def encodable(value: object) -> object:
    """Return a value for JSON with visible escapes in place of half surrogate pairs, which many readers refuse.

    Args:
        value: Texts, lists and dictionaries; `os.fsdecode` makes such halves of bytes that are no UTF-8.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [encodable(item) for item in value]
    if isinstance(value, dict):
        return {key: encodable(item) for key, item in value.items()}
    return value
