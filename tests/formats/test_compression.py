from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import zlib

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError, WeighlockError
from weighlock.formats.compression import HEAD, InflatedSource, codec_of
from weighlock.formats.source import Budget, BytesSource, Stream

TEXT = b"".join(b"line %d of a file\n" % n for n in range(20_000))
NOISE = hashlib.shake_128(b"noise").digest(100_000)
ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
PACKERS = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lz4.frame.compress,
}


def opened(data: bytes, codec: str, **limits: int) -> Stream:
    return InflatedSource(BytesSource(data), codec, Budget(**limits)).open()


def drain(stream: Stream, size: int = 1 << 20) -> bytes:
    return b"".join(iter(lambda: stream.read(size), b""))


def salvaged(stream: Stream) -> bytes:
    parts: list[bytes] = []
    with pytest.raises(FormatError):
        parts.extend(iter(lambda: stream.read(1000), b""))
    with pytest.raises(FormatError):
        stream.read(1)
    return b"".join(parts)


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("content", [TEXT, NOISE, b"x"])
def test_reads_and_recognises_what_the_libraries_write(codec: str, content: bytes):
    packed = PACKERS[codec](content)
    assert codec_of(packed[:HEAD]) == codec
    assert drain(opened(packed, codec)) == content


@pytest.mark.parametrize("level", range(10))
def test_recognises_every_zlib_level(level: int):
    assert codec_of(zlib.compress(TEXT, level)[:HEAD]) == "zlib"


@pytest.mark.parametrize("preset", range(10))
def test_recognises_and_reads_every_lzma_preset(preset: int):
    packed = lzma.compress(TEXT, format=lzma.FORMAT_ALONE, preset=preset)
    assert codec_of(packed[:HEAD]) == "lzma"
    assert drain(opened(packed, "lzma")) == TEXT


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        (b"\x28\xb5\x2f\xfd\x00\x01", "zstd"),
        (b"\x50\x2a\x4d\x18\x04\x00\x00\x00", "zstd"),
        (b"\x1f\x9d\x90", "compress"),
        (b"LZIP\x01\x0c", "lzip"),
    ],
)
def test_recognised_but_unsupported_codecs_cannot_be_opened(head: bytes, codec: str):
    assert codec_of(head) == codec
    with pytest.raises(UnsupportedError):
        InflatedSource(BytesSource(head), codec, Budget())


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"x",
        b"x\xda is text that is no deflate" * 3,
        b"\x78\x9cnot deflate at all, just two bytes that fit",
        b"BZh9 is not a block",
        b"\x80\x04\x95" + bytes(60),
        b"\x5d\x00 is not lzma, it is text that goes on",
        b"{" + b" " * 60,
        b"PK\x03\x04" + bytes(60),
        (120).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_other_files_are_not_taken_for_compressed_ones(head: bytes):
    assert codec_of(head[:HEAD]) is None


@pytest.mark.parametrize("codec", PACKERS)
def test_truncated_data_is_refused_after_its_good_bytes(codec: str):
    packed = PACKERS[codec](TEXT)
    good = salvaged(opened(packed[: len(packed) * 2 // 3], codec))
    assert TEXT.startswith(good)
    assert len(good) < len(TEXT)


@pytest.mark.parametrize("codec", ["gzip", "zlib", "xz", "lzma"])
def test_a_payload_before_damaged_data_is_still_seen(codec: str):
    """A loader with a small buffer acts on what comes before the damage."""
    content = TEXT[:3000] + NOISE[:30_000]
    packed = bytearray(PACKERS[codec](content))
    packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
    assert salvaged(opened(bytes(packed), codec)).startswith(TEXT[:3000])


def test_damaged_deflate_gives_as_many_bytes_as_the_smallest_buffer_would():
    packed = bytearray(zlib.compress(TEXT))
    packed[len(packed) // 2 :] = b"\xff" * 500
    decoder = zlib.decompressobj()
    parts = [decoder.decompress(packed, 1)]
    with pytest.raises(zlib.error):
        parts.extend(iter(lambda: decoder.decompress(decoder.unconsumed_tail, 1), b""))
    expected = b"".join(parts)
    assert len(expected) > 100_000
    assert salvaged(opened(bytes(packed), "zlib")) == expected


@pytest.mark.parametrize("codec", ["gzip", "bz2", "xz", "lzma", "lz4"])
def test_members_in_a_row_are_one_content(codec: str):
    packed = b"".join(PACKERS[codec](part) for part in (b"first", b"", b"second", TEXT))
    assert drain(opened(packed, codec)) == b"firstsecond" + TEXT


def test_xz_behind_an_empty_lzma_stream_of_zeros_is_seen():
    assert codec_of(bytes(36)) == "lzma"
    packed = bytes(36) + lzma.compress(b"hidden")
    with lzma.open(io.BytesIO(packed)) as file:
        assert file.read() == b"hidden"
    assert drain(opened(packed, "lzma")) == b"hidden"


@pytest.mark.parametrize("zeros", [18, 90, 18 * 5000, 18 * 500_000])
def test_xz_behind_many_zeros_is_seen_at_small_cost(zeros: int):
    assert drain(opened(bytes(zeros) + lzma.compress(b"hidden"), "lzma", inflated=128 << 20)) == b"hidden"


@pytest.mark.parametrize("size", [18, 100, 5 << 20])
def test_a_file_of_zeros_has_no_content(size: int):
    stream = opened(bytes(size), "lzma", inflated=128 << 20)
    if size % 18 == 0:
        assert drain(stream) == b""
    else:
        assert salvaged(stream) == b""


@pytest.mark.parametrize("codec", ["bz2", "xz", "lzma"])
def test_trailing_garbage_is_ignored_as_python_ignores_it(codec: str):
    assert drain(opened(PACKERS[codec](TEXT) + b"!" * 100, codec)) == TEXT


def test_trailing_zeros_of_gzip_are_ignored_and_other_bytes_are_refused():
    packed = gzip.compress(TEXT)
    assert drain(opened(packed + bytes(70_000), "gzip")) == TEXT
    assert drain(opened(packed + bytes(70_000) + packed, "gzip")) == TEXT * 2
    assert salvaged(opened(packed + b"!", "gzip")) == TEXT


def test_what_follows_a_zlib_stream_is_ignored_as_joblib_ignores_it():
    assert drain(opened(zlib.compress(TEXT) + b"garbage", "zlib")) == TEXT


def test_gzip_with_every_optional_header_field_and_reserved_flags():
    raw = zlib.compress(TEXT, wbits=-15)
    header = b"\x1f\x8b\x08\xfe" + bytes(6) + b"\x03\x00abc" + b"name\x00" + b"comment\x00" + b"\x00\x00"
    tail = zlib.crc32(TEXT).to_bytes(4, "little") + len(TEXT).to_bytes(4, "little")
    assert gzip.decompress(header + raw + tail) == TEXT
    assert drain(opened(header + raw + tail, "gzip")) == TEXT


def test_a_member_behind_a_wrong_checksum_is_seen():
    packed = bytearray(gzip.compress(b"harmless"))
    packed[-8] ^= 1
    assert drain(opened(bytes(packed) + gzip.compress(b"hidden"), "gzip")) == b"harmlesshidden"


def test_a_bomb_is_over_budget_and_never_kept():
    packed = zlib.compress(bytes(50 << 20))
    stream = opened(packed, "zlib", inflated=1 << 20)
    with pytest.raises(OverBudgetError):
        stream.skip(50 << 20)
    assert len(stream._chunk) <= 1 << 16
    with pytest.raises(OverBudgetError):
        stream.read(1)


def test_reading_one_byte_inflates_no_more_than_one_step():
    budget = Budget()
    left = budget.inflated
    InflatedSource(BytesSource(zlib.compress(bytes(50 << 20))), "zlib", budget).open().read(1)
    assert left - budget.inflated <= 1 << 16


def test_thousands_of_empty_members_are_over_budget():
    with pytest.raises(OverBudgetError):
        drain(opened(gzip.compress(b"") * 2000, "gzip", inflated=16 << 20))


def test_xz_that_asks_for_gigabytes_of_dictionary_is_over_budget():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    packed = bytearray(lzma.compress(TEXT, filters=filters, check=lzma.CHECK_NONE))
    packed[16] = 40  # the dictionary size of the block's only filter: 4 GiB
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    with pytest.raises(OverBudgetError, match="memory"):
        drain(opened(bytes(packed), "xz"))


def test_skip_and_reopen():
    source = InflatedSource(BytesSource(gzip.compress(TEXT)), "gzip", Budget())
    stream = source.open()
    assert stream.skip(150_000) == 150_000
    assert stream.read_exactly(18) == TEXT[150_000:150_018]
    assert stream.skip(10**9) == len(TEXT) - 150_018
    assert source.head(20) == TEXT[:20]


@settings(max_examples=80, deadline=None)
@given(codec=st.sampled_from(sorted(PACKERS)), data=st.data())
def test_mutated_streams_raise_nothing_else_and_show_all_that_python_reads(codec: str, data: st.DataObject):
    packed = bytearray(PACKERS[codec](TEXT[:4000]) * 2)
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    stream = opened(bytes(packed), codec, inflated=1 << 24)
    ours: list[bytes] = []
    with contextlib.suppress(WeighlockError):
        ours.extend(iter(lambda: stream.read(70_000), b""))
    openers = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open, "lzma": lzma.open}
    if codec in openers:
        theirs: list[bytes] = []
        with openers[codec](io.BytesIO(bytes(packed))) as file, contextlib.suppress(*ERRORS):
            theirs.extend(iter(lambda: file.read1(100), b""))
        assert b"".join(ours).startswith(b"".join(theirs))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(data: bytes):
    codec_of(data[:HEAD])
    for codec in [*PACKERS, "deflate"]:
        with contextlib.suppress(WeighlockError):
            drain(opened(data, codec, inflated=1 << 22))
