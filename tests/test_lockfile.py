"""The lockfile as a value and as text: what is valid comes back the same, everything else is refused with its key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.errors import LockfileError
from weighlock.lockfile import (
    Chunks,
    HubSource,
    LockedFile,
    LockedModel,
    Lockfile,
    MlflowSource,
    OciSource,
    PathSource,
    UrlSource,
    comments_of,
    parse,
)
from weighlock.toml import quoted

A, B, C = "a" * 64, "b" * 64, "c" * 64
COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"
CHUNK = 64 << 20

BERT = LockedModel(
    name="org/bert",
    source=HubSource(repo="org/bert", revision=COMMIT),
    license="apache-2.0",
    files=(
        LockedFile(path="model.safetensors", size=130 << 20, sha256=A, format="safetensors",
                   chunks=Chunks(size=CHUNK, sha256=(A, B, C))),
        LockedFile(path="training_args.bin", size=5, sha256=B, format="torch-zip", outcome="needs-approval",
                   imports=("collections.OrderedDict", "x.Args"), needs=("x.Args",), approved=("x.Args",)),
    ),
)  # fmt: skip
SQUAD = LockedModel(
    name="datasets/org/squad",
    source=HubSource(repo="org/squad", type="dataset", ref="refs/pr/1", revision=COMMIT),
    files=(LockedFile(path="train/data.npy", size=0, sha256=C),),
)
TWINS = LockedModel(
    name="org/twins",
    source=HubSource(repo="org/twins", revision=COMMIT),
    files=(
        LockedFile(path="model-00001-of-00002.safetensors", size=7, sha256="d" * 64, format="safetensors"),
        LockedFile(path="model-00002-of-00002.safetensors", size=8, sha256="e" * 64, format="safetensors"),
        LockedFile(path="pytorch_model.bin", size=9, sha256="f" * 64, format="torch-zip", outcome="data-only",
                   equivalent_to=("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")),
    ),
)  # fmt: skip
WEB = LockedModel(
    name="net",
    source=UrlSource(url="https://example.org/net.pth"),
    files=(LockedFile(path="net.pth", size=1, sha256=C, outcome="refused", unsafe=True, reason='we wrote "it"'),),
)
HERE = LockedModel(name="./x", source=PathSource(path="./x"), files=(LockedFile(path="x", size=1, sha256=C),))
MANIFEST = f"sha256:{A}"
REGISTRY = LockedModel(
    name="oci:registry.example:5000/team/net",
    source=OciSource(repository="registry.example:5000/team/net", ref="v1", revision=MANIFEST),
    files=(LockedFile(path="net.safetensors", size=1, sha256=C),),
)
PINNED = LockedModel(
    name="oci:localhost/net",
    source=OciSource(repository="localhost/net", ref=MANIFEST, revision=MANIFEST),
    files=(LockedFile(path="net.safetensors", size=1, sha256=C),),
)
REGISTERED = LockedModel(
    name="models:/fraud model",
    source=MlflowSource(name="fraud model", ref="@production", revision="3"),
    files=(LockedFile(path="model.pkl", size=1, sha256=C),),
)
WHOLE = Lockfile(models=(SQUAD, HERE, WEB, BERT, TWINS, REGISTRY, PINNED, REGISTERED))


def document(**file: Any) -> dict[str, Any]:
    entry = {"path": "a.bin", "size": 3, "sha256": A, **file}
    source = {"hf": "org/a", "ref": "main", "revision": COMMIT}
    return {
        "lock-version": "1.0",
        "created-by": "weighlock",
        "models": [{"name": "org/a", "source": source, "files": [{k: v for k, v in entry.items() if v is not ...}]}],
    }


def oci(repository: str = "registry.example/net", ref: str = "v1", revision: str = MANIFEST) -> dict[str, str]:
    return {"oci": repository, "ref": ref, "revision": revision}


def refused(doc: dict[str, Any]) -> LockfileError:
    with pytest.raises(LockfileError) as caught:
        Lockfile.from_dict(doc)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_lockfile_comes_back_the_same() -> None:
    text = WHOLE.dumps()
    again = parse(text)
    assert sorted(again.models, key=lambda m: m.name) == sorted(WHOLE.models, key=lambda m: m.name)
    assert again.dumps() == text
    assert Lockfile.from_dict(WHOLE.to_dict()).to_dict() == WHOLE.to_dict()
    assert tomllib.loads(text) == WHOLE.to_dict()


def test_order_of_models_and_files_does_not_change_the_text() -> None:
    turned = Lockfile(
        models=tuple(
            LockedModel(name=m.name, source=m.source, license=m.license, files=m.files[::-1])
            for m in reversed(WHOLE.models)
        )
    )
    assert turned.dumps() == WHOLE.dumps()


def test_update_bots_find_source_ref_and_revision_on_one_line() -> None:
    lines = WHOLE.dumps().splitlines()
    assert f'source = {{ hf = "org/bert", ref = "main", revision = "{COMMIT}" }}' in lines
    assert f'source = {{ hf = "org/squad", ref = "refs/pr/1", revision = "{COMMIT}", type = "dataset" }}' in lines
    assert f'source = {{ oci = "registry.example:5000/team/net", ref = "v1", revision = "{MANIFEST}" }}' in lines
    assert 'source = { mlflow = "fraud model", ref = "@production", revision = "3" }' in lines
    assert WHOLE.dumps().endswith("] }\n") or WHOLE.dumps().endswith("\n")


def test_one_changed_digest_is_one_changed_line() -> None:
    before = WHOLE.dumps().splitlines()
    web = LockedModel(name=WEB.name, source=WEB.source, files=(LockedFile(path="net.pth", size=1, sha256=A,
                      outcome="refused", unsafe=True, reason='we wrote "it"'),))  # fmt: skip
    after = Lockfile(models=(SQUAD, HERE, web, BERT, TWINS, REGISTRY, PINNED, REGISTERED)).dumps().splitlines()
    assert len([1 for x, y in zip(before, after, strict=True) if x != y]) == 1


def test_lookups() -> None:
    assert WHOLE.by_digest(A) == ((BERT, BERT.files[0]),)
    assert [file.path for _, file in WHOLE.by_digest(C)] == [
        "train/data.npy",
        "x",
        "net.pth",
        "net.safetensors",
        "net.safetensors",
        "model.pkl",
    ]
    assert WHOLE.by_digest("0" * 64) == ()
    assert WHOLE.of_size(5) == ((BERT, BERT.files[1]),)
    assert WHOLE.of_size(77) == ()
    assert WHOLE.by_repo("dataset", "org/squad") is SQUAD
    assert WHOLE.by_repo("model", "org/squad") is None
    assert WHOLE.by_name("net") is WEB


def test_comments_of_people_survive() -> None:
    text = WHOLE.dumps({("org/bert", None): ("# ours", "# reviewed"), ("net", "net.pth"): ("# see the wiki",)})
    kept = comments_of(text)
    assert kept == {("org/bert", None): ("# ours", "# reviewed"), ("net", "net.pth"): ("# see the wiki",)}
    assert parse(text).dumps(kept) == text


@pytest.mark.parametrize("version", ["1.1", "2.0", "10.0", "0.9"])
def test_unknown_version_is_refused_whatever_else_it_holds(version: str) -> None:
    error = refused({**document(), "lock-version": version, "new-key": 1})
    assert error.where == "lock-version"
    assert version in error.message
    assert error.hint is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lock-version", 1.0), ("lock-version", "1"), ("lock-version", "one"), ("lock-version", "1.0\n"),
        ("created-by", 3), ("models", {}), ("models", "x"), ("signature", "x"),
    ],
)  # fmt: skip
def test_broken_head(key: str, value: object) -> None:
    assert refused({**document(), key: value}).where == key


@pytest.mark.parametrize("key", ["lock-version", "created-by"])
def test_truncated_head(key: str) -> None:
    doc = document()
    del doc[key]
    assert refused(doc).where == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("path", "../a"), ("path", "/etc/passwd"), ("path", "a/../../b"), ("path", "a//b"), ("path", "./a"),
        ("path", ""), ("path", "a\\..\\b"), ("path", "C:/a"), ("path", "a/"), ("path", "."), ("path", ".."),
        ("path", "a\nb"), ("path", "a\x1b[2Jb"), ("path", "a\u202eb"), ("path", "a\x00b"), ("path", 5), ("path", ...),
        ("size", -1), ("size", 1.5), ("size", "3"), ("size", True), ("size", ...),
        ("sha256", "a" * 63), ("sha256", "A" * 64), ("sha256", f"sha256:{A}"), ("sha256", 1), ("sha256", ...),
        ("sha256", A + "\n"), ("sha256", "g" * 64),
        ("format", "Torch Zip"), ("format", 5), ("format", ""),
        ("outcome", "fine"), ("outcome", 1),
        ("imports", "os.system"), ("imports", [1]), ("imports", [""]), ("imports", ["a\nb"]), ("imports", ["a", "a"]),
        ("needs", ["not.imported"]),
        ("approved", {"a": 1}), ("unsafe", 1), ("unsafe", "true"), ("unsafe", True), ("reason", ""), ("reason", "a\nb"),
        ("chunks", 3), ("chunks", {"size": 2}), ("chunks", {"size": 0, "sha256": []}),
        ("chunks", {"size": 2, "sha256": [A]}), ("chunks", {"size": 2, "sha256": [A, "x"]}),
        ("chunks", {"size": 2, "sha256": [A, B, C]}), ("chunks", {"size": 2.0, "sha256": [A, B]}),
        ("chunks", {"size": 2, "sha256": [A, B], "md5": 1}),
        ("equivalent-to", "a.safetensors"), ("equivalent-to", [1]), ("equivalent-to", ["a.bin"]),
        ("equivalent-to", ["../a.safetensors"]), ("equivalent-to", ["b.safetensors"]), ("equivalent_to", []),
        ("sha1", "x"), ("Path", "x"),
    ],
)  # fmt: skip
def test_broken_file(key: str, value: object) -> None:
    where = refused(document(**{key: value})).where
    assert where is not None
    assert where.startswith(f"models[0].files[0].{key}")


@pytest.mark.parametrize(
    ("twins", "position"),
    [
        (["pytorch_model.bin"], 0),  # itself
        (["other.bin"], 0),  # what could run code as well
        (["model.safetensors", "absent.safetensors"], 1),
        (["model.safetensors", "notes.safetensors"], 1),  # which only its name calls so
    ],
)
def test_only_a_safetensors_file_of_the_model_takes_the_place_of_a_pickle(twins: list[str], position: int) -> None:
    doc = document(path="pytorch_model.bin", **{"equivalent-to": twins})
    doc["models"][0]["files"] += [
        {"path": "model.safetensors", "size": 3, "sha256": A, "format": "safetensors"},
        {"path": "other.bin", "size": 3, "sha256": B, "format": "torch-zip"},
        {"path": "notes.safetensors", "size": 3, "sha256": C},
    ]
    assert refused(doc).where == f"models[0].files[0].equivalent-to[{position}]"


def test_a_twin_of_another_model_is_refused() -> None:
    doc = document(path="pytorch_model.bin", **{"equivalent-to": ["model.safetensors"]})
    file = {"path": "model.safetensors", "size": 3, "sha256": A, "format": "safetensors"}
    doc["models"].append({"name": "org/b", "source": {"path": "b"}, "files": [file]})
    assert refused(doc).where == "models[0].files[0].equivalent-to[0]"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": ""}, "models[0].name"), ({"name": "a\nb"}, "models[0].name"), ({"name": 5}, "models[0].name"),
        ({"license": "x\x1b"}, "models[0].license"), ({"remote-code": "yes"}, "models[0].remote-code"),
        ({"files": []}, "models[0].files"), ({"files": {}}, "models[0].files"), ({"files": [3]}, "models[0].files[0]"),
        ({"source": "org/a"}, "models[0].source"), ({"source": {}}, "models[0].source"),
        ({"source": {"hf": "o/a", "url": "https://a/b"}}, "models[0].source"),
        ({"source": {"hf": "o/a", "ref": "main"}}, "models[0].source.revision"),
        ({"source": {"hf": "o/a", "ref": "main", "revision": "main"}}, "models[0].source.revision"),
        ({"source": {"hf": "o/a", "ref": "main", "revision": COMMIT[:12]}}, "models[0].source.revision"),
        ({"source": {"hf": "o/a", "revision": COMMIT}}, "models[0].source.ref"),
        ({"source": {"hf": "../a", "ref": "main", "revision": COMMIT}}, "models[0].source.hf"),
        ({"source": {"hf": "a/b/c", "ref": "main", "revision": COMMIT}}, "models[0].source.hf"),
        ({"source": {"hf": "o/a--b", "ref": "main", "revision": COMMIT}}, "models[0].source.hf"),
        ({"source": {"hf": "o/a", "ref": "m", "revision": COMMIT, "type": "thing"}}, "models[0].source.type"),
        ({"source": {"hf": "o/a", "ref": "m", "revision": COMMIT, "branch": "x"}}, "models[0].source.branch"),
        ({"source": {"url": "file:///etc/passwd"}}, "models[0].source.url"),
        ({"source": {"url": "https://user:secret@host/x"}}, "models[0].source.url"),
        ({"source": {"url": "https:///x"}}, "models[0].source.url"),
        ({"source": {"url": "https://host/x", "ref": "main"}}, "models[0].source.ref"),
        *(({"source": oci(repository)}, "models[0].source.oci") for repository in (
            "net", "team/net", "Registry.example/net", "registry.example/Net", "registry.example/", "registry.example",
            "registry.example/../net", "registry.example//net", "registry.example/net:v1", "registry.example:0/net",
            "user@registry.example/net", "https://registry.example/net", "registry.example/net/", "-a.example/net",
            "registry.example/net?x", "registry.example/" + "n" * 255, "registry.example/net\n", "[::1/net",
        )),
        *(({"source": oci(ref=ref)}, "models[0].source.ref") for ref in (
            ".", "-v1", "a/b", "v1\n", "v" * 129, "sha512:" + "a" * 128, "sha256:" + "A" * 64, "",
        )),
        *(({"source": oci(revision=revision)}, "models[0].source.revision") for revision in (
            "v1", A, "sha256:" + "a" * 63, "sha512:" + "a" * 128, f"sha256:{A}\n",
        )),
        ({"source": oci(ref=f"sha256:{B}")}, "models[0].source.revision"),
        ({"source": {**oci(), "type": "model"}}, "models[0].source.type"),
        ({"source": {**oci(), "url": "https://a/b"}}, "models[0].source"),
        ({"source": {"mlflow": "a/b", "ref": "1", "revision": "1"}}, "models[0].source.mlflow"),
        ({"source": {"mlflow": "a:b", "ref": "1", "revision": "1"}}, "models[0].source.mlflow"),
        ({"source": {"mlflow": "a", "ref": "production", "revision": "1"}}, "models[0].source.ref"),
        ({"source": {"mlflow": "a", "ref": "@", "revision": "1"}}, "models[0].source.ref"),
        ({"source": {"mlflow": "a", "ref": "@p", "revision": "0"}}, "models[0].source.revision"),
        ({"source": {"mlflow": "a", "ref": "@p", "revision": 3}}, "models[0].source.revision"),
        ({"source": {"mlflow": "a", "ref": "2", "revision": "3"}}, "models[0].source.revision"),
        ({"source": {"path": ""}}, "models[0].source.path"), ({"source": {"path": "a\nb"}}, "models[0].source.path"),
        ({"licence": "mit"}, "models[0].licence"),
    ],
)  # fmt: skip
def test_broken_model(change: dict[str, Any], where: str) -> None:
    doc = document()
    doc["models"][0].update(change)
    assert refused(doc).where == where


def test_credentials_in_a_url_are_not_repeated_in_the_message() -> None:
    doc = document()
    doc["models"][0]["source"] = {"url": "https://user:hunter2@host/x"}
    assert "hunter2" not in str(refused(doc))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:5000", "[::1]:5000", "a-b.example", "registry:443"])
def test_a_registry_is_named_by_its_host(host: str) -> None:
    doc = document()
    doc["models"][0]["source"] = oci(f"{host}/team/net__x-y.z")
    assert Lockfile.from_dict(doc).to_dict()["models"][0]["source"] == doc["models"][0]["source"]


@pytest.mark.parametrize(
    "source", [oci(), {"mlflow": "fraud", "ref": "@production", "revision": "3"}], ids=["oci", "mlflow"]
)
def test_a_repository_and_a_registered_model_are_locked_at_one_ref(source: dict[str, str]) -> None:
    doc = document()
    first = {**doc["models"][0], "source": source}
    doc["models"] = [
        first,
        {**first, "name": "other", "source": {**source, "ref": "7", "revision": source["revision"]}},
    ]
    if "mlflow" in source:
        doc["models"][1]["source"]["revision"] = "7"
    assert refused(doc).where == "models[1].source"


def test_what_people_lock_is_what_sources_are_called() -> None:
    shown = [model.source.shown for model in WHOLE.models]
    assert "oci:registry.example:5000/team/net:v1" in shown
    assert f"oci:localhost/net@{MANIFEST}" in shown
    assert "models:/fraud model@production" in shown
    assert MlflowSource(name="fraud", ref="3", revision="3").shown == "models:/fraud/3"


def test_the_same_name_repository_path_twice_is_refused() -> None:
    doc = document()
    doc["models"].append({**doc["models"][0], "source": {"url": "https://a/b"}})
    assert refused(doc).where == "models[1].name"
    doc["models"][1] = {**doc["models"][0], "name": "other"}
    assert refused(doc).where == "models[1].source"
    doc = document()
    doc["models"][0]["files"] *= 2
    assert refused(doc).where == "models[0].files[1].path"


def test_a_file_below_a_file_is_refused() -> None:
    doc = document()
    doc["models"][0]["files"].append({"path": "a.bin/b", "size": 1, "sha256": B})
    assert refused(doc).where == "models[0].files[1].path"


def test_a_key_that_would_break_the_terminal_is_escaped_in_the_message() -> None:
    error = refused({**document(), "\x1b[2J\n": 1})
    assert "\x1b" not in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("old", "new", "shift", "key"),
    [
        ("size = 5", "size = 5.0", 0, "models[1].files[1].size"),
        ('path = "x"', 'path = "../x"', 0, "models[0].files[0].path"),
        ('license = "apache-2.0"', "license = 2", 0, "models[1].license"),
        ('source = { hf = "org/bert", ref', 'source = { hf = "org/bert", branch', 0, "models[1].source.branch"),
        ('lock-version = "1.0"', 'lock-version = "1.1"', 0, "lock-version"),
        ('created-by = "weighlock"', 'created-by = "weighlock"\nextra = 1', 1, "extra"),
        (f'size = 5\nsha256 = "{B}"\n', "size = 5\n", -2, "models[1].files[1].sha256"),  # the header of its table
    ],
)
def test_a_lockfile_broken_by_hand_names_line_and_key(old: str, new: str, shift: int, key: str) -> None:
    text = Lockfile(models=(BERT, HERE)).dumps()
    line = text[: text.index(old)].count("\n") + 1 + shift
    with pytest.raises(LockfileError) as caught:
        parse(text.replace(old, new, 1))
    assert caught.value.where == f"line {line}, {key}"


def test_broken_toml_names_its_line() -> None:
    lines = WHOLE.dumps().splitlines()
    lines[4] = 'created-by = "weigh'
    with pytest.raises(LockfileError, match="line 5"):
        parse("\n".join(lines))


@pytest.mark.parametrize("cut", [10, 57, 120, 300, 700])
def test_a_truncated_lockfile_is_refused(cut: int) -> None:
    with pytest.raises(LockfileError):
        parse(Lockfile(models=(BERT,)).dumps()[:cut])


def test_absurd_nesting_is_refused() -> None:
    with pytest.raises(LockfileError, match="TOML"):
        parse("a = " + "[" * 20_000)


def test_a_key_whose_line_cannot_be_found_is_still_named() -> None:
    text = 'lock-version = "1.0"\ncreated-by = "x"\nmodels = [{ name = "a", source = { path = "a" }, files = [{}] }]\n'
    with pytest.raises(LockfileError) as caught:
        parse(text)
    assert caught.value.where == "line 3, models[0].files[0].size"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_string_is_quoted_so_that_toml_gives_it_back_on_one_line(text: str) -> None:
    written = quoted(text)
    assert "\n" not in written
    assert all(character.isprintable() or character == " " or not character.isascii() for character in written)
    assert tomllib.loads(f"a = {written}") == {"a": text}
