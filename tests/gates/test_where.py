"""Where something is: what is found in every kind of source, and that nothing is called nowhere without a look."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.incidents.world import COMMIT, NOW, World, digest, locked
from weighlock.errors import SourceError, UsageError
from weighlock.gates import where_promotions
from weighlock.gates.where import reach
from weighlock.incidents.reach import PromotedVersion
from weighlock.lockfile import LockedFile, LockedModel, MlflowSource, OciSource, PathSource
from weighlock.verdict import Decision


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.chdir(made.project)
    return made


def pedigree(name: str, base: str) -> dict[str, object]:
    ancestor = {"type": "machine-learning-model", "name": base, "bom-ref": f"ancestor-of-{name}"}
    return {
        "type": "machine-learning-model",
        "name": name,
        "bom-ref": name,
        "pedigree": {"ancestors": [ancestor]},
        "components": [
            {"type": "file", "name": "w.safetensors", "bom-ref": f"{name}-w",
             "hashes": [{"alg": "SHA-256", "content": digest(f"{name}:w")}]}
        ],
    }  # fmt: skip


def test_a_digest_is_found_in_the_lockfile_and_the_ledger(world):
    world.lock(locked("org/base", "base:w"))
    world.record(world.entry("base:w"), world.entry("base:w"), world.entry("base:w", actor="bob@train-2"))
    found = world.where(digest("base:w"))
    assert [(one.model, one.path) for one in found.locked] == [("org/base", "w")]
    assert found.digests == (f"sha256:{digest('base:w')}",)
    counted = {(one.user, one.host, one.loader): (one.count, one.entries) for one in found.accesses}
    assert counted == {
        ("ann", "train-1", "torch.load"): (2, ((0, 1),)),
        ("bob", "train-2", "torch.load"): (1, ((2, 2),)),
    }
    assert not found.gaps


@pytest.mark.parametrize(
    "subject", ["org/base", "ORG/Base", "hf:org/base", "hf:org/base@main", f"hf:org/base@{COMMIT}"]
)
def test_a_model_stands_for_its_files(world, subject):
    world.lock(locked("org/base", "base:w", "base:v"), locked("org/other", "other:w"))
    found = world.where(subject)
    assert {one.model for one in found.locked} == {"org/base"}
    assert set(found.digests) == {f"sha256:{digest(name)}" for name in ("base:w", "base:v")}
    assert reach(subject, environ=world.environ, now=NOW).digests == found.digests


def test_the_beginning_of_a_digest_is_enough_where_it_is_unambiguous(world):
    world.lock(locked("org/base", "base:w"))
    assert world.where(digest("base:w")[:9]).locked
    assert world.where(f"sha256:{digest('base:w')[:8]}").locked
    assert not world.where("0123456789").found


def test_a_beginning_of_several_digests_is_an_error_and_not_one_of_them(world):
    models = locked("org/base", "a", "b")
    files = tuple(replace(file, sha256="abcdef01" + file.sha256[8:]) for file in models.files)
    world.lock(replace(models, files=files))
    with pytest.raises(UsageError, match="begins several digests"):
        world.where("abcdef01")


def test_a_file_on_disk_is_hashed(world):
    (world.folder / "copy.bin").write_bytes(b"base:w")
    world.lock(locked("org/base", "base:w"))
    assert [one.model for one in world.where(str(world.folder / "copy.bin")).locked] == ["org/base"]


def test_what_was_made_from_it_is_found_over_several_steps_and_circles(world):
    world.lock(locked("org/base", "base:w"))
    world.bill({"components": [pedigree("org/child", "org/base"), pedigree("org/grandchild", "org/child"),
                               pedigree("org/base", "org/grandchild")]})  # fmt: skip
    world.record(world.entry("org/grandchild:w"))
    found = world.where("org/base")
    assert [(one.name, one.base, one.steps) for one in found.derived] == [
        ("org/child", "org/base", 1),
        ("org/grandchild", "org/child", 2),
    ]
    assert f"sha256:{digest('org/grandchild:w')}" not in found.digests
    assert [(one.derived, one.count) for one in found.accesses] == [(True, 1)]
    assert f"sha256:{digest('org/grandchild:w')}" in world.where("org/base", derived=True).digests
    assert f"sha256:{digest('org/grandchild:w')}" in reach("org/base", environ=world.environ, derived=True).digests


def test_a_base_that_is_locked_nowhere_is_found_by_what_was_made_from_it(world):
    world.bill({"components": [pedigree("org/child", "org/base")]})
    found = world.where("org/base", meaning="base-model")
    assert [one.name for one in found.derived] == ["org/child"]
    assert found.digests == ()


def test_packages_are_found_in_bills_environments_and_the_ledger(world):
    component = {"type": "library", "name": "numpy", "version": "1.0", "purl": "pkg:pypi/numpy@1.0", "bom-ref": "n"}
    using = {"type": "library", "name": "pandas", "version": "2.0", "purl": "pkg:pypi/pandas@2.0", "bom-ref": "p"}
    world.bill({"components": [component, using], "dependencies": [{"ref": "p", "dependsOn": ["n"]}]})
    library = world.project / ".venv" / "lib" / "python3.11" / "site-packages"
    (library / "numpy-1.0.dist-info").mkdir(parents=True)
    (world.project / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    wheel = world.entry("numpy.whl", kind="package", gate="install", subject="numpy==1.0", loader=None)
    world.record(wheel, world.entry("other", kind="package", gate="install", subject="numpydoc==1.0"))
    for subject in ("NumPy", "numpy==1.0", "numpy==1.0.0"):
        found = world.where(subject)
        assert [(one.name, one.why) for one in found.listed] == [("numpy", "is"), ("pandas", "needs")]
        here = [one for one in found.installed if one.place == str(world.project / ".venv")]
        assert [(one.name, one.version) for one in here] == [("numpy", "1.0")]
    found = world.where("numpy==1.0")
    assert [(one.gate, one.names) for one in found.accesses] == [("install", ("numpy==1.0",))]
    assert found.digests == (f"sha256:{digest('numpy.whl')}",)
    assert not world.where("numpy==9.9").found


def test_an_advisory_of_a_bill_is_found_without_a_database(world):
    world.bill({
        "components": [{"type": "library", "name": "numpy", "version": "1.0", "bom-ref": "n"}],
        "vulnerabilities": [{"id": "CVE-2026-0001", "affects": [{"ref": "n"}]}],
    })  # fmt: skip
    found = world.where("cve-2026-0001")
    assert [one.name for one in found.listed] == ["numpy"]
    assert [gap.place for gap in found.gaps] == [str(world.folder / "advisories.sqlite")]


def test_an_access_after_a_denial_is_counted(world):
    denied = world.entry("w", verdict=Decision.DENY, gate="scan", enforced=False)
    world.record(world.entry("w"), denied, world.entry("w"), world.entry("w"))
    (access,) = [one for one in world.where(digest("w")).accesses if one.verdict == "ALLOW"]
    assert (access.count, access.after_denial) == (3, 2)


def test_what_rests_on_a_document_is_told_apart(world):
    world.record(world.entry("w", evidence=(f"sha256:{digest('lock')}",)))
    (access,) = world.where(digest("lock")).accesses
    assert (access.rests, access.count, access.names) == (True, 1, ("w",))


def test_recorded_documents_are_looked_into_and_missing_ones_told(world):
    elsewhere = world.lock(locked("org/base", "base:w"), place=world.folder / "elsewhere" / "models.lock")
    data = elsewhere.read_bytes()
    document = {"kind": "document", "gate": "lock", "rules": ("written",), "loader": None}
    here = f"ann@{os.uname().nodename}"
    world.record(
        world.entry(data.decode(), subject=str(elsewhere), actor=here, **document),
        world.entry("gone", subject=str(world.folder / "gone.lock"), actor=here, **document),
        world.entry("far", subject="/srv/models.lock", actor="ann@far", **document),
    )
    found = world.where("org/base")
    assert [one.place for one in found.locked] == [str(elsewhere)]
    states = {one.place: one.state for one in found.looked}
    assert states[str(world.folder / "gone.lock")] == "gone"
    assert states["/srv/models.lock"] == "elsewhere"
    assert [gap.place for gap in found.gaps] == ["documents of other hosts"]


def test_a_folder_that_is_named_is_walked(world):
    world.lock(locked("org/base", "base:w"), place=world.folder / "team" / "a" / "models.lock")
    assert not world.where("org/base").found
    assert world.where("org/base", places=(str(world.folder / "team"),)).locked
    assert not world.where("org/base").found  # what was named once is no part of the next answer


def test_a_broken_document_is_a_gap_and_not_an_empty_one(world):
    (world.project / "models.lock").write_text("lock-version = 7\n[[models]]\n")
    (world.project / "a.cdx.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "9"}')
    found = world.where(digest("w"))
    assert not found.found
    assert {gap.place for gap in found.gaps} == {str(world.project / "models.lock"), str(world.project / "a.cdx.json")}


def test_a_changed_document_is_read_again(world):
    path = world.lock(locked("org/base", "base:w"))
    old = NOW.timestamp() - 1000
    os.utime(path, (old, old))
    assert world.where("org/base").locked
    world.lock(locked("org/new", "new:w"))
    os.utime(path, (old, old))
    assert world.where("org/new").locked
    assert not world.where("org/base").found


def test_what_waits_in_a_spool_is_part_of_the_answer(world):
    from weighlock.ledger.spool import Spool

    spool = Spool(world.ledger.spool)
    spool.add(lambda event, time: replace(world.entry("w"), event=event, time=time))
    assert [one.count for one in world.where(digest("w")).accesses] == [1]


def test_nothing_is_known_of_what_nobody_ever_saw(world):
    world.lock(locked("org/base", "base:w"))
    world.record(world.entry("base:w"))
    found = world.where(digest("never"))
    assert not found.found
    assert not found.gaps
    assert {one.kind for one in found.looked} == {"lockfile", "ledger", "environment"}


def test_times_and_entries_let_each_access_be_proved(world):
    world.record(*(world.entry("w") for _ in range(3)), world.entry("x"), world.entry("w"))
    (access,) = world.where(digest("w")).accesses
    assert access.entries == ((0, 2), (4, 4))
    assert access.last - access.first == timedelta(minutes=4)
    for start, stop in access.entries:
        for data in world.ledger.read(start, stop + 1):
            assert json.loads(data)["digest"] == f"sha256:{digest('w')}"


class Store:
    """A store of promotions, as one would be plugged in."""

    place = "/srv/registry"

    def __init__(self, *promoted: PromotedVersion) -> None:
        self.promoted = promoted
        self.collected = 0

    def stamp(self) -> str:
        return str(self.promoted)

    def collect(self):
        self.collected += 1
        yield from self.promoted


def version(number: int, file: str, model: str = "org/base") -> PromotedVersion:
    return PromotedVersion(
        place="/srv/registry", model=model, version=str(number), stage="production",
        digests=(f"sha256:{digest(file)}",), statement=f"sha256:{digest('vsa')}", time=NOW,
    )  # fmt: skip


def test_promoted_versions_are_found_by_digest_by_model_and_by_what_they_were_made_from(world, monkeypatch):
    store = Store(version(1, "base:w"), version(2, "other"), version(3, "org/child:w", "org/child"))
    monkeypatch.setattr(where_promotions, "STORES", [lambda _project, _environ: [store]])
    world.bill({"components": [pedigree("org/child", "org/base")]})
    found = world.where(digest("base:w"))
    assert [(one.model, one.version, one.stage, one.why) for one in found.promoted] == [
        ("org/base", "1", "production", "is"),
        ("org/child", "3", "production", "derived"),
    ]
    assert [one.version for one in world.where("org/base").promoted] == ["1", "2", "3"]
    assert f"sha256:{digest('other')}" in world.where("org/base").digests
    assert store.collected == 1  # the same stamp is read once
    store.promoted = store.promoted[1:]
    assert [one.version for one in world.where("org/base").promoted] == ["2", "3"]


def test_a_store_that_cannot_be_read_is_a_gap(world, monkeypatch):
    class Broken(Store):
        def stamp(self) -> str:
            raise SourceError("cannot be read", where="/srv/registry")

    monkeypatch.setattr(where_promotions, "STORES", [lambda _project, _environ: [Broken()]])
    assert [gap.place for gap in world.where(digest("w")).gaps] == ["/srv/registry"]


def test_a_model_card_says_what_a_model_was_made_from(world):
    folder = world.project / "child"
    folder.mkdir()
    card = b"---\nbase_model: org/base\n---\n"
    (folder / "README.md").write_bytes(card)
    files = (LockedFile(path="README.md", size=len(card), sha256=hashlib.sha256(card).hexdigest()),)
    world.lock(LockedModel(name="child", source=PathSource(path="child"), files=files))
    assert [(one.name, one.base) for one in world.where("org/base").derived] == [("child", "org/base")]


def test_a_card_with_other_bytes_says_nothing_and_that_is_a_gap(world):
    card = b"---\nbase_model: org/base\n---\n"
    (world.project / "child").mkdir()
    (world.project / "child" / "README.md").write_bytes(card.replace(b"base\n", b"evil\n"))
    files = (LockedFile(path="README.md", size=len(card), sha256=hashlib.sha256(card).hexdigest()),)
    world.lock(LockedModel(name="child", source=PathSource(path="child"), files=files))
    found = world.where("org/evil")
    assert not found.found
    assert [gap.place for gap in found.gaps] == ["lineage"]
    (world.project / "child" / "README.md").write_bytes(card)
    assert [one.name for one in world.where("org/base").derived] == ["child"]
    assert not world.where("org/base").gaps


def test_a_card_that_is_not_here_is_a_gap_for_models_and_not_for_digests(world):
    world.lock(locked("org/child", "README.md", "child:w"))
    assert [gap.place for gap in world.where("org/base").gaps] == ["lineage"]
    assert not world.where(digest("never")).gaps


def test_a_card_that_comes_later_is_read(world):
    card = b"---\nbase_model: org/base\n---\n"
    files = (LockedFile(path="README.md", size=len(card), sha256=hashlib.sha256(card).hexdigest()),)
    path = world.lock(LockedModel(name="child", source=PathSource(path="child"), files=files))
    os.utime(path, (1, 1))
    assert not world.where("org/base").found
    (world.project / "child").mkdir()
    (world.project / "child" / "README.md").write_bytes(card)
    assert [one.name for one in world.where("org/base").derived] == ["child"]


def test_a_file_that_no_loader_takes_makes_nothing_a_relative(world):
    world.lock(locked("org/base", "LICENSE", formats=None), locked("org/other", "LICENSE", formats=None))
    world.bill({"components": [pedigree("org/child", "org/base")]})
    found = world.where(digest("LICENSE"))
    assert {one.model for one in found.locked} == {"org/base", "org/other"}
    assert not found.derived


@pytest.mark.parametrize(
    ("source", "subjects"),
    [
        (
            OciSource(repository="registry.example/team/m", ref="v1", revision=f"sha256:{'ab' * 32}"),
            ("oci:registry.example/team/m", "oci:registry.example/team/m:v1",
             f"oci:registry.example/team/m@sha256:{'ab' * 32}", "registry.example/team/m"),
        ),
        (
            MlflowSource(name="fraud", ref="@production", revision="3"),
            ("models:/fraud", "models:/fraud@production", "models:/fraud/3", "fraud"),
        ),
    ],
)  # fmt: skip
def test_models_of_registries_are_found_in_every_spelling(world, source, subjects):
    world.lock(replace(locked("ours", "w"), source=source))
    for subject in subjects:
        assert [one.model for one in world.where(subject).locked] == ["ours"], subject
    assert not world.where(f"{subjects[0]}-other").found
