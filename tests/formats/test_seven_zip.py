from __future__ import annotations

import contextlib
import io
import struct

import py7zr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.formats.seven_zip import SevenZipArchive, parse
from weighlock.formats.source import Budget, BytesSource, Source

MEMBERS = {"a/data.pkl": b"\x80\x02N.", "a/long": b"0123456789" * 30_000, "empty": b"", "ünï": b"last"}
LZMA2 = {"id": py7zr.FILTER_LZMA2, "preset": 1}
LZMA1 = {"id": py7zr.FILTER_LZMA, "preset": 1}
CHAINS = {
    "default": None,
    "copy": [{"id": py7zr.FILTER_COPY}],
    "lzma": [LZMA1],
    "lzma2": [LZMA2],
    "bcj": [{"id": py7zr.FILTER_X86}, LZMA2],
    "delta": [{"id": py7zr.FILTER_DELTA, "dist": 3}, LZMA2],
    "delta-lzma": [{"id": py7zr.FILTER_DELTA}, LZMA1],
    "bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "deflate": [{"id": py7zr.FILTER_DEFLATE}],
}


def packed(chain: str = "default", members: dict[str, bytes] | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    with py7zr.SevenZipFile(file, "w", filters=CHAINS.get(chain), **options) as archive:
        for name, content in (MEMBERS if members is None else members).items():
            archive.writestr(content, name)
    return file.getvalue()


def other(filters: list[dict[str, int]], **options: object) -> bytes:
    file = io.BytesIO()
    with py7zr.SevenZipFile(file, "w", filters=filters, **options) as archive:
        archive.writestr(b"content" * 100, "x")
    return file.getvalue()


def read(data: bytes, **limits: int) -> SevenZipArchive:
    return parse(BytesSource(data), Budget(**limits))


def drain(source: Source) -> bytes:
    stream = source.open()
    return b"".join(iter(lambda: stream.read(1 << 20), b""))


def contents(archive: SevenZipArchive, budget: Budget | None = None) -> dict[str, bytes]:
    budget = budget or Budget()
    return {entry.name: drain(entry.open(budget)) for entry in archive.entries}


def with_header(header: bytes, body: bytes = b"") -> bytes:
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(4) + struct.pack("<QQI", len(body), len(header), 0) + body + header


def one_file(name: bytes = b"x\x00\x00\x00", coder: bytes = b"\x01\x00", *, size: bytes = b"\x04") -> bytes:
    """Write a plain header with one coder and one file of four bytes."""
    streams = b"\x04\x06\x00\x01\x09\x04\x00\x07\x0b\x01\x00\x01" + coder + b"\x0c" + size + b"\x00\x00"
    names = b"\x00" + name
    return with_header(b"\x01" + streams + b"\x05\x01\x11" + bytes([len(names)]) + names + b"\x00\x00", b"data")


@pytest.mark.parametrize("chain", CHAINS)
def test_reads_what_py7zr_writes(chain: str):
    archive = read(packed(chain))
    assert archive.anomalies == ()
    assert contents(archive) == MEMBERS


def test_reads_single_files_again_and_again():
    entry = read(packed(members={"x": b"content" * 1000})).entries[0]
    source = entry.open(Budget())
    assert drain(source) == drain(source) == b"content" * 1000


def test_reads_archives_without_files_and_with_a_plain_header():
    assert read(packed(members={})).entries == ()
    assert contents(read(one_file())) == {"x": b"data"}


def test_a_solid_block_is_unpacked_once():
    members = {f"f{n}": bytes([n]) * 100_000 for n in range(20)}
    budget = Budget()
    archive = parse(BytesSource(packed("lzma2", members)), budget)
    left = budget.inflated
    assert contents(archive, budget) == members
    assert left - budget.inflated < 2_200_000


def test_files_of_a_solid_block_in_any_order():
    archive = read(packed("lzma2"))
    budget = Budget()
    for entry in (*reversed(archive.entries), *archive.entries):
        assert drain(entry.open(budget)) == MEMBERS[entry.name]


@pytest.mark.parametrize("name", ["../x", "/x", "a\\..\\x", "C:\\x"])
def test_names_out_of_the_tree_are_noted(name: str):
    assert "unsafe-name" in read(one_file(name.encode("utf-16-le") + b"\x00\x00")).anomalies


def test_control_characters_in_names_are_noted():
    assert read(one_file("a\x1bb".encode("utf-16-le") + b"\x00\x00")).anomalies == ("control-in-name",)


def test_trailing_data_are_noted():
    assert read(packed() + b"x").anomalies == ("trailing-data",)


def test_contents_without_a_file_are_read():
    header = b"\x01\x04\x06\x00\x01\x09\x04\x00\x07\x0b\x01\x00\x01\x01\x00\x0c\x04\x00\x00\x00"
    archive = read(with_header(header, b"data"))
    assert archive.anomalies == ("missing-files",)
    assert contents(archive) == {"": b"data"}


def test_encrypted_archives_are_unsupported():
    aes = [LZMA2, {"id": py7zr.FILTER_CRYPTO_AES256_SHA256}]
    data = other(aes, password="secret")  # noqa: S106 - of a test file
    with pytest.raises(UnsupportedError):
        contents(read(data))
    with pytest.raises(UnsupportedError):
        read(other(aes, password="secret", header_encryption=True))  # noqa: S106 - of a test file


@pytest.mark.parametrize(
    "filters",
    [
        [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}],
        [{"id": py7zr.FILTER_ZSTD, "level": 3}],
        [{"id": py7zr.FILTER_X86}, LZMA1],
        [{"id": py7zr.FILTER_ARM}, LZMA2],
    ],
)
def test_methods_that_are_not_supported_cannot_be_opened(filters: list[dict[str, int]]):
    archive = read(other(filters))
    with pytest.raises(UnsupportedError):
        archive.entries[0].open(Budget())


@pytest.mark.parametrize(
    "coder",
    [
        b"\x02\x99\x99",
        b"\x00",
        b"\x11\x21\x04\x01",
        b"\x41\x21",
        b"\x31\x00\x02\x02\x00",
        b"\x21\x21\x01\x29",
        b"\x21\x21\x02\x01\x01",
    ],
)
def test_coders_that_are_unknown_or_crooked_are_refused(coder: bytes):
    with pytest.raises((UnsupportedError, FormatError)):
        contents(read(one_file(coder=coder)))


def test_a_dictionary_of_gigabytes_is_over_budget():
    with pytest.raises(OverBudgetError, match="memory"):
        contents(read(one_file(coder=b"\x21\x21\x01\x28")))


def test_a_folder_of_another_size_than_promised_is_refused():
    data = bytearray(other([{"id": py7zr.FILTER_DEFLATE}]))
    archive = read(bytes(data))
    folder = archive.entries[0]._folder
    assert folder is not None
    object.__setattr__(folder._folder, "size", 1000)
    with pytest.raises(FormatError, match="size that the header says"):
        drain(folder.open(0, 1000, Budget()))


def test_a_bomb_is_over_budget():
    archive = read(packed("lzma2", {"x": bytes(20 << 20)}))
    with pytest.raises(OverBudgetError):
        contents(archive, Budget(inflated=1 << 20))


def test_a_header_that_is_packed_for_ever_is_over_budget():
    header = b"\x17\x06\x00\x01\x09\x12\x00\x07\x0b\x01\x00\x01\x01\x00\x0c\x12\x00\x00"
    with pytest.raises(OverBudgetError, match="too many times"):
        read(with_header(header, header))


@pytest.mark.parametrize("count", [b"\xff" + b"\xff" * 8, b"\xe0\xff\xff\xff"])
def test_a_header_that_promises_too_much_is_over_budget(count: bytes):
    for header in (b"\x01\x05" + count, b"\x01\x04\x06\x00" + count, b"\x01\x04\x07\x0b" + count):
        with pytest.raises(OverBudgetError):
            read(with_header(header))


def test_a_header_of_gigabytes_is_over_budget_unread():
    with pytest.raises(OverBudgetError):
        read(b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(4) + struct.pack("<QQI", 0, 1 << 40, 0))


@pytest.mark.parametrize(
    "data", [b"", b"7z\xbc\xaf\x27\x1c", packed()[:60], with_header(b"\x02"), with_header(b"\x17\x00")]
)
def test_what_is_no_7z_archive_is_refused(data: bytes):
    with pytest.raises(FormatError):
        read(data)


@pytest.mark.parametrize(
    "header",
    [
        b"\x01\x03",
        b"\x01\x04\x07\x0b\x01\x01",
        b"\x01\x05\x01\x11\x03\x01x\x00",
        b"\x01\x05\x01\x11\x03\x00x\x00\x00\x00",
        b"\x01\x05\x01\x0e\x01\x00\x11\x05\x00x\x00\x00\x00\x00\x00",
        b"\x01\x04\x06\x00\x01\x09\x04\x00\x07\x0b\x01\x00\x01\x01\x00\x0c\x04\x00\x08\x0d\x02\x09\x05\x00\x00\x00",
        b"\x01\x04\x07\x0b\x01\x00\x02\x01\x00\x01\x00\x00\x00\x0c\x04\x04\x00\x00\x00",
    ],
)
def test_headers_that_contradict_themselves_are_refused(header: bytes):
    with pytest.raises((FormatError, UnsupportedError)):
        read(with_header(header))


@settings(max_examples=120, deadline=None)
@given(chain=st.sampled_from(sorted(CHAINS)), data=st.data())
def test_mutated_archives_raise_nothing_else(chain: str, data: st.DataObject):
    mutated = bytearray(packed(chain, {"x": b"content" * 20, "y": b"more"}))
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[8 + data.draw(st.integers(0, 400)) % (len(mutated) - 8)] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WeighlockError):
        contents(read(bytes(mutated)), Budget(inflated=1 << 22))


@settings(max_examples=150, deadline=None)
@given(header=st.binary(max_size=60), mutate=st.booleans(), data=st.data())
def test_arbitrary_headers_raise_nothing_else(header: bytes, data: st.DataObject, *, mutate: bool):
    if mutate:
        base = bytearray(one_file())
        for _ in range(data.draw(st.integers(1, 4))):
            base[data.draw(st.integers(36, len(base) - 1))] = data.draw(st.integers(0, 255))
        made = bytes(base)
    else:
        made = with_header(b"\x01" + header, b"data")
    with contextlib.suppress(WeighlockError):
        contents(read(made), Budget(inflated=1 << 22))
