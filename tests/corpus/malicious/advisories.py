"""Gadgets of published advisories: the identifier, the name that is abused, and arguments that leave the marker.

Rows without arguments are proved by the loader asking for the name: the module needs a window system, another platform
or another version of a library, or the call cannot leave a marker.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.malicious.payloads import CODE, SHELL
from tests.corpus.opcodes import (
    EMPTY_DICT,
    EMPTY_TUPLE,
    MARK,
    OBJ,
    array,
    binbytes,
    call,
    glob,
    integer,
    mapping,
    proto,
    stack_glob,
    stream,
    text,
    tup,
)

_M = text("marker")
_C = text(CODE)
_S = text(SHELL)
_ARGV = array(text("mkdir"), _M)
_TRACE = call(stack_glob("trace", "Trace"), integer(0), integer(0))
_PROFILE = call(stack_glob("profile", "Profile"))

Row = tuple[str, str, str, tuple[bytes, ...] | None]

TABLE: list[Row] = [
    ("GHSA-3gf5-cxq9-w223", "idlelib.pyshell", "ModifiedInterpreter.runcode", None),
    ("GHSA-3vg9-h568-4w9m", "idlelib.debugobj", "ObjectTreeItem.SetText", None),
    ("GHSA-4675-36f9-wf6r", "ctypes", "CDLL", None),
    ("GHSA-46h3-79wf-xr6c", "_operator", "attrgetter", None),
    ("GHSA-46h3-79wf-xr6c", "builtins", "__import__", None),
    ("GHSA-49gj-c84q-6qm9", "cProfile", "run", (_C,)),
    ("GHSA-4r9r-ch6f-vxmx", "torch.utils.bottleneck.__main__", "run_cprofile", None),
    ("GHSA-4whj-rm5r-c2v8", "torch.utils.bottleneck.__main__", "run_autograd_prof", None),
    ("GHSA-5qwp-399c-mjwf", "trace", "Trace.run", (_TRACE, _C)),
    ("GHSA-6vqj-c2q5-j97w", "profile", "Profile.runctx", (_PROFILE, _C, EMPTY_DICT, EMPTY_DICT)),
    ("GHSA-6w4w-5w54-rjvr", "idlelib.autocomplete", "AutoComplete.get_entity", None),
    ("GHSA-7cq8-mj8x-j263", "idlelib.autocomplete", "AutoComplete.fetch_completions", None),
    ("GHSA-7wx9-6375-f5wh", "profile", "run", (_C,)),
    ("GHSA-84r2-jw7c-4r5q", "pydoc", "locate", None),
    ("GHSA-84r2-jw7c-4r5q", "operator", "methodcaller", None),
    ("GHSA-86cj-95qr-2p4f", "torch._dynamo.guards", "GuardBuilder.get", None),
    ("GHSA-8r4j-24qv-fmq9", "idlelib.calltip", "Calltip.fetch_tip", None),
    ("GHSA-955r-x9j8-7rhh", "_operator", "methodcaller", None),
    ("GHSA-9w88-8rmg-7g2p", "cProfile", "runctx", (_C, EMPTY_DICT, EMPTY_DICT)),
    ("GHSA-9xph-j2h6-g47v", "idlelib.calltip", "get_entity", None),
    ("GHSA-cj3c-v495-4xqh", "code", "InteractiveInterpreter.runcode", None),
    ("GHSA-f4x7-rfwp-v3xw", "torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression", None),
    ("GHSA-f54q-57x4-jg88", "lib2to3.pgen2.grammar", "Grammar.loads", None),
    ("GHSA-f745-w6jp-hpxx", "torch.utils.collect_env", "run", (_S,)),
    ("GHSA-fqq6-7vqf-w3fg", "doctest", "debug_script", None),
    ("GHSA-g344-hcph-8vgg", "trace", "Trace.runctx", (_TRACE, _C, EMPTY_DICT, EMPTY_DICT)),
    ("GHSA-g38g-8gr9-h9xp", "_aix_support", "_read_cmd_output", None),
    ("GHSA-g38g-8gr9-h9xp", "imaplib", "IMAP4_stream", None),
    ("GHSA-g38g-8gr9-h9xp", "_osx_support", "_read_output", (_S,)),
    ("GHSA-g38g-8gr9-h9xp", "_pyrepl.pager", "pipe_pager", None),
    ("GHSA-g38g-8gr9-h9xp", "test.support.script_helper", "assert_python_ok", (text("-c"), _C)),
    ("GHSA-g38g-8gr9-h9xp", "uuid", "_get_command_stdout", (text("mkdir"), _M)),
    ("GHSA-h3qp-7fh3-f8h4", "torch.utils.data.datapipes.utils.decoder", "basichandlers", None),
    ("GHSA-j343-8v2j-ff7w", "idlelib.pyshell", "ModifiedInterpreter.runcommand", None),
    ("GHSA-jgw4-cr84-mqxg", "asyncio.unix_events", "_UnixSubprocessTransport._start", None),
    ("GHSA-jhph-76pp-mggw", "torch.utils.collect_env", "run_and_read_all", None),
    ("GHSA-m273-6v24-x4m4", "distutils.file_util", "write_file", (_M, array(text("x")))),
    ("GHSA-m869-42cg-3xwr", "idlelib.run", "Executive.runcode", None),
    ("GHSA-p9w7-82w4-7q8m", "lib2to3.pgen2.pgen", "ParserGenerator.make_label", None),
    ("GHSA-q77w-mwjj-7mqx", "asyncio.unix_events", "_UnixSubprocessTransport._start", None),
    ("GHSA-r8g5-cgf2-4m4m", "numpy.f2py.crackfortran", "getlincoef", (_C, EMPTY_DICT)),
    ("GHSA-vqmv-47xg-9wpr", "pty", "spawn", (_ARGV,)),
    ("GHSA-vr7h-p6mm-wpmh", "torch.jit.unsupported_tensor_ops", "execWrapper", (_C, EMPTY_DICT, EMPTY_DICT)),
    ("GHSA-vv6j-3g6g-2pvj", "torch.utils._config_module", "ConfigModule.load_config", None),
    ("GHSA-vvpj-8cmc-gx39", "pkgutil", "resolve_name", None),
    ("GHSA-x696-vm39-cp64", "profile", "Profile.run", (_PROFILE, _C)),
    ("GHSA-xp4f-hrf8-rxw7", "ensurepip", "_run_pip", None),
    ("CVE-2025-1716", "pip", "main", None),
    ("CVE-2025-1716", "pip._internal", "main", None),
    ("CVE-2025-1716", "pip._internal.cli.main", "main", None),
]

_NESTED = b"cos\nmkdir\n(Vmarker\ntR."


def _resolved() -> bytes:
    function = call(stack_glob("pkgutil", "resolve_name"), text("os:mkdir"))
    return stream(call(function, _M))


def _located() -> bytes:
    function = call(stack_glob("pydoc", "locate"), text("os.mkdir"))
    return stream(call(function, _M))


def _attribute() -> bytes:
    module = call(stack_glob("builtins", "__import__"), text("os"))
    function = call(call(stack_glob("_operator", "attrgetter"), text("mkdir")), module)
    return stream(call(function, _M))


def _method() -> bytes:
    module = call(stack_glob("builtins", "__import__"), text("os"))
    return stream(call(call(stack_glob("_operator", "methodcaller"), text("mkdir"), _M), module))


def _located_method() -> bytes:
    module = call(stack_glob("pydoc", "locate"), text("os"))
    return stream(call(call(stack_glob("operator", "methodcaller"), text("mkdir"), _M), module))


def _interpreter() -> bytes:
    code = call(stack_glob("builtins", "compile"), _C, text("x"), text("exec"))
    interpreter = call(stack_glob("code", "InteractiveInterpreter"))
    return stream(call(stack_glob("code", "InteractiveInterpreter.runcode"), interpreter, code))


def _grammar() -> bytes:
    grammar = call(stack_glob("lib2to3.pgen2.grammar", "Grammar"))
    state = mapping(symbol2number=EMPTY_DICT)
    return stream(
        grammar
        + state
        + b"b"
        + b"0"
        + call(stack_glob("builtins", "getattr"), grammar, text("loads"))
        + tup(binbytes(b"}(" + b"X\x01\x00\x00\x00xcos\nmkdir\n(Vmarker\ntRu."))
        + b"R"
    )


def _imap() -> bytes:
    return stream(call(stack_glob("imaplib", "IMAP4_stream"), _S))


def _read_all() -> bytes:
    return stream(
        call(
            stack_glob("torch.utils.collect_env", "run_and_read_all"), stack_glob("torch.utils.collect_env", "run"), _S
        )
    )


def _handlers() -> bytes:
    function = call(
        stack_glob("torch.utils.data.datapipes.utils.decoder", "basichandlers"), text("pickle"), binbytes(_NESTED)
    )
    return stream(function)


def _object_opcode() -> bytes:
    return stream(MARK + stack_glob("subprocess", "Popen") + _ARGV + OBJ)


def _dotted() -> bytes:
    return stream(call(stack_glob("shutil", "os.mkdir"), _M))


def _build() -> bytes:
    return stream(
        glob("collections", "OrderedDict")
        + EMPTY_TUPLE
        + b"R"
        + mapping(__setstate__=stack_glob("os", "mkdir"))
        + b"b"
        + _M
        + b"b"
    )


def _decoy_result() -> bytes:
    return stream(call(stack_glob("os", "mkdir"), _M) + b"0" + array(integer(1)))


def _magic() -> bytes:
    code = f"{CODE} or 0x1950a86a20f9469cfc6c"
    return (
        proto(2)
        + call(glob("builtins", "eval"), text(code))
        + b"."
        + stream(integer(1001), protocol=2)
        + stream(EMPTY_DICT, protocol=2)
    )


def _load_config() -> bytes:
    module = stack_glob("torch._dynamo", "config")
    return stream(call(stack_glob("torch.utils._config_module", "ConfigModule.load_config"), module, binbytes(_NESTED)))


def streams() -> Iterator[tuple[str, str, bytes]]:
    """Make the advisories' pickles that need more than one name."""
    yield "GHSA-vvpj-8cmc-gx39", "resolve-and-call", _resolved()
    yield "GHSA-84r2-jw7c-4r5q", "locate-and-call", _located()
    yield "GHSA-84r2-jw7c-4r5q", "locate-methodcaller", _located_method()
    yield "GHSA-46h3-79wf-xr6c", "attrgetter-import", _attribute()
    yield "GHSA-955r-x9j8-7rhh", "methodcaller-import", _method()
    yield "GHSA-cj3c-v495-4xqh", "interpreter-runcode", _interpreter()
    yield "GHSA-f54q-57x4-jg88", "grammar-loads", _grammar()
    yield "GHSA-g38g-8gr9-h9xp", "imap-stream", _imap()
    yield "GHSA-jhph-76pp-mggw", "run-and-read-all", _read_all()
    yield "GHSA-h3qp-7fh3-f8h4", "basichandlers-pickle", _handlers()
    yield "GHSA-mxhj-88fx-4pcv", "obj-opcode", _object_opcode()
    yield "GHSA-5j3x-jp52-966f", "dotted-stack-global", _dotted()
    yield "GHSA-6ggj-6f2q-f7mx", "build-setstate", _build()
    yield "GHSA-9gvj-pp9x-gcfr", "result-popped", _decoy_result()
    yield "CVE-2025-10157", "magic-number-by-eval", _magic()
    yield "GHSA-vv6j-3g6g-2pvj", "load-config", _load_config()
