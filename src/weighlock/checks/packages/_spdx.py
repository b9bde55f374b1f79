"""Licences as SPDX expressions: what a release says about its licence, and whether a list admits that.

Source:
    SPDX specification, annex "SPDX license expressions"; PEP 639; the classifiers of the Python Package Index.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9.+:-]+)")
_LONGEST = 2000
_DEEPEST = 32

_CLASSIFIERS = {
    "Academic Free License (AFL)": "AFL-3.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "CEA CNRS Inria Logiciel Libre License, version 2.1 (CeCILL-2.1)": "CECILL-2.1",
    "Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
}
_TEXTS = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "the mit license": "MIT",
    "mpl 2.0": "MPL-2.0",
    "mozilla public license 2.0": "MPL-2.0",
    "psf": "PSF-2.0",
    "lgpl": "LGPL-2.0-or-later",
    "gplv2": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "gpl v3": "GPL-3.0-only",
}


def stated(metadata: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the expressions that all have to be admitted, or None where the metadata says nothing that is understood.

    Args:
        metadata: Core metadata as in pip's report.
    """
    expression = metadata.get("license_expression")
    if isinstance(expression, str) and expression.strip():
        return (expression.strip(),)
    classified = [item for item in _texts(metadata.get("classifier")) if item.startswith("License ::")]
    names = [item.rpartition("::")[2].strip() for item in classified]
    found = [name for name in names if name != "OSI Approved"]
    if found:
        mapped = [_CLASSIFIERS.get(name) for name in found]
        # Whether several mean "and" or "or", classifiers do not say, so all of them have to be admitted.
        return tuple(name for name in mapped if name) if all(mapped) else None
    return _named(metadata.get("license"))


def is_admitted(expression: str, admitted: Iterable[str]) -> bool | None:
    """Say whether a list of identifiers admits an expression, or None where it is no expression.

    Args:
        expression: Such as ``MIT AND (Apache-2.0 OR BSD-2-Clause)``.
        admitted: Identifiers, and pairs such as ``GPL-2.0-only WITH Classpath-exception-2.0``.
    """
    tokens = _tokens(expression)
    names = frozenset(" ".join(name.lower().split()) for name in admitted)
    parser = _Parser(tokens, names)
    try:
        verdict = parser.either(0)
    except (IndexError, ValueError):
        return None
    return verdict if parser.at == len(tokens) else None


class _Parser:
    def __init__(self, tokens: list[str], admitted: frozenset[str]) -> None:
        self.tokens = tokens
        self.admitted = admitted
        self.at = 0

    def either(self, depth: int) -> bool:
        verdict = self._both(depth)
        while self._take("or"):
            verdict = self._both(depth) or verdict
        return verdict

    def _both(self, depth: int) -> bool:
        verdict = self._one(depth)
        while self._take("and"):
            verdict = self._one(depth) and verdict
        return verdict

    def _one(self, depth: int) -> bool:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if self._take("("):
            verdict = self.either(depth + 1)
            if not self._take(")"):
                raise ValueError("a parenthesis is open")
            return verdict
        name = self._identifier()
        if not self._take("with"):
            return name in self.admitted or name.removesuffix("+") in self.admitted
        # An exception only adds permissions.
        return f"{name} with {self._identifier()}" in self.admitted or name in self.admitted

    def _identifier(self) -> str:
        name = self.tokens[self.at]
        if name in {"(", ")", "and", "or", "with"}:
            raise ValueError("an identifier is missing")
        self.at += 1
        return name

    def _take(self, token: str) -> bool:
        there = self.at < len(self.tokens) and self.tokens[self.at] == token
        self.at += there
        return there


def _tokens(expression: str) -> list[str]:
    text = expression.strip().lower()
    if len(text) > _LONGEST:
        return []
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return []
        tokens.append(match[1])
        at = match.end()
    return tokens


def _named(text: object) -> tuple[str, ...] | None:
    if not isinstance(text, str) or not text.strip() or len(text) > 200 or "\n" in text.strip():
        return None  # the whole text of a licence, or nothing
    name = text.strip()
    mapped = _TEXTS.get(" ".join(name.lower().replace(",", " ").split()))
    if mapped:
        return (mapped,)
    return (name,) if re.fullmatch(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*", name) else None


def _texts(value: object) -> list[str]:
    items = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [item for item in items if isinstance(item, str)]
