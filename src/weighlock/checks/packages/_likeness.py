"""In which way a name of a project can be taken for another one."""

from __future__ import annotations

from functools import lru_cache

_SHORTEST = 5
"""Of shorter names half of all combinations of letters are taken by honest projects: rich, rish, rice."""

_AFFIXES = frozenset(
    "api cli client core dev lib libs module official package pip py python python3 sdk tool tools util utils".split()
)
_SAME_LOOK = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))


def likeness(name: str, other: str) -> str | None:
    """Say in which way two different canonical names look alike, or None where they do not.

    Args:
        name: What is to be installed.
        other: What many people know.

    Source:
        PyPI refuses new names that differ from an old one in separators and in 0/o and 1/i/l alone ("ultranormalized");
        the rest is what typosquats were found to do: one slip of the finger, words exchanged, a word added.
    """
    if name == other or min(len(name), len(other)) < _SHORTEST - 1:
        return None
    if min(len(name), len(other)) >= _SHORTEST and _looks(name) == _looks(other):
        return "it differs in separators or in letters that look the same"
    if len(other) < _SHORTEST:
        return None
    if _is_one_slip(name, other):
        return "it is one slip of the finger away"
    words, others = name.split("-"), other.split("-")
    if len(words) > 1 and sorted(words) == sorted(others):
        return "it has the same words in another order"
    extra = _extra(words, others)
    return f"it is the same with {extra!r} added" if extra in _AFFIXES else None


@lru_cache(maxsize=8192)
def _looks(name: str) -> str:
    name = name.replace("-", "")
    for seen, meant in _SAME_LOOK:
        name = name.replace(seen, meant)
    return name


def _is_one_slip(name: str, other: str) -> bool:
    """Say whether one letter was left out, added, exchanged, or two neighbours were swapped."""
    if abs(len(name) - len(other)) > 1:
        return False
    shorter = min(len(name), len(other))
    start = next((at for at in range(shorter) if name[at] != other[at]), shorter)
    end = next((at for at in range(shorter - start) if name[-1 - at] != other[-1 - at]), shorter - start)
    left, right = name[start : len(name) - end], other[start : len(other) - end]
    if left.isdigit() or right.isdigit():
        return False  # cu12 and cu13, python2 and python3: another version, by the same people as often as not
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])


def _extra(words: list[str], others: list[str]) -> str | None:
    """Return the one word that is before or behind the others."""
    if words[1:] == others:
        return words[0]
    return words[-1] if words[:-1] == others else None
