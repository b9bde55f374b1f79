"""What a source says about a licence, as an identifier or expression of SPDX where it is one, else in its own words.

Source:
    SPDX specification, annex "SPDX license expressions"; the list of licences in the documentation of the Hugging Face
    Hub; PEP 639.
"""

from __future__ import annotations

import re

from weighlock.bom.spdx_ids import IDENTIFIERS
from weighlock.bom.values import License

_TOKEN = re.compile(r"[()]|[A-Za-z0-9.+:-]+")
_LONGEST = 500
_BY_LOWER = {name.lower(): name for name in IDENTIFIERS}

# Other names that leave no doubt. `bsd`, `gpl`, `cc` and the like do not say which one.
_NAMES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "mit license": "MIT",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "apache-2": "Apache-2.0",
    "apache2.0": "Apache-2.0",
    "c-uda": "C-UDA-1.0",
    "gfdl": "GFDL-1.3-or-later",
    "wtfpl": "WTFPL",
}
_NAMES = {key: name for key, name in _NAMES.items() if name in IDENTIFIERS}


def license_of(text: str, *, url: str | None = None) -> License | None:
    """Return the licence that a text names, or nothing where it names none.

    Args:
        text: What a source has in the place of a licence.
        url: Where its text is said to be.
    """
    words = text.strip()
    if not words or words.lower() in {"unknown", "none"}:
        return None
    known = _NAMES.get(words.lower()) or expression(words)
    return License(expression=known, url=url) if known else License(name=words, url=url)


def expression(text: str) -> str | None:
    """Return an expression in the spelling of SPDX, or nothing where it is none or names a licence that is not listed.

    Args:
        text: Such as ``mit`` or ``MIT AND (Apache-2.0 OR BSD-2-Clause)``.
    """
    if len(text) > _LONGEST:
        return None
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != "".join(text.split()):
        return None
    spelled = [_spelled(token, tokens[n - 1] if n else "") for n, token in enumerate(tokens)]
    if None in spelled or not _is_sentence([token for token in spelled if token]):
        return None
    return " ".join(token for token in spelled if token).replace("( ", "(").replace(" )", ")")


def _spelled(token: str, before: str) -> str | None:
    if token in {"(", ")"}:
        return token
    if token.upper() in {"AND", "OR", "WITH"}:
        return token.upper()
    if before.upper() == "WITH":
        return token  # exceptions are a list of their own
    found = _BY_LOWER.get(token.lower())
    if found is None and token.endswith("+") and (bare := _BY_LOWER.get(token[:-1].lower())):
        return f"{bare}+"
    return found


def _is_sentence(words: list[str]) -> bool:
    """Say whether operands and operators follow each other as they must."""
    depth, wants = 0, True
    for word in words:
        opens = word == "("
        if wants != (opens or word not in {")", "AND", "OR", "WITH"}):
            return False
        depth += opens - (word == ")")
        wants = opens or word in {"AND", "OR", "WITH"}
        if depth < 0:
            return False
    return bool(words) and not wants and not depth
