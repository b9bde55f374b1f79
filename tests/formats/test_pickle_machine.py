"""The machine against the real unpicklers: whatever one of them asks for, the machine has reported before."""

from __future__ import annotations

import contextlib
import io
import pickle
import warnings

import pytest

from tests.corpus import opcodes as op
from weighlock.allowlist import names_of
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.values import Instance
from weighlock.formats.pickle.window import Window
from weighlock.formats.source import Budget, BytesSource

GADGET = op.glob("gadget", "run")
CALL = GADGET + op.EMPTY_TUPLE + op.REDUCE


class Recorder:
    """Writes down what the machine reports."""

    def __init__(self):
        self.names = set()
        self.events = []

    def imported(self, name):
        self.names |= set(names_of(name.module, name.name, legacy=name.legacy))

    def called(self, how, function, args, keywords, offset):
        self.events.append(how)
        return Instance("foreign")

    def built(self, target, state, offset):
        self.events.append("BUILD")

    def extended(self, how, target, items, offset):
        self.events.append(how)

    def carried(self, function, offset):
        self.events.append("carried")

    def persistent(self, identifier, offset):
        self.events.append("persistent")
        return Instance("unknown")

    def constant(self, kind, offset, size):
        self.events.append("constant")

    def computed(self, module, name, offset):
        self.events.append("computed")
        return Instance("unknown")

    def extension(self, offset):
        self.events.append("extension")
        return Instance("unknown")

    def evasive(self, what, offset):
        self.events.append(what)


def run(stream, budget=None):
    recorder = Recorder()
    machine = Machine(Window(BytesSource(stream).open(), budget or Budget()), recorder)
    try:
        machine.run()
    except FormatError as error:
        recorder.failure = error.message
    else:
        recorder.failure = None
    return recorder


class Anything:
    """Takes every call, every state and every item."""

    def __new__(cls, *_args, **_keywords):
        return object.__new__(cls)

    def __setstate__(self, state):
        pass

    def append(self, item):
        pass


def asked(stream, base, **options):
    names = set()

    class Unpickler(base):
        def find_class(self, module, name):
            names.add((module, name))
            return Anything

    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        Unpickler(io.BytesIO(stream), **options).load()
    return names


def everything_asked(stream):
    return {
        name
        for base in (pickle.Unpickler, pickle._Unpickler)
        for options in ({}, {"encoding": "latin-1"}, {"encoding": "bytes"}, {"fix_imports": False}, {"buffers": [b"x"]})
        for name in asked(stream, base, **options)
    }


REACHING = {
    "run-of-none-then-empty-state": op.NONE * 80 + op.BUILD + CALL + op.STOP,
    "empty-tuple-as-state-of-text": op.text("a") + op.EMPTY_TUPLE + op.BUILD + CALL + op.STOP,
    "zero-as-state-of-list": op.EMPTY_LIST + op.integer(0) + op.BUILD + CALL + op.STOP,
    "pair-of-empty-states": op.EMPTY_DICT + op.tup(op.NONE, op.EMPTY_DICT) + op.BUILD + CALL + op.STOP,
    "inst-without-mark": b"igadget\nrun\n",
    "inst-with-mark": op.inst("gadget", "run", op.NONE) + op.STOP,
    "module-at-the-end-of-the-data": b"cgadgetX",
    "name-at-the-end-of-the-data": b"cgadget\nrunX",
    "text-as-arguments": GADGET + op.text("ab") + op.REDUCE + CALL + op.STOP,
    "bytes-as-arguments": GADGET + op.binbytes(b"ab") + op.REDUCE + CALL + op.STOP,
    "list-as-arguments": GADGET + op.array(op.NONE) + op.REDUCE + CALL + op.STOP,
    "pop-of-a-mark": op.MARK + op.POP + CALL + op.STOP,
    "pop-mark-under-values": op.MARK + op.NONE + op.NONE + op.POP_MARK + CALL + op.STOP,
    "marks-without-end": op.MARK * 200_000 + CALL + op.STOP,
    "memo-index-with-leading-zeros": op.put_line("0").join([op.NONE, CALL]) + op.get_line("0" * 30) + op.STOP,
    "memo-index-of-thirty-digits": op.NONE + op.put_line("9" * 30) + op.get_line("9" * 30) + CALL + op.STOP,
    "memo-index-with-underscores": op.NONE + op.put_line("1_0") + op.get(10) + CALL + op.STOP,
    "memoize-behind-a-gap": op.NONE + op.put(7) + op.MEMOIZE + op.get(1) + CALL + op.STOP,
    "empty-appends-to-text": op.text("a") + op.MARK + op.APPENDS + CALL + op.STOP,
    "set-item-of-list": op.array(op.NONE) + op.integer(0) + op.NONE + op.SETITEM + CALL + op.STOP,
    "hexadecimal-integer": op.int_line("0x1F") + CALL + op.STOP,
    "octal-integer-of-c": op.int_line("010") + CALL + op.STOP,
    "integer-behind-blanks": op.int_line(" \t7 ") + CALL + op.STOP,
    "integer-with-nul": op.int_line("7\0rest") + CALL + op.STOP,
    "long-with-nul": op.long_line("7\0rest") + CALL + op.STOP,
    "underscores-in-float": op.float_line("1_0.5") + CALL + op.STOP,
    "broken-looking-escape": b"S'\\d'\n" + CALL + op.STOP,
    "proto-in-the-middle": op.proto(0) + op.NONE + op.proto(4) + op.glob("gadget", "a.b") + op.STOP,
    "proto-3-turns-off-mapping": op.proto(3) + op.glob("__builtin__", "run") + op.STOP,
    "stack-global-without-proto": op.stack_glob("__builtin__", "run") + op.STOP,
    "names-from-memo": op.text("gadget") + op.put(0) + op.POP + op.get(0) + op.text("run") + op.STACK_GLOBAL + op.STOP,
    "names-of-native-strings": op.short_binstring("gadget") + op.short_binstring("run") + op.STACK_GLOBAL + op.STOP,
    "frame-longer-than-the-data": op.frame(1000) + CALL + op.STOP,
    "frame-shorter-than-the-pickle": op.frame(1) + op.NONE + CALL + op.STOP,
    "newobj-ex": op.stream(GADGET + op.EMPTY_TUPLE + op.EMPTY_DICT + op.NEWOBJ_EX + CALL),
    "obj": op.MARK + GADGET + op.NONE + op.OBJ + CALL + op.STOP,
    "next-buffer": op.NEXT_BUFFER + op.READONLY_BUFFER + CALL + op.STOP,
    "read-only-bytearray": op.bytearray8(b"x") + op.READONLY_BUFFER + CALL + op.STOP,
    "append-to-bytearray": op.bytearray8(b"x") + op.integer(1) + op.APPEND + CALL + op.STOP,
    "dup-of-a-run": op.integer(1) * 100 + op.DUP + CALL + op.STOP,
    "tuples-out-of-a-run": op.integer(1) * 100 + op.TUPLE3 * 49 + CALL + op.STOP,
    "mark-in-a-run": op.integer(1) * 100 + op.MARK + op.integer(1) * 100 + op.TUPLE + CALL + op.STOP,
    "unicode-surrogate": op.text("\ud800") + CALL + op.STOP,
    "long-line-of-text": b"V" + b"x" * 70_000 + b"\n" + CALL + op.STOP,
    "long-line-of-digits": b"I" + b" " * 70_000 + b"1\n" + CALL + op.STOP,
}


@pytest.mark.parametrize("stream", REACHING.values(), ids=REACHING)
def test_no_unpickler_asks_for_a_name_that_was_not_reported(stream):
    names = everything_asked(stream)
    assert names
    reported = run(stream)
    missing = [name for name in names if not reported.names & {".".join(name), *names_of(*name, legacy=True)}]
    assert not missing or "computed" in reported.events


CROSSING = {
    "constant-over-the-end-of-a-frame": op.frame(3) + b"\x8c\x05A" + b"BBBBB" + op.NONE * 20 + op.STOP,
    "constant-longer-than-the-data": op.frame(6) + b"B\xff\xff\xff\x7fA" + op.NONE * 20 + op.STOP,
    "line-over-the-end-of-a-frame": op.frame(4) + b"cgad" + b"get\nrun\n" + op.NONE + op.STOP,
    "frame-in-a-frame": op.frame(30) + op.frame(3) + op.NONE * 30 + op.STOP,
    "pickle-ends-inside-of-its-frame": op.frame(30) + op.NONE + op.STOP + op.NONE * 40 + op.STOP,
}


@pytest.mark.parametrize("stream", CROSSING.values(), ids=CROSSING)
def test_what_reaches_over_the_end_of_a_frame_is_evasive(stream):
    assert any("frame" in event for event in run(stream).events)


@pytest.mark.parametrize("protocol", [4, 5])
def test_the_frames_of_real_picklers_are_not_evasive(protocol):
    data = [bytes(70_000), "x" * 70_000, [str(number) for number in range(40_000)], bytearray(70_000)]
    recorder = run(pickle.dumps(data, protocol))
    assert not [event for event in recorder.events if "frame" in event]
    assert recorder.failure is None


FAILING = {
    "unknown-opcode": b"\xff",
    "empty-stack": op.REDUCE,
    "value-under-a-mark": op.NONE + op.MARK + op.STOP,
    "missing-mark": op.TUPLE,
    "negative-length": b"T\xff\xff\xff\xff",
    "negative-memo-index": op.NONE + op.put_line("-1"),
    "memo-entry-never-written": op.get(0),
    "protocol-6": op.proto(6),
    "integer-without-digits": b"I\n",
    "string-without-quotes": b"Sabc\n",
    "broken-escape": b"S'\\x1'\n",
    "text-that-is-not-utf-8": b"\x8c\x01\xff",
    "call-of-a-number": op.integer(1) + op.EMPTY_TUPLE + op.REDUCE,
    "arguments-that-are-a-number": GADGET + op.integer(1) + op.REDUCE,
    "append-to-a-dict": op.EMPTY_DICT + op.NONE + op.APPEND,
    "state-of-text": op.text("a") + op.mapping(a=op.NONE) + op.BUILD,
    "numbers-as-names": op.integer(1) * 70 + op.STACK_GLOBAL,
    "no-stop": op.NONE,
}


@pytest.mark.parametrize("stream", FAILING.values(), ids=FAILING)
def test_where_the_machine_gives_up_so_does_every_unpickler(stream):
    assert run(stream).failure
    for base in (pickle.Unpickler, pickle._Unpickler):
        with pytest.raises(
            (pickle.UnpicklingError, ValueError, IndexError, KeyError, EOFError, TypeError, AttributeError)
        ):
            unpickler = type("Unpickler", (base,), {"find_class": lambda *_: Anything})
            unpickler(io.BytesIO(stream)).load()


def test_a_container_that_replaces_items_is_not_taken_for_known_arguments():
    calls = []

    class Watching(Recorder):
        def called(self, how, function, args, keywords, offset):
            calls.append(args)
            return super().called(how, function, args, keywords, offset)

    stream = GADGET + op.array(op.NONE) + op.integer(0) + op.text("other") + op.SETITEM + op.REDUCE + op.STOP
    Machine(Window(BytesSource(stream).open(), Budget()), Watching()).run()
    assert calls == [None]


def test_every_opcode_is_charged_even_in_a_short_pickle():
    budget = Budget(opcodes=1000)
    with pytest.raises(OverBudgetError):
        run((op.NONE + op.POP) * 1000 + op.NONE + op.STOP, budget)


def test_long_names_are_charged_by_their_length():
    names = b"".join(op.glob(f"m{number}", "n" * 200) + op.POP for number in range(100))
    with pytest.raises(OverBudgetError):
        run(names + op.NONE + op.STOP, Budget(opcodes=10_000))


@pytest.mark.parametrize(
    "stream",
    [
        op.text("ab") * 400_000 + op.STOP,
        op.MARK * 4_000_000 + op.STOP,
        op.EMPTY_LIST * 400_000 + op.STOP,
        (op.EMPTY_LIST + op.MEMOIZE) * 400_000 + op.STOP,
        b"".join(op.NONE + b"r" + (2 * number).to_bytes(4, "little") for number in range(1, 200_000)) + op.STOP,
    ],
    ids=["strings", "marks", "lists", "memo", "sparse memo"],
)
def test_what_is_kept_in_memory_is_charged(stream):
    with pytest.raises(OverBudgetError):
        run(stream, Budget(retained=8 << 20))


@pytest.mark.parametrize(
    "use",
    [
        GADGET + op.EMPTY_TUPLE + op.REDUCE + op.get(0) + op.BUILD + op.POP,
        GADGET + op.get(0) + op.TUPLE1 + op.REDUCE + op.POP,
        GADGET + op.EMPTY_TUPLE + op.REDUCE + op.get(0) + op.TUPLE1 + op.BUILD + op.POP,
    ],
    ids=["state", "argument", "part of a state"],
)
def test_looking_through_the_same_dict_again_and_again_is_charged(use):
    items = b"".join(op.text(str(number)) + op.NONE for number in range(1000))
    large = op.EMPTY_DICT + op.MARK + items + op.SETITEMS + op.put(0) + op.POP
    with pytest.raises(OverBudgetError):
        run(large + use * 1000 + op.NONE + op.STOP, Budget(opcodes=200_000))
