"""The shape of the stream: protocols, frames, what stands before, between and after pickles, and how names are spelled."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import (
    CODE,
    EXEC_CALL,
    MKDIR_ARGUMENTS,
    MKDIR_CALL,
    PICKLE,
    PICKLE0,
    PICKLE2,
    SYSTEM_CALL,
)

_DATA = op.stream(op.array(op.integer(1), op.text("weights")))
_M = op.text(MARKER)
_STOP = op.STOP


def _frames() -> Iterator[Case]:
    body = MKDIR_CALL + _STOP
    size = len(body)
    whole = op.proto(4)
    yield Case("frame-exact.pkl", whole + op.frame(size) + body)
    yield Case("frame-short.pkl", whole + op.frame(size - 9) + body)
    yield Case("frame-long-memory.pkl", whole + op.frame(size) + body + b"x", "pickle_load_buffered")
    yield Case("frame-zero.pkl", whole + op.frame(0) + body)
    yield Case("frame-many-empty.pkl", whole + op.frame(0) * 20 + body)
    yield Case("frame-splits-opcode.pkl", whole + op.frame(5) + body, "pickle_load")
    yield Case("frame-splits-argument.pkl", whole + op.frame(len(op.glob("os", "mkdir")) + 3) + body, "pickle_load")
    inner = op.frame(size) + body
    yield Case("frame-nested.pkl", whole + op.frame(len(inner) + 4) + inner + b"    ", "pickle_load")
    yield Case("frame-in-protocol-2.pkl", op.proto(2) + op.frame(size) + body)
    yield Case("frame-without-proto.pkl", op.frame(size) + body)
    yield Case("frame-longer-python.pkl", whole + op.frame(1 << 20) + body, "pickle_load_python")
    big = op.binbytes8(b"\x00" * 100_000)
    yield Case("frame-big-payload-outside.pkl", whole + op.frame(2) + op.NONE + op.POP + big + op.POP + body)
    yield Case("frame-second-after-payload.pkl", whole + op.frame(len(MKDIR_CALL)) + MKDIR_CALL + op.frame(1) + _STOP)


def _hidden_by_frames() -> Iterator[Case]:
    """A frame ends inside an opcode's argument.

    The C unpickler drops the rest of the frame and reads the whole argument from the file behind it; who reads on
    takes both together. What is a constant's content to one is opcodes to the other.
    """
    tail = op.POP + MKDIR_CALL + _STOP
    swallow = b"B" + struct.pack("<I", len(tail))
    starts = {
        "short-binunicode": (b"\x8c\x09", 9, swallow),
        "binunicode": (b"X\x09\x00\x00\x00", 9, swallow),
        "short-binstring": (b"U\x09", 9, swallow),
        "long1": (b"\x8a\x09", 9, swallow),
    }
    for name, (head, length, hide) in starts.items():
        inside = head + b"A" * len(hide)
        data = op.proto(4) + op.frame(len(inside)) + inside + b"B" * (length - len(hide)) + hide + tail + b"0."
        yield Case(f"frame-hides-in-{name}.pkl", data, "pickle_load_bytes_io")
    lines = op.proto(4) + op.frame(3) + b"Vlo" + b"ng\n" + tail
    yield Case("frame-splits-line.pkl", lines)
    # "Xos" to one reader, "os" to the other.
    name = op.frame(2) + b"cX" + b"os\nmkdir\n" + MKDIR_ARGUMENTS + op.REDUCE + _STOP
    yield Case("frame-splits-global.pkl", op.proto(4) + name, "pickle_load_bytes_io")
    inner = op.frame(3) + b"N0" + op.frame(0) + tail
    yield Case("frame-inside-frame.pkl", op.proto(4) + op.NONE + inner)


def _protocols() -> Iterator[Case]:
    dotted = op.call(op.glob("os", "path.os.mkdir"), _M)
    yield Case("proto-none-payload.pkl", PICKLE0)
    yield Case("proto-0-explicit.pkl", op.proto(0) + MKDIR_CALL + _STOP)
    for version in range(6):
        yield Case(
            f"proto-{version}-stack-global.pkl", op.stream(op.call(op.stack_glob("os", "mkdir"), _M), protocol=version)
        )
    yield Case("proto-2-then-4-dotted.pkl", op.proto(2) + op.proto(4) + dotted + _STOP)
    yield Case("proto-late-4-dotted.pkl", op.proto(2) + op.NONE + op.POP + op.proto(4) + dotted + _STOP)
    yield Case(
        "proto-4-then-2-mapping.pkl",
        op.proto(4) + op.proto(2) + op.call(op.glob("__builtin__", "eval"), op.text(CODE)) + _STOP,
    )
    yield Case("proto-4-2-4-dotted.pkl", op.proto(4) + op.proto(2) + op.proto(4) + dotted + _STOP)
    yield Case("proto-repeated.pkl", op.proto(4) * 50 + MKDIR_CALL + _STOP)
    yield Case("proto-none-stack-global.pkl", op.call(op.stack_glob("posix", "mkdir"), _M) + _STOP)
    yield Case("proto-none-then-5.pkl", op.NONE + op.proto(5) + dotted + _STOP)


def _mapped() -> Iterator[Case]:
    eval_arguments = op.binunicode(CODE)
    python2 = {
        "builtin-eval": (op.glob("__builtin__", "eval"), eval_arguments),
        "builtin-reduce": (op.glob("__builtin__", "reduce"), op.glob("os", "mkdir") + op.array(_M, op.integer(511))),
        "builtin-map": (
            op.glob("__builtin__", "list"),
            op.call(op.glob("__builtin__", "map"), op.glob("os", "mkdir"), op.array(_M)),
        ),
        "itertools-imap": (
            op.glob("__builtin__", "list"),
            op.call(op.glob("itertools", "imap"), op.glob("os", "mkdir"), op.array(_M)),
        ),
        "commands": (op.glob("commands", "getoutput"), op.binunicode(f"mkdir {MARKER}")),
        "cpickle": (op.glob("cPickle", "loads"), op.binbytes(PICKLE)),
        "string-io": (op.glob("cPickle", "load"), op.call(op.glob("io", "BytesIO"), op.binbytes(PICKLE))),
        "urllib": (op.glob("urllib", "urlretrieve"), op.text("data:,x") + _M),
        "os-getcwdu": (op.glob("os", "mkdir"), _M),
        "builtin-file": (op.glob("__builtin__", "open"), _M + op.text("w")),
        "copy-reg": (
            op.glob("copy_reg", "__newobj__"),
            op.glob("numpy", "memmap") + _M + op.text("u1") + op.text("w+") + op.integer(0) + op.tup(op.integer(1)),
        ),
        "user-dict": (op.glob("subprocess", "call"), op.array(op.text("mkdir"), _M)),
        "dbhash": (op.glob("dumbdbm", "open"), _M + op.text("c")),
    }
    for name, (function, arguments) in python2.items():
        for version in (0, 1, 2):
            body = function + op.MARK + arguments + op.TUPLE + op.REDUCE
            yield Case(f"python2-{name}-{version}.pkl", op.stream(body, protocol=version))


def _around() -> Iterator[Case]:
    yield Case("stream-second-pickle.pkl", _DATA + PICKLE, "pickle_load_all")
    yield Case("stream-third-pickle.pkl", _DATA * 2 + PICKLE2, "pickle_load_all")
    yield Case("stream-hundredth-pickle.pkl", _DATA * 99 + PICKLE0, "pickle_load_all")
    yield Case("stream-payload-then-data.pkl", PICKLE + _DATA)
    yield Case("stream-payload-then-zeros.pkl", PICKLE + b"\x00" * 4096)
    yield Case("stream-payload-then-text.pkl", PICKLE + b"# hello\n" * 100)
    yield Case("stream-payload-then-garbage.pkl", PICKLE + bytes(range(256)) * 16)
    yield Case("stream-stop-early.pkl", op.proto(4) + MKDIR_CALL + _STOP + op.STOP * 100)
    yield Case("stream-second-broken.pkl", _DATA + op.proto(4) + MKDIR_CALL + b"\xff", "pickle_load_all")
    yield Case("stream-left-on-stack.pkl", op.proto(4) + MKDIR_CALL + op.integer(1) + _STOP)
    yield Case("stream-result-popped.pkl", op.proto(4) + MKDIR_CALL + op.POP + op.array(op.integer(1)) + _STOP)
    yield Case("stream-result-pop-mark.pkl", op.proto(4) + op.MARK + MKDIR_CALL + op.POP_MARK + op.EMPTY_DICT + _STOP)
    yield Case("stream-result-in-key.pkl", op.proto(4) + op.EMPTY_DICT + MKDIR_CALL + op.NONE + op.SETITEM + _STOP)
    yield Case("stream-result-in-set.pkl", op.proto(4) + op.EMPTY_SET + op.MARK + MKDIR_CALL + op.ADDITEMS + _STOP)
    yield Case("stream-result-in-frozenset.pkl", op.proto(4) + op.MARK + MKDIR_CALL + op.FROZENSET + _STOP)
    yield Case(
        "stream-result-overwritten.pkl", op.proto(4) + MKDIR_CALL + op.put(0) + op.NONE + op.put(0) + op.get(0) + _STOP
    )
    million = op.MARK + op.integer(7) * 1_000_000 + op.LIST
    yield Case("stream-after-a-million-numbers.pkl", op.stream(million + op.POP + MKDIR_CALL))
    runs = op.EMPTY_LIST + (op.MARK + op.integer(7) * 1000 + op.APPENDS) * 500
    yield Case("stream-between-runs.pkl", op.stream(runs + op.POP + MKDIR_CALL + op.POP + runs))
    yield Case("stream-after-big-bytes.pkl", op.stream(op.binbytes8(b"\x00" * (8 << 20)) + op.POP + MKDIR_CALL))
    yield Case("stream-after-none-run.pkl", op.stream(op.MARK + op.NONE * 300_000 + op.TUPLE + op.POP + MKDIR_CALL))
    yield Case("stream-deep.pkl", op.stream(op.EMPTY_LIST * 5000 + op.APPEND * 4999 + op.POP + MKDIR_CALL))
    yield Case(
        "stream-after-big-dict.pkl",
        op.stream(op.mapping(**{f"k{i}": op.integer(i) for i in range(20_000)}) + op.POP + EXEC_CALL),
    )


def _names() -> Iterator[Case]:
    code = op.text(CODE)
    yield Case("name-global-crlf-name.pkl", b"cos\nmkdir\n(V" + MARKER.encode() + b"\r\ntR.")
    for module, name in (
        ("os", "path.os.mkdir"),
        ("collections", "_sys.modules.get"),
        ("torch", "os.mkdir"),
        ("torch._utils", "sys.modules.get"),
        ("torch.serialization", "os.mkdir"),
        ("numpy.lib._format_impl", "os.mkdir"),
        ("pathlib", "os.mkdir"),
        ("random", "_os.mkdir"),
        ("decimal", "_sys.modules.get"),
        ("uuid", "os.mkdir"),
        ("posixpath", "os.mkdir"),
        ("genericpath", "os.mkdir"),
        ("glob", "os.mkdir"),
        ("shutil", "os.mkdir"),
        ("tempfile", "_os.mkdir"),
        ("joblib.numpy_pickle", "os.mkdir"),
        ("pandas.io.common", "os.mkdir"),
        ("collections", "abc.sys.modules.get"),
    ):
        marks = name.endswith("mkdir")
        data = op.stream(op.call(op.stack_glob(module, name), _M if marks else op.text("os")))
        yield Case(f"name-dotted-{module}.{name}.pkl", data, asks=None if marks else (module, name))
    for module, name in (
        ("random", "_os"),
        ("collections", "OrderedDict.fromkeys"),
        ("builtins", "dict.update"),
        ("builtins", "str.format"),
    ):
        yield Case(f"name-method-{module}.{name}.pkl", op.stream(op.stack_glob(module, name)), asks=(module, name))
    yield Case(
        "name-dotted-globals.pkl",
        op.stream(op.call(op.stack_glob("decimal", "Decimal.__class__"), op.integer(1))),
        asks=("decimal", "Decimal.__class__"),
    )
    subclasses = op.call(op.stack_glob("builtins", "object.__subclasses__"))
    yield Case("name-dotted-subclasses.pkl", op.stream(subclasses), asks=("builtins", "object.__subclasses__"))
    globals_ = op.stack_glob("collections", "OrderedDict.__reduce__")
    yield Case("name-dotted-reduce.pkl", op.stream(globals_), asks=("collections", "OrderedDict.__reduce__"))
    init = op.stack_glob("random", "Random.seed.__globals__")
    yield Case("name-dotted-function-globals.pkl", op.stream(init), asks=("random", "Random.seed.__globals__"))
    yield Case(
        "name-binunicode8.pkl", op.stream(op.call(op.binunicode8("os") + op.binunicode8("mkdir") + op.STACK_GLOBAL, _M))
    )
    yield Case(
        "name-unicode-line.pkl",
        op.stream(op.call(op.unicode_line("os") + op.unicode_line("mkdir") + op.STACK_GLOBAL, _M)),
    )
    escaped = b"V\\u006f\\u0073\n" + b"V\\u006dkdir\n" + op.STACK_GLOBAL
    yield Case("name-unicode-escaped.pkl", op.stream(op.call(escaped, _M)))
    yield Case(
        "name-python2-string.pkl",
        op.stream(op.call(op.short_binstring("os") + op.short_binstring("mkdir") + op.STACK_GLOBAL, _M)),
    )
    yield Case(
        "name-string-line.pkl", op.stream(op.call(op.string_line("os") + op.string_line("mkdir") + op.STACK_GLOBAL, _M))
    )
    yield Case("name-string-escaped.pkl", op.stream(op.call(b"S'\\x6fs'\n" + b"S'mk\\x64ir'\n" + op.STACK_GLOBAL, _M)))
    yield Case(
        "name-string-utf8.pkl",
        op.stream(op.call(op.binstring("os") + op.binstring("mkdir") + op.STACK_GLOBAL, _M)),
        "pickle_load_utf8",
    )
    yield Case("name-inst-escaped.pkl", op.stream(op.inst("posix", "mkdir", _M)))
    yield Case("name-long-module.pkl", op.stream(op.call(op.glob("os.path", "os.mkdir"), _M)))
    yield Case(
        "name-exec-from-memo.pkl",
        op.stream(op.text("builtins") + op.MEMOIZE + op.text("exec") + op.STACK_GLOBAL + op.tup(code) + op.REDUCE),
    )


def _operands() -> Iterator[Case]:
    os_, mkdir = op.text("os"), op.text("mkdir")
    end = MKDIR_ARGUMENTS + op.REDUCE
    rot13 = op.call(op.glob("_codecs", "encode"), op.text("zxqve"), op.text("rot13"))
    joined = op.call(
        op.call(op.glob("builtins", "getattr"), op.text(""), op.text("join")), op.array(op.text("mk"), op.text("dir"))
    )
    tricks = {
        "memo": os_ + op.put(0) + op.POP + mkdir + op.put(1) + op.POP + op.get(0) + op.get(1) + op.STACK_GLOBAL,
        "memo-line": os_
        + op.put_line("07")
        + op.POP
        + mkdir
        + op.put_line("008")
        + op.POP
        + op.get_line("7")
        + op.get_line("8")
        + op.STACK_GLOBAL,
        "memo-huge": os_ + op.put(1 << 20) + op.POP + op.get(1 << 20) + mkdir + op.STACK_GLOBAL,
        "memo-overwritten": op.text("collections")
        + op.put(0)
        + op.POP
        + os_
        + op.put(0)
        + op.POP
        + op.get(0)
        + mkdir
        + op.STACK_GLOBAL,
        "memo-overwritten-by-memoize": op.text("math") + op.put(0) + op.POP + os_ + op.put(0) + mkdir + op.STACK_GLOBAL,
        "memoize-counts": op.NONE
        + op.put(5)
        + op.POP
        + os_
        + op.MEMOIZE
        + op.POP
        + op.get(1)
        + mkdir
        + op.STACK_GLOBAL,
        "memoize-after-gap": op.text("x")
        + op.MEMOIZE
        + op.put(7)
        + op.POP
        + os_
        + op.MEMOIZE
        + op.POP
        + op.get(2)
        + mkdir
        + op.STACK_GLOBAL,
        "dup": os_ + op.DUP + op.POP + mkdir + op.DUP + op.POP + op.STACK_GLOBAL,
        "pop": os_ + op.text("path") + op.POP + op.text("sep") + op.POP + mkdir + op.STACK_GLOBAL,
        "pop-on-mark": os_ + op.MARK + op.POP + mkdir + op.STACK_GLOBAL,
        "pop-mark": os_ + op.MARK + op.text("a") + op.text("b") + op.POP_MARK + mkdir + op.STACK_GLOBAL,
        "tuple-popped": os_ + op.tup(op.text("math"), op.text("sqrt")) + op.POP + mkdir + op.STACK_GLOBAL,
        "rot13": os_ + rot13 + op.STACK_GLOBAL,
        "join": os_ + joined + op.STACK_GLOBAL,
        "str-of-bytes": os_
        + op.call(op.glob("builtins", "str"), op.binbytes(b"mkdir"), op.text("ascii"))
        + op.STACK_GLOBAL,
        "codecs-decode": os_
        + op.call(op.glob("_codecs", "utf_8_decode"), op.binbytes(b"mkdir"))
        + op.POP
        + mkdir
        + op.STACK_GLOBAL,
        "mark-between": op.MARK + os_ + op.put(0) + op.POP_MARK + op.get(0) + mkdir + op.STACK_GLOBAL,
        "from-list": op.array(os_ + op.put(3), mkdir + op.put(4)) + op.POP + op.get(3) + op.get(4) + op.STACK_GLOBAL,
        "from-dict-key": op.EMPTY_DICT
        + os_
        + op.put(3)
        + op.NONE
        + op.SETITEM
        + op.POP
        + op.get(3)
        + mkdir
        + op.STACK_GLOBAL,
        "global-in-memo": op.glob("os", "mkdir")
        + op.put(0)
        + op.POP
        + op.glob("collections", "OrderedDict")
        + op.POP
        + op.get(0),
        "global-dup": op.glob("os", "mkdir") + op.DUP + op.POP,
        "global-behind-data": op.glob("os", "mkdir") + op.glob("collections", "OrderedDict") + op.POP,
        "global-in-tuple": op.tup(op.glob("os", "mkdir") + op.put(0)) + op.POP + op.get(0),
        "global-memo-swap": op.glob("collections", "OrderedDict")
        + op.put(0)
        + op.POP
        + op.glob("os", "mkdir")
        + op.put(0)
        + op.POP
        + op.get(0),
    }
    for name, function in tricks.items():
        yield Case(f"operand-{name}.pkl", op.stream(function + end))
    arguments = op.glob("os", "mkdir") + op.tup(_M) + op.put(2) + op.POP + op.get(2) + op.REDUCE
    yield Case("operand-arguments-from-memo.pkl", op.stream(arguments))
    yield Case("operand-memo-python.pkl", op.stream(tricks["memo-line"] + end), "pickle_load_python")
    gap = op.NONE + op.put_line("1000000") + op.POP + os_ + op.MEMOIZE + op.POP + op.get(1) + mkdir + op.STACK_GLOBAL
    yield Case("operand-memoize-after-gap-python.pkl", op.stream(gap + end), "pickle_load_python")


def _extensions() -> Iterator[Case]:
    for code, arguments in ((7, _M), (300, _M), (70000, op.text(CODE))):
        yield Case(f"extension-code-{code}.pkl", op.stream(op.call(op.ext(code), arguments)), "pickle_load_extensions")
        wide = b"\x84" + struct.pack("<i", code)
        yield Case(
            f"extension-code-{code}-wide.pkl", op.stream(op.call(wide, arguments), protocol=2), "pickle_load_extensions"
        )


def cases() -> Iterator[Case]:
    """Make the files of every group."""
    yield from _frames()
    yield from _hidden_by_frames()
    yield from _protocols()
    yield from _mapped()
    yield from _around()
    yield from _names()
    yield from _operands()
    yield from _extensions()
    for encoding in ("utf8", "bytes"):
        yield Case(f"encoding-{encoding}.pkl", op.stream(SYSTEM_CALL, protocol=2), f"pickle_load_{encoding}")
