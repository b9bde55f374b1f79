"""What lockfiles, bills of materials, environments and registries hold, as items of the index."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from weighlock.formats.bill_relations import ANCESTOR
from weighlock.formats.inventory import DATA, FILE, MODEL, PACKAGE
from weighlock.incidents import names
from weighlock.model_source import revision_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from weighlock.formats.bill_relations import Relation
    from weighlock.formats.inventory import Component, Inventory
    from weighlock.incidents.reach import PromotedVersion
    from weighlock.lockfile import LockedFile, LockedModel, Lockfile

_MOST_APPROVED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that can be asked for.

    Args:
        kind: ``model``, ``file``, ``package``, ``component`` or ``promoted``.
        name: For people.
        version: The same; empty where there is none.
        digest: 64 hexadecimal digits; empty where there is none.
        size: Bytes.
        detail: What else is shown, by names.
        keys: Every name and every digest that finds it; a digest is 32 bytes.
        bases: Names and digests of what it was made from (``ancestor``) or needs (``needs``), each with which of them.
        children: What lies in it.
    """

    kind: str
    name: str
    version: str = ""
    digest: str = ""
    size: int | None = None
    detail: Mapping[str, object] | None = None
    keys: tuple[str | bytes, ...] = ()
    bases: tuple[tuple[str | bytes, str], ...] = ()
    children: tuple[Item, ...] = ()

    @property
    def text(self) -> str:
        """What else is shown, as it is kept."""
        return json.dumps(self.detail, ensure_ascii=False, separators=(",", ":")) if self.detail else ""


def of_lockfile(lockfile: Lockfile, bases: Mapping[str, Sequence[str]]) -> Iterator[Item]:
    """Yield every locked model with its files.

    Args:
        lockfile: As it was read.
        bases: What models were made from, by their names in the lockfile.
    """
    for one in lockfile.models:
        yield Item(
            kind="model",
            name=one.name,
            version=revision_of(one.source) or "",
            detail={"source": one.source.shown},
            keys=names.of_model(one),
            bases=tuple((names.model(base), ANCESTOR) for base in bases.get(one.name, ())),
            children=tuple(_files(one)),
        )


def _files(one: LockedModel) -> Iterator[Item]:
    for file in one.files:
        yield Item(
            kind="file",
            name=file.path,
            digest=file.sha256,
            size=file.size,
            detail=_detail(file),
            keys=(bytes.fromhex(file.sha256),),
        )


def _detail(file: LockedFile) -> dict[str, object] | None:
    found: dict[str, object] = {"format": file.format} if file.format else {}
    if file.approved:
        found["approved"] = list(file.approved[:_MOST_APPROVED])
    return found or None


def of_bill(inventory: Inventory, relations: Iterable[Relation]) -> Iterator[Item]:
    """Yield every component of a bill, each with what it was made from and needs, and what is wrong with it."""
    against: dict[str, set[str]] = {}
    for claim in inventory.assertions:
        for ref in claim.refs:  # also where the bill says that it does no harm there, which it may be wrong about
            against.setdefault(ref.rpartition("#")[2] if ref.startswith("urn:cdx:") else ref, set()).update(
                {claim.id, *claim.aliases}
            )
    named = {one.ref: one for one in inventory.components if one.ref}
    bases: dict[str, list[tuple[str | bytes, str]]] = {}
    for one in relations:
        bases.setdefault(one.child, []).extend((key, one.kind) for key in _keys_of_base(one, named))
    inside = {one.where: one.name for one in inventory.components}
    parts: dict[str, list[Component]] = {}
    for component in inventory.components:
        parts.setdefault(component.parent if component.parent in inside else "", []).append(component)
    made = _Making(parts=parts, inside=inside, against=against, bases=bases)
    yield from made.below("")
    for component in inventory.components:  # what lies in itself, however far around, lies in nothing else
        if component.where not in made.done:
            yield made.item(component)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Making:
    parts: Mapping[str, Sequence[Component]]
    inside: Mapping[str, str]
    against: Mapping[str, set[str]]
    bases: Mapping[str, Sequence[tuple[str | bytes, str]]]
    done: set[str] = field(default_factory=set)

    def below(self, where: str) -> Iterator[Item]:
        for component in self.parts.get(where, ()):
            if component.where not in self.done:
                yield self.item(component)

    def item(self, one: Component) -> Item:
        self.done.add(one.where)
        plain = _component(one, self.inside.get(one.parent, ""))
        return replace(
            plain,
            keys=(*plain.keys, *map(names.advisory, sorted(self.against.get(one.ref, ())))),
            bases=tuple(dict.fromkeys(self.bases.get(one.ref or one.where, ()))),
            children=tuple(self.below(one.where)),
        )


def _component(one: Component, inside: str) -> Item:
    detail = {"kind": one.word, "part": one.where, "inside": inside, "ancestor": one.ancestor, "about": one.subject}
    return Item(
        kind="component",
        name=one.name,
        version=one.version or "",
        digest=one.sha256[0] if one.sha256 else "",
        detail={key: value for key, value in detail.items() if value},
        keys=tuple(dict.fromkeys(_keys(one))),
    )


def _keys(one: Component) -> Iterator[str | bytes]:
    for digest in (*one.sha256, *one.files_sha256):
        yield bytes.fromhex(digest)
    for purl in one.purls:
        yield from names.of_purl(purl)
    if one.kind in {MODEL, DATA}:
        yield names.model(one.name)
    elif one.kind == PACKAGE and not one.purls:
        yield names.package(one.name)
    if one.kind != FILE and one.ref:
        yield f"part:{one.ref}"


def _keys_of_base(one: Relation, named: Mapping[str, Component]) -> Iterator[str | bytes]:
    there = named.get(one.base)
    if there is not None:
        keys = [key for key in _keys(there) if one.kind == ANCESTOR or key == f"part:{there.ref}"]
        yield from keys
    for purl in one.purls:
        yield from names.of_purl(purl)
    for digest in one.sha256:
        if len(digest) == 64 and set(digest) <= set("0123456789abcdef"):
            yield bytes.fromhex(digest)
    if one.name:
        yield names.model(one.name)


def of_environment(distributions: Iterable[tuple[str, str]]) -> Iterator[Item]:
    """Yield every distribution of an environment.

    Args:
        distributions: Canonical name and version of each; of one name there may be several.
    """
    for name, version in sorted(distributions):
        yield Item(kind="package", name=name, version=version, keys=(names.package(name),))


def of_promotions(promoted: Iterable[PromotedVersion]) -> Iterator[Item]:
    """Yield every version that was promoted."""
    for one in promoted:
        detail: dict[str, object] = {"stage": one.stage, "statement": one.statement, "digests": list(one.digests)}
        detail["in_force"] = one.in_force
        yield Item(
            kind="promoted",
            name=one.model,
            version=one.version,
            detail=detail | ({"time": one.time.isoformat()} if one.time else {}),
            keys=(names.model(one.model), *(bytes.fromhex(digest.removeprefix("sha256:")) for digest in one.digests)),
        )
