"""One byte that was changed anywhere in the chain is found, and the link that it breaks is named."""

from __future__ import annotations

import json
import shutil
import struct

import pytest

from weighlock._cli import main
from weighlock.signing.oms_bundle import file_name

DOCUMENTS = (
    "weights/model.safetensors",
    "models.lock",
    "models.cdx.json",
    "models.lock.sigstore.json",
    "models.cdx.json.sigstore.json",
    file_name("./weights"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project with every link: locked, described, signed and recorded."""
    folder = tmp_path_factory.mktemp("chain") / "project"
    (folder / "weights").mkdir(parents=True)
    header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (folder / "weights" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    with pytest.MonkeyPatch.context() as patch:
        _settle(patch, folder)
        assert main(["sign", "--generate-key", "team.pem", "--no-passphrase"]) == 0
        (folder / "weighlock.toml").write_text('[[evidence.signers]]\nname = "team"\nkey = "team.pem.pub"\n')
        assert main(["lock", "./weights"]) == 0
        assert main(["bom", "--output", "models.cdx.json"]) == 0
        for document in ("models.lock", "models.cdx.json"):
            assert main(["sign", document, "--key", "team.pem"]) == 0
        assert main(["sign", "./weights", "--oms", "--key", "team.pem"]) == 0
        assert main(["verify", "--chain"]) == 0
        shutil.copy(folder / "ledger" / "checkpoint", folder / "kept")
    return folder


@pytest.fixture
def project(whole, monkeypatch):
    """The same project, where something can be done to it: it goes back to what it was."""
    kept = whole.with_name("kept")
    shutil.copytree(whole, kept)
    _settle(monkeypatch, whole)
    yield whole
    shutil.rmtree(whole)
    kept.rename(whole)


def _settle(patch, folder):
    patch.chdir(folder)
    for name, value in {"ROOT": folder, "STATE": folder / "state", "LEDGER": folder / "ledger"}.items():
        patch.setenv(f"WEIGHLOCK_{name}", str(value))


def links(capsys, *arguments) -> tuple[int, dict[str, str]]:
    capsys.readouterr()
    code = main(["verify", "--chain", "--format", "json", *arguments])
    report = json.loads(capsys.readouterr().out)
    assert report["exit-code"] == code
    return code, {link["name"]: link["status"] for link in report["links"]}


def broken(found: dict[str, str]) -> set[str]:
    return {name for name, status in found.items() if status == "broken"}


def flip(path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.write_bytes(bytes(data))


def test_a_whole_chain_holds(project, capsys):
    code, found = links(capsys, "--since", "kept")
    assert code == 0
    assert set(found.values()) == {"intact"}
    assert len(found) == 11


@pytest.mark.parametrize("place", [0, 7, 101, -2, -1])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_one_changed_byte_in_a_document_breaks_a_link_that_names_it(project, capsys, document, place):
    flip(project / document, place)
    code = main(["verify", "--chain", "--format", "json"])
    output = capsys.readouterr()
    if document == "models.lock" and not output.out:  # it cannot be parsed any more, so there is nothing to compare
        assert code == 2
        assert "models.lock" in output.err
        return
    assert code == 1
    named = document if "/" not in document else "files"
    assert any(
        named in name for name in broken({one["name"]: one["status"] for one in json.loads(output.out)["links"]})
    )


def test_one_changed_byte_anywhere_in_the_ledger_is_found(project, capsys):
    files = [file for file in (project / "ledger").rglob("*") if file.is_file() and "tile" in file.parts]
    for file in [*files, project / "ledger" / "checkpoint"]:
        before = file.read_bytes()
        flip(file, len(before) // 2)
        code, found = links(capsys, "--since", "kept")
        assert code != 0, file
        assert found["ledger -> checkpoint"] in {"broken", "undecided"}, file
        file.write_bytes(before)


def test_a_ledger_that_was_removed_is_no_new_beginning(project, capsys):
    shutil.rmtree(project / "ledger")
    assert "ledger -> checkpoint" in broken(links(capsys, "--since", "kept")[1])
    shutil.rmtree(project / "ledger", ignore_errors=True)
    assert "ledger -> checkpoint" in broken(links(capsys)[1])  # the key remembers, too


def test_an_older_lockfile_with_its_own_signatures_is_found_by_the_ledger(project, capsys):
    old = {name: (project / name).read_bytes() for name in ("models.lock", "models.lock.sigstore.json")}
    (project / "second.bin").write_bytes(b"")
    shutil.copytree(project / "weights", project / "more")
    assert main(["lock", "./more"]) == 0
    assert main(["sign", "models.lock", "--key", "team.pem"]) == 0
    for name, data in old.items():
        (project / name).write_bytes(data)
    code, found = links(capsys)
    assert code == 1
    assert {"ledger -> models.lock", "ledger -> models.lock.sigstore.json"} <= broken(found)
    assert found["models.lock.sigstore.json -> models.lock"] == "intact"


def test_a_bill_of_another_lockfile_is_found(project, capsys):
    shutil.copytree(project / "weights", project / "more")
    assert main(["lock", "./more"]) == 0
    assert "models.cdx.json -> models.lock" in broken(links(capsys)[1])


def test_a_signature_that_the_policy_requires_is_not_simply_absent(project, capsys):
    (project / "weighlock.toml").write_text(
        '[evidence]\nrequire-signature = true\n[[evidence.signers]]\nname = "team"\nkey = "team.pem.pub"\n'
    )
    assert links(capsys)[0] == 0
    (project / "models.lock.sigstore.json").unlink()
    assert main(["verify", "--chain"]) == 1


def test_a_signature_of_somebody_else_is_none(project, capsys):
    assert main(["sign", "--generate-key", "other.pem", "--no-passphrase"]) == 0
    (project / "models.lock.sigstore.json").unlink()
    assert main(["sign", "models.lock", "--key", "other.pem"]) == 0
    assert "models.lock.sigstore.json -> models.lock" in broken(links(capsys)[1])


def test_whose_signature_counts_can_be_named(project, capsys):
    (project / "weighlock.toml").unlink()
    code, found = links(capsys)
    assert (code, found["models.lock.sigstore.json -> models.lock"]) == (2, "undecided")
    assert links(capsys, "--key", "team.pem.pub")[0] == 0


@pytest.mark.parametrize("arguments", [["--bom", "x"], ["--since", "x"], ["--chain", "--bom", "missing"]])
def test_options_that_mean_nothing_are_refused(project, capsys, arguments):
    assert main(["verify", *arguments]) == 2


def test_the_text_names_every_link_and_the_next_step(project, capsys):
    (project / "models.cdx.json.sigstore.json").unlink()
    assert main(["verify", "--chain"]) == 0
    out = capsys.readouterr().out
    assert "absent    models.cdx.json.sigstore.json -> models.cdx.json" in out
    assert "hint      weighlock sign models.cdx.json --key FILE" in out


@pytest.mark.parametrize("link", [True, False])
def test_an_older_lockfile_behind_a_link_is_found_by_the_ledger(project, capsys, link):
    """With its own signature, and without: the ledger knows both, and which of them came last."""
    old = {name: (project / name).read_bytes() for name in ("models.lock", "models.lock.sigstore.json")}
    shutil.copytree(project / "weights", project / "more")
    assert main(["lock", "./more"]) == 0
    assert main(["sign", "models.lock", "--key", "team.pem"]) == 0
    for name, data in old.items():
        (project / name).unlink()
        (project / f"old-{name}").write_bytes(data)
        if link:
            (project / name).symlink_to(f"old-{name}")
        else:
            (project / name).hardlink_to(project / f"old-{name}")
    code, found = links(capsys)
    assert code == 1
    assert {"ledger -> models.lock", "ledger -> models.lock.sigstore.json"} <= broken(found)


def test_a_bill_that_gives_two_files_the_digest_of_the_other_is_found(project, capsys):
    (project / "weights" / "config.json").write_text("{}")
    assert main(["lock", "./weights"]) == 0
    assert main(["bom", "--output", "models.cdx.json"]) == 0
    bill = json.loads((project / "models.cdx.json").read_text())
    assert links(capsys)[1]["models.cdx.json -> models.lock"] == "intact"
    (model,) = [one for one in bill["components"] if one["type"] == "machine-learning-model"]
    first, second = model["components"]
    first["hashes"], second["hashes"] = second["hashes"], first["hashes"]
    (project / "models.cdx.json").write_text(json.dumps(bill))
    assert "models.cdx.json -> models.lock" in broken(links(capsys)[1])


def test_more_signatures_than_are_read_are_not_taken_for_none(project, capsys):
    for number in range(100):
        (project / f"models.cdx.json.n{number}.sigstore.json").write_text("{}")
    code, found = links(capsys)
    assert code == 2
    assert found["models.cdx.json.sigstore.json -> models.cdx.json"] == "undecided"


def test_documents_that_were_removed_are_missed_by_the_ledger(project, capsys):
    gone = {"models.cdx.json", "models.cdx.json.sigstore.json", "models.lock.sigstore.json"}
    for name in gone:
        (project / name).unlink()
    assert {f"ledger -> {name}" for name in gone} <= {
        name for name, status in links(capsys)[1].items() if status == "absent"
    }
    assert main(["verify", "--chain"]) == 0
    assert "not there any more" in capsys.readouterr().out
