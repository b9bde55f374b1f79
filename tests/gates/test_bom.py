"""The gate of `weighlock bom`: what is described, and what a hostile model can do to the description."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.advisories import osv_files
from tests.bom import folders
from weighlock.bom import to_cyclonedx
from weighlock.errors import LockfileError, SourceError, UsageError
from weighlock.gates.bom import BomRequest, describe, tops
from weighlock.gates.bom_inputs import inspected
from weighlock.gates.check_inputs import Inputs
from weighlock.gates.places import Places
from weighlock.gates.project import Project
from weighlock.install_policy import IgnoredAdvisory, InstallPolicy
from weighlock.lockfile import HubSource, LockedModel, Lockfile, UrlSource
from weighlock.policy import Policy
from weighlock.release import Publisher
from weighlock.signing.publishers import Publishers, Remembered, place
from weighlock.sources.hub_cache import HubCache
from weighlock.sources.interface import Silence

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Bench:
    """A project folder in which things are described."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"SOURCE_DATE_EPOCH": "1700000000", "WEIGHLOCK_ADVISORIES": str(folder / "advisories.sqlite")}

    def describe(self, *paths, policy=None, places=None, lists=None, python="python", **request):
        project = Project(policy=policy or Policy(), lock=self.folder / "models.lock")
        asked = BomRequest(paths=tuple(map(str, paths)), lists=lists or Inputs(), **request)
        return describe(asked, project, python=python, environ=self.environ, now=NOW, progress=Silence(), places=places)

    def model(self, path="m", **request):
        (found,) = self.describe(path, **request).every("machine-learning-model")
        return found

    def lock(self, *models: LockedModel) -> None:
        (self.folder / "models.lock").write_text(Lockfile(models=models).dumps())

    def hub(self, repo="org/tiny", **changed) -> tuple[LockedModel, Places]:
        """Lock a repository whose files lie in a cache."""
        cache = HubCache(self.folder / "cache")
        source = HubSource(repo=repo, revision=REVISION)
        place = folders.model(cache.folder(source))
        files = inspected(str(place), "x", Silence()).model.files
        model = LockedModel(**{"name": repo, "source": source, "license": "mit", "files": files, **changed})
        return model, Places(folder=self.folder, cache=cache)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


def text_of(bom) -> str:
    return json.dumps(to_cyclonedx(bom), ensure_ascii=False)


def unknown(component) -> set[str]:
    return set(component.every("weighlock:unknown"))


# What is described


def test_a_folder_is_described_with_every_file_and_its_digest(bench):
    folder = folders.model(bench.folder / "m")
    model = bench.model()
    digests = {file.name: file.digests[0].value for file in model.components}
    assert digests == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert model.complete


def test_the_card_becomes_a_model_card(bench):
    folders.model(bench.folder / "m")
    model = bench.model()
    assert model.licenses[0].expression == "Apache-2.0"
    assert (model.card.task, model.card.architecture) == ("text-classification", "BertForSequenceClassification")
    assert (model.card.inputs, model.card.outputs) == (("text",), ("label",))
    assert [(metric.kind, metric.value) for metric in model.card.metrics] == [("accuracy", "0.93"), ("F1", "0.91")]
    assert model.card.datasets == ("pkg:huggingface/datasets/glue", "pkg:huggingface/datasets/stanfordnlp/imdb")
    assert model.ancestors[0].purl == "pkg:huggingface/google-bert/bert-base-uncased"
    assert model.lineage == "finetune"
    assert ("weighlock:parameters", "36") in model.card.properties
    assert unknown(model) == {"input-size", "producer", "signature", "timestamp", "version"}


def test_a_folder_without_a_card_says_what_is_not_known(bench):
    folders.model(bench.folder / "m", card=None)
    model = bench.model()
    assert model.every("weighlock:card") == ("there is none",)
    assert {"license", "task", "datasets", "limitations", "energy", "bias", "metrics"} <= unknown(model)


def test_a_chat_template_is_a_part_of_its_file(bench):
    folders.model(bench.folder / "m")
    file = next(file for file in bench.model().components if file.name == "tokenizer_config.json")
    (template,) = file.components
    assert template.digests[0].value == hashlib.sha256(b"{{ messages[0]['content'] }}").hexdigest()


def test_an_adapter_names_the_commit_of_its_base(bench):
    folders.adapter(bench.folder / "a")
    (base,) = bench.model("a").ancestors
    assert base.purl == "pkg:huggingface/org/base@" + "0123456789" * 4


@pytest.mark.parametrize("revision", ["main", "v1", "\x1b[31m", "A" * 40, "0123"])
def test_a_branch_or_a_tag_of_a_base_is_no_version(bench, revision):
    folder = folders.adapter(bench.folder / "a")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "revision": revision}))
    (base,) = bench.model("a").ancestors
    assert (base.version, base.purl) == (None, "pkg:huggingface/org/base")
    assert "version" in unknown(base)


def test_a_gguf_file_says_what_it_is(bench):
    folders.gguf(bench.folder / "x.gguf")
    model = bench.model("x.gguf")
    assert model.digests == model.components[0].digests
    assert model.card.family == "llama"
    assert model.licenses[0].expression == "MIT"


def test_unsafe_imports_stand_beside_the_file_and_among_the_vulnerabilities(bench):
    (bench.folder / "m").mkdir()
    folders.dangerous(bench.folder / "m" / "evil.bin")
    bom = bench.describe("m")
    (model,) = bom.every("machine-learning-model")
    assert model.every("weighlock:unsafe-imports")
    assert model.every("weighlock:outcome") == ("refused",)
    (found,) = bom.vulnerabilities
    assert (found.analysis.state, found.cwes) == ("exploitable", (502,))
    assert found.component == model.components[0].ref


def test_a_locked_model_has_its_revision_and_its_verified_card(bench):
    model, places = bench.hub()
    bench.lock(model)
    bom = bench.describe(locked=True, places=places)
    (found,) = bom.every("machine-learning-model")
    assert found.purl == f"pkg:huggingface/org/tiny@{REVISION}"
    assert found.every("weighlock:card") == ("read (its bytes verified, its claims not)",)
    assert found.producer == "org"
    digest = hashlib.sha256((bench.folder / "models.lock").read_bytes()).hexdigest()
    assert ("weighlock:lockfile:sha256", digest) in bom.properties
    assert any(name == "weighlock:policy:sha256" for name, _ in bom.properties)


def test_a_locked_model_is_needed_by_what_was_made_from_it(bench):
    base, places = bench.hub("google-bert/bert-base-uncased")
    bench.lock(base)
    folders.model(bench.folder / "m")
    bom = bench.describe("m", locked=True, names=(base.name,), places=places)
    graph = dict(bom.dependencies)
    assert f"pkg:huggingface/google-bert/bert-base-uncased@{REVISION}" in graph["model#m"]
    assert "pkg:huggingface/datasets/glue" in graph["model#m"]


def test_a_locked_url_has_a_package_url_with_its_digest(bench):
    model, places = bench.hub()
    file = next(file for file in model.files if file.path == "state.pkl")
    bench.lock(LockedModel(name="pt", source=UrlSource(url="https://host.example/state.pkl"), files=(file,)))
    (found,) = bench.describe(locked=True, places=places).every("machine-learning-model")
    assert found.purl.startswith(f"pkg:generic/state.pkl?checksum=sha256:{file.sha256}")
    assert found.digests[0].value == file.sha256


def test_a_locked_dataset_is_data_and_what_a_card_names_leads_to_it(bench):
    dataset, places = bench.hub("stanfordnlp/imdb")
    source = HubSource(repo="stanfordnlp/imdb", type="dataset", revision=REVISION)
    bench.lock(LockedModel(name="imdb", source=source, files=dataset.files))
    folders.model(bench.folder / "m")
    bom = bench.describe("m", locked=True, names=("imdb",), places=places)
    (model,) = bom.every("machine-learning-model")
    assert f"pkg:huggingface/datasets/stanfordnlp/imdb@{REVISION}" in model.card.datasets
    assert [one.name for one in bom.every("data")] == ["glue", "imdb"]


def test_a_locked_dataset_says_what_its_own_card_says(bench):
    source = HubSource(repo="org/data", type="dataset", revision=REVISION)
    places = Places(folder=bench.folder, cache=HubCache(bench.folder / "cache"))
    place = places.cache.folder(source)
    place.mkdir(parents=True)
    (place / "README.md").write_text(
        "---\nlicense: cc-by-4.0\nsize_categories: [1K<n<10K]\ntask_categories: [summarization]\n---\n"
        "## Dataset Description\nReviews.\n## Personal and Sensitive Information\nNames.\n## Collection\nBy hand.\n"
    )
    bench.lock(LockedModel(name="data", source=source, files=inspected(str(place), "x", Silence()).model.files))
    (found,) = bench.describe(locked=True, places=places).every("data")
    assert (found.description, found.licenses[0].expression) == ("Reviews.", "CC-BY-4.0")
    assert ("weighlock:size-categories", "1K<n<10K") in found.properties
    assert unknown(found) == set()


def test_a_snapshot_of_a_hub_cache_is_called_by_its_repository_and_that_is_said(bench):
    model, places = bench.hub("org/tiny")
    found = bench.model(places.root(model))
    assert (found.name, found.purl) == ("org/tiny", f"pkg:huggingface/org/tiny@{REVISION}")
    assert "name of its folder" in found.every("weighlock:source")[0]
    assert found.every("weighlock:card") == ("read (its bytes verified, its claims not)",)


@pytest.mark.parametrize(
    "folder", ["models--org--../snapshots", "models--a--b--c/snapshots", "m--org--x/snapshots", "x/y"]
)
def test_a_folder_that_only_looks_like_a_snapshot_is_a_folder(bench, folder):
    folders.model(bench.folder / folder / REVISION)
    assert bench.model(f"{folder}/{REVISION}").purl is None


def test_signatures_beside_the_lockfile_are_named_with_their_digests(bench):
    model, places = bench.hub("org/tiny")
    bench.lock(model)
    (bench.folder / "models.lock.sigstore.json").write_text("{}")
    (bench.folder / "org--tiny.oms.sigstore.json").write_text("{}")
    bom = bench.describe(locked=True, places=places)
    (found,) = bom.every("machine-learning-model")
    assert [one.url for one in bom.subject.references] == ["models.lock.sigstore.json"]
    assert [one.url for one in found.references if one.kind == "digital-signature"] == ["org--tiny.oms.sigstore.json"]
    assert "signature" not in unknown(found)


def test_who_made_a_model_is_taken_from_its_card(bench):
    folders.model(bench.folder / "m", card="## Model Details\n- **Developed by:** A Team\n")
    folders.model(bench.folder / "n", card="- **Developed by:** [More Information Needed]\n")
    assert bench.model("m").producer == "A Team"
    assert bench.model("n").producer is None


# The same bytes for the same inputs


def test_the_same_folder_gives_the_same_bytes(bench):
    folders.model(bench.folder / "m")
    assert text_of(bench.describe("m")) == text_of(bench.describe("m"))


def test_one_changed_byte_gives_another_serial_number(bench):
    folder = folders.model(bench.folder / "m")
    before = to_cyclonedx(bench.describe("m"))
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    after = to_cyclonedx(bench.describe("m"))
    assert before["serialNumber"] != after["serialNumber"]


def test_without_a_stated_time_it_is_that_of_the_newest_input(bench):
    folder = folders.model(bench.folder / "m")
    for path in folder.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    os.utime(folder / "config.json", (1_650_000_000, 1_650_000_000))
    del bench.environ["SOURCE_DATE_EPOCH"]
    assert bench.describe("m").time == datetime.fromtimestamp(1_650_000_000, UTC)


@pytest.mark.parametrize("stated", ["yesterday", "-1", "1e9", "9" * 40, ""])
def test_a_stated_time_that_is_none_is_an_error(bench, stated):
    folders.model(bench.folder / "m")
    bench.environ["SOURCE_DATE_EPOCH"] = stated
    with pytest.raises(UsageError, match="seconds"):
        bench.describe("m")


# What others put there


def test_a_card_that_differs_from_the_lockfile_is_not_believed(bench):
    model, places = bench.hub()
    bench.lock(model)
    (places.root(model) / "README.md").write_text("---\nlicense: mit\n---\n## Limitations\nNone at all.\n")
    (found,) = bench.describe(locked=True, places=places).every("machine-learning-model")
    assert found.every("weighlock:card") == ("unreadable: it has other bytes than the lockfile says",)
    assert not found.card.limitations
    assert found.licenses[0].expression == "MIT"  # the lockfile's own


def test_a_model_that_is_not_on_this_machine_is_described_by_its_lock(bench):
    model, _ = bench.hub()
    bench.lock(model)
    nowhere = Places(folder=bench.folder, cache=HubCache(bench.folder / "empty"))
    (found,) = bench.describe(locked=True, places=nowhere).every("machine-learning-model")
    assert len(found.components) == len(model.files)
    assert found.every("weighlock:card") == ("unreadable: it is not on this machine",)
    assert {"task", "limitations", "parameters"} <= unknown(found)


HOSTILE = {
    "script": "---\nlicense: <script>alert(1)</script>\npipeline_tag: '\"><img src=x onerror=alert(1)>'\n---\n",
    "control": "---\nlicense: mit\n---\n## Limitations\n\x1b[31mred\x1b[0m \x00 \u202e\n",
    "deep": "---\na: " + "[" * 50_000 + "\n---\n",
    "aliases": "---\na: &a [x]\nb: [*a, *a]\n---\n",
    "datasets": "---\ndatasets: ['../../etc', 'a b', '<script>', 'x/y/z', " + "'" + "n" * 5000 + "']\n---\n",
    "bases": "---\nbase_model: ['../..', '/home/x', 'javascript:alert(1)', 'org/base#x']\n---\n",
    "metrics": "---\nmodel-index:\n- results:\n  - metrics:\n    - {type: '<b>', value: '\\e[2J'}\n---\n",
    "large": "---\nlicense: mit\n---\n" + "Some words.\n" * (10 << 20 >> 3),
    "bytes": b"\xff\xfe" * 1000,
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_card_is_described_and_does_nothing(bench, name):
    folders.model(bench.folder / "m", card=HOSTILE[name])
    bom = bench.describe("m")
    text = text_of(bom)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 200_000
    assert refs_are_whole(to_cyclonedx(bom))
    (model,) = bom.every("machine-learning-model")
    readable = name in {"script", "control", "datasets", "bases", "metrics", "empty"}
    assert model.every("weighlock:card")[0].startswith("read" if readable else "unreadable")


def test_hostile_configurations_and_weights_are_described_and_do_nothing(bench):
    folder = folders.model(bench.folder / "m")
    (folder / "config.json").write_text("[" * 100_000)
    (folder / "adapter_config.json").write_text('{"peft_type": "X", "base_model_name_or_path": "\\u001b]0;x"}')
    (folder / "tokenizer_config.json").write_text('{"chat_template": [{"name": "\\ud800", "template": "x"}, 5, {}]}')
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    folders.gguf(folder / "x.gguf", {"general.architecture": "\x1b[31m", "general.license": "<script>"})
    bom = bench.describe("m")
    assert "\x1b" not in text_of(bom)
    assert refs_are_whole(to_cyclonedx(bom))
    (model,) = bom.every("machine-learning-model")
    problems = {file.name for file in model.components if file.every("weighlock:unreadable")}
    assert "config.json" in problems


@pytest.mark.parametrize(
    "name", ["\x1b[31m.bin", "a\nb", "<script>.bin", "\u202etxt.bin", b"\xff\xfe.bin", "a#b", "a%23b", "n" * 250]
)
def test_a_hostile_file_name_is_described_and_does_nothing(bench, name):
    folder = folders.model(bench.folder / "m", card=None)
    path = os.path.join(os.fsencode(folder), name if isinstance(name, bytes) else name.encode())
    with open(path, "wb") as file:
        file.write(b"x")
    text = text_of(bench.describe("m"))
    assert hashlib.sha256(b"x").hexdigest() in text
    assert "\x1b" not in text
    text.encode()


def test_a_link_out_of_the_folder_is_named_and_not_followed(bench):
    folder = folders.model(bench.folder / "m", card=None)
    (bench.folder / "secret").write_text("secret")
    (folder / "README.md").symlink_to(bench.folder / "secret")
    model = bench.model()
    (link,) = [file for file in model.components if file.name == "README.md"]
    assert link.every("weighlock:unreadable") == ("a link out of the folder",)
    assert not link.digests
    assert "digest" in unknown(link)


def test_what_could_not_be_read_is_in_triage_and_the_list_is_not_called_complete(bench):
    folder = folders.model(bench.folder / "m")
    assert bench.model().complete
    os.mkfifo(folder / "model2.safetensors")
    bom = bench.describe("m")
    (model,) = bom.every("machine-learning-model")
    assert model.complete is False
    assert [one.analysis.state for one in bom.vulnerabilities] == ["in_triage"]


def test_a_folder_of_a_tool_that_nobody_looked_into_is_named(bench):
    folder = folders.model(bench.folder / "m")
    (folder / "sub" / "__pycache__").mkdir(parents=True)
    (folder / "sub" / "__pycache__" / "evil.pyc").write_bytes(b"x")
    model = bench.model()
    assert model.every("weighlock:left-out") == ("sub/__pycache__",)
    assert model.complete is False


def test_a_licence_that_differs_from_the_one_that_was_locked_is_said(bench):
    model, places = bench.hub(license="gpl-3.0")
    bench.lock(model)
    (found,) = bench.describe(locked=True, places=places).every("machine-learning-model")
    assert found.licenses[0].expression == "Apache-2.0"
    assert found.every("weighlock:license-when-locked") == ("gpl-3.0",)


def test_every_name_of_one_file_is_listed(bench):
    folder = folders.model(bench.folder / "m", card=None)
    os.link(folder / "state.pkl", folder / "again.pkl")
    names = {file.name for file in bench.model().components}
    assert {"state.pkl", "again.pkl"} <= names


def test_a_pipe_in_the_folder_lets_nobody_wait(bench):
    folder = folders.model(bench.folder / "m")
    os.mkfifo(folder / "pipe")
    (pipe,) = [file for file in bench.model().components if file.name == "pipe"]
    assert "named pipe" in pipe.every("weighlock:unreadable")[0]


def test_two_folders_of_one_name_are_two_models(bench):
    folders.model(bench.folder / "a" / "m")
    folders.model(bench.folder / "b" / "m")
    bom = bench.describe("a/m", "b/m")
    assert len({one.ref for one in bom.every("machine-learning-model")}) == 2


def test_one_folder_that_is_named_twice_is_an_error(bench):
    folders.model(bench.folder / "m")
    with pytest.raises(UsageError, match="twice"):
        bench.describe("m", "m")


def test_a_signature_in_the_folder_is_named_with_its_digest_and_not_believed(bench):
    folder = folders.model(bench.folder / "m")
    (folder / "model.sigstore.json").write_text("{}")
    (found,) = [one for one in bench.model().references if one.kind == "digital-signature"]
    assert found.digests
    assert "not verified" in found.comment


@pytest.mark.parametrize("missing", ["nowhere", "empty"])
def test_what_is_not_there_cannot_be_described(bench, missing):
    (bench.folder / "empty").mkdir()
    with pytest.raises(SourceError):
        bench.describe(missing)


def test_nothing_is_no_document(bench):
    with pytest.raises(UsageError, match="nothing"):
        bench.describe()


def test_a_broken_lockfile_is_an_error(bench):
    (bench.folder / "models.lock").write_text("[")
    with pytest.raises(LockfileError):
        bench.describe(locked=True)


# Packages


def environment(bench, monkeypatch, *distributions):
    folder = folders.environment(bench.folder / "lib" / "python3.12" / "site-packages", *distributions)
    monkeypatch.setattr("weighlock.gates.bom.folders_of", lambda _python: (str(bench.folder), (str(folder),)))
    return Inputs(environment=True)


def test_installed_packages_have_licence_record_and_what_they_need(bench, monkeypatch):
    lists = environment(
        bench,
        monkeypatch,
        {"name": "app", "version": "1.0", "REQUESTED": "",
         "metadata": "License-Expression: MIT\nRequires-Dist: lib[fast]>=1"},
        {"name": "lib", "version": "2.0", "metadata": "Classifier: License :: OSI Approved :: BSD License\n"
         "Requires-Dist: speed; extra == 'fast'\nRequires-Dist: slow; extra == 'slow'"},
        {"name": "speed", "version": "3"},
        {"name": "slow", "version": "4"},
    )  # fmt: skip
    bom = bench.describe(lists=lists)
    found = {one.name: one for one in bom.every("library")}
    assert found["app"].licenses[0].expression == "MIT"
    assert (found["lib"].licenses[0].expression, found["lib"].licenses[0].name) == (None, "BSD License")
    assert unknown(found["speed"]) == {"license", "producer"}
    assert found["app"].components[0].name == "app-1.0.dist-info/RECORD"
    graph = dict(bom.dependencies)
    assert graph["pkg:pypi/app@1.0"] == ("pkg:pypi/lib@2.0",)
    assert graph["pkg:pypi/lib@2.0"] == ("pkg:pypi/speed@3",)
    assert graph[bom.subject.ref] == ("pkg:pypi/app@1.0", "pkg:pypi/slow@4")


def test_who_published_a_package_is_said_where_that_was_verified_here(bench, monkeypatch):
    lists = environment(bench, monkeypatch, {"name": "app", "version": "1.0"}, {"name": "lib", "version": "2.0"})
    bench.environ["WEIGHLOCK_STATE"] = str(bench.folder / "state")
    publisher = Publisher(kind="GitHub", repository="org/app", workflow="release.yml")
    index = "https://pypi.org/simple"
    memory = Publishers(place(bench.environ))
    memory.remember(
        Remembered(index=index, project=name, version="1.0", publisher=publisher) for name in ("app", "lib")
    )
    found = {one.name: one for one in bench.describe(lists=lists).every("library")}
    assert found["app"].every("weighlock:provenance") == (
        "published by GitHub:org/app by release.yml, verified when it was installed here from https://pypi.org/simple",
    )
    assert not found["lib"].every("weighlock:provenance")  # another version was


def test_every_file_of_a_package_is_listed_where_that_is_asked_for(bench, monkeypatch):
    lists = environment(bench, monkeypatch, {"name": "app", "version": "1.0"})
    (one,) = bench.describe(lists=lists, files=True).every("library")
    assert [part.name for part in one.components] == ["app-1.0.dist-info/RECORD", "app/__init__.py"]
    assert one.components[1].digests[0].value == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("metadata", "files"),
    [
        ("License-Expression: <script>alert(1)</script>", {}),
        ("Project-URL: home, javascript:alert(1)\nProject-URL: x\nHome-page: https://a.example/<b>", {}),
        ("Requires-Dist: ]]][[\nRequires-Dist: a; python_version < 'x' and platform_machine > '\x1b'", {}),
        ("Summary: \x1b[31mred\nAuthor: " + "x" * 100_000, {}),
        ("", {"direct_url__json": "["}),
        ("", {"direct_url__json": '{"url": "https://user:secret@host.example/a.whl", "archive_info": {"hashes": 5}}'}),
        ("", {"RECORD": "a,sha256=x,1\na,sha256=y,2\n"}),
        ("", {"METADATA": ""}),
    ],
)
def test_hostile_metadata_are_described_and_do_nothing(bench, monkeypatch, metadata, files):
    lists = environment(bench, monkeypatch, {"name": "app", "version": "1.0", "metadata": metadata, **files})
    bom = bench.describe(lists=lists)
    text = text_of(bom)
    assert "\x1b" not in text
    assert "secret" not in text
    assert "javascript" not in text
    assert refs_are_whole(to_cyclonedx(bom))
    assert [one.name for one in bom.every("library")] == ["app"]


def test_what_came_from_a_folder_is_no_release_of_an_index(bench, monkeypatch):
    told = json.dumps({"url": "file:///home/somebody/app", "dir_info": {"editable": True}})
    lists = environment(bench, monkeypatch, {"name": "requests", "version": "1.0", "direct_url__json": told})
    bom = bench.describe(lists=lists)
    (one,) = bom.every("library")
    assert one.purl is None
    assert "somebody" not in text_of(bom)


# Advisories


def advised(bench, *ignored: IgnoredAdvisory):
    fixed = [osv_files.span(fixed="2.0")]
    osv_files.database(bench.folder, osv_files.record("PYSEC-2026-1", "app", ranges=fixed, aliases=["CVE-1"]))
    policy = Policy(install=InstallPolicy(ignore_advisories=ignored))
    folder = folders.environment(bench.folder / "lib", {"name": "app", "version": "1.0"})
    return policy, folder


def ignoring(reason: str, **changed) -> IgnoredAdvisory:
    return IgnoredAdvisory(**{"id": "CVE-1", "reason": reason, "expires": NOW.date(), **changed})


@pytest.mark.parametrize(
    ("ignored", "state", "justification"),
    [
        ((), "in_triage", None),
        ((ignoring("we wait for 2.0"),), "exploitable", None),
        ((ignoring("not_affected: we never parse XML"),), "not_affected", None),
        ((ignoring("code_not_reachable: we never parse XML"),), "not_affected", "code_not_reachable"),
        ((ignoring("code_not_reachable", expires=NOW.date() - timedelta(days=1)),), "in_triage", None),
        ((ignoring("code_not_reachable", package="other"),), "in_triage", None),
        ((ignoring("I think it is not_affected"),), "exploitable", None),
    ],
)
def test_a_decision_is_taken_for_no_more_than_what_was_written(bench, monkeypatch, ignored, state, justification):
    policy, folder = advised(bench, *ignored)
    monkeypatch.setattr("weighlock.gates.bom.folders_of", lambda _python: (str(bench.folder), (str(folder),)))
    bom = bench.describe(lists=Inputs(environment=True), policy=policy)
    (found,) = bom.vulnerabilities
    assert (found.analysis.state, found.analysis.justification) == (state, justification)
    assert (found.component, found.recommendation) == ("pkg:pypi/app@1.0", "upgrade to 2.0")
    assert "advisories" not in dict.fromkeys(value for name, value in bom.properties if name == "weighlock:unknown")


def test_without_a_database_the_document_says_that_advisories_are_unknown(bench, monkeypatch):
    lists = environment(bench, monkeypatch, {"name": "app", "version": "1.0"})
    bom = bench.describe(lists=lists)
    assert not bom.vulnerabilities
    assert ("weighlock:unknown", "advisories") in bom.properties
    assert str(bench.folder) not in text_of(bom)


# The graph


def test_everything_is_reached_from_the_top_circles_included():
    graph = {"a": ("b",), "b": ("a",), "c": (), "d": ("c",)}
    assert tops(graph, set()) == ("a", "d")
    assert tops(graph, {"c"}) == ("a", "c", "d")


def refs_are_whole(document: dict) -> bool:
    """Say whether every reference is there once, and nothing leads to one that is not there."""
    refs: list[str] = []
    waiting: list[object] = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            refs += [item["bom-ref"]] if "bom-ref" in item else []
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    used = [other for one in document["dependencies"] for other in (one["ref"], *one["dependsOn"])]
    used += [affected["ref"] for one in document.get("vulnerabilities", []) for affected in one["affects"]]
    return len(refs) == len(set(refs)) and set(used) <= set(refs)
