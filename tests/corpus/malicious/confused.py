"""Type-confused calls of the standard library: names that plain data needs, called with what plain data never holds."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import CODE

_M = op.text(MARKER)
_MKDIR = op.stack_glob("os", "mkdir")
_PARTIAL = op.call(op.glob("functools", "partial"), _MKDIR, _M)
_POPEN = op.stack_glob("subprocess", "Popen")
_ARGV = op.array(op.text("mkdir"), _M)
_MAP = op.call(op.glob("builtins", "map"), _MKDIR, op.array(_M))


def _codecs() -> Iterator[Case]:
    for codec in (
        "rot13",
        "idna",
        "punycode",
        "unicode_escape",
        "utf-16",
        "zlib_codec",
        "uu",
        "mbcs",
        "undefined",
        "aliases",
        "../os",
        "os",
    ):
        data = op.stream(op.call(op.glob("_codecs", "encode"), op.text("x"), op.text(codec)), protocol=2)
        name = codec.replace("../", "dotdot-")
        yield Case(f"confused-codec-{name}.pkl", data, asks=("_codecs", "encode"))
    for name, arguments in {
        "bytes-hex": (op.binbytes(b"x"), op.text("hex")),
        "bytes-zlib": (op.binbytes(b"x"), op.text("zlib_codec")),
        "bytes-bz2": (op.binbytes(b"x"), op.text("bz2_codec")),
        "object": (_MKDIR, op.text("latin1")),
        "errors": (op.text("\u20ac"), op.text("latin1"), op.text("xmlcharrefreplace")),
        "computed-codec": (op.text("x"), op.call(op.glob("_codecs", "encode"), op.text("ebg13"), op.text("rot13"))),
    }.items():
        yield Case(
            f"confused-codec-{name}.pkl",
            op.stream(op.call(op.glob("_codecs", "encode"), *arguments)),
            asks=("_codecs", "encode"),
        )
    for name in ("decode", "lookup", "register", "register_error", "escape_decode", "charmap_encode"):
        yield Case(f"confused-codecs-{name}.pkl", op.stream(op.stack_glob("_codecs", name)), asks=("_codecs", name))
    registered = (
        op.call(op.glob("_codecs", "register"), _MKDIR)
        + op.POP
        + op.call(op.glob("_codecs", "encode"), op.text("x"), _M)
    )
    yield Case("confused-codecs-register-callback.pkl", op.stream(registered))
    handler = op.call(op.glob("_codecs", "register_error"), op.text("e"), op.glob("builtins", "print"))
    printed = (
        handler
        + op.POP
        + op.call(op.glob("_codecs", "encode"), op.text("<marker>\u20ac"), op.text("ascii"), op.text("e"))
    )
    yield Case("confused-codecs-error-handler.pkl", op.stream(printed), asks=("_codecs", "register_error"))


def _containers() -> Iterator[Case]:
    default = op.glob("collections", "defaultdict")
    yield Case("confused-defaultdict-partial.pkl", op.stream(op.call(default, _PARTIAL)), "pickle_load_and_index")
    for module, name in (
        ("os", "abort"),
        ("builtins", "breakpoint"),
        ("os", "fork"),
        ("builtins", "exit"),
        ("builtins", "input"),
    ):
        yield Case(
            f"confused-defaultdict-{module}-{name}.pkl",
            op.stream(op.call(default, op.stack_glob(module, name))),
            asks=(module, name),
        )
    attribute = default + op.EMPTY_TUPLE + op.REDUCE + op.tup(op.NONE, op.mapping(default_factory=_PARTIAL)) + op.BUILD
    yield Case("confused-defaultdict-build-factory.pkl", op.stream(attribute), "pickle_load_and_index")
    chained = (
        op.call(default, op.glob("collections", "OrderedDict"))
        + op.tup(op.NONE, op.mapping(default_factory=_PARTIAL))
        + op.BUILD
    )
    yield Case("confused-defaultdict-replaced-factory.pkl", op.stream(chained), "pickle_load_and_index")
    for container in ("deque", "OrderedDict", "Counter"):
        yield Case(f"confused-{container}-of-map.pkl", op.stream(op.call(op.glob("collections", container), _MAP)))
    for container in ("list", "tuple", "set", "frozenset", "bytearray", "bytes", "dict"):
        yield Case(
            f"confused-{container}-of-map.pkl", op.stream(op.call(op.glob("builtins", container), _MAP), protocol=2)
        )
    extended = op.call(op.glob("collections", "deque.extend"), op.call(op.glob("collections", "deque")), _MAP)
    yield Case("confused-deque-extend.pkl", op.stream(extended))
    yield Case(
        "confused-chain-map.pkl",
        op.stream(op.call(op.glob("collections", "ChainMap"), op.call(default, _PARTIAL))),
        "pickle_load_and_index",
    )
    user = op.call(op.glob("collections", "UserDict")) + op.mapping(__missing__=_MKDIR) + op.BUILD
    yield Case("confused-user-dict.pkl", op.stream(user), asks=("collections", "UserDict"))
    named = op.call(op.glob("collections", "namedtuple"), op.text("N"), op.array(op.text("a")))
    yield Case("confused-namedtuple.pkl", op.stream(named), asks=("collections", "namedtuple"))
    iterator = op.call(op.glob("builtins", "iter"), _PARTIAL, op.NONE)
    yield Case("confused-array-of-iterator.pkl", op.stream(op.call(op.glob("array", "array"), op.text("i"), iterator)))
    ordered = op.call(
        op.glob("collections", "OrderedDict"), op.call(op.glob("builtins", "zip"), _MAP, op.array(op.integer(1)))
    )
    yield Case("confused-ordered-dict-of-zip.pkl", op.stream(ordered))


def _reconstructors() -> Iterator[Case]:
    reconstruct = op.glob("copyreg", "_reconstructor")
    yield Case("confused-reconstructor-popen.pkl", op.stream(op.call(reconstruct, _POPEN, _POPEN, _ARGV), protocol=2))
    yield Case(
        "confused-reconstructor-copy-reg.pkl",
        op.stream(op.call(op.glob("copy_reg", "_reconstructor"), _POPEN, _POPEN, _ARGV), protocol=2),
    )
    file = op.call(reconstruct, op.glob("io", "FileIO"), op.glob("io", "FileIO"), _M)
    yield Case("confused-reconstructor-file.pkl", op.stream(file), asks=("io", "FileIO"))
    pointless = op.call(reconstruct, op.glob("numpy", "memmap"), op.glob("numpy", "ndarray"), op.tup(op.integer(1)))
    yield Case("confused-reconstructor-memmap.pkl", op.stream(pointless), asks=("numpy", "memmap"))
    thread = op.call(reconstruct, op.glob("threading", "Thread"), op.glob("builtins", "object"), op.NONE)
    yield Case("confused-reconstructor-thread.pkl", op.stream(thread), asks=("threading", "Thread"))
    newobj = op.call(
        op.glob("copyreg", "__newobj_ex__"),
        op.glob("numpy", "memmap"),
        op.tup(_M),
        op.mapping(mode=op.text("w+"), shape=op.tup(op.integer(3))),
    )
    yield Case("confused-newobj-ex-memmap.pkl", op.stream(newobj))
    timezone = op.call(
        op.glob("datetime", "datetime"), op.binbytes(b"\x07\xe8\x01\x01\x00\x00\x00\x00\x00\x00"), _PARTIAL
    )
    yield Case("confused-datetime-tzinfo.pkl", op.stream(timezone), asks=("functools", "partial"))
    zone = op.call(op.glob("zoneinfo", "ZoneInfo._unpickle"), op.text("UTC"), op.call(_MKDIR, _M))
    yield Case("confused-zoneinfo.pkl", op.stream(zone))
    parts = op.call(op.glob("pathlib", "PosixPath"), op.call(_MKDIR, _M))
    yield Case("confused-path.pkl", op.stream(parts))
    for module, name in (
        ("builtins", "bytearray"),
        ("builtins", "complex"),
        ("builtins", "slice"),
        ("builtins", "range"),
        ("fractions", "Fraction"),
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
        ("datetime", "date"),
        ("datetime", "timedelta"),
        ("array", "_array_reconstructor"),
    ):
        yield Case(
            f"confused-argument-{module}-{name}.pkl", op.stream(op.call(op.glob(module, name), op.call(_MKDIR, _M)))
        )
    for module, name in (
        ("decimal", "Decimal"),
        ("uuid", "UUID"),
        ("pathlib", "PurePosixPath"),
        ("types", "SimpleNamespace"),
        ("argparse", "Namespace"),
    ):
        state = op.glob(module, name) + op.EMPTY_TUPLE + op.NEWOBJ + op.mapping(x=op.call(_MKDIR, _M)) + op.BUILD
        yield Case(f"confused-state-{module}-{name}.pkl", op.stream(state))


def _indirections() -> Iterator[Case]:
    getattr_ = op.glob("builtins", "getattr")
    for module, name, attribute in (
        ("collections", "OrderedDict", "__reduce__"),
        ("collections", "OrderedDict", "fromkeys"),
        ("builtins", "object", "__subclasses__"),
        ("datetime", "datetime", "strptime"),
        ("zoneinfo", "ZoneInfo", "from_file"),
        ("pathlib", "Path", "unlink"),
        ("torch", "Tensor", "apply_"),
        ("torch", "Tensor", "__reduce_ex__"),
        ("numpy", "ndarray", "tofile"),
        ("random", "Random", "seed"),
    ):
        data = op.stream(op.call(getattr_, op.glob(module, name), op.text(attribute)))
        yield Case(f"confused-getattr-{module}-{name}-{attribute}.pkl", data, asks=("builtins", "getattr"))
    seed = op.call(getattr_, op.glob("random", "Random.seed"), op.text("__globals__"))
    system = op.call(
        op.call(getattr_, op.call(op.call(getattr_, seed, op.text("get")), op.text("_os")), op.text("mkdir")), _M
    )
    yield Case("confused-getattr-chain-to-globals.pkl", op.stream(system))
    python2 = op.call(
        op.glob("__builtin__", "getattr"),
        op.call(op.glob("__builtin__", "__import__"), op.binunicode("os")),
        op.binunicode("mkdir"),
    )
    yield Case("confused-getattr-python2.pkl", op.stream(op.call(python2, _M), protocol=2))
    zone = op.call(
        op.call(getattr_, op.glob("pathlib", "PosixPath"), op.text("mkdir")),
        op.call(op.glob("pathlib", "PosixPath"), _M),
    )
    yield Case("confused-getattr-path-mkdir.pkl", op.stream(zone))
    array_file = op.call(
        op.call(getattr_, op.glob("numpy", "ndarray"), op.text("tofile")),
        op.call(op.glob("numpy", "arange"), op.integer(3)),
        _M,
    )
    yield Case("confused-getattr-tofile.pkl", op.stream(array_file))
    fromkeys = op.call(op.glob("collections", "OrderedDict.fromkeys"), _MAP)
    yield Case("confused-fromkeys-of-map.pkl", op.stream(fromkeys))
    sorted_ = (
        op.call(op.glob("functools", "partial"), op.glob("builtins", "sorted"), op.array(_M))
        + op.tup(op.glob("builtins", "sorted"), op.tup(op.array(_M)), op.mapping(key=_MKDIR), op.NONE)
        + op.BUILD
    )
    yield Case("confused-partial-sorted-key.pkl", op.stream(sorted_ + op.EMPTY_TUPLE + op.REDUCE))
    nested = op.call(op.glob("functools", "partial"), op.glob("functools", "partial"), _MKDIR)
    yield Case("confused-partial-of-partial.pkl", op.stream(op.call(op.call(nested), _M)))
    yield Case(
        "confused-type-call.pkl",
        op.stream(
            op.call(
                op.glob("builtins", "type"),
                op.text("T"),
                op.tup(op.glob("builtins", "dict")),
                op.mapping(__setitem__=_PARTIAL),
            )
            + op.EMPTY_TUPLE
            + op.REDUCE
            + op.EMPTY_TUPLE
            + op.EMPTY_TUPLE
            + op.SETITEM
        ),
        asks=("builtins", "type"),
    )
    made = op.call(
        op.glob("builtins", "type"),
        op.text("T"),
        op.tup(op.glob("builtins", "list")),
        op.mapping(extend=_PARTIAL, __len__=_PARTIAL),
    )
    yield Case("confused-type-extend.pkl", op.stream(made), asks=("builtins", "type"))
    enum_ = op.call(op.glob("enum", "Enum"), op.text("E"), op.array(op.text("A")))
    yield Case("confused-enum-functional.pkl", op.stream(enum_), asks=("enum", "Enum"))
    regex = op.call(op.glob("re", "_compile"), op.text("(a+)+$"), op.integer(0))
    yield Case("confused-regex.pkl", op.stream(regex), asks=("re", "_compile"))
    template = op.call(op.glob("string", "Template"), op.text(CODE))
    yield Case("confused-template.pkl", op.stream(template), asks=("string", "Template"))


def cases() -> Iterator[Case]:
    """Make the files of every group."""
    yield from _codecs()
    yield from _containers()
    yield from _reconstructors()
    yield from _indirections()
