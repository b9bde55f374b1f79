from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.source import Budget, BytesSource
from weighlock.formats.tar import TarArchive, parse

MEMBERS = {"pickle": b"\x80\x02N.", "storages": b"0123456789" * 500, "empty": b"", "f" * 150 + "/ünï": b"long name"}
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def packed(*infos: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT, **contents: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for info in infos:
            archive.addfile(info)
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def read(data: bytes, **limits: int) -> TarArchive:
    return parse(BytesSource(data), Budget(**limits))


def contents(archive: TarArchive) -> dict[str, bytes]:
    return {entry.name: entry.open(Budget()).head(1 << 20) for entry in archive.entries}


def resummed(header: bytes) -> bytes:
    """Write the checksum anew."""
    total = 256 + sum(header[:148]) + sum(header[156:512])
    return header[:148] + b"%06o\x00 " % total + header[156:]


@pytest.mark.parametrize("form", FORMATS)
def test_reads_every_format_that_tarfile_writes(form: int):
    archive = read(packed(form=form, **MEMBERS))
    assert archive.anomalies == ()
    assert contents(archive) == MEMBERS


@pytest.mark.parametrize("form", FORMATS)
def test_reads_folders_and_links_inside_the_tree(form: int):
    data = packed(
        info("d", tarfile.DIRTYPE), info("d/l", tarfile.SYMTYPE, "../x"), info("h", tarfile.LNKTYPE, "x"), form=form
    )
    archive = read(data)
    assert archive.anomalies == ()
    assert [entry.link for entry in archive.entries] == [None, "../x", "x"]


def test_long_links_of_gnu_and_pax():
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archive = read(packed(info("l", tarfile.SYMTYPE, "t" * 300), x=b"1", form=form))
        assert archive.entries[0].link == "t" * 300
        assert contents(archive)["x"] == b"1"


def test_base_256_sizes():
    data = packed(x=b"content")
    header = data[:124] + b"\x80" + (7).to_bytes(11, "big") + data[136:512]
    assert contents(read(resummed(header) + data[512:])) == {"x": b"content"}


def test_signed_checksums_of_old_writers():
    header = bytearray(packed(form=tarfile.USTAR_FORMAT, ü=b"content"))
    total = 256 + sum(each - 256 * (each > 127) for each in (*header[:148], *header[156:512]))
    header[148:156] = b"%06o\x00 " % total
    with tarfile.open(fileobj=io.BytesIO(bytes(header))) as theirs:
        assert theirs.getnames() == ["ü"]
    assert contents(read(bytes(header))) == {"ü": b"content"}


@pytest.mark.parametrize(
    ("link", "kind"),
    [("/etc/passwd", b"2"), ("../../x", b"2"), ("d/../../../x", b"2"), ("../x", b"1"), ("/x", b"1"), ("..", b"1")],
)
def test_links_out_of_the_tree_are_noted(link: str, kind: bytes):
    assert read(packed(info("d/l", kind, link))).anomalies == ("unsafe-link",)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../b"])
def test_names_out_of_the_tree_are_noted(name: str):
    assert read(packed(info(name))).anomalies == ("unsafe-name",)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m"])
def test_control_characters_are_noted(name: str):
    assert read(packed(info(name))).anomalies == ("control-in-name",)
    assert read(packed(info("l", b"2", name))).anomalies == ("control-in-name",)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_noted(kind: bytes):
    assert read(packed(info("x", kind))).anomalies == ("special-file",)


def test_a_second_member_of_one_name_is_read_as_well():
    data = packed(x=b"good")[:1024] + packed(x=b"evil")
    archive = read(data)
    assert archive.anomalies == ("duplicate-name",)
    assert [entry.open(Budget()).head(9) for entry in archive.entries] == [b"good", b"evil"]


@pytest.mark.parametrize("garbage", [b"", b"garbage".ljust(1024, b"!"), bytes(2 << 20)])
def test_members_behind_the_end_mark_are_read(garbage: bytes):
    data = packed(x=b"good") + garbage + packed(y=b"evil")
    archive = read(data)
    assert "after-end" in archive.anomalies
    assert contents(archive) == {"x": b"good", "y": b"evil"}
    with tarfile.open(fileobj=io.BytesIO(data), ignore_zeros=True) as theirs:
        assert theirs.getnames() == ["x", "y"]


def test_garbage_behind_the_end_mark_is_noted():
    assert read(packed(x=b"good") + b"hello").anomalies == ("data-after-end",)


def test_data_of_a_link_are_read_as_headers_as_tarfile_reads_them():
    hidden = packed(y=b"evil")
    link = bytearray(packed(info("l", tarfile.SYMTYPE, "x"))[:512])
    link[124:136] = b"%011o\x00" % len(hidden)
    data = resummed(bytes(link)) + hidden
    with tarfile.open(fileobj=io.BytesIO(data)) as theirs:
        assert theirs.getnames() == ["l", "y"]
    assert [entry.name for entry in read(data).entries] == ["l", "y"]


def test_a_member_over_the_end_of_the_file_is_noted():
    assert read(packed(x=b"1" * 5000)[:2000]).anomalies == ("truncated-entry",)


def test_sparse_members_cannot_be_opened():
    header = bytearray(packed(info("x"), form=tarfile.GNU_FORMAT)[:512])
    header[156:157] = b"S"
    archive = read(resummed(bytes(header)) + bytes(1024))
    pax = info("y")
    pax.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "real"}
    for entry in (*archive.entries, *read(packed(pax)).entries):
        with pytest.raises(UnsupportedError):
            entry.open(Budget())
    assert read(packed(pax)).entries[0].name == "real"


@pytest.mark.parametrize(
    "record", [b"5 a=\n", b"99 path=x\n", b"9 path=xx", b"x path=y\n", b"10 pathxxx\n", b"0 path=x\n", b"3 \n"]
)
def test_malformed_pax_headers_are_refused(record: bytes):
    header = bytearray(packed(info("x", b"x"), form=tarfile.USTAR_FORMAT)[:512])
    header[124:136] = b"%011o\x00" % len(record)
    data = resummed(bytes(header)) + record.ljust(512, b"\x00") + packed(y=b"1")
    if record == b"5 a=\n":
        assert contents(read(data)) == {"y": b"1"}
        return
    with pytest.raises(UnsupportedError):
        read(data)


@pytest.mark.parametrize("size", ["-1", "x", ""])
def test_pax_sizes_that_are_no_number_are_refused(size: str):
    member = info("x")
    member.pax_headers = {"size": size}
    with pytest.raises(UnsupportedError):
        read(packed(member))


def test_negative_sizes_are_refused():
    header = bytearray(packed(info("x"))[:512])
    header[124:136] = b"\xff" * 11 + b"\x00"
    with pytest.raises(UnsupportedError, match="negative"):
        read(resummed(bytes(header)) + bytes(1024))


def test_global_headers_with_a_path_are_refused_and_comments_are_not():
    for headers, allowed in (({"comment": "x"}, True), ({"path": "x"}, False)):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", pax_headers=headers) as archive:
            archive.addfile(info("a"))
        if allowed:
            assert read(file.getvalue()).anomalies == ()
        else:
            with pytest.raises(UnsupportedError):
                read(file.getvalue())


def test_an_extension_header_without_a_member_is_refused():
    data = packed(info("f" * 200), form=tarfile.GNU_FORMAT)
    with pytest.raises(UnsupportedError, match="no member"):
        read(data[:1024] + bytes(1024))


def test_a_huge_extension_header_is_over_budget_unread():
    header = bytearray(packed(info("x", b"x"), form=tarfile.USTAR_FORMAT)[:512])
    header[124:136] = b"%011o\x00" % (1 << 30)
    with pytest.raises(OverBudgetError):
        read(resummed(bytes(header)))


def test_long_names_are_charged():
    with pytest.raises(OverBudgetError, match="memory"):
        read(packed(*[info("n" * 5000)] * 50), retained=100_000)


def test_too_many_members_are_over_budget():
    with pytest.raises(OverBudgetError):
        read(packed(info("x"))[:512] * 1000, entries=100)


@pytest.mark.parametrize(
    "data", [b"", b"x", bytes(511), bytes(10_240), b"PK\x03\x04".ljust(2048, b"\x00"), b"\xff" * 1024]
)
def test_what_is_no_tar_archive_is_refused(data: bytes):
    with pytest.raises(FormatError):
        read(data)


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(FORMATS), data=st.data())
def test_mutated_archives_raise_nothing_else_and_show_all_that_tarfile_reads(form: int, data: st.DataObject):
    mutated = bytearray(packed(info("l", tarfile.SYMTYPE, "x"), form=form, **MEMBERS))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(mutated) - 1))
        mutated[position] = data.draw(st.integers(0, 255))
        start = position // 512 * 512
        if data.draw(st.booleans()):
            mutated[start : start + 512] = resummed(bytes(mutated[start : start + 512]))
    with contextlib.suppress(FormatError, OverBudgetError, UnsupportedError):
        found = {entry.open(Budget()).head(1 << 20) for entry in read(bytes(mutated)).entries}
        assert set(all_of_tarfile(bytes(mutated))) <= found | {b""}


def all_of_tarfile(data: bytes) -> list[bytes]:
    found = []
    with contextlib.suppress(Exception), tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive.getmembers():
            with contextlib.suppress(Exception):
                file = archive.extractfile(member)
                found.append(file.read() if file else b"")
    return found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=1500))
def test_arbitrary_bytes_raise_nothing_else(data: bytes):
    with contextlib.suppress(FormatError, OverBudgetError, UnsupportedError):
        read(data)
    with contextlib.suppress(FormatError, OverBudgetError, UnsupportedError):
        read(resummed(data.ljust(512, b"\x00")) + data)
