"""Answers to render: what is everywhere, what is nowhere, and one whose every text is an attacker's."""

from __future__ import annotations

from datetime import timedelta

from tests.incidents.world import NOW, digest
from tests.output.audit.samples import ATTACKS
from weighlock.incidents.reach import (
    ELSEWHERE,
    MEANINGS,
    Access,
    Derived,
    Gap,
    Installed,
    Listed,
    Locked,
    Looked,
    Meaning,
    PromotedVersion,
    Reach,
)

DIGEST = f"sha256:{digest('w')}"


def access(**changes) -> Access:
    """Return ten loads on one host."""
    plain = {
        "gate": "load", "kind": "model", "actor": "ann@train-1", "loader": "torch.load", "verdict": "ALLOW",
        "enforced": True, "count": 10, "first": NOW - timedelta(days=9), "last": NOW - timedelta(days=2), "digests": 1,
        "names": ("org/base:model.safetensors",), "entries": ((0, 4), (7, 7), (9, 12)),
    }  # fmt: skip
    return Access(**(plain | changes))


def everywhere() -> Reach:
    """Return what is in every kind of place."""
    lock = "/home/ann/projects/ranker/models.lock"
    return Reach(
        subject="org/base",
        meanings=(
            Meaning(kind="model", name="org/base", digests=(DIGEST,)),
            Meaning(kind="base-model", name="org/base"),
        ),
        digests=(DIGEST,),
        locked=(
            Locked(place=lock, model="org/base", source="hf:org/base@main", path="model.safetensors",
                   digest=DIGEST, size=9),
            Locked(place="/srv/search/models.lock", model="org/base", source="hf:org/base@main", path="m.bin",
                   digest=DIGEST, size=9, approved=("collections.OrderedDict",)),
        ),
        listed=(
            Listed(place="/srv/search/models.cdx.json", name="org/base", version="", kind="machine-learning-model",
                   part="components[0]", why="is"),
            Listed(place="/srv/search/models.cdx.json", name="search-app", version="2.1", kind="application",
                   part="components[4]", why="needs"),
        ),
        installed=(Installed(place="/srv/search/.venv", name="org-base-runtime", version="1.0"),),
        promoted=(
            PromotedVersion(place="/srv/registry", model="org/base", version="7", stage="production", digests=(DIGEST,),
                            statement=f"sha256:{digest('vsa')}", time=NOW - timedelta(days=5)),
        ),
        derived=(
            Derived(name="org/ranker", base="org/base", steps=1, place=lock, digests=(f"sha256:{digest('r')}",)),
            Derived(name="org/ranker-int8", base="org/ranker", steps=2, place="/srv/search/models.cdx.json"),
        ),
        accesses=(
            access(),
            access(actor="bob@train-1", loader="safetensors.safe_open", count=3, entries=((20, 22),)),
            access(actor="svc@serve-2", count=1234, last=NOW, after_denial=12, entries=((30, 900),)),
            access(actor="svc@serve-2", gate="scan", loader="", verdict="DENY", count=1, first=NOW - timedelta(days=4),
                   last=NOW - timedelta(days=4), entries=((700, 700),)),
            access(actor="eve@laptop-9", verdict="DENY", count=2, first=NOW - timedelta(days=1), last=NOW,
                   entries=((950, 951),)),
            access(actor="svc@serve-3", derived=True, count=40, entries=((960, 999),)),
        ),
        looked=(
            Looked(kind="ledger", place="/home/ann/.local/state/weighlock/ledger", told="1000 entries"),
            Looked(kind="lockfile", place=lock, told="3 models, 12 files", fresh=NOW - timedelta(days=30)),
            Looked(kind="document", place="/mnt/old/models.lock", state=ELSEWHERE, told="recorded on train-7"),
        ),
        gaps=(Gap(place="documents of other hosts", why="1 document that was recorded on train-7 is not here",
                  remedy="name copies of them with --in"),),
        notes=("a document that the ledger recorded here is gone",),
    )  # fmt: skip


def nowhere() -> Reach:
    """Return what is nowhere."""
    return Reach(
        subject=DIGEST,
        meanings=(Meaning(kind="digest", name=DIGEST, digests=(DIGEST,)),),
        digests=(DIGEST,),
        looked=(Looked(kind="ledger", place="/l", told="5 entries, 5 of them sealed"),),
    )


def large(count: int = 3000) -> Reach:
    """Return what is in thousands of places."""
    return Reach(
        subject="org/base",
        meanings=(Meaning(kind="model", name="org/base"),),
        digests=tuple(f"sha256:{digest(str(n))}" for n in range(count)),
        locked=tuple(
            Locked(place=f"/srv/project-{n // 10}/models.lock", model=f"org/model-{n}", source="hf:x", path="w",
                   digest=f"sha256:{digest(str(n))}", size=n) for n in range(count)
        ),
        derived=tuple(
            Derived(name=f"org/child-{n}", base="org/base", steps=1 + n % 4, place="/b") for n in range(count)
        ),
        accesses=tuple(access(actor=f"user-{n % 7}@host-{n}", count=n + 1) for n in range(200)),
        looked=(Looked(kind="ledger", place="/l"),),
    )  # fmt: skip


def hostile() -> Reach:
    """Return an answer in which every text is an attack, in every place."""
    text = "".join(ATTACKS[:11])
    some = ATTACKS
    return Reach(
        subject=text,
        meanings=tuple(Meaning(kind=kind, name=attack) for kind, attack in zip(MEANINGS * 3, some, strict=False)),
        digests=(DIGEST,),
        locked=tuple(
            Locked(place=one, model=one, source=one, path=one, digest=DIGEST, size=1, approved=(one,)) for one in some
        ),
        listed=tuple(
            Listed(place=one, name=one, version=one, kind=one, part=one, why=why, inside=one)
            for one in some
            for why in ("is", "ancestor", one)
        ),
        installed=tuple(Installed(place=one, name=one, version=one, why=one) for one in some),
        promoted=tuple(
            PromotedVersion(place=one, model=one, version=one, stage=one, statement=one, time=NOW, why=one)
            for one in some
        ),
        derived=tuple(Derived(name=one, base=one, steps=1, place=one) for one in some),
        accesses=tuple(
            access(actor=f"{one}@{one}", gate=one, loader=one, verdict=verdict, names=(one,), after_denial=1)
            for one in some
            for verdict in ("ALLOW", "DENY")
        ),
        looked=tuple(Looked(kind=one, place=one, state=one, told=one, fresh=NOW) for one in some),
        gaps=tuple(Gap(place=one, why=one, remedy=one) for one in some),
        notes=some,
    )
