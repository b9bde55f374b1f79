"""Chat templates: what a Jinja template reaches for beyond the texts and objects that it is given.

Sandboxes of Jinja forbid attributes that begin with an underscore; programs that render without one do not. A lookup
whose name stands in the template is judged by that name. A lookup whose name the template puts together first could
be any name, so that a person has to look at it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.formats import jinja

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.formats.jinja import Tag, Template, Token

COMPUTED = "jinja:computed lookup"

_FORBIDDEN_TAGS = frozenset({"import", "include", "extends", "from"})
_WITH_INTERNALS = frozenset({"lipsum", "cycler", "joiner", "self"})
_BY_ATTRIBUTE = frozenset({"map", "selectattr", "rejectattr", "sort", "groupby", "unique", "min", "max", "sum", "attr"})
_BUILDERS = frozenset(
    "join format replace string reverse map xmlattr urlencode urlize pprint tojson center indent wordwrap".split()
)
_NUMBERS = frozenset({"length", "count", "int", "float", "abs", "round"})
_BUILDING_METHODS = frozenset(
    "format format_map join replace translate maketrans zfill ljust rjust center expandtabs decode encode"
    " fromhex hex casefold".split()
)
_HIDDEN = re.compile(
    r"__(?:class|bases?|mro|subclasses|globals|builtins|init|import|getattribute|getattr|getitem|dict|call|code|closure|"
    r"func|self|reduce|reduce_ex|new|loader|spec|module|wrapped|qualname|subclasshook|init_subclass|doc)__"
)
_FIELD = re.compile(r"\{[^{}]*?[.\[]_")
_MANY = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTemplate:
    """What a chat template would do.

    Args:
        name: Where it was found.
        escapes: What no honest template does, in words.
        computed: Lookups of names that the template puts together, and objects of Jinja that it has no use for.
        loops: Counts that take long.
        broken: Why it cannot be read to its end, if so.
    """

    name: str
    escapes: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    broken: str | None = None


def parse(text: str, name: str = "") -> ChatTemplate:
    """Judge the lookups of a template.

    Args:
        text: The template.
        name: Where it was found.

    Raises:
        OverBudgetError: It is longer than 1 MB.

    Source:
        jinja2/sandbox.py, `is_internal_attribute`; jinja2/filters.py, `do_attr` and `make_attrgetter`.
    """
    template = jinja.parse(text, name)
    built = _built_names(template)
    escapes = set(_hidden_texts(template))
    computed: set[str] = set()
    loops: set[str] = set()
    for tag in template.tags:
        escapes.update(_escapes(tag))
        computed.update(_computed(tag, built))
        loops.update(_loops(tag.tokens))
    return ChatTemplate(
        name=name,
        escapes=tuple(sorted(escapes)),
        computed=tuple(sorted(computed)),
        loops=tuple(sorted(loops)),
        broken=template.broken,
    )


# What stands in the template


def _escapes(tag: Tag) -> Iterator[str]:
    tokens = tag.tokens
    if tag.kind == "block" and tokens and tokens[0].text in _FORBIDDEN_TAGS:
        yield f"it uses {tokens[0].text}"
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        if token.kind == "name":
            if _is(before, ".") and token.text.startswith("_"):
                yield f"it reaches for the attribute {token.text}"
            elif token.text.startswith("__"):
                yield f"it names {token.text}"
            elif _is(before, "|") and token.text in _BY_ATTRIBUTE:
                yield from _hidden_arguments(_arguments(tokens, at + 1))
        elif token.kind == "string":
            if _is(before, "[") and _is_subscript(tokens, at - 1) and token.text.startswith("_"):
                yield f"it reaches for the item {token.text}"
            if _FIELD.search(token.text):
                yield "it formats a text by hidden attributes"


def _hidden_arguments(arguments: Sequence[Token]) -> Iterator[str]:
    for token in arguments:
        if token.kind == "string" and any(part.startswith("_") for part in token.text.split(".")):
            yield f"it reaches for the attribute {token.text}"


def _hidden_texts(template: Template) -> Iterator[str]:
    """Look for names of Python's internals in the texts of the template, also where they were cut up."""
    whole = []
    for tag in template.tags:
        texts = [token.text for token in tag.tokens if token.kind == "string"]
        whole.extend(texts)
        yield from _internals("".join(texts))
    yield from _internals("".join(whole))
    yield from _internals("".join(text for text in whole if len(text) < 40))


def _internals(text: str) -> Iterator[str]:
    bare = re.sub(r"%[-+ #0-9.]*[a-z]|\{[^{}]{0,9}\}", "", text)
    for spelling in (text, bare, text[::-1], text.lower()):
        for found in _HIDDEN.finditer(spelling):
            yield f"it spells {found.group()}"


# What it puts together


def _computed(tag: Tag, built: frozenset[str]) -> Iterator[str]:
    tokens = tag.tokens
    for at, token in enumerate(tokens):
        if _is(token, "["):
            if _is_subscript(tokens, at) and _is_built(_inside(tokens, at), built):
                yield COMPUTED
        elif token.kind == "name":
            yield from _computed_by_name(tokens, at, built)


def _computed_by_name(tokens: Sequence[Token], at: int, built: frozenset[str]) -> Iterator[str]:
    word, before = tokens[at].text, tokens[at - 1] if at else None
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if _is(before, "|"):
        arguments = _arguments(tokens, at + 1)
        unclear = word in _BY_ATTRIBUTE and not _is_plain(arguments, built)
        if unclear or (word == "map" and _maps_attributes(arguments)):
            yield COMPUTED
    elif _is(before, "."):
        if word in {"format", "format_map"} and _is(after, "(") and not _is_text(tokens, at - 2):
            yield COMPUTED
    elif word in _WITH_INTERNALS and not _is(after, "="):
        yield f"jinja:{word}"


def _maps_attributes(arguments: Sequence[Token]) -> bool:
    """Tell whether a filter that is applied to each item is the one that looks up any attribute."""
    return (
        bool(arguments)
        and arguments[0].text in {"attr", "map"}
        and any(each.kind != "string" for each in arguments[2:])
    )


def _is_text(tokens: Sequence[Token], at: int) -> bool:
    return at >= 0 and tokens[at].kind == "string"


def _is_plain(arguments: Sequence[Token], built: frozenset[str]) -> bool:
    """Tell whether the arguments of a filter that takes the name of an attribute say that name in full."""
    if _is_built(arguments, built):
        return False
    for at, token in enumerate(arguments):
        if (
            token.text == "attribute"
            and at + 2 < len(arguments)
            and arguments[at + 2].kind not in {"string", "integer"}
        ):
            return False
    return not arguments or arguments[0].kind in {"string", "integer"} or _is(arguments[1:2], "=")


def _is_built(tokens: Sequence[Token], built: frozenset[str]) -> bool:
    """Tell whether an expression may be a text that the template put together."""
    texts = any(token.kind == "string" for token in tokens)
    counted = -1
    for at, token in enumerate(tokens):
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        if at < counted:
            continue
        if token.kind == "name" and token.text == "range" and _is(after, "("):
            counted = at + 2 + len(_inside(tokens, at + 1))
        elif token.kind == "operator":
            if token.text == "~" or (texts and token.text in {"+", "*", "%"}):
                return True
        elif (token.kind == "string" and _is(after, "[")) or (token.kind == "name" and _builds(tokens, at, built)):
            return True
    return False


def _builds(tokens: Sequence[Token], at: int, built: frozenset[str]) -> bool:
    word, before = tokens[at].text, tokens[at - 1] if at else None
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if _is(before, "|"):
        return word in _BUILDERS
    if _is(after, "|") and at + 2 < len(tokens) and tokens[at + 2].text in _NUMBERS:
        return False
    if _is(before, "."):
        return word in built or (word in _BUILDING_METHODS and _is(after, "("))
    return word in built or word.endswith("_token") or word in _WITH_INTERNALS


def _built_names(template: Template) -> frozenset[str]:
    """Return the names to which the template assigns texts that it puts together, through any number of steps."""
    macros = dict(_macros(template))
    assigned = [pair for tag in template.tags for pair in (*_assignments(tag), *_calls(tag, macros))]
    built: set[str] = set()
    for _ in range(len(assigned) + 1):
        size = len(built)
        for targets, value in assigned:
            if not built.issuperset(targets) and _is_built(value, frozenset(built)):
                built.update(targets)
        if len(built) == size:
            break
    return frozenset(built)


def _assignments(tag: Tag) -> Iterator[tuple[frozenset[str], Sequence[Token]]]:
    tokens = tag.tokens
    word = tokens[0].text if tag.kind == "block" and tokens else ""
    if word in {"set", "with"}:
        split = next((at for at, token in enumerate(tokens) if _is(token, "=")), None)
        if split is None:
            yield _names(tokens[1:]), (_PUT_TOGETHER,)
        elif tokens[split + 1 : split + 2] == (_NAMESPACE,):
            yield from _keywords(_inside(tokens, split + 2))
        else:
            yield _names(tokens[1:split]), tokens[split + 1 :]
    elif word == "for":
        split = next((at for at, token in enumerate(tokens) if token == _IN), len(tokens))
        yield _names(tokens[1:split]), tokens[split + 1 :]
    elif word == "macro":
        yield from _keywords(tokens[3:-1])


def _keywords(tokens: Sequence[Token]) -> Iterator[tuple[frozenset[str], Sequence[Token]]]:
    for part in _parts(tokens):
        if len(part) > 1 and _is(part[1], "="):
            yield frozenset({part[0].text}), part[2:]


def _names(tokens: Sequence[Token]) -> frozenset[str]:
    """Return the names that are assigned to; of an attribute, its own name, under which it is read again."""
    found: list[str] = []
    previous = None
    for token in tokens:
        if _is(previous, ".") and found:
            found.pop()
        if token.kind == "name":
            found.append(token.text)
        if _is(token, "|"):
            break
        previous = token
    return frozenset(found)


def _macros(template: Template) -> Iterator[tuple[str, tuple[str, ...]]]:
    for tag in template.tags:
        if tag.kind == "block" and len(tag.tokens) > 2 and tag.tokens[0].text == "macro":
            yield tag.tokens[1].text, tuple(part[0].text for part in _parts(tag.tokens[3:-1]))


def _calls(tag: Tag, macros: dict[str, tuple[str, ...]]) -> Iterator[tuple[frozenset[str], Sequence[Token]]]:
    """Return what each call of a macro assigns to its parameters."""
    for at, token in enumerate(tag.tokens[:-1]):
        if token.kind == "name" and token.text in macros and _is(tag.tokens[at + 1], "("):
            arguments = _inside(tag.tokens, at + 1)
            yield from _keywords(arguments)
            for parameter, part in zip(macros[token.text], _parts(arguments), strict=False):
                yield frozenset({parameter}), part


# Tokens


_PUT_TOGETHER = jinja.Token("operator", "~")  # as is what stands between {% set x %} and its end
_NAMESPACE = jinja.Token("name", "namespace")
_IN = jinja.Token("name", "in")


def _is(token: Token | Sequence[Token] | None, operator: str) -> bool:
    if isinstance(token, (tuple, list)):
        token = token[0] if token else None
    return isinstance(token, jinja.Token) and token.kind == "operator" and token.text == operator


def _is_subscript(tokens: Sequence[Token], at: int) -> bool:
    """Tell whether a bracket follows a value, so that it is no list."""
    if not at:
        return False
    before = tokens[at - 1]
    if before.kind == "operator":
        return before.text in ")]}"
    return before.kind == "string" or before.text not in _WORDS


_WORDS = frozenset("in is and or not if else elif for set with do return print filter call recursive".split())


def _inside(tokens: Sequence[Token], at: int) -> Sequence[Token]:
    """Return what stands between a bracket and the one that ends it."""
    depth = 0
    for end in range(at, len(tokens)):
        if tokens[end].kind == "operator":
            depth += (tokens[end].text in "([{") - (tokens[end].text in ")]}")
            if not depth:
                return tokens[at + 1 : end]
    return tokens[at + 1 :]


def _parts(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Split a list at its commas."""
    start = depth = 0
    for at, token in enumerate(tokens):
        if token.kind == "operator":
            depth += (token.text in "([{") - (token.text in ")]}")
            if token.text == "," and not depth:
                yield tokens[start:at]
                start = at + 1
    if start < len(tokens):
        yield tokens[start:]


def _arguments(tokens: Sequence[Token], at: int) -> Sequence[Token]:
    return _inside(tokens, at) if at < len(tokens) and _is(tokens[at], "(") else ()


def _loops(tokens: Sequence[Token]) -> Iterator[str]:
    for at, token in enumerate(tokens[:-1]):
        if token.kind == "name" and token.text == "range" and _is(tokens[at + 1], "("):
            inside = _inside(tokens, at + 1)
            large = any(
                len(each.text) > 30 or int(each.text.replace("_", ""), 0) >= _MANY for each in _integers(inside)
            )
            if large or any(_is(each, "**") for each in inside):
                yield "it counts further than any chat is long"


def _integers(tokens: Sequence[Token]) -> Iterator[Token]:
    return (token for token in tokens if token.kind == "integer")
