"""The vectors of the checks for ONNX, GGUF and skops files and for chat templates."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

from tests.corpus.archives import Member, zip_bytes

Vectors = Iterator[tuple[str, bytes]]

# Protocol Buffers, by hand: no release of onnx may change a vector.


def varint(number: int) -> bytes:
    """Write a number of variable length."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number: int, value: int | str | bytes) -> bytes:
    """Write a field: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(operator: str = "Identity", domain: str = "", *attributes: bytes) -> bytes:
    """Write an operator of a graph."""
    return field(1, "x") + field(2, "y") + field(4, operator) + field(7, domain) + b"".join(attributes)


def graph(*parts: bytes) -> bytes:
    """Write a graph."""
    return b"".join(parts) + field(2, "graph")


def external(location: str, **others: str) -> bytes:
    """Write a tensor whose data lie elsewhere."""
    entries = {"location": location, **others}
    written = (field(13, field(1, key) + field(2, value)) for key, value in entries.items())
    return field(1, 2) + field(2, 1) + field(8, "w") + b"".join(written) + field(14, 1)


def model(*parts: bytes, functions: tuple[bytes, ...] = ()) -> bytes:
    """Write a model whose graph has these parts."""
    written = b"".join(field(25, function) for function in functions)
    return field(1, 9) + field(2, "vectors") + field(7, graph(*parts)) + field(8, field(1, "") + field(2, 17)) + written


def _external_data() -> Vectors:
    yield "cve-2022-25882-parent-folder.onnx", model(field(5, external("../../../etc/passwd")))
    yield "cve-2024-27318-through-a-folder.onnx", model(field(5, external("weights/../../secret", offset="0")))
    yield "absolute.onnx", model(field(5, external("/etc/passwd")))
    yield "drive.onnx", model(field(5, external("C:\\secret.bin")))
    yield "backslashes.onnx", model(field(5, external("..\\secret.bin")))
    yield "address.onnx", model(field(5, external("file://server/share")))
    yield "no-place.onnx", model(field(5, external("")))
    yield "memory-of-onnxruntime.onnx", model(field(5, external("*/_ORT_MEM_ADDR_/*", offset="4096", length="64")))
    yield "ghsa-538c-key.onnx", model(field(5, external("weights.bin", __class__="x")))
    yield "ghsa-538c-negative-offset.onnx", model(field(5, external("weights.bin", offset="-8")))
    in_attribute = field(5, field(1, "value") + field(5, external("../secret")) + field(20, 4))
    yield "in-attribute.onnx", model(field(1, node("Constant", "", in_attribute)))
    branch = field(5, field(1, "then_branch") + field(6, graph(field(5, external("../secret")))) + field(20, 5))
    yield "in-branch.onnx", model(field(1, node("If", "", branch)))
    sparse = field(15, field(1, external("../secret")) + field(3, 2))
    yield "in-sparse-tensor.onnx", model(sparse)
    in_function = field(1, "f") + field(10, "local") + field(7, node("Constant", "", in_attribute))
    yield "in-function.onnx", model(functions=(in_function,))
    yield "in-training.onnx", model() + field(20, field(1, graph(field(5, external("../secret")))))
    yield (
        "fields-of-other-types.onnx",
        field(8, 7) + field(5, "x") + model(field(5, 1), field(5, external("../secret"))),
    )
    yield "behind-a-group.onnx", b"\xa3\x06" + field(3, 7) + b"\xa4\x06" + model(field(5, external("../secret")))


def _models() -> Vectors:
    yield (
        "plain.onnx",
        model(field(1, node()), field(5, field(1, 1) + field(2, 1) + field(8, "w") + field(9, bytes(4)))),
    )
    yield "built-in.onnx", model(field(1, node("Gelu", "com.microsoft")), field(1, node("Scaler", "ai.onnx.ml")))
    function = field(1, "Twice") + field(10, "local") + field(7, node("Add"))
    yield "own-function.onnx", model(field(1, node("Twice", "local")), functions=(function,))


def _operators() -> Vectors:
    yield "custom-domain.onnx", model(field(1, node("Mine", "com.example")))
    yield "compiled-code.onnx", model(field(1, node("EPContext", "com.microsoft")))
    yield "python.onnx", model(field(1, node("PythonOp", "com.microsoft")))
    loop = field(5, field(1, "body") + field(6, graph(field(1, node("Mine", "com.example")))) + field(20, 5))
    yield "in-loop.onnx", model(field(1, node("Loop", "", loop)))
    function = field(1, "Twice") + field(10, "local") + field(7, node("Mine", "com.example"))
    yield "in-function.onnx", model(field(1, node("Twice", "local")), functions=(function,))
    yield "two-domains.onnx", model(field(1, node("Add", "com.example") + field(7, "")))


# GGUF


def text(value: str) -> bytes:
    """Write a text with its length."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(pairs: bytes = b"", count: int = 0, tensors: bytes = b"", number: int = 0, data: bytes = b"") -> bytes:
    """Write a file of version 3."""
    head = b"GGUF" + struct.pack("<IQQ", 3, number, count) + pairs + tensors
    return head + bytes(-len(head) % 32) + data


def pair(key: str, value: str) -> bytes:
    """Write a text of the metadata."""
    return text(key) + struct.pack("<I", 8) + text(value)


def tensor(name: str = "w", shape: tuple[int, ...] = (8,), kind: int = 0, offset: int = 0) -> bytes:
    """Write the description of a tensor."""
    sizes = b"".join(struct.pack("<Q", size) for size in shape)
    return text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def _gguf_headers() -> Vectors:
    most = (1 << 64) - 1
    yield "cve-2024-23605-count-of-pairs.gguf", gguf(count=most // 8)
    yield "cve-2024-21836-count-of-tensors.gguf", gguf(number=most // 16)
    yield "cve-2024-23496-length-of-a-text.gguf", gguf(struct.pack("<Q", most) + b"key", 1)
    array = text("a") + struct.pack("<IIQ", 9, 12, most // 4)
    yield "cve-2024-21825-length-of-an-array.gguf", gguf(array, 1)
    yield "cve-2024-21802-shape.gguf", gguf(tensors=tensor(shape=(1 << 62, 1 << 62)), number=1, data=bytes(32))
    yield "dimensions.gguf", gguf(tensors=tensor(shape=(1,) * 9), number=1, data=bytes(32))
    yield "offset-overflows.gguf", gguf(tensors=tensor(offset=(1 << 64) - 32), number=1, data=bytes(32))
    yield "beyond-the-end.gguf", gguf(tensors=tensor(shape=(64,)), number=1, data=bytes(32))
    yield "overlapping.gguf", gguf(tensors=tensor("a", (16,)) + tensor("b", offset=32), number=2, data=bytes(64))
    yield "key-twice.gguf", gguf(pair("general.name", "a") + pair("general.name", "b"), 2)
    yield "array-in-array.gguf", gguf(text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 9, 1)
    yield "version.gguf", b"GGUF" + struct.pack("<IQQ", 9, 0, 0)


def _gguf_files() -> Vectors:
    yield "plain.gguf", gguf(pair("general.name", "a"), 1, tensor(), 1, bytes(32))
    yield (
        "big-endian.gguf",
        b"GGUF" + struct.pack(">IQQ", 3, 0, 1) + struct.pack(">Q", 1) + b"a" + struct.pack(">IB", 7, 1),
    )
    yield (
        "version-1.gguf",
        b"GGUF" + struct.pack("<III", 1, 0, 1) + struct.pack("<I", 1) + b"a" + struct.pack("<IB", 7, 1),
    )
    yield "quantised.gguf", gguf(tensors=tensor(shape=(64, 2), kind=2), number=1, data=bytes(72))


# Chat templates


def _config(template: object) -> bytes:
    return json.dumps({"tokenizer_class": "T", "chat_template": template}).encode()


def _escapes() -> Vectors:
    escape = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    yield "cve-2024-34359.gguf", gguf(pair("tokenizer.chat_template", escape), 1)
    yield "cve-2024-34359-named.gguf", gguf(pair("tokenizer.chat_template.tool_use", escape), 1)
    yield "attribute.json", _config(escape)
    yield "named.json", _config([{"name": "default", "template": "{{ bos_token }}"}, {"name": "t", "template": escape}])
    yield "key-twice.json", b'{"chat_template": "{{ 1 }}", "chat_template": "{{ x.__init__ }}"}'
    yield "item.json", _config("{{ x['__class__'] }}")
    yield "escaped.json", _config(r"{{ x['\x5f\x5fclass\u005f\137'] }}")
    yield "cve-2025-27516-attr.json", _config("{{ x|attr('__class__') }}")
    yield "attr-put-together.json", _config("{{ x|attr('_' * 2 ~ 'class' ~ '_' * 2) }}")
    yield "joined.json", _config("{{ x[['__cla', 'ss__']|join] }}")
    yield "through-variables.json", _config("{% set a = '_' * 2 %}{% set b = a ~ 'class' ~ a %}{{ x[b] }}")
    yield "through-a-macro.json", _config("{% macro get(k) %}{{ x[k] }}{% endmacro %}{{ get('_' ~ y) }}")
    yield "through-a-namespace.json", _config("{% set ns = namespace(k='_' ~ y) %}{{ x[ns.k] }}")
    yield "through-a-special-token.json", _config("{{ messages[eos_token] }}")
    yield "cve-2024-56326-format.json", _config("{{ '{0.__class__}'.format(x) }}")
    yield "format-kept.json", _config("{% set f = '{0.a}' %}{{ f.format(x) }}")
    yield "percent.json", _config("{{ x['%sclass%s' % ('__', '__')] }}")
    yield "reversed.json", _config("{{ x['__ssalc__'[::-1]] }}")
    yield "map.json", _config("{{ messages|map(attribute='__class__')|list }}")
    yield "map-attr.json", _config("{{ messages|map('attr', key)|list }}")
    yield "groupby.json", _config("{{ messages|groupby('a.__class__') }}")
    yield "sort.json", _config("{{ messages|sort(attribute='_x') }}")
    yield "include.json", _config("{% include '/etc/passwd' %}")
    yield "import.json", _config("{%- from 'a' import b -%}")
    yield "cycler.json", _config("{{ cycler }}")
    yield "lipsum.json", _config("{{ lipsum|string }}")
    yield "endless.json", _config("{% for i in range(10**9) %}a{% endfor %}")
    yield "not-closed.json", _config("{{ messages")
    yield "behind-an-error.json", _config("{{ x.__class__ }}{{ messages")


def _templates() -> Vectors:
    yield (
        "turns.json",
        _config(
            "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
            "{{ raise_exception('roles must alternate') }}{% endif %}{{ '<|' + message['role'] + '|>' }}\n"
            "{{ message.content | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|a|>{% endif %}"
        ),
    )
    yield (
        "tools.json",
        _config(
            [
                {"name": "default", "template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"},
                {
                    "name": "tool_use",
                    "template": "{%- set ns = namespace(first=true, calls=[]) %}{%- macro field(name, spec, needed) -%}"
                    "{{ name }}: {{ spec['type'] | upper }}{{ '' if name in needed else ' (optional)' }}{%- endmacro %}"
                    "{%- for tool in tools | selectattr('type', 'equalto', 'function') %}{%- set fn = tool.function %}"
                    "{%- for key, value in fn.parameters.properties | dictsort %}"
                    "{{- field(key, fn.parameters.properties[key], fn.parameters.required) }}{%- endfor %}"
                    "{%- set ns.calls = ns.calls + ['\"' + fn.name + '\"'] %}{{- fn | tojson(indent=4) }}{%- endfor %}"
                    "{{- ns.calls | join(', ') }}{%- set last = messages | length - 1 %}{{- messages[last].content }}"
                    "{%- for m in messages[::-1] %}{%- set index = (messages | length - 1) - loop.index0 %}"
                    "{%- if messages[index].tool_calls is defined %}{{- m.content.split('</a>')[-1].lstrip('\\n') }}"
                    "{%- endif %}{%- endfor %}{{- strftime_now('%d %b %Y') }}",
                },
            ]
        ),
    )
    yield (
        "in-model.gguf",
        gguf(pair("tokenizer.chat_template", "{% for _ in messages %}{{ _.content }}{% endfor %}"), 1),
    )
    yield (
        "words-in-text.json",
        _config("__class__ {# ''.__class__ #}{% raw %}{{ ''.__class__ }}{% endraw %}{{ '__image__' }}"),
    )


# skops


def skops(tree: object) -> bytes:
    """Write an archive with a schema."""
    schema = tree if isinstance(tree, str) else json.dumps(tree)
    return zip_bytes([Member(name="schema.json", data=schema.encode())])


def skops_node(module: str, name: str, loader: str, **content: object) -> dict[str, object]:
    """Write a node of a schema."""
    return {"__class__": name, "__module__": module, "__loader__": loader, **content}


_EMPTY = skops_node("builtins", "list", "ListNode", content=[])


def _skops_bad() -> Vectors:
    attrs = skops_node("builtins", "tuple", "TupleNode", content=[])
    yield "cve-2025-54412-operator.skops", skops(skops_node("builtins", "call", "OperatorFuncNode", attrs=attrs))
    target = skops_node("sklearn.linear_model._base", "LinearRegression", "ObjectNode", content=None)
    method = {"obj": target, "func": "fit"}
    yield "cve-2025-54413-method.skops", skops(skops_node("builtins", "int", "MethodNode", content=method))
    yield "function.skops", skops(skops_node("os", "system", "FunctionNode"))
    yield "type.skops", skops(skops_node("subprocess", "Popen", "TypeNode"))
    yield "estimator.skops", skops(target)
    partial = {"func": skops_node("builtins", "eval", "FunctionNode"), "args": attrs, "kwds": attrs, "namespace": attrs}
    yield "partial.skops", skops(skops_node("functools", "partial", "PartialNode", content=partial))
    yield "unknown-loader.skops", skops(skops_node("builtins", "list", "PickleNode", content=[]))
    one, other = '"__class__": "list", "__module__": "builtins"', '"__class__": "system", "__module__": "os"'
    yield "key-twice.skops", skops(f'{{{one}, "__loader__": "ListNode", {other}}}')


def _skops_good() -> Vectors:
    yield "list.skops", skops(_EMPTY)
    array = skops_node("numpy", "ndarray", "NdArrayNode", type="json", content=[], shape=_EMPTY)
    yield "array.skops", skops(skops_node("builtins", "dict", "DictNode", content={"a": array}, key_types=_EMPTY))


CHECKS = {
    "chat-template": (_escapes, _templates),
    "gguf-header": (_gguf_headers, _gguf_files),
    "onnx-external-data": (_external_data, _models),
    "onnx-operators": (_operators, _models),
    "skops-objects": (_skops_bad, _skops_good),
}
