"""Model cards: the front matter of a ``README.md``, and what its sections say. Text of strangers, kept as text.

Source:
    "Model Cards" and "Model Card Metadata" (``modelcard.md``) of the documentation of the Hugging Face Hub; CommonMark
    for headings.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import yaml_text
from weighlock.formats.json_text import JsonObject

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

LARGEST = 8 << 20
"""Bytes of a card; those with every result of a benchmark have some 2 MB."""

MOST_RESULTS = 500
_MOST_ITEMS = 200
_MOST_CHARACTERS = 4000
_MOST_LINES = 200_000
_LONGEST_VALUE = 200
_FENCE = "---"
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.{1,200})")
_LABELLED = re.compile(r"(?:[-*] )?\*\*([^*]{1,60}?)(?: \[optional\])?:?\*\*:?(.*)")
_DEVELOPER = frozenset({"developed by", "curated by"})
_REPEATED = frozenset({"license", "language(s) (nlp)", "language(s)", "language"})
"""Labels under which a template repeats what the front matter says."""

_NOTHING = frozenset({"", "n/a", "tbd", "none", "needs more information"})

# What the templates of huggingface_hub say by themselves, for every model alike.
_TEMPLATE = ("more information needed", "carbon emissions can be estimated using")
_MARKS = str.maketrans("", "", "*_`[]<>#|-. \t\n")

_TOGETHER = ("uses", "risks", "limitations")
"""Sections that many cards have under one heading, which then stands for each of them."""

# Sections are known by words in their headings; the first row that fits counts.
_SECTIONS = (
    ("description", ("dataset description", "dataset summary", "model description")),
    ("personal", ("personal and sensitive", "personal information")),
    ("collection", ("collection", "curation", "source data", "annotation")),
    ("out-of-scope", ("out-of-scope", "out of scope", "misuse", "malicious use")),
    ("risks", ("bias", "ethic", "fairness", "harmful", "safety", "responsib")),
    ("limitations", ("limitation", "caveat", "known issue", "weakness")),
    ("tradeoffs", ("trade-off", "tradeoff", "trade off")),
    ("users", ("intended user", "users")),
    ("environment", ("environmental impact", "carbon", "energy", "co2", "emission")),
    ("hardware", ("hardware", "compute infrastructure", "infrastructure")),
    ("training-data", ("training data", "training dataset", "pretraining data", "pre-training data")),
    ("training", ("training procedure", "training detail", "training hyperparameter", "preprocessing", "pretraining")),
    ("evaluation", ("evaluation", "results", "performance", "benchmark")),
    ("training-data", ("dataset",)),
    ("uses", ("intended use", "direct use", "downstream use", "model uses", "use case", "intended for")),
    ("architecture", ("model architecture", "technical specification")),
    ("description", ("model description", "model summary", "model detail", "overview", "introduction")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One published number.

    Args:
        metric: Its kind.
        value: As written.
        dataset: On which data.
    """

    metric: str
    value: str
    dataset: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says.

    Args:
        problem: Why its front matter says nothing, where it is there and cannot be read.
        texts: Words of the front matter that stand for one text, such as ``pipeline_tag``, by their keys.
        lists: Those that stand for a list, such as ``datasets``.
        results: Of ``model-index``.
        emissions: Names and values of ``co2_eq_emissions``.
        developer: Who made it, where the text says so in the way of the Hub's template.
        sections: Text by the names of `_SECTIONS`.
        repeated: Keys of the front matter that stand there twice: readers differ in which one counts.
        dropped: What was cut off, in words.
    """

    problem: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    emissions: tuple[tuple[str, str], ...] = ()
    developer: str | None = None
    sections: Mapping[str, str] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def text(self, key: str) -> str | None:
        """Return a word of the front matter."""
        return self.texts.get(key)

    def all(self, key: str) -> tuple[str, ...]:
        """Return a list of the front matter; one text is a list of one."""
        return self.lists.get(key) or ((self.texts[key],) if key in self.texts else ())


def parse(data: bytes) -> Card:
    """Read a model card.

    Args:
        data: All bytes of the file.

    Raises:
        FormatError: It is not UTF-8.
        OverBudgetError: It is larger or longer than anybody writes.

    Source:
        ``modelcard.md`` of hub-docs.
    """
    if len(data) > LARGEST:
        raise OverBudgetError(f"the card is larger than {LARGEST >> 20} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("the card is not UTF-8") from error
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > _MOST_LINES:
        raise OverBudgetError("the card has more lines than anybody writes")
    end = _end_of_front_matter(lines)
    text_only = Card(sections=_sections(lines[end:]), developer=_labelled(lines[end:], _DEVELOPER))
    if not end:
        return text_only
    try:
        value = yaml_text.parse("\n".join(lines[1 : end - 1]).encode())
    except (FormatError, OverBudgetError) as error:
        return replace(text_only, problem=error.message)
    if value is not None and not isinstance(value, JsonObject):
        return replace(text_only, problem="the front matter is not a table")
    return _with_front_matter(text_only, value or JsonObject())


def _end_of_front_matter(lines: list[str]) -> int:
    """Return the number of the first line behind the front matter; 0 where there is none."""
    if lines[0].rstrip() != _FENCE:
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), 0)


def _with_front_matter(card: Card, front: JsonObject) -> Card:
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    repeated = tuple(name for name, number in Counter(name for name, _ in front).items() if number > 1)
    dropped = []
    for name, value in front[:_MOST_ITEMS]:
        if (one := _text(value)) is not None:
            texts.setdefault(name, one)
        elif isinstance(value, list) and not isinstance(value, JsonObject):
            lists.setdefault(name, tuple(item for each in value[:_MOST_ITEMS] if (item := _text(each)) is not None))
            if len(value) > _MOST_ITEMS:
                dropped.append(f"{len(value) - _MOST_ITEMS} of {name}")
    results = list(_results(front))
    if len(results) > MOST_RESULTS:
        dropped.append(f"{len(results) - MOST_RESULTS} results")
    return replace(
        card,
        texts=texts,
        lists=lists,
        results=tuple(results[:MOST_RESULTS]),
        emissions=tuple(_emissions(front)),
        repeated=repeated,
        dropped=tuple(dropped),
    )


def _text(value: object) -> str | None:
    """Return a text, or a number in the way that it is written."""
    if isinstance(value, str):
        return value.strip()[:_MOST_CHARACTERS] or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else None


def _tables(value: object) -> Iterator[JsonObject]:
    if isinstance(value, JsonObject):
        yield value
    elif isinstance(value, list):
        yield from (item for item in value if isinstance(item, JsonObject))


def _results(front: JsonObject) -> Iterator[Result]:
    """Yield every number of ``model-index``."""
    for index in front.every("model-index"):
        for model in _tables(index):
            for results in model.every("results"):
                for result in _tables(results):
                    yield from _of_result(result)


def _of_result(result: JsonObject) -> Iterator[Result]:
    dataset = next((_dataset(table) for value in result.every("dataset") for table in _tables(value)), None)
    for metrics in result.every("metrics"):
        for metric in _tables(metrics):
            kind = _first(metric, "name") or _first(metric, "type")
            value = _first(metric, "value")
            if kind and value:
                yield Result(metric=kind, value=value, dataset=dataset)


def _dataset(table: JsonObject) -> str | None:
    name = _first(table, "name") or _first(table, "type")
    parts = [part for key in ("config", "split") if (part := _first(table, key))]
    return f"{name} ({', '.join(parts)})" if name and parts else name


def _first(table: JsonObject, key: str) -> str | None:
    return next((text for value in table.every(key) if (text := _text(value)) is not None), None)


def _emissions(front: JsonObject) -> Iterator[tuple[str, str]]:
    for value in front.every("co2_eq_emissions")[:1]:
        if (one := _text(value)) is not None:
            yield "emissions", one
        for table in _tables(value):
            for key in ("emissions", "source", "training_type", "geographical_location", "hardware_used"):
                if (one := _first(table, key)) is not None:
                    yield key, one


def _labelled(lines: list[str], labels: Container[str]) -> str | None:
    """Return the first value behind a label, as in ``- **Developed by:** somebody``."""
    for line in lines:
        found = _LABELLED.match(line.strip()[:_MOST_CHARACTERS])
        if found and found[1].strip(" :").lower() in labels and not _says_nothing(found[2]):
            return found[2].strip()[:_LONGEST_VALUE]
    return None


def _says_nothing(text: str) -> bool:
    """Say whether a line is what a template left there, a label without a value, or what the front matter says, too."""
    lowered = text.strip().strip("[]*_ .").lower()
    found = _LABELLED.match(text.strip()[:_MOST_CHARACTERS])
    empty = found is not None and (not found[2].strip() or found[1].strip(" :").lower() in _REPEATED)
    return lowered in _NOTHING or empty or any(each in lowered for each in _TEMPLATE)


def _sections(lines: list[str]) -> dict[str, str]:
    """Return the text below headings that are known, without what a template left there."""
    found: dict[str, list[str]] = {}
    names: list[tuple[int, str | None]] = []
    opening: list[str] = []
    headings = 0
    fenced = comment = False
    for line in lines:
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        heading = None if fenced else _HEADING.match(line)
        if heading:
            depth = len(heading[1])
            names = [(above, name) for above, name in names if above < depth]
            names.append((depth, _section(heading[2])))
            headings += 1
            continue
        comment, line = _without_comment(comment, line)  # noqa: PLW2901 - the same line, without comments
        name = next((name for _, name in reversed(names) if name), None)
        if name:
            found.setdefault(name, []).append(line)
        elif headings == 1:
            opening.append(line)
    texts = {name: _tidy(parts) for name, parts in found.items()}
    for together in [name for name in texts if "+" in name]:
        text = texts.pop(together)
        for name in together.split("+"):
            texts[name] = texts.get(name) or text
    texts["hardware"] = texts.get("hardware") or _labelled(lines, {"hardware type", "hardware"}) or ""
    texts["description"] = texts.get("description") or _opening(opening)
    return {name: text for name, text in texts.items() if text}


def _opening(lines: list[str]) -> str:
    """Return the first paragraph below the title, past pictures and badges: in most cards it says what the model is."""
    paragraphs = "\n".join(lines).split("\n\n")
    return next((text for part in paragraphs if (text := _tidy([part])) and text.lstrip()[0] not in "!<[|>-*`"), "")


def _section(heading: str) -> str | None:
    lowered = heading.lower()
    if lowered.startswith(("model card", "dataset card")):
        return None  # the title of the whole
    if lowered.strip(" #*:") == "uses":
        return "uses"
    names = [name for name, words in _SECTIONS if any(word in lowered for word in words)]
    together = [name for name in _TOGETHER if name in names]
    return "+".join(together) if len(together) > 1 and names[0] in together else next(iter(names), None)


def _without_comment(inside: bool, line: str) -> tuple[bool, str]:  # noqa: FBT001 - the state of a scanner
    """Return a line without comments, and whether the next one begins in a comment."""
    kept, at = [], 0
    while at < len(line):
        mark = "-->" if inside else "<!--"
        end = line.find(mark, at)
        if not inside:
            kept.append(line[at : end if end >= 0 else len(line)])
        if end < 0:
            break
        inside, at = not inside, end + len(mark)
    return inside, "".join(kept)


def _tidy(lines: list[str]) -> str:
    text = "\n".join(line.rstrip() for line in lines).strip("\n")[: 4 * _MOST_CHARACTERS]
    kept = [line for line in text.split("\n") if not line.strip() or not _says_nothing(line)]
    text = "\n".join(kept).strip()
    if not text.translate(_MARKS):
        return ""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
