"""A locked model is brought into a real registry: its exact bytes, found by other clients, with its signatures."""

from __future__ import annotations

import json
import shutil
import subprocess

import oras.client
import pytest

from tests.gates.test_oci import changed, docker_registry, no_logins, shelf  # noqa: F401 - fixtures
from weighlock.errors import DigestMismatchError, SourceError, UsageError
from weighlock.gates.push import push
from weighlock.model_source import OciRequest
from weighlock.signing.bundle import MEDIA_TYPE
from weighlock.sources.exchange import Exchange
from weighlock.sources.oci.referrers import attachments, referrers
from weighlock.sources.oci.registry import Registry
from weighlock.sources.transport import NotFoundError


@pytest.fixture
def target(shelf):  # noqa: F811
    return OciRequest(repository=shelf.repository, ref="v1")


@pytest.fixture
def locked(bench, weights):
    """A folder of the project, locked under the name ``./net``."""
    folder = bench.project.folder / "net"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(weights["safetensors"])
    (folder / "sub" / "a.bin").write_bytes(weights["data"])
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("# net")
    (folder / "empty.txt").write_bytes(b"")
    bench.lock("./net")
    return bench


def bring(bench, target, **options):
    return push("./net", bench.lockfile, target, bench.places, **options)


def test_what_is_pushed_is_locked_and_synced_elsewhere(locked, target):
    pushed = bring(locked, target)
    assert {file.status for file in pushed.files} == {"uploaded"}
    assert pushed.digest == Registry().resolve(target.repository, "v1")
    name = f"oci:{target.repository}"
    locked.lock(f"{name}:v1")
    own = {file.path: file.sha256 for file in locked.lockfile.by_name("./net").files}
    assert {file.path: file.sha256 for file in locked.lockfile.by_name(name).files} == own
    shutil.rmtree(locked.root / "caches")
    assert set(locked.sync(name).values()) == {"downloaded"}


def test_oras_pulls_what_is_pushed(locked, target, tmp_path):
    bring(locked, target)
    client = oras.client.OrasClient(insecure=True)
    client.pull(target=f"{target.repository}:v1", outdir=str(tmp_path / "out"))
    for file in locked.lockfile.by_name("./net").files:
        assert (tmp_path / "out" / file.path).read_bytes() == (locked.project.folder / "net" / file.path).read_bytes()


def test_pushing_twice_sends_nothing_and_gives_the_same_manifest(locked, target):
    first = bring(locked, target)
    second = bring(locked, OciRequest(repository=target.repository, ref="v2"))
    assert first.digest == second.digest
    assert {file.status for file in second.files} == {"present"}
    assert Registry().tags(target.repository) == ("v1", "v2")


def test_what_another_repository_has_is_mounted_and_not_sent(locked, target):
    bring(locked, target)
    name = f"oci:{target.repository}"
    locked.lock(f"{name}:v1")
    other = OciRequest(repository=f"{target.repository}-prod", ref="v1")
    pushed = push(name, locked.lockfile, other, locked.places)
    assert {file.status for file in pushed.files} == {"mounted"}
    assert pushed.digest == locked.lockfile.by_name(name).source.revision


def test_the_manifest_is_one_of_the_cnai_model_spec(locked, target):
    registry = Registry()
    manifest = registry.manifest(target.repository, bring(locked, target).digest)
    assert manifest.artifact_type == "application/vnd.cncf.model.manifest.v1+json"
    kinds = {layer.annotations["org.cncf.model.filepath"]: layer.media_type for layer in manifest.layers}
    assert kinds["README.md"] == "application/vnd.cncf.model.doc.v1.raw"
    assert kinds["config.json"] == "application/vnd.cncf.model.weight.config.v1.raw"
    assert kinds["sub/a.bin"] == "application/vnd.cncf.model.weight.v1.raw"
    config = json.loads(registry.blob(target.repository, manifest.config.digest, 1 << 20))
    assert config["descriptor"] == {}
    assert config["modelfs"]["diffIds"] == [layer.digest for layer in manifest.layers]


def test_a_file_that_changed_after_it_was_locked_is_not_pushed(locked, target):
    place = locked.project.folder / "net" / "config.json"
    place.write_text('{"a": 1}')
    with pytest.raises(DigestMismatchError, match="other bytes"):
        bring(locked, target)
    with pytest.raises(NotFoundError):
        Registry().resolve(target.repository, "v1")


def test_a_file_that_changes_while_it_is_pushed_leads_to_no_tag(locked, target, monkeypatch):
    from weighlock.gates import push as module

    monkeypatch.setattr(
        module, "sync", lambda *_args, **_options: (locked.project.folder / "net/config.json").write_text("[]")
    )
    with pytest.raises((DigestMismatchError, SourceError)):
        bring(locked, target)
    with pytest.raises(NotFoundError):
        Registry().resolve(target.repository, "v1")


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_copies_what_is_pushed_and_its_digest_stays(locked, target):
    digest = bring(locked, target).digest
    places = [f"docker://{target.repository}:v1", f"docker://{target.repository}-copied:v9"]
    options = ["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    skopeo = shutil.which("skopeo")
    subprocess.run([skopeo, *options, *places], check=True, capture_output=True)
    assert Registry().resolve(f"{target.repository}-copied", "v9") == digest


@pytest.mark.parametrize("ref", [None, f"sha256:{'a' * 64}"])
def test_a_model_is_pushed_under_a_tag_only(locked, target, ref):
    with pytest.raises(UsageError, match="needs a tag"):
        bring(locked, OciRequest(repository=target.repository, ref=ref))


def test_signatures_are_attached_and_found_without_the_api(locked, target):
    keys = locked.project.folder / "key.pem"
    assert locked.run("sign", "--generate-key", str(keys), "--no-passphrase").returncode == 0
    done = locked.run("sign", "./net", "--oms", "--key", str(keys))
    assert done.returncode == 0, done.stderr
    done = locked.run("push", "./net", f"oci:{target.repository}:v1", "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (attached,) = report["attached"]
    registry = Registry()
    (descriptor,) = referrers(registry, target.repository, report["digest"], MEDIA_TYPE)
    assert descriptor.digest == attached["digest"]
    (data,) = attachments(registry, target.repository, report["digest"], MEDIA_TYPE, 1 << 20)
    assert data == (locked.project.folder / attached["file"]).read_bytes()
    again = locked.run("push", "./net", f"oci:{target.repository}:v1", "--attach", attached["file"])
    assert again.returncode == 0, again.stderr
    assert len(referrers(registry, target.repository, report["digest"])) == 1


def test_what_is_no_bundle_is_not_attached(locked, target, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="not a Sigstore bundle"):
        bring(locked, target, attachments=[tmp_path / "x.json"])
    with pytest.raises(NotFoundError):
        Registry().resolve(target.repository, "v1")


def test_as_a_person_types_it(locked, target):
    done = locked.run("push", "./net", f"oci:{target.repository}:v1")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"manifest  {target.repository}@sha256:" in done.stdout
    for arguments in (
        ("./net", target.repository),
        ("./net", "./elsewhere"),
        ("./net", f"oci:{target.repository}"),
        ("./absent", f"oci:{target.repository}:v1"),
        ("./net", "oci:127.0.0.1:1/net:v1"),
    ):
        done = locked.run("push", *arguments)
        assert done.returncode == 2, arguments
        assert "hint:" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_bad_blob_that_lies_in_the_registry_already_is_found_by_who_fetches(locked, target, docker_registry):  # noqa: F811
    """The registry says that it has the blob, and its storage was changed: pushing cannot see it, fetching does."""
    bring(locked, target)
    sha256 = locked.lockfile.by_name("./net").file("model.safetensors").sha256
    with changed(docker_registry.blob(sha256)):
        bring(locked, target)
        with pytest.raises(DigestMismatchError):
            locked.lock(f"oci:{target.repository}:v1")


def test_a_push_that_ends_anywhere_leaves_the_tag_where_it_was(locked, target, monkeypatch):
    """Each request in turn is the last one: the tag leads to the old model, whole, or to the new one, whole."""
    registry = Registry()
    old = bring(locked, target).digest
    (locked.project.folder / "net" / "config.json").write_text('{"new": true}')
    locked.lock("./net")
    ask, asked = Exchange.ask, []
    last = 0

    def ends(self, method, url, *arguments, **options):
        asked.append(method)
        if len(asked) == last:
            raise KeyboardInterrupt
        return ask(self, method, url, *arguments, **options)

    while True:
        last += 1
        asked.clear()
        with monkeypatch.context() as patch:
            patch.setattr(Exchange, "ask", ends)
            try:
                new = bring(locked, target).digest
            except KeyboardInterrupt:
                assert registry.resolve(target.repository, "v1") == old
                continue
        break
    assert new != old
    assert last > 5
    assert registry.resolve(target.repository, "v1") == new
    for layer in registry.manifest(target.repository, old).layers:
        assert registry.has_blob(target.repository, layer.digest)
