"""The window shows every byte once, whatever the size of the chunks and wherever the data are damaged."""

from __future__ import annotations

import pytest

from weighlock.errors import FormatError
from weighlock.formats.pickle.window import Window
from weighlock.formats.source import Budget, Stream


class Pieces(Stream):
    """Gives out pieces as they are, then ends or breaks."""

    def __init__(self, *pieces, broken=False):
        self.pieces = list(pieces)
        self.broken = broken

    def read(self, size):
        if not self.pieces and self.broken:
            raise FormatError("the compressed data is damaged")
        piece = self.pieces.pop(0) if self.pieces else b""
        if len(piece) > size:
            self.pieces.insert(0, piece[size:])
        return piece[:size]

    def skip(self, size):
        left = size
        while left and (piece := self.read(left)):
            left -= len(piece)
        return size - left


def window(*pieces, broken=False):
    return Window(Pieces(*pieces, broken=broken), Budget())


def test_offsets_count_over_pieces():
    view = window(b"ab", b"c", b"defgh")
    assert (view.take(3), view.offset) == (b"abc", 3)
    view.skip(2)
    assert (view.take(3), view.offset) == (b"fgh", 8)


@pytest.mark.parametrize(
    "pieces", [(b"one\ntwo\n",), (b"on", b"e\nt", b"wo\n"), tuple(bytes([c]) for c in b"one\ntwo\n")]
)
def test_lines_over_pieces(pieces):
    view = window(*pieces)
    assert [view.line(), view.line()] == [b"one", b"two"]


def test_the_last_byte_stands_for_the_newline_at_the_end():
    assert window(b"osX").line() == b"os"


def test_a_line_too_long_to_be_kept_is_passed_over():
    view = window(*[b"x" * 5000] * 40, b"\nrest")
    assert view.line() is None
    assert view.take(4) == b"rest"


@pytest.mark.parametrize("cut", range(1, 9))
def test_bytes_in_front_of_damage_count(cut):
    view = window(b"cos\nsystem\n"[:cut], broken=True)
    assert view.peek(20) == b"cos\nsystem\n"[:cut]


def test_a_line_in_front_of_damage_counts():
    view = window(*(bytes([c]) for c in b"os\nsystem\n"), broken=True)
    assert [view.line(), view.line()] == [b"os", b"system"]
    with pytest.raises(FormatError):
        view.line()


@pytest.mark.parametrize("broken", [False, True])
def test_more_than_there_is(broken):
    for ask in (Window.take, Window.need, Window.skip):
        with pytest.raises(FormatError):
            ask(window(b"ab", broken=broken), 3)


def test_data_that_end_too_early_are_remembered():
    view = window(b"ab")
    with pytest.raises(FormatError):
        view.take(3)
    assert view.ended


def test_the_end_of_a_frame_is_a_stop():
    view = window(b"abcdef")
    view.peek(1)
    view.frame_end = 4
    view.settle()
    assert view.stop == 4
    view.take(4)
    view.settle()
    assert view.is_frame_whole
    view.frame_end = 100
    view.settle()
    assert (view.stop, view.is_frame_whole) == (view.end, False)
