"""The vectors of the checks for TorchScript, torch.package, torch.export, AOTInductor and ExecuTorch."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus.torch_files import archive, executorch, exported, package, torchscript

Vectors = Iterator[tuple[str, bytes]]


def _torch_programs() -> Vectors:
    yield "torchscript.pt", torchscript()
    yield "file-operator.pt", torchscript(b"def f(x):\n  t = torch\n  return t.from_file(x, True, 8)\n")
    yield "library-operator.pt", torchscript(b"def f(x: str):\n  return ops.image.read_file(x)\n")
    yield "operators-by-another-name.pt", torchscript(b"def f(x: str):\n  o = ops\n  return o.image.read_file(x)\n")
    yield "native-class.pt", torchscript(kind="__torch__.torch.classes.c10d")
    yield "bytecode.ptl", torchscript(bytecode_pkl=b"\x80\x02X\x0f\0\0\0aten::from_file.")
    yield "names-in-upper-case.pt", archive({"CONSTANTS.PKL": b"\x80\x02).", "VERSION": b"3\n"})
    yield "flatbuffer.ff", b"\x38\0\0\0PTMF" + bytes(56)
    yield "package.pt", package({"lab/net.py": b"print('a vector')\n"})
    yield "exported.pt2", exported()
    yield "exported-foreign-operator.pt2", exported("torch.ops.lab.write_file.default")
    yield "exported-until-2.7.pt2", archive({"serialized_exported_program.json": b"{}", "version": b"8.5"}, "e")
    yield "program.pte", executorch(delegate="XnnpackBackend")
    yield "foreign-operator.pte", executorch("lab::write_file")


def _native_code() -> Vectors:
    yield "library.pt2", archive({"data/aotinductor/model/a.wrapper.so": b"\x7fELF", "archive_format": b"pt2"})
    yield "sources.pt2", archive({"data/aotinductor/model/a.wrapper.cpp": b"int a;"})
    yield "upper-case.pt2", archive({"DATA/AOTINDUCTOR/model/a.wrapper.so": b"\x7fELF"})
    yield (
        "beside-torchscript.pt",
        archive({"constants.pkl": b"\x80\x02).", "version": b"3\n", "data/aotinductor/m/a.so": b"\x7fELF"}),
    )


def _export_expressions() -> Vectors:
    for name, text in (
        ("import", "__import__('os').getpid()"),
        ("text-from-numbers", "eval(chr(49))"),
        ("attribute", "s0.free_symbols"),
        ("called-result", "(s0)(1)"),
        ("index", "Max[0]"),
        ("lambda", "Lambda(s0, s0)"),
        ("white-space-before-a-call", "print (1)"),
    ):
        yield f"{name}.pt2", exported(size=text)
    yield (
        "until-2.7.pt2",
        archive({"serialized_exported_program.json": b'{"expr_str": "print(1)"}', "version": b"8.5"}, "e"),
    )
    twice = b'{"nodes": [{"expr_str": "print(1)", "expr_str": "s0"}]}'
    yield "name-twice.pt2", archive({"models/model.json": twice, "archive_format": b"pt2"})


def _arithmetic() -> Vectors:
    yield "arithmetic.pt2", exported(size="Max(1, 2*s0 + FloorDiv(s0, 3)) - 0.5e1")
    yield "torchscript.pt", torchscript()


def _no_program() -> Vectors:
    yield "members-like-a-program.zip", archive({"model.json": b"{}", "code/a.py": b"x = 1"})
    yield "not-a-flatbuffer.bin", bytes(8) + b"ET12"


CHECKS = {
    "export-expressions": (_export_expressions, _arithmetic),
    "native-code": (_native_code, _arithmetic),
    "torch-programs": (_torch_programs, _no_program),
}
