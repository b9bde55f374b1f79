"""Plain Python: containers, numbers, text, dates, identifiers and paths.

Source:
    The ``__reduce_ex__`` of each type in CPython 2.7 and 3.6 to 3.15.
"""

from __future__ import annotations

from weighlock.allowlist.entry import Entry, constant, constructor, function, table

_FILL_DICT = ("SETITEM", "SETITEMS")
_FILL_LIST = ("APPEND", "APPENDS")
_EXCEPTIONS = (
    "ArithmeticError", "AssertionError", "AttributeError", "BufferError", "EOFError", "Exception",
    "FileExistsError", "FileNotFoundError", "FloatingPointError", "ImportError", "IndexError", "KeyError",
    "LookupError", "MemoryError", "NameError", "NotImplementedError", "OSError", "OverflowError",
    "PermissionError", "RuntimeError", "StopIteration", "TimeoutError", "TypeError", "UserWarning",
    "ValueError", "ZeroDivisionError",
)  # fmt: skip
_PATHS = ("PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath", "Path")


def _type(name: str, *calls: str, build: str | None = None, fill: tuple[str, ...] = ()) -> Entry:
    return constructor(f"builtins.{name}", *calls, group="type", build=build, fill=fill)


ENTRIES = table(
    _type("object", ""),
    _type("int", "?int|str|float, ?int"),
    _type("float", "?data"),
    _type("bool", "?data"),
    _type("complex", "?float|str|none, ?float|none"),
    _type("str", "?str", "raw, 'latin-1'|'latin1'|'ascii'|'utf-8'|'iso-8859-1'"),
    _type("bytes", "", "raw|list|tuple, ?'latin-1'|'latin1'|'ascii'|'utf-8'|'iso-8859-1'"),
    _type("bytearray", "", "raw|list|tuple, ?'latin-1'|'latin1'|'ascii'|'utf-8'|'iso-8859-1'"),
    _type("list", "?list|tuple|set|str", fill=_FILL_LIST),
    _type("tuple", "?list|tuple|set|str"),
    _type("dict", "?dict|list|tuple|collections.OrderedDict", fill=_FILL_DICT),
    _type("set", "?list|tuple|set|str", fill=("ADDITEMS",)),
    _type("frozenset", "?list|tuple|set|str"),
    _type("range", "int, ?int, ?int"),
    _type("slice", "data, ?data, ?data"),
    function("builtins.iter", "list|tuple|str|dict|set", result="builtins.iterator"),
    function("builtins.reversed", "list|tuple|str", result="builtins.iterator"),
    function("builtins.getattr", special="attribute", result="attribute"),
    function("builtins.type", special="type_of_singleton", result="type"),
    constant("builtins.Ellipsis", "builtins.Ellipsis"),
    constant("builtins.NotImplemented", "builtins.NotImplemented"),
    *(_type(name, "*data", build="state") for name in _EXCEPTIONS),
    function("_codecs.encode", special="encode", result="builtins.bytes"),
    function("copyreg._reconstructor", special="reconstructor", result="object"),
    function("copyreg.__newobj__", special="newobj", result="object"),
    constructor("collections.OrderedDict", "", "list|tuple|dict", fill=_FILL_DICT, build="state"),
    constructor("collections.defaultdict", "", special="defaultdict", fill=_FILL_DICT, build="state"),
    constructor("collections.deque", "", "list|tuple, ?int|none", "none, int", fill=_FILL_LIST, build="state"),
    constructor("collections.Counter", "", "dict", fill=_FILL_DICT, build="state"),
    constructor("collections.ChainMap", "*dict|data", build="state"),
    constructor("collections.UserDict", "?dict", build="state"),
    constructor("collections.UserList", "?list", build="state"),
    constructor("types.SimpleNamespace", "", build="state"),
    constructor("argparse.Namespace", "", build="state"),
    constructor("datetime.date", "raw", "int, int, int"),
    constructor("datetime.datetime", "raw, ?data", "int, int, int, *data"),
    constructor("datetime.time", "raw, ?data", "int, ?int, ?int, ?int, *data"),
    constructor("datetime.timedelta", "float, ?float, ?float"),
    constructor("datetime.timezone", "datetime.timedelta, ?str", build="state"),
    constructor("zoneinfo.ZoneInfo", "str", group="has-unpickle"),
    function("zoneinfo.ZoneInfo._unpickle", "str, bool", result="zoneinfo.ZoneInfo"),
    constructor("decimal.Decimal", "str"),
    constructor("fractions.Fraction", "str", "int, int"),
    constructor("uuid.UUID", "", "str", build="state"),
    constructor("uuid.SafeUUID", "int|none"),
    constructor("array.array", "str, ?list|raw|str", fill=_FILL_LIST, group="array-type"),
    function("array._array_reconstructor", "@array-type, str, int, raw", result="array.array"),
    constructor("random.Random", "", "int", build="tuple"),
    constructor("time.struct_time", "tuple, ?dict"),
    *(
        constructor(f"{module}.{name}", "*str", group="path")
        for module in ("pathlib", "pathlib._local")
        for name in _PATHS
    ),
    *(
        constructor(f"ipaddress.{name}", "int|str", build="state")
        for name in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface")
    ),
    constructor("_io.BytesIO", "?raw", build="state"),
    constructor("_io.StringIO", "?str", build="state"),
)

STATES = {"builtins.iterator": "int"}

# The names that do no harm however they are called, with whatever arguments, states and items: all that may pass where
# nothing is known of a pickle but the names that it asks for. Arrays and tensors are not among them, since a forged
# data type turns bytes into pointers; nor what hands out types, attributes or iterators.
HARMLESS = frozenset(
    """
    builtins.object builtins.int builtins.float builtins.bool builtins.complex builtins.str builtins.bytes
    builtins.bytearray builtins.list builtins.tuple builtins.dict builtins.set builtins.frozenset builtins.range
    builtins.slice builtins.Ellipsis builtins.NotImplemented _codecs.encode copyreg._reconstructor
    collections.OrderedDict collections.defaultdict collections.deque collections.Counter
    types.SimpleNamespace argparse.Namespace datetime.date datetime.datetime datetime.time datetime.timedelta
    datetime.timezone zoneinfo.ZoneInfo decimal.Decimal fractions.Fraction uuid.UUID uuid.SafeUUID
    array.array array._array_reconstructor time.struct_time pathlib.Path pathlib.PosixPath pathlib.PurePath
    pathlib.PurePosixPath pathlib.PureWindowsPath pathlib.WindowsPath pathlib._local.Path
    pathlib._local.PosixPath pathlib._local.PurePath pathlib._local.PurePosixPath pathlib._local.PureWindowsPath
    pathlib._local.WindowsPath
    """.split()
)
