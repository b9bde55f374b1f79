"""Models in a real registry, pushed by an unmodified client: locked, synced, and refused when a byte is another."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import oras.client
import pytest

from tests.docker_registry import DockerRegistry
from tests.gates.conftest import DATA
from tests.sources.oci.fake import FakeRegistry, Said, model_of
from weighlock.errors import AdmissionError, DigestMismatchError, SourceError, UsageError
from weighlock.gates.stale import check
from weighlock.lockfile import OciSource
from weighlock.sources.oci.registry import Registry


@pytest.fixture(scope="module")
def docker_registry(tmp_path_factory):
    with DockerRegistry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_logins(tmp_path, monkeypatch):
    for name in ("DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("WEIGHLOCK_CACHE", str(tmp_path / "caches" / "weighlock"))


@pytest.fixture
def shelf(docker_registry, tmp_path, request):
    """Push files with ORAS, under a repository of the test's own."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    repository = f"{docker_registry.host}/tests/{name}"
    folder = tmp_path / "shelf"
    folder.mkdir()

    def push(tag: str = "v1", **files: bytes) -> str:
        here = os.getcwd()
        os.chdir(folder)
        try:
            for path, data in files.items():
                place = folder / path.replace("__", "/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            names = sorted({path.split("__")[0] for path in files})
            oras.client.OrasClient(insecure=True).push(target=f"{repository}:{tag}", files=names, quiet=True)
        finally:
            os.chdir(here)
        return f"oci:{repository}:{tag}"

    push.repository = repository
    return push


def left_behind(bench) -> list[str]:
    """Every file of the cache of artifacts."""
    return [place for place in bench.published() if "/oci/" in place]


def name_of(shelf) -> str:
    return f"oci:{shelf.repository}"


def test_what_oras_pushed_is_locked_by_its_manifest_and_synced_from_there(bench, shelf, weights):
    name = shelf(**{"a.bin": weights["data"], "README.md": b"hello"})
    bench.lock(name)
    (model,) = bench.lockfile.models
    digest = Registry().resolve(shelf.repository, "v1")
    assert model.name == name_of(shelf)
    assert model.source == OciSource(repository=shelf.repository, ref="v1", revision=digest)
    assert [file.path for file in model.files] == ["README.md", "a.bin"]
    assert bench.file("a.bin", model.name).outcome == "data-only"
    bench.empty()
    assert bench.sync() == {"README.md": "downloaded", "a.bin": "downloaded"}
    assert bench.place("a.bin", model.name).read_bytes() == weights["data"]
    assert set(bench.statuses().values()) == {"good"}
    assert bench.sync(offline=True) == {"README.md": "present", "a.bin": "present"}


def test_a_folder_that_oras_packed_is_locked_file_by_file(bench, shelf, weights):
    name = shelf(**{"net__a.bin": weights["data"], "net__sub__b.txt": b"b", "c.txt": b"c"})
    bench.lock(name)
    assert {file.path for file in bench.lockfile.models[0].files} == {"net/a.bin", "net/sub/b.txt", "c.txt"}
    bench.empty()
    assert set(bench.sync().values()) == {"downloaded"}
    assert bench.place("net/sub/b.txt", name_of(shelf)).read_bytes() == b"b"
    assert not [place for place in bench.published() if "quarantine" in place]


def test_a_flipped_byte_in_the_storage_of_the_registry_is_refused_where_oras_takes_it(
    bench, shelf, weights, docker_registry, tmp_path
):
    name = shelf(**{"a.bin": weights["data"]})
    bench.lock(name)
    bench.empty()
    sha256 = bench.file("a.bin", name_of(shelf)).sha256
    with changed(docker_registry.blob(sha256)) as data:
        client = oras.client.OrasClient(insecure=True)
        (pulled,) = client.pull(target=name.removeprefix("oci:"), outdir=str(tmp_path / "out"))
        assert Path(pulled).read_bytes() == data  # the registry serves it, and the registry's own client takes it
        with pytest.raises(DigestMismatchError) as caught:
            bench.sync()
    assert sha256 in caught.value.message
    assert "a.bin" in (caught.value.where or "")
    assert not [place for place in bench.published() if "blobs" in place or "snapshots" in place]


@contextlib.contextmanager
def changed(stored: Path) -> Iterator[bytes]:
    """Flip the last bit of what a registry stores, for a while: other tests store the same content."""
    before = stored.read_bytes()
    stored.write_bytes(after := before[:-1] + bytes([before[-1] ^ 1]))
    try:
        yield after
    finally:
        stored.write_bytes(before)


def test_another_manifest_in_the_storage_of_the_registry_is_refused(bench, shelf, weights, docker_registry):
    name = shelf(**{"a.bin": weights["data"]})
    bench.lock(name)
    bench.empty()
    revision = bench.lockfile.models[0].source.revision
    with changed(docker_registry.blob(revision)):
        with pytest.raises((DigestMismatchError, SourceError)):
            bench.sync()
        with pytest.raises((DigestMismatchError, SourceError)):
            bench.lock(name)


def test_a_moved_tag_changes_nothing_until_the_lock_is_upgraded(bench, shelf, weights):
    name = shelf(**{"a.bin": weights["data"]})
    bench.lock(name)
    before = bench.lockfile
    shelf(**{"a.bin": weights["safetensors"]})
    bench.empty()
    bench.sync()
    assert bench.place("a.bin", name_of(shelf)).read_bytes() == weights["data"]
    bench.lock(name)
    assert bench.lockfile == before
    stale = check([request(bench, name)], bench.lockfile, bench.project.folder)
    assert "v1 is now" in stale[0]
    report = bench.lock(name, upgrade=(name_of(shelf),))
    assert report.changes[0].revision is not None
    assert bench.lockfile.models[0].source.revision == Registry().resolve(shelf.repository, "v1")


def request(bench, name):
    from weighlock.gates.request import parse_request

    return parse_request(name, bench.project.folder)


def test_a_malicious_pickle_in_a_registry_is_not_locked_and_not_published(bench, shelf, payload):
    with pytest.raises(AdmissionError, match=r"a\.bin is refused"):
        bench.lock(shelf(**{"a.bin": payload}))
    assert not bench.project.lock.exists()
    assert not [place for place in bench.published() if "blobs" in place]


def test_a_digest_is_locked_as_it_is(bench, shelf, weights):
    shelf(**{"a.bin": weights["data"]})
    digest = Registry().resolve(shelf.repository, "v1")
    bench.lock(f"oci:{shelf.repository}@{digest}")
    source = bench.lockfile.models[0].source
    assert (source.ref, source.revision) == (digest, digest)
    bench.lock(name_of(shelf))  # what is locked stays, also when no tag is named
    assert bench.lockfile.models[0].source == source


def test_a_repository_without_a_tag_is_not_guessed_at(bench, shelf, weights):
    shelf(**{"a.bin": weights["data"]})
    with pytest.raises(UsageError, match="names no tag"):
        bench.lock(name_of(shelf))


def test_files_of_a_registry_go_where_they_are_wanted(bench, shelf, weights, tmp_path):
    bench.lock(shelf(**{"net__a.bin": weights["data"], "b.txt": b"b"}))
    assert bench.sync(local=tmp_path / "here") == {"net/a.bin": "downloaded", "b.txt": "downloaded"}
    assert (tmp_path / "here/net/a.bin").read_bytes() == DATA
    assert sorted(os.listdir(tmp_path / "here")) == ["b.txt", "net"]


def test_patterns_select_files_of_a_registry(bench, shelf, weights):
    bench.lock(shelf(**{"a.bin": weights["data"], "b.txt": b"b"}), include=("*.txt",))
    assert [file.path for file in bench.lockfile.models[0].files] == ["b.txt"]
    bench.empty()
    assert bench.sync() == {"b.txt": "downloaded"}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"name": "../out"}, "unsafe-name"),
        ({"name": "/etc/passwd"}, "unsafe-name"),
        ({"name": "link", "type": tarfile.SYMTYPE, "linkname": "a.bin"}, "files and folders"),
        ({"name": "link", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "unsafe-link"),
        ({"name": "link", "type": tarfile.LNKTYPE, "linkname": "net/a.bin"}, "files and folders"),
        ({"name": "pipe", "type": tarfile.FIFOTYPE}, "special-file"),
        ({"name": "net/a.bin"}, "duplicate-name"),
        ({"name": "net/./a.bin"}, "duplicate-name"),
        ({"name": "net/a.bin/below"}, "itself a file"),
        ({"name": "a\\b"}, "relative path"),
        ({"name": "a\x1bb"}, "control-in-name"),
    ],
)
def test_an_archive_that_readers_unpack_differently_is_not_locked(bench, shelf, tmp_path, entry, told):
    packed = tmp_path / "net.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        info = tarfile.TarInfo("net/a.bin")
        archive.addfile(info)
        odd = tarfile.TarInfo(entry["name"])
        odd.type, odd.linkname = entry.get("type", tarfile.REGTYPE), entry.get("linkname", "")
        archive.addfile(odd)
    push_layer(shelf, packed, "application/vnd.kitops.modelkit.model.v1.tar+gzip")
    with pytest.raises(SourceError) as caught:
        bench.lock(f"{name_of(shelf)}:v1")
    assert told in str(caught.value)
    assert not bench.project.lock.exists()
    assert not left_behind(bench)


def push_layer(shelf, packed: Path, media_type: str) -> None:
    here = os.getcwd()
    os.chdir(packed.parent)
    try:
        client = oras.client.OrasClient(insecure=True)
        client.push(target=f"{shelf.repository}:v1", files=[f"{packed.name}:{media_type}"], quiet=True)
    finally:
        os.chdir(here)


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(bench, shelf, tmp_path):
    packed = tmp_path / "net.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=9) as archive:
        info = tarfile.TarInfo("net/zeros")
        info.size = 200 << 20
        with open("/dev/zero", "rb") as zeros:
            archive.addfile(info, zeros)
    assert packed.stat().st_size < 1 << 20
    push_layer(shelf, packed, "application/vnd.cncf.model.weight.v1.tar+gzip")
    with pytest.raises(SourceError, match="over the budget"):
        bench.lock(f"{name_of(shelf)}:v1")
    assert not left_behind(bench)


def test_a_plain_archive_is_unpacked_and_a_packed_file_is_a_file(bench, shelf, tmp_path, weights):
    packed = tmp_path / "net.tar"
    with tarfile.open(packed, "w") as archive:
        (tmp_path / "a.bin").write_bytes(weights["data"])
        archive.add(tmp_path / "a.bin", "./a.bin")
    push_layer(shelf, packed, "application/vnd.cncf.model.weight.v1.tar")
    bench.lock(f"{name_of(shelf)}:v1")
    assert [file.path for file in bench.lockfile.models[0].files] == ["a.bin"]
    push_layer(shelf, packed, "application/vnd.example.thing")
    bench.lock(f"{name_of(shelf)}:v1", upgrade=("*",))
    assert [file.path for file in bench.lockfile.models[0].files] == ["net.tar"]


def test_as_a_person_types_it(bench, shelf, weights):
    name = shelf(**{"a.bin": weights["data"]})
    done = bench.run("lock", name)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert f"added     {name_of(shelf)}" in done.stdout
    bench.empty()
    done = bench.run("sync", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert bench.run("verify").returncode == 0
    done = bench.run("lock", f"oci:{shelf.repository}:v9")
    assert done.returncode == 2
    assert "v9" in done.stderr
    assert bench.run("lock", "--offline", name).returncode == 2
    assert bench.run("lock", "oci:net").returncode == 2


def test_what_was_synced_loads_under_the_guard_and_nothing_else_does(bench, shelf, weights):
    bench.lock(shelf(**{"model.safetensors": weights["safetensors"]}))
    bench.empty()
    bench.sync()
    place = bench.place("model.safetensors", name_of(shelf))
    script = bench.project.folder / "load.py"
    script.write_text("import sys\nfrom safetensors.numpy import load_file\nprint(sorted(load_file(sys.argv[1])))\n")
    done = bench.run("run", "load.py", str(place))
    assert (done.returncode, done.stdout) == (0, "['w']\n"), done.stderr
    changed_file = bench.project.folder / "changed.safetensors"
    changed_file.write_bytes(weights["safetensors"][:-1] + b"!")
    done = bench.run("run", "load.py", str(changed_file))
    assert done.returncode == 1
    assert "not in the lockfile" in done.stderr


def test_the_policy_names_models_of_a_registry(bench, shelf, weights):
    shelf(**{"a.bin": weights["data"]})
    name = name_of(shelf)
    (bench.project.folder / "weighlock.toml").write_text(f'[models."{name}"]\nref = "v1"\n')
    done = bench.run("lock")
    assert done.returncode == 0, done.stderr
    assert bench.lockfile.models[0].source.ref == "v1"
    assert bench.run("lock", "--check").returncode == 0
    shelf(**{"a.bin": weights["safetensors"]})
    done = bench.run("lock", "--check")
    assert done.returncode == 1
    assert "v1 is now" in done.stdout


def test_a_bill_names_the_artifact_by_its_manifest(bench, shelf, weights):
    bench.lock(shelf(**{"a.bin": weights["data"]}))
    done = bench.run("bom")
    assert done.returncode == 0, done.stderr
    revision = bench.lockfile.models[0].source.revision
    purl = f"pkg:oci/{shelf.repository.rpartition('/')[2]}@{revision}?repository_url="
    assert purl in done.stdout


class TestHostile:
    @pytest.fixture
    def fake(self):
        with FakeRegistry() as running:
            yield running

    def lock(self, bench, fake):
        return bench.lock(f"oci:{fake.repository}:v1")

    def test_an_endless_blob_is_cut_off_where_the_manifest_says_that_it_ends(self, bench, fake, weights):
        fake.model("v1", **{"a.bin": weights["data"]})
        self.lock(bench, fake)
        bench.empty()
        (digest,) = fake.blobs
        data = weights["data"] * 100_000
        fake.rule(f"/v2/team/net/blobs/{digest}", Said(headers={"Transfer-Encoding": "identity"}, data=data))
        with pytest.raises(DigestMismatchError, match="bytes"):
            bench.sync()
        assert not left_behind(bench)

    def test_other_bytes_of_the_right_length_are_refused(self, bench, fake, weights):
        fake.model("v1", **{"a.bin": weights["data"]})
        self.lock(bench, fake)
        bench.empty()
        (digest,) = fake.blobs
        fake.blobs[digest] = weights["data"][:-1] + b"!"
        with pytest.raises(DigestMismatchError, match="delivers sha256"):
            bench.sync()
        assert not [place for place in left_behind(bench) if "blobs" in place]

    def test_a_broken_download_goes_on_where_it_stopped(self, bench, fake):
        data = os.urandom(300_000)
        fake.model("v1", **{"a.txt": data})
        self.lock(bench, fake)
        bench.empty()
        (digest,) = fake.blobs
        starts = []

        def broken(heard):
            start = int(heard.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            starts.append(start)
            end = min(start + 100_000, len(data))
            headers = {"Content-Length": str(len(data) - start)}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            if end < len(data):
                headers["Connection"] = "close"
            return Said(206 if start else 200, headers, data[start:end])

        fake.rule(f"/v2/team/net/blobs/{digest}", broken)
        assert bench.sync() == {"a.txt": "downloaded"}
        assert starts == [0, 100_000, 200_000]

    def test_a_lockfile_that_names_a_manifest_without_the_locked_file_is_refused(self, bench, fake, weights):
        fake.model("v1", **{"a.bin": weights["data"]})
        self.lock(bench, fake)
        other = fake.model(**{"a.bin": weights["safetensors"]})
        bench.empty()
        lock = bench.project.lock
        lock.write_text(lock.read_text().replace(bench.lockfile.models[0].source.revision, other))
        with pytest.raises(DigestMismatchError, match="the lockfile says"):
            bench.sync()

    def test_a_manifest_that_was_deleted_cannot_be_synced(self, bench, fake, weights):
        digest = fake.model("v1", **{"a.bin": weights["data"]})
        self.lock(bench, fake)
        bench.empty()
        del fake.manifests[digest]
        with pytest.raises(SourceError, match="is not there"):
            bench.sync()

    @pytest.mark.parametrize("title", ["../../../../etc/cron.d/x", "/etc/passwd", "a\x1b[2Jb", "C:/x"])
    def test_a_title_that_leads_out_of_the_cache_is_refused(self, bench, fake, title):
        fake.model("v1", **{title: b"x"})
        with pytest.raises(SourceError) as caught:
            self.lock(bench, fake)
        assert str(caught.value).isprintable()
        assert not left_behind(bench)

    def test_two_files_with_the_same_bytes_are_two_files(self, bench, fake):
        fake.model("v1", **{"a.txt": b"same", "b.txt": b"same", "empty.txt": b"", "e2.txt": b""})
        self.lock(bench, fake)
        bench.empty()
        assert set(bench.sync().values()) == {"downloaded"}
        assert bench.place("b.txt", f"oci:{fake.repository}").read_bytes() == b"same"

    def test_a_layer_that_lies_elsewhere_is_never_asked_for(self, bench, fake):
        with FakeRegistry() as elsewhere:
            layer = {"mediaType": "application/octet-stream", "digest": fake.blob(b"x"), "size": 1}
            layer |= {"annotations": {"org.opencontainers.image.title": "x"}, "urls": [f"http://{elsewhere.host}/x"]}
            fake.put(model_of({}, {}, layers=[layer]), "v1")
            with pytest.raises(SourceError, match="lies elsewhere"):
                self.lock(bench, fake)
            assert not elsewhere.heard

    def test_a_lockfile_that_names_other_bytes_in_an_archive_is_refused(self, bench, fake, weights, tmp_path):
        def packed(data):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                info = tarfile.TarInfo("a.bin")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            return buffer.getvalue()

        def put(*tags, data):
            kind = "application/vnd.kitops.modelkit.model.v1.tar"
            layer = {"mediaType": kind, "digest": fake.blob(packed(data)), "size": len(packed(data))}
            return fake.put(model_of({}, {}, layers=[layer]), *tags)

        put("v1", data=weights["data"])
        self.lock(bench, fake)
        bench.empty()
        before, revision = bench.project.lock.read_text(), bench.lockfile.models[0].source.revision
        bench.project.lock.write_text(before.replace(revision, put(data=weights["safetensors"])))
        with pytest.raises(DigestMismatchError, match="the lockfile says"):
            bench.sync()
        bench.project.lock.write_text(before.replace('"a.bin"', '"b.bin"'))
        with pytest.raises(SourceError, match="is not in the manifest"):
            bench.sync()
        bench.project.lock.write_text(before)
        assert bench.sync() == {"a.bin": "downloaded"}

    def test_two_layers_with_one_path_one_of_them_packed_are_not_locked(self, bench, fake, weights):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a.bin"))
        data = buffer.getvalue()
        kind = "application/vnd.kitops.modelkit.model.v1.tar"
        layers = model_of({"a.bin": fake.blob(b"x")}, {"a.bin": b"x"})["layers"]
        layers.append({"mediaType": kind, "digest": fake.blob(data), "size": len(data)})
        fake.put(model_of({}, {}, layers=layers), "v1")
        with pytest.raises(SourceError, match="two files"):
            self.lock(bench, fake)
