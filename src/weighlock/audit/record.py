"""The record of answers: what people answered, and what they waived, for exactly which bytes.

Everything that is not expected is an error with the path of its key: a misspelt item would waive nothing, or not what
its approver meant.

Source:
    ``docs/formats/audit.md``.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from weighlock.audit.item import Status, Waiver
from weighlock.audit.parts import BY_ID
from weighlock.errors import RecordError
from weighlock.toml import is_printable, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    _Row = TypeVar("_Row")

VERSION = "1.0"
LONGEST_WAIVER = timedelta(days=366)
"""Whoever wants to live with something for longer looks at it again once a year."""

_LONGEST_TEXT = 10_000
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_MAIL = re.compile(r"[^<>()\[\],;:\"'\s]+@[^<>()\[\],;:\"'\s]+")
_SUBADDRESS = re.compile(r"\+[^@]*@")
_WORD = re.compile(r"\w+")
_ANSWERS = {"pass": Status.PASS, "fail": Status.FAIL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A person answers a question.

    Args:
        item: Its id.
        status: `Status.PASS` or `Status.FAIL`.
        text: Why.
        by: Who.
        at: When.
        place: A path or a URL of what the answer rests on.
        sha256: Of that file; a URL may do without, a path may not.
    """

    item: str
    status: Status
    text: str
    by: str
    at: date
    place: str | None = None
    sha256: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether its evidence lies behind a URL, which nobody fetches."""
        return self.place is not None and self.place.startswith(("https://", "http://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """What people said about one model.

    Args:
        name: Of the model in the lockfile.
        digest: Of its files, as `weighlock.audit.facts.model_digest`; for other bytes nothing of this holds.
        answers: One for an item at most.
        waivers: One for an item at most.
    """

    name: str
    digest: str
    answers: tuple[Answered, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All answers and waivers of a project.

    Args:
        licenses: SPDX identifiers, and names of the Hub, that models may have.
        require: Ids of items that are required here, besides those that always are.
        models: Unique by name.
    """

    licenses: tuple[str, ...] = ()
    require: frozenset[str] = frozenset()
    models: tuple[ModelRecord, ...] = ()

    def of(self, name: str) -> ModelRecord | None:
        """Return what was said about a model."""
        return next((model for model in self.models if model.name == name), None)


def parse(text: str) -> Record:
    """Parse the text of a record.

    Raises:
        RecordError: It is not TOML or not a valid record; `where` has the line and the path of the broken key.

    Source:
        ``docs/formats/audit.md``.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RecordError(f"not valid TOML: {why}") from error
    try:
        return from_dict(document)
    except RecordError as error:
        line = line_of(text, error.where) if error.where else None
        if line is not None:
            error.where = f"line {line}, {error.where}"
        raise


def from_dict(document: Mapping[str, Any]) -> Record:
    """Make a record from what a TOML parser returned.

    Raises:
        RecordError: A key is unknown, missing or broken; `where` is its path.
    """
    if document.get("audit-version") != VERSION:
        raise RecordError(f'must be "{VERSION}", which is what this weighlock knows', where="audit-version")
    _require_keys(document, ("audit-version", "licenses", "require", "models"), "")
    models = _rows(document.get("models", []), _model, "models")
    _refuse_twice([model.name for model in models], "models", "name")
    return Record(
        licenses=_texts(document.get("licenses", []), "licenses"),
        require=frozenset(
            _item(item, f"require[{number}]")
            for number, item in enumerate(_texts(document.get("require", []), "require"))
        ),
        models=models,
    )


def is_same_person(one: str, other: str) -> bool:
    """Say whether two names are of one person, however they are spelled: by name, or by mail address.

    Two accounts of one person that share neither cannot be told apart.
    """
    return bool(_identities(one) & _identities(other))


def _identities(name: str) -> set[frozenset[str]]:
    """Return mail addresses without what follows a plus, and the words of the name in any order; without accents."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    mails = {frozenset({_SUBADDRESS.sub("@", mail)}) for mail in _MAIL.findall(plain)}
    words = frozenset(_WORD.findall(_MAIL.sub(" ", plain)))
    return mails | ({words} if words else set()) or {frozenset({"".join(plain.split())})}


def _model(table: dict[str, Any], where: str) -> ModelRecord:
    _require_keys(table, ("name", "digest", "answers", "waivers"), where)
    digest = _text(table, "digest", where)
    if not _DIGEST.match(digest):
        raise RecordError("is not a digest such as sha256:…", where=f"{where}.digest", hint=_DIGEST_HINT)
    answers = _rows(table.get("answers", []), _answer, f"{where}.answers")
    waivers = _rows(table.get("waivers", []), _waiver, f"{where}.waivers")
    _refuse_twice([answer.item for answer in answers], f"{where}.answers", "item")
    _refuse_twice([waiver.item for waiver in waivers], f"{where}.waivers", "item")
    return ModelRecord(name=_text(table, "name", where), digest=digest, answers=answers, waivers=waivers)


_DIGEST_HINT = "`weighlock audit MODEL` prints it as the digest of the model"


def _answer(table: dict[str, Any], where: str) -> Answered:
    _require_keys(table, ("item", "answer", "text", "by", "at", "evidence", "sha256"), where)
    status = _ANSWERS.get(_text(table, "answer", where))
    if status is None:
        raise RecordError('must be "pass" or "fail"', where=f"{where}.answer")
    item = _item(_text(table, "item", where), f"{where}.item")
    if not (BY_ID[item].assess is None or BY_ID[item].answerable):
        raise RecordError(
            "is for a machine to answer", where=f"{where}.item", hint="mend what it finds, or waive it with an approver"
        )
    answer = Answered(
        item=item,
        status=status,
        text=_text(table, "text", where),
        by=_text(table, "by", where),
        at=_day(table, "at", where),
        place=_text(table, "evidence", where) if "evidence" in table else None,
        sha256=_text(table, "sha256", where) if "sha256" in table else None,
    )
    if answer.sha256 is not None and not _SHA256.match(answer.sha256):
        raise RecordError("is not 64 lower-case hexadecimal digits", where=f"{where}.sha256")
    if answer.place is None and answer.sha256 is not None:
        raise RecordError("is the digest of nothing", where=f"{where}.sha256", hint='add evidence = "path or URL"')
    if answer.place is not None and answer.sha256 is None and not answer.is_remote:
        raise RecordError(
            "is a file, and no sha256 says which bytes it had",
            where=f"{where}.evidence",
            hint=f'add sha256 = "…", which `sha256sum {answer.place}` prints',
        )
    return answer


def _waiver(table: dict[str, Any], where: str) -> Waiver:
    keys = ("item", "reason", "by", "approver", "at", "expires")
    _require_keys(table, keys, where)
    waiver = Waiver(
        item=_item(_text(table, "item", where), f"{where}.item"),
        reason=_text(table, "reason", where),
        by=_text(table, "by", where),
        approver=_text(table, "approver", where),
        at=_day(table, "at", where),
        expires=_day(table, "expires", where),
    )
    if not BY_ID[waiver.item].waivable:
        raise RecordError(f"{waiver.item} cannot be waived", where=f"{where}.item", hint="mend what it finds")
    if is_same_person(waiver.by, waiver.approver):
        raise RecordError(
            "is who asked for the waiver", where=f"{where}.approver", hint="somebody else has to approve it"
        )
    if not timedelta(0) <= waiver.expires - waiver.at <= LONGEST_WAIVER:
        raise RecordError(
            f"must be at most {LONGEST_WAIVER.days} days after {waiver.at}, and not before",
            where=f"{where}.expires",
            hint="look at it again once a year",
        )
    return waiver


def _item(name: str, where: str) -> str:
    if name not in BY_ID:
        from difflib import get_close_matches

        near = get_close_matches(name[:100], BY_ID, 3, 0.4) or sorted(BY_ID)
        raise RecordError(f"there is no item {name[:100]!r}", where=where, hint=f"did you mean {', '.join(near)}?")
    return name


def _rows(value: Any, make: Callable[[dict[str, Any], str], _Row], where: str) -> tuple[_Row, ...]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RecordError("must be tables", where=where, hint=f"write [[{where.partition('[')[0]}]]")
    return tuple(make(row, f"{where}[{number}]") for number, row in enumerate(value))


def _refuse_twice(names: Sequence[str], where: str, key: str) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise RecordError(f"{name[:100]!r} is there twice", where=f"{where}[{number}].{key}")


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    place = f"{where}.{key}"
    if not isinstance(value, str) or not value.strip():
        raise RecordError("must be a string that says something", where=place)
    if len(value) > _LONGEST_TEXT:
        raise RecordError(f"is longer than {_LONGEST_TEXT} characters", where=place)
    if not is_printable(value.replace("\n", " ").replace("\t", " ")):
        raise RecordError("holds characters that cannot be shown", where=place)
    return value.strip()


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RecordError("must be a list of strings", where=where)
    return tuple(_text({"": item}, "", f"{where}[{number}]") for number, item in enumerate(value))


def _day(table: Mapping[str, Any], key: str, where: str) -> date:
    value = table.get(key)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise RecordError("must be a day such as 2027-01-31, without quotes", where=f"{where}.{key}")
    return value


def _require_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise RecordError(f"unknown key {key[:100]!r}", where=where or None, hint=f"known keys: {', '.join(known)}")
