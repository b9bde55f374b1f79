"""Allowed names used as tools: each of these is refused, although every name in it is one of plain data."""

from __future__ import annotations

import argparse
import pickle
import types

import pytest

from tests.corpus import opcodes as op
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

GETATTR = op.glob("builtins", "getattr")
ENCODE = op.glob("_codecs", "encode")
LOAD = op.glob("torch.storage", "_load_from_bytes")
EVIL = op.proto(4) + op.call(op.glob("os", "getcwd")) + op.STOP
PARAMETER = op.glob("torch._utils", "_rebuild_parameter_with_state")
TENSOR = op.call(
    op.glob("torch._utils", "_rebuild_meta_tensor_no_storage"),
    op.glob("torch", "float32"), op.tup(op.integer(1)), op.tup(op.integer(1)), op.FALSE,
)  # fmt: skip


def judged(*parts, protocol=4):
    return inspect(BytesSource(op.stream(*parts, protocol=protocol)))


def storage(key=None, location=None, size=None):
    items = (op.text("storage"), op.glob("torch", "FloatStorage"))
    rest = (key or op.text("0"), location or op.text("cpu"), size or op.integer(1))
    return op.tup(*items, *rest) + op.BINPERSID


class TestRefused:
    @pytest.mark.parametrize(
        "stream",
        [
            op.call(GETATTR, op.glob("datetime", "date"), op.text("today")),
            op.call(GETATTR, op.glob("lab", "Model"), op.text("__init__")),
            op.call(GETATTR, op.glob("lab", "Model"), op.text("_private")),
            op.call(GETATTR, op.call(op.glob("decimal", "Decimal"), op.text("1")), op.text("real")),
            op.call(GETATTR, op.glob("lab", "Model"), op.short_binstring("run")),
        ],
        ids=["of data", "special", "private", "of an object", "name in a native string"],
    )
    def test_getattr_for_anything_but_a_public_attribute_of_an_unknown_class(self, stream):
        assert judged(stream).outcome is Outcome.REFUSED

    def test_a_function_kept_as_data(self):
        assert judged(op.array(GETATTR)).outcome is Outcome.REFUSED

    def test_a_function_in_a_tuple_in_a_dict(self):
        assert judged(op.mapping(a=op.tup(op.tup(GETATTR)))).outcome is Outcome.REFUSED

    def test_a_function_given_to_an_unknown_class(self):
        assert judged(op.call(op.glob("lab", "Model"), GETATTR)).outcome is Outcome.REFUSED

    def test_a_function_as_the_factory_of_a_defaultdict(self):
        assert judged(op.call(op.glob("collections", "defaultdict"), GETATTR)).outcome is Outcome.REFUSED

    def test_a_function_made_by_newobj(self):
        assert judged(GETATTR + op.EMPTY_TUPLE + op.NEWOBJ).outcome is Outcome.REFUSED

    def test_state_of_a_class(self):
        assert judged(op.glob("datetime", "date") + op.mapping(today=op.NONE) + op.BUILD).outcome is Outcome.REFUSED

    def test_state_of_an_attribute_of_a_class(self):
        attribute = op.call(GETATTR, op.glob("lab", "Model"), op.text("run"))
        assert judged(attribute + op.mapping(a=op.NONE) + op.BUILD).outcome is Outcome.REFUSED

    def test_call_of_the_result_of_a_call(self):
        assert judged(op.call(op.call(op.glob("lab", "make")))).outcome is Outcome.REFUSED

    @pytest.mark.parametrize("name", ["__setstate__", "__class__", "__dict__", "__reduce_ex__"])
    @pytest.mark.parametrize(
        "target",
        [
            op.call(op.glob("argparse", "Namespace")),
            op.call(op.glob("collections", "OrderedDict")),
            op.call(op.glob("builtins", "ValueError")),
            op.call(op.glob("ipaddress", "IPv4Network"), op.text("10.0.0.0/8")),
        ],
        ids=["namespace", "dict", "exception", "network"],
    )
    def test_a_state_that_sets_a_special_attribute(self, target, name):
        plain = op.mapping(**{name: op.glob("pathlib", "PurePath")})
        assert judged(target + plain + op.BUILD).outcome is Outcome.REFUSED
        assert judged(target + op.tup(op.NONE, plain) + op.BUILD).outcome is Outcome.REFUSED

    def test_a_special_attribute_behind_a_run_of_numbers(self):
        items = op.text("a") + op.integer(1) * 66 + op.text("b") + op.text("__setstate__") + op.NONE
        state = op.EMPTY_DICT + op.MARK + items + op.SETITEMS
        assert judged(op.call(op.glob("argparse", "Namespace")) + state + op.BUILD).outcome is Outcome.REFUSED

    def test_a_special_attribute_in_the_third_part_of_a_buffer_state(self):
        state = op.tup(op.binbytes(b""), op.integer(0), op.mapping(__setstate__=op.glob("pathlib", "PurePath")))
        assert judged(op.call(op.glob("_io", "BytesIO")) + state + op.BUILD).outcome is Outcome.REFUSED

    def test_a_special_attribute_of_a_pandas_array(self):
        function = op.glob("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")
        state = op.tup(op.NONE, op.NONE, op.mapping(__setstate__=op.glob("pathlib", "PurePath")))
        stream = op.call(function, op.glob("pandas.arrays", "DatetimeArray"), op.integer(1), state)
        assert judged(stream).outcome is Outcome.REFUSED

    @pytest.mark.parametrize("encoding", ["rot13", "idna", "zlib_codec", "lab.evil"])
    def test_an_encoding_that_is_none_of_data(self, encoding):
        assert judged(op.call(ENCODE, op.text("x"), op.text(encoding))).outcome is Outcome.REFUSED
        assert (
            judged(op.call(op.glob("builtins", "str"), op.binbytes(b"x"), op.text(encoding))).outcome is Outcome.REFUSED
        )

    @pytest.mark.parametrize(
        "stream",
        [
            op.call(op.glob("pandas", "DatetimeTZDtype"), op.text("ns"), op.text("dateutil//etc/passwd")),
            op.call(op.glob("pandas.arrays", "DatetimeArray"), op.text("x")),
            op.call(op.glob("pandas.arrays", "SparseArray"), op.call(op.glob("types", "SimpleNamespace"))),
            op.call(op.glob("pandas", "SparseDtype"), op.text("Sparse[x]")),
            op.call(
                op.glob("pandas._libs.internals", "_unpickle_block"),
                op.call(op.glob("types", "SimpleNamespace")), op.integer(0), op.integer(1),
            ),
        ],
        ids=["time zone", "array of text", "array of an object", "type from text", "block of an object"],
    )  # fmt: skip
    def test_a_constructor_of_pandas_with_arguments_that_no_pickle_has(self, stream):
        assert judged(stream).outcome is Outcome.REFUSED

    def test_bytes_of_a_size(self):
        assert judged(op.call(op.glob("builtins", "bytes"), op.integer(1 << 40))).outcome is Outcome.REFUSED

    def test_tensors_rebuilt_from_tensors_rebuilt(self):
        rebuild, kind = op.glob("torch._tensor", "_rebuild_from_type_v2"), op.glob("torch", "Tensor")
        inner = op.tup(rebuild, kind, op.EMPTY_TUPLE, op.NONE)
        for _ in range(2000):
            inner = op.MARK + rebuild + kind + inner + op.NONE + op.TUPLE
        assert judged(rebuild + inner + op.REDUCE).outcome is Outcome.REFUSED

    def test_a_parameter_with_a_special_attribute(self):
        stream = op.call(PARAMETER, TENSOR, op.TRUE, op.EMPTY_DICT, op.mapping(__class__=op.glob("torch", "Tensor")))
        assert judged(stream).outcome is Outcome.REFUSED

    def test_keywords_for_a_name_of_data(self):
        stream = op.glob("datetime", "timedelta") + op.EMPTY_TUPLE + op.mapping(days=op.integer(1)) + op.NEWOBJ_EX
        assert judged(stream).outcome is Outcome.REFUSED

    def test_items_for_an_object_that_takes_none(self):
        stream = op.call(op.glob("decimal", "Decimal"), op.text("1")) + op.NONE + op.APPEND
        assert judged(stream).outcome is Outcome.REFUSED

    def test_a_number_from_the_extension_registry(self):
        assert judged(op.ext(7)).outcome is Outcome.REFUSED

    @pytest.mark.parametrize(
        "name",
        [op.call(op.glob("builtins", "str"), op.text("system")), op.text("x" * 300), op.short_binstring("getcwd")],
        ids=["computed", "too long", "native"],
    )
    def test_a_name_that_is_not_in_the_stream_as_text(self, name):
        assert judged(op.text("os") + name + op.STACK_GLOBAL).outcome is Outcome.REFUSED


class TestStorages:
    def test_what_torch_writes_is_data(self):
        assert judged(storage()).outcome is Outcome.DATA_ONLY

    @pytest.mark.parametrize(
        "other",
        [
            {"location": op.call(op.glob("types", "SimpleNamespace"))},
            {"key": op.glob("pathlib", "Path")},
            {"size": op.call(op.glob("decimal", "Decimal"), op.text("1"))},
        ],
        ids=["location", "key", "size"],
    )
    def test_an_object_in_place_of_text_is_not_known(self, other):
        assert judged(storage(**other)).outcome is Outcome.UNVERIFIABLE


PADDING = b" " * 300
TEXT_EVIL = "c__builtin__\neval\n(V1\ntR."


class TestNestedPickles:
    """torch.storage._load_from_bytes unpickles what it is given."""

    @pytest.mark.parametrize(
        "given",
        [
            op.binbytes(EVIL),
            op.binbytes(EVIL + PADDING),
            op.binbytes8(EVIL),
            op.bytearray8(EVIL),
            op.short_binstring(EVIL.decode("latin-1")),
            op.binstring((EVIL + PADDING).decode("latin-1")),
            op.string_line(TEXT_EVIL.replace("\n", "\\n")),
            op.string_line((TEXT_EVIL + " " * 300).replace("\n", "\\n")),
            op.call(ENCODE, op.text(EVIL.decode("latin-1")), op.text("latin1")),
            op.call(ENCODE, op.binunicode((EVIL + PADDING).decode("latin-1")), op.text("latin1")),
            op.call(ENCODE, op.unicode_line(TEXT_EVIL.replace("\n", "\\u000a")), op.text("latin1")),
            op.call(ENCODE, op.unicode_line((TEXT_EVIL + " " * 300).replace("\n", "\\u000a")), op.text("latin1")),
            op.call(ENCODE, op.short_binstring(EVIL.decode("latin-1") + "\xff"), op.text("latin1")),
            op.call(ENCODE, op.binstring((EVIL + PADDING).decode("latin-1") + "\xff"), op.text("latin1")),
            op.call(ENCODE, op.text(TEXT_EVIL)),
            op.call(ENCODE, op.binunicode(TEXT_EVIL + " " * 300), op.text("utf-8")),
        ],
        ids=[
            "bytes", "long bytes", "bytes of eight", "bytearray", "native", "long native", "quoted", "long quoted",
            "latin-1", "long latin-1", "line", "long line", "native as latin-1", "long native as latin-1",
            "utf-8 by default", "long utf-8",
        ],
    )  # fmt: skip
    def test_a_payload_is_found_in_every_form(self, given):
        inspection = judged(op.call(LOAD, given), protocol=2)
        assert inspection.outcome is Outcome.REFUSED
        assert {"os.getcwd", "builtins.eval"} & set(inspection.imports)

    @pytest.mark.parametrize("encoding", [(), (op.text("utf-8"),)], ids=["by default", "by name"])
    @pytest.mark.parametrize("padding", ["", " " * 300])
    def test_a_payload_that_is_one_only_as_utf_8(self, encoding, padding):
        # In Latin-1 the four bytes of the two letters are two, and the length takes in two letters of the payload.
        hidden = op.binunicode("U\x04éécos\ngetcwd\n)R." + padding)
        inspection = judged(op.call(LOAD, op.call(ENCODE, hidden, *encoding)))
        assert (inspection.outcome, "os.getcwd" in inspection.imports) == (Outcome.REFUSED, True)
        assert judged(op.call(LOAD, op.call(ENCODE, hidden, op.text("latin1")))).outcome is not Outcome.REFUSED

    @pytest.mark.parametrize(
        "given",
        [
            op.call(op.glob("builtins", "bytes"), op.array(op.integer(46))),
            op.call(op.glob("builtins", "bytearray"), op.binbytes(EVIL)),
            op.NEXT_BUFFER,
            op.integer(1),
        ],
        ids=["bytes of a list", "bytearray of bytes", "buffer", "number"],
    )
    def test_bytes_that_cannot_be_known_are_refused(self, given):
        assert judged(op.call(LOAD, given)).outcome is Outcome.REFUSED


class TestData:
    def test_a_namespace_of_hundreds_of_attributes(self):
        args = argparse.Namespace(**{f"option_{number}": number for number in range(900)})
        assert inspect(BytesSource(pickle.dumps(args))).outcome is Outcome.DATA_ONLY

    def test_attributes_with_odd_names(self):
        args = types.SimpleNamespace(**{"lr-scheduler": 1, "model.size": 2, "ü": 3, "": 4})
        assert inspect(BytesSource(pickle.dumps(args))).outcome is Outcome.DATA_ONLY

    def test_the_method_of_an_unknown_object_needs_approval(self):
        made = op.call(op.glob("lab", "Model"))
        inspection = judged(op.call(op.call(GETATTR, made, op.text("run"))))
        assert inspection.outcome is Outcome.NEEDS_APPROVAL
        assert inspection.needs == ("lab.Model", "lab.Model.run")

    @pytest.mark.parametrize("use", [op.TUPLE1, op.TUPLE1 + op.NONE + op.TUPLE2])
    def test_an_attribute_of_an_unknown_class_needs_approval_even_if_nobody_calls_it(self, use):
        attribute = op.call(GETATTR, op.glob("lab", "Model"), op.text("run"))
        inspection = judged(attribute + use)
        assert inspection.needs == ("lab.Model", "lab.Model.run")
