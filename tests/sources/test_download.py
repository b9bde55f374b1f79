"""Downloads: resumed, bounded, hashed by us; a source that lies or breaks off leaves nothing behind that counts."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from weighlock.errors import DigestMismatchError, SourceError
from weighlock.sources import download
from weighlock.sources.download import Wanted, fetch
from weighlock.sources.interface import Silence
from weighlock.sources.quarantine import Quarantine, validator_of
from weighlock.sources.transport import TransientError, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA = os.urandom(3_000_000)
SHA = hashlib.sha256(DATA).hexdigest()
GIT = hashlib.sha1(b"blob 3000000\0" + DATA).hexdigest()  # noqa: S324 - git's own name


@pytest.fixture
def quarantine(tmp_path: Path) -> Iterator[Quarantine]:
    with Quarantine(tmp_path / "cache" / "quarantine", Silence()) as entered:
        yield entered


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Transport:
    made = Transport(timeout=5)
    monkeypatch.setattr(made, "wait", lambda _seconds: None)
    return made


def wanted(url: str, **known: Any) -> Wanted:
    return Wanted(label="org/model: a.bin", url=url, identity=f"{url} {known.get('sha256')}", **known)


def ranges(web: Any) -> list[str | None]:
    return [headers.get("range") for _, headers in web.requests]


def test_what_arrives_is_hashed(web: Any, page: Any, quarantine: Quarantine, transport: Transport) -> None:
    web.pages["/a"] = page(DATA)
    got = fetch(wanted(web.url("/a"), size=len(DATA)), quarantine, transport, Silence())
    assert (got.sha256, got.size, got.git_id, got.quarantined) == (SHA, len(DATA), GIT, True)
    assert got.place.read_bytes() == DATA
    assert got.place.stat().st_mode & 0o777 == 0o600


def test_a_large_file_has_chunks(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.StreamHasher.__init__, "__defaults__", (1 << 20,))
    web.pages["/a"] = page(DATA)
    got = fetch(wanted(web.url("/a")), quarantine, transport, Silence())
    assert got.chunks == tuple(
        hashlib.sha256(DATA[start : start + (1 << 20)]).hexdigest() for start in range(0, len(DATA), 1 << 20)
    )


def test_large_file_storage_has_no_git_id(web: Any, page: Any, quarantine: Quarantine, transport: Transport) -> None:
    web.pages["/a"] = page(DATA, headers={"X-Linked-Etag": f'"{SHA}"'})
    assert fetch(wanted(web.url("/a"), size=len(DATA)), quarantine, transport, Silence()).git_id is None


def test_a_broken_connection_is_resumed(web: Any, page: Any, quarantine: Quarantine, transport: Transport) -> None:
    web.pages["/a"] = page(DATA, lengths=[1_000_000, 1, 500_000])
    got = fetch(wanted(web.url("/a"), size=len(DATA), sha256=SHA), quarantine, transport, Silence())
    assert got.place.read_bytes() == DATA
    assert ranges(web) == [None, "bytes=1000000-", "bytes=1000001-", "bytes=1500001-"]


def test_a_server_without_ranges_starts_over(web: Any, page: Any, quarantine: Quarantine, transport: Transport) -> None:
    web.pages["/a"] = page(DATA, lengths=[1_000_000], ranges=False)
    assert fetch(wanted(web.url("/a"), sha256=SHA), quarantine, transport, Silence()).sha256 == SHA


def test_a_body_that_is_always_truncated_is_an_error_and_stays_in_quarantine(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    web.pages["/a"] = page(DATA[:1000], claimed=5000, ranges=False)
    with pytest.raises(TransientError, match="1000 of 5000 bytes") as caught:
        fetch(wanted(web.url("/a"), size=5000), quarantine, transport, Silence())
    assert caught.value.exit_code == 2
    assert len(web.requests) >= 4


def test_an_earlier_run_is_resumed_and_hashed_again(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    web.pages["/a"] = page(DATA)
    job = wanted(web.url("/a"), size=len(DATA), sha256=SHA)
    quarantine.part(job.identity).write_bytes(DATA[:2_000_000])
    assert fetch(job, quarantine, transport, Silence()).place.read_bytes() == DATA
    assert ranges(web) == ["bytes=2000000-"]


def test_a_whole_file_of_an_earlier_run_needs_no_request(
    web: Any, quarantine: Quarantine, transport: Transport
) -> None:
    job = wanted(web.url("/a"), size=len(DATA), sha256=SHA)
    quarantine.part(job.identity).write_bytes(DATA)
    assert fetch(job, quarantine, transport, Silence()).sha256 == SHA
    assert web.requests == []


@pytest.mark.parametrize("planted", [b"evil" * 500_000, DATA + b"more", b"\0" * len(DATA)])
def test_bytes_planted_in_the_quarantine_are_found_and_replaced(
    planted: bytes, web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    web.pages["/a"] = page(DATA)
    job = wanted(web.url("/a"), size=len(DATA), sha256=SHA)
    quarantine.part(job.identity).write_bytes(planted)
    assert fetch(job, quarantine, transport, Silence()).place.read_bytes() == DATA


def test_a_link_planted_in_the_quarantine_is_not_written_through(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    web.pages["/a"] = page(DATA)
    job = wanted(web.url("/a"))
    for plant in (os.symlink, os.link):
        plant(victim, quarantine.part(job.identity))
        with pytest.raises(Exception, match=r"cannot be written|not a file of the quarantine"):
            fetch(job, quarantine, transport, Silence())
        quarantine.part(job.identity).unlink(missing_ok=True)
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"git_id": "0" * 40, "size": len(DATA)}])
def test_other_bytes_than_announced_are_refused_and_removed(
    known: dict[str, Any], web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    web.pages["/a"] = page(DATA, etag=f'"{"0" * 64}"')
    job = wanted(web.url("/a"), **known)
    with pytest.raises(DigestMismatchError, match="delivers") as caught:
        fetch(job, quarantine, transport, Silence())
    assert caught.value.exit_code == 1
    assert not quarantine.part(job.identity).exists()


def test_another_length_than_announced_is_refused_before_it_is_read(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    web.pages["/a"] = page(DATA)
    with pytest.raises(DigestMismatchError, match="3000000 bytes, the lockfile says 5"):
        fetch(wanted(web.url("/a"), size=5), quarantine, transport, Silence())


def test_a_stream_without_end_is_cut_off(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "LARGEST", 1_000_000)
    web.pages["/a"] = page(DATA)
    job = wanted(web.url("/a"))
    with pytest.raises(DigestMismatchError, match="more than the 1000000 bytes"):
        fetch(job, quarantine, transport, Silence())
    assert not quarantine.part(job.identity).exists()


def test_the_rest_of_other_bytes_is_not_taken_for_the_rest_of_these(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    """Nobody knows the digest of a URL beforehand, so only a strong ETag lets it be resumed."""
    job = wanted(web.url("/a"))
    part = quarantine.part(job.identity)
    part.write_bytes(b"x" * 1000)
    validator_of(part).write_text('"old"')
    web.pages["/a"] = page(DATA, etag='"new"')
    assert fetch(job, quarantine, transport, Silence()).place.read_bytes() == DATA
    part.write_bytes(DATA[:1000])
    validator_of(part).write_text('"new"')
    assert fetch(job, quarantine, transport, Silence()).place.read_bytes() == DATA
    assert [headers.get("if-range") for _, headers in web.requests] == ['"old"', '"new"']


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_a_url_is_never_resumed_in_a_later_run(
    etag: str | None, web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    job = wanted(web.url("/a"))
    web.pages["/a"] = page(DATA, etag=etag)
    quarantine.part(job.identity).write_bytes(b"y" * 100)
    assert fetch(job, quarantine, transport, Silence()).place.read_bytes() == DATA
    assert ranges(web) == [None]


def test_a_file_that_became_shorter_on_the_server_starts_over(
    web: Any, page: Any, quarantine: Quarantine, transport: Transport
) -> None:
    job = wanted(web.url("/a"))
    part = quarantine.part(job.identity)
    part.write_bytes(DATA)
    validator_of(part).write_text('"same"')
    web.pages["/a"] = page(DATA[:1000], etag='"same"')
    assert fetch(job, quarantine, transport, Silence()).size == 1000


def test_an_empty_file(web: Any, page: Any, quarantine: Quarantine, transport: Transport) -> None:
    web.pages["/a"] = page(b"")
    assert fetch(wanted(web.url("/a"), size=0), quarantine, transport, Silence()).size == 0


def test_a_stopped_download_ends_at_once_and_keeps_what_came(web: Any, page: Any, quarantine: Quarantine) -> None:
    web.pages["/a"] = page(DATA, pause=0.05)
    transport = Transport(timeout=60)
    errors: list[BaseException] = []
    job = wanted(web.url("/a"), sha256=SHA)

    def run() -> None:
        try:
            fetch(job, quarantine, transport, Silence())
        except SourceError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    part = quarantine.part(job.identity)
    for _ in range(500):
        if part.exists() and part.stat().st_size:
            break
        time.sleep(0.01)
    transport.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert str(errors[0]) == "stopped"
    assert 0 < part.stat().st_size < len(DATA)


def test_a_full_disk_is_one_line_and_no_half_file(web: Any, page: Any, tmp_path: Path) -> None:
    web.pages["/a"] = page(DATA)
    code = """
import resource, sys
from pathlib import Path
from weighlock.errors import WeighlockError
from weighlock.sources.download import Wanted, fetch
from weighlock.sources.interface import Silence
from weighlock.sources.quarantine import Quarantine
from weighlock.sources.transport import Transport
with Quarantine(Path(sys.argv[1]) / "q", Silence()) as quarantine:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        fetch(Wanted(label="org/a: a.bin", url=sys.argv[2], identity="a"), quarantine, Transport(), Silence())
    except WeighlockError as error:
        print(error, error.hint, sep="|")
        sys.exit(error.exit_code)
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, web.url("/a")], capture_output=True, text=True, check=False
    )
    assert done.stdout == (
        "org/a: a.bin: cannot be written: File too large|make room and run it again; nothing was published\n"
    )
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
