"""Every opcode that calls something, and every way to hand it something else than it expects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import CODE

_M = op.text(MARKER)
_ARGV = op.array(op.text("mkdir"), _M)
_MKDIR = op.stack_glob("os", "mkdir")
_CALL = op.stack_glob("subprocess", "call")
_ORDERED = op.glob("collections", "OrderedDict") + op.EMPTY_TUPLE + op.REDUCE
_SIMPLE = op.glob("types", "SimpleNamespace") + op.EMPTY_TUPLE + op.REDUCE
_NAMESPACE = op.glob("argparse", "Namespace") + op.EMPTY_TUPLE + op.REDUCE
_COUNTER = op.glob("collections", "Counter") + op.EMPTY_TUPLE + op.REDUCE
_BASES = {"ordered-dict": _ORDERED, "simple-namespace": _SIMPLE, "namespace": _NAMESPACE, "counter": _COUNTER}


def _direct() -> Iterator[tuple[str, bytes]]:
    yield "reduce", _MKDIR + op.tup(_M) + op.REDUCE
    yield "reduce-mark-tuple", _MKDIR + op.MARK + _M + op.TUPLE + op.REDUCE
    yield "reduce-memo-tuple", op.tup(_M) + op.put(0) + op.POP + _MKDIR + op.get(0) + op.REDUCE
    yield "obj", op.MARK + _MKDIR + _M + op.OBJ
    yield "obj-class", op.MARK + op.stack_glob("subprocess", "Popen") + _ARGV + op.OBJ
    yield "inst", op.inst("os", "mkdir", _M)
    yield "inst-class", op.inst("subprocess", "Popen", _ARGV)
    yield "inst-builtins", op.inst("builtins", "exec", op.text(CODE))
    memmap = op.stack_glob("numpy", "memmap")
    arguments = op.tup(_M, op.text("u1"), op.text("w+"), op.integer(0), op.tup(op.integer(1)))
    keywords = op.mapping(dtype=op.text("u1"), mode=op.text("w+"), shape=op.tup(op.integer(1)))
    yield "newobj", memmap + arguments + op.NEWOBJ
    yield "newobj-ex", memmap + op.tup(_M) + keywords + op.NEWOBJ_EX
    yield (
        "newobj-copyreg",
        op.call(
            op.glob("copyreg", "__newobj__"),
            memmap,
            _M,
            op.text("u1"),
            op.text("w+"),
            op.integer(0),
            op.tup(op.integer(1)),
        ),
    )
    yield "newobj-ex-copyreg", op.call(op.glob("copyreg", "__newobj_ex__"), memmap, op.tup(_M), keywords)
    inner = op.call(op.glob("functools", "partial"), _MKDIR, _M)
    yield "reduce-result", inner + op.EMPTY_TUPLE + op.REDUCE
    yield "obj-result", op.MARK + inner + op.OBJ
    yield (
        "reduce-attribute",
        op.call(
            op.call(
                op.glob("builtins", "getattr"),
                op.call(op.glob("builtins", "__import__"), op.text("os")),
                op.text("mkdir"),
            ),
            _M,
        ),
    )
    yield "reduce-in-list", op.array(op.integer(1), op.call(_MKDIR, _M), op.integer(2))
    yield "reduce-in-dict", op.mapping(weight=op.call(_MKDIR, _M))
    yield "reduce-in-tuple", op.tup(op.call(_MKDIR, _M), op.integer(1))
    yield "reduce-in-state", _ORDERED + op.mapping(_metadata=op.call(_MKDIR, _M)) + op.BUILD
    yield (
        "reduce-in-arguments",
        op.call(op.glob("collections", "OrderedDict"), op.array(op.tup(op.text("k"), op.call(_MKDIR, _M)))),
    )
    yield "exec-module", op.call(op.stack_glob("os", "system"), op.text(f"mkdir {MARKER}"))


def _shadowed() -> Iterator[tuple[str, bytes]]:
    """An attribute of an instance stands in for a method that an opcode looks up."""
    for name, base in _BASES.items():
        yield f"setstate-shadow-{name}", base + op.mapping(__setstate__=_MKDIR) + op.BUILD + _M + op.BUILD
        yield (
            f"extend-shadow-{name}",
            base + op.mapping(extend=_CALL) + op.BUILD + op.MARK + op.text("mkdir") + _M + op.APPENDS,
        )
        yield f"append-shadow-{name}", base + op.mapping(append=_MKDIR) + op.BUILD + _M + op.APPEND
        yield f"add-shadow-{name}", base + op.mapping(add=_MKDIR) + op.BUILD + op.MARK + _M + op.ADDITEMS
        slots = op.tup(op.NONE, op.mapping(append=_MKDIR))
        yield f"append-shadow-slots-{name}", base + slots + op.BUILD + _M + op.APPEND
        appends = base + op.mapping(append=_MKDIR) + op.BUILD + op.MARK + _M + op.APPENDS
        yield f"appends-without-extend-{name}", appends
    in_memo = _ORDERED + op.put(0) + op.mapping(__setstate__=_MKDIR) + op.BUILD + op.POP + op.get(0) + _M + op.BUILD
    yield "setstate-shadow-through-memo", in_memo
    dup = _ORDERED + op.DUP + op.mapping(__setstate__=_MKDIR) + op.BUILD + op.POP + _M + op.BUILD
    yield "setstate-shadow-through-dup", dup
    keywords = op.glob("types", "SimpleNamespace") + op.EMPTY_TUPLE + op.mapping(__setstate__=_MKDIR) + op.NEWOBJ_EX
    yield "simple-namespace-keywords", keywords + op.mapping(__setstate__=_MKDIR) + op.BUILD + _M + op.BUILD


def _patched() -> Iterator[tuple[str, bytes]]:
    """BUILD on a class or a module changes it for the whole process."""
    class_state = op.tup(op.NONE, op.mapping(loads=_MKDIR))
    yield (
        "build-on-module",
        op.call(op.glob("builtins", "__import__"), op.text("json"))
        + class_state
        + op.BUILD
        + op.POP
        + op.call(op.glob("json", "loads"), _M),
    )
    yield (
        "build-on-module-dict",
        op.call(op.glob("builtins", "__import__"), op.text("json"))
        + op.mapping(loads=_MKDIR)
        + op.BUILD
        + op.POP
        + op.call(op.glob("json", "loads"), _M),
    )
    patched = op.glob("argparse", "Namespace") + op.tup(op.NONE, op.mapping(__setstate__=_MKDIR)) + op.BUILD + op.POP
    yield "build-on-class", patched + _NAMESPACE + _M + op.BUILD
    init = op.glob("argparse", "Namespace") + op.tup(op.NONE, op.mapping(__new__=_CALL)) + op.BUILD + op.POP
    yield (
        "build-on-class-call",
        init + op.glob("argparse", "Namespace") + op.put(0) + op.POP + op.get(0) + op.POP + op.call(_MKDIR, _M),
    )
    partial = op.call(op.glob("functools", "partial"), op.glob("builtins", "int"))
    state = op.tup(_MKDIR, op.tup(_M), op.EMPTY_DICT, op.EMPTY_DICT)
    yield "partial-build", partial + state + op.BUILD + op.EMPTY_TUPLE + op.REDUCE
    yield (
        "partial-newobj-build",
        op.glob("functools", "partial")
        + op.tup(op.glob("builtins", "int"))
        + op.NEWOBJ
        + state
        + op.BUILD
        + op.EMPTY_TUPLE
        + op.REDUCE,
    )
    codec = op.call(op.glob("builtins", "__import__"), op.text("_codecs"))
    yield (
        "build-on-codecs",
        codec + op.mapping(encode=_MKDIR) + op.BUILD + op.POP + op.call(op.glob("_codecs", "encode"), _M),
    )
    torch_patch = (
        op.glob("torch.storage", "UntypedStorage") + op.tup(op.NONE, op.mapping(__setstate__=_MKDIR)) + op.BUILD
    )
    yield "build-on-torch-class", torch_patch + op.POP + op.call(_MKDIR, _M)
    tensor = op.glob("torch._utils", "_rebuild_tensor_v2") + op.mapping(marker=op.NONE) + op.BUILD + op.POP
    yield "build-on-function", tensor + op.call(_MKDIR, _M)


def _foreign() -> Iterator[tuple[str, bytes]]:
    """Item opcodes on objects that are not the containers they are meant for."""
    deque = op.call(op.glob("collections", "deque"))
    yield "append-on-deque", deque + op.call(_MKDIR, _M) + op.APPEND
    environ = op.stack_glob("os", "environ")
    yield (
        "setitem-on-environ",
        environ + op.text("LD_PRELOAD") + op.text("") + op.SETITEM + op.POP + op.call(_MKDIR, _M),
    )
    path = op.stack_glob("sys", "path")
    yield "append-on-sys-path", path + op.text("/nowhere") + op.APPEND + op.POP + op.call(_MKDIR, _M)
    modules = op.stack_glob("sys", "modules")
    planted = (
        modules + op.text("weights") + op.call(op.glob("builtins", "__import__"), op.text("os")) + op.SETITEM + op.POP
    )
    yield "setitem-on-sys-modules", planted + op.call(op.stack_glob("weights", "mkdir"), _M)
    shelf = op.call(op.glob("shelve", "open"), _M)
    yield "setitem-on-shelf", shelf + op.text("k") + op.integer(1) + op.SETITEM
    registry = op.stack_glob("copyreg", "_inverted_registry")
    extension = registry + op.integer(9) + op.tup(op.text("os"), op.text("mkdir")) + op.SETITEM + op.POP
    yield "setitem-on-extension-registry", extension + op.call(op.ext(9), _M)
    mapping = op.stack_glob("_compat_pickle", "NAME_MAPPING")
    renamed = (
        mapping + op.tup(op.text("math"), op.text("f")) + op.tup(op.text("os"), op.text("mkdir")) + op.SETITEM + op.POP
    )
    yield "setitem-on-name-mapping", op.proto(2) + renamed + op.call(op.stack_glob("math", "f"), _M)
    builtins_ = op.stack_glob("builtins", "__dict__")
    yield (
        "setitem-on-builtins",
        builtins_
        + op.text("weights")
        + _MKDIR
        + op.SETITEM
        + op.POP
        + op.call(op.stack_glob("builtins", "weights"), _M),
    )
    globals_ = op.stack_glob("collections", "__dict__")
    yield (
        "setitems-on-module-dict",
        globals_
        + op.MARK
        + op.text("w")
        + _MKDIR
        + op.SETITEMS
        + op.POP
        + op.call(op.stack_glob("collections", "w"), _M),
    )
    overridden = op.stack_glob("torch", "__dict__") + op.text("tensor") + _MKDIR + op.SETITEM + op.POP
    yield "setitem-on-torch-dict", overridden + op.call(op.stack_glob("torch", "tensor"), _M)


def cases() -> Iterator[Case]:
    """Make a file per edge, under both unpicklers where they may differ."""
    for group in (_direct, _shadowed, _patched, _foreign):
        for name, body in group():
            yield Case(f"edge-{name}.pkl", op.stream(body))
    for name, body in (*_direct(), *_shadowed()):
        if name in {
            "obj",
            "inst",
            "newobj-ex",
            "setstate-shadow-ordered-dict",
            "append-shadow-namespace",
            "extend-shadow-counter",
        }:
            yield Case(f"edge-{name}-python.pkl", op.stream(body), "pickle_load_python")
            yield Case(f"edge-{name}-protocol-2.pkl", op.stream(body, protocol=2))
