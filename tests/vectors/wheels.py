"""Wheels: written member by member, so that each field of one can be a lie."""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes
from weighlock.artifact import PackageFile
from weighlock.formats.record import keys

Vectors = Iterator[tuple[str, bytes]]
Files = dict[str, bytes | str]

MODULE = "x = 1\n"
ABOUT = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"


def file_name(name: str, version: str = "1.0", tag: str = "py3-none-any") -> str:
    """Return the file name of a wheel."""
    return f"{name}-{version}-{tag}.whl"


def wheel(
    name: str,
    files: Files | None = None,
    *,
    version: str = "1.0",
    tag: str = "py3-none-any",
    fields: Sequence[str] = (),
    metadata: bytes | str | None = None,
    scripts: Sequence[str] = (),
    members: Sequence[Member] = (),
    record: str | None = None,
    **layout: Any,
) -> tuple[str, bytes]:
    """Write a wheel that is all right but for what is asked for.

    Args:
        name: Of the project.
        files: Further members; `None` for an ordinary module.
        version: Of the release.
        tag: Of the file name.
        fields: Further fields of METADATA.
        metadata: All of METADATA.
        scripts: Names of console scripts.
        members: Further members, which RECORD lists with their true digests.
        record: All of RECORD.
        layout: For `zip_bytes`.

    Returns:
        Its file name and its bytes.
    """
    info = f"{name}-{version}.dist-info"
    content: Files = {f"{name}.py": MODULE} if files is None else dict(files)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *fields]
    content[f"{info}/METADATA"] = "\n".join(lines) + "\n" if metadata is None else metadata
    content[f"{info}/WHEEL"] = ABOUT.format(pure="true" if tag.endswith("-any") else "false", tag=tag)
    if scripts:
        content[f"{info}/entry_points.txt"] = "[console_scripts]\n" + "".join(f"{s} = {name}:main\n" for s in scripts)
    listed = [*(Member(name=key, data=_bytes(value)) for key, value in content.items()), *members]
    if record is None:
        record = "".join(map(row, listed)) + f"{info}/RECORD,,\n"
    listed.append(Member(name=f"{info}/RECORD", data=_bytes(record)))
    return file_name(name, version, tag), zip_bytes(listed, **layout)


def row(member: Member, path: str | None = None) -> str:
    """Return the line of RECORD for a member."""
    return f"{path or member.name},sha256={digest(member.data)},{len(member.data)}\n"


def digest(data: bytes, algorithm: str = "sha256") -> str:
    """Return a digest as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value


def unicode_path(shown: str, name: str) -> bytes:
    """Return the extra field that gives a member another name (Info-ZIP)."""
    body = b"\x01" + struct.pack("<L", zlib.crc32(shown.encode())) + name.encode()
    return struct.pack("<HH", 0x7075, len(body)) + body


def _module(name: str, **fields: Any) -> Member:
    return Member(name=name, data=MODULE.encode(), **fields)


def _plain() -> Vectors:
    yield wheel("plain")
    yield wheel("package", {"package/__init__.py": MODULE, "package/data.txt": "text\n"}, scripts=["package"])
    yield wheel("native", {"native.abi3.so": b"\x7fELF" + bytes(60)}, tag="cp311-abi3-linux_x86_64")


def _wheel_structure() -> Vectors:
    yield wheel("parent_folder", members=[_module("../outside.py")])
    yield wheel("dot_part", members=[_module("package/./module.py")])
    yield wheel("absolute", members=[_module("/tmp/outside.py")])
    yield wheel("drive", members=[_module("C:/outside.py")])
    yield wheel("backslash", members=[_module("package\\..\\outside.py")])
    yield wheel("zero_byte", members=[_module("sitecustomize.py\0.txt")])
    yield wheel("symbolic_link", members=[_module("link", mode=stat.S_IFLNK | 0o777)])
    yield wheel("device", members=[_module("device", mode=stat.S_IFCHR | 0o666)])
    yield wheel("set_user_id", members=[_module("tool", mode=stat.S_IFREG | stat.S_ISUID | 0o755)])
    yield wheel("twice", members=[_module("other.py"), Member(name="other.py", data=b"y = 2\n")])
    yield wheel("by_case", members=[_module("package/a.py"), _module("package/A.py")])
    yield wheel(
        "by_composition",
        members=[_module("package/\u00e9.py", flags=0x800), _module("package/e\u0301.py", flags=0x800)],
    )
    yield wheel("through_data", members=[_module("a.py"), _module("through_data-1.0.data/purelib/a.py")])
    yield wheel("file_and_folder", members=[_module("package"), _module("package/a.py")])
    yield wheel("encrypted", members=[_module("secret.py", flags=1, local_flags=1)])
    yield wheel("two_names", members=[_module("shown.py", local_name="other.py")])
    yield wheel("unicode_name", members=[_module("shown.py", central_extra=unicode_path("shown.py", "other.py"))])
    yield wheel("unlisted", members=[_module("hidden.py", listed=False)])
    yield wheel("in_front", prefix=b"#!/bin/sh\n")
    yield wheel("script_outside", scripts=["../../tool"])
    yield wheel("unknown_scheme", members=[_module("unknown_scheme-1.0.data/else/a.py")])
    yield wheel("long_name", members=[_module("a" * 300 + ".py")])


def _listed(name: str, *rows: str, module: str = "") -> str:
    """Return a RECORD of a plain wheel: all right but for what stands in `rows` and for the module's row."""
    info = f"{name}-1.0.dist-info"
    metadata = Member(name=f"{info}/METADATA", data=f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n".encode())
    about = Member(name=f"{info}/WHEEL", data=ABOUT.format(pure="true", tag="py3-none-any").encode())
    module = module or row(_module(f"{name}.py"))
    return "".join([module, row(metadata), row(about), *rows, f"{info}/RECORD,,\n"])


def _wheel_record() -> Vectors:
    size, code = len(MODULE), MODULE.encode()
    yield wheel("unlisted_file", members=[_module("extra.py")], record=_listed("unlisted_file"))
    yield wheel("absent_file", record=_listed("absent_file", row(_module("gone.py"))))
    name = "other_digest"
    yield wheel(name, record=_listed(name, module=f"{name}.py,sha256={digest(b'other')},{size}\n"))
    name = "other_size"
    yield wheel(name, record=_listed(name, module=f"{name}.py,sha256={digest(code)},{size + 1}\n"))
    name = "weak_digest"
    yield wheel(name, record=_listed(name, module=f"{name}.py,md5={digest(code, 'md5')},{size}\n"))
    name = "no_digest"
    yield wheel(name, record=_listed(name, module=f"{name}.py,,\n"))
    name = "two_rows"
    yield wheel(name, record=_listed(name, f"{name}.py,sha256={digest(b'other')},{size}\n"))
    name = "other_ends"
    yield wheel(name, record=_listed(name).replace("\n", "\x85", 1))
    name = "four_fields"
    yield wheel(name, record=_listed(name, "a,,,more\n"))
    yield wheel("second_info", {"second_info.py": MODULE, "other-1.0.dist-info/METADATA": "Name: other\n"})
    name = "no_record"
    yield (file_name(name), zip_bytes([_module(f"{name}.py"), Member(name=f"{name}-1.0.dist-info/METADATA", data=b"")]))


def _records() -> Vectors:
    yield from _plain()
    name = "windows_lines"
    yield wheel(name, record=_listed(name).replace("\n", "\r\n"))
    name = "quoted"
    yield wheel(
        name, {"quoted.py": MODULE}, record=_listed(name, module=f'"{name}.py",{row(_module(name)).split(",", 1)[1]}')
    )
    name = "padded"
    yield wheel(
        name, record=_listed(name, module=row(_module(f"{name}.py")).replace(f",{len(MODULE)}\n", f"=,{len(MODULE)}\n"))
    )
    files: Files = {"vendors.py": MODULE, "vendors/other-2.0.dist-info/METADATA": "Name: other\n"}
    yield wheel("vendors", files)


def _wheel_metadata() -> Vectors:
    start = "Metadata-Version: 2.4\n"
    yield wheel("other_name", metadata=f"{start}Name: else\nVersion: 1.0\n")
    yield wheel("other_version", metadata=f"{start}Name: other_version\nVersion: 1.1\n")
    yield wheel("no_version", metadata=f"{start}Name: no_version\n")
    yield wheel("two_names", metadata=f"{start}Name: two_names\nName: else\nVersion: 1.0\n")
    yield wheel("not_text", metadata=b"Name: not_text\nVersion: 1.0\n\n\xff\xfe")
    yield wheel("too_long", metadata="Name: too_long\nVersion: 1.0\n" + "K: v\n" * 20_001)
    yield wheel("direct_url", {"direct_url.py": MODULE, "direct_url-1.0.dist-info/direct_url.json": "{}"})
    yield file_name("called_else"), wheel("other_folder")[1]
    yield wheel("forges", {"forges-1.0.data/purelib/requests-9.9.dist-info/METADATA": "Name: requests\nVersion: 9.9\n"})
    yield wheel("forges_own", {"forges_own-1.0.data/purelib/forges_own-1.0.dist-info/direct_url.json": "{}"})
    yield wheel("forges_egg", {"requests.egg-info": "Name: requests\nVersion: 9.9\n"})
    yield wheel("not_asked_for")
    yield wheel("signed", {"signed.py": MODULE, "signed-1.0.dist-info/RECORD.jws": "{}"})


def _metadata() -> Vectors:
    yield from _plain()
    yield wheel("asked_for")
    yield wheel("Spelled_Other", metadata="Metadata-Version: 2.4\nName: spelled.other\nVersion: 1.0.0\n\nName: body\n")


def _url_dependencies() -> Vectors:
    yield wheel("by_url", fields=["Requires-Dist: other @ https://example.org/other-1.0.tar.gz"])
    yield wheel("by_repository", fields=["Requires-Dist: other[x]@git+https://example.org/other ; python_version>'3'"])
    yield wheel("by_file", fields=["Requires-Dist: other @ file:///tmp/other"])
    yield wheel("not_a_requirement", fields=["Requires-Dist: other @@ https://example.org/other-1.0.tar.gz"])


def _dependencies() -> Vectors:
    yield from _plain()
    yield wheel("by_name", fields=["Requires-Dist: other[x] (>=1.0,<2) ; extra == 'all'", "Requires-Dist: third"])


COVERAGE = (
    """import sys; exec('import os\\n\\nif os.getenv("COVERAGE_PROCESS_START") or """
    """os.getenv("COVERAGE_PROCESS_CONFIG"):\\n try:\\n  import coverage\\n except:\\n  pass\\n """
    """else:\\n  coverage.process_startup(slug="pth")')"""
)
NAMESPACE = (
    "import sys, types, os;p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('space', 'inner'));importlib = "
    "__import__('importlib.util');__import__('importlib.machinery');m = sys.modules.setdefault('space.inner', "
    "importlib.util.module_from_spec(importlib.machinery.PathFinder.find_spec('space.inner', [os.path.dirname(p)])));"
    "m = m or sys.modules.setdefault('space.inner', types.ModuleType('space.inner'));mp = (m or []) and "
    "m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p);"
    "m and setattr(sys.modules['space'], 'inner', m)"
)


def _pth(name: str, text: str, path: str = "") -> tuple[str, bytes]:
    return wheel(name, {path or f"{name}.pth": text, f"{name}.py": MODULE})


def _startup_files() -> Vectors:
    yield _pth("imports", "import imports\n")
    yield _pth("decodes", "import base64; exec(base64.b64decode('cHJpbnQoMSk='))\n")
    yield _pth("long_line", f"import long_line{' ' * 600}; long_line.x\n")
    yield _pth("spawns", "import subprocess; subprocess.Popen(['true'])\n")
    yield _pth("with_a_mark", "\ufeffimport with_a_mark\n")
    yield _pth("tab", "import\ttab\n")
    yield _pth("only_new_lines", "# comment\x85import only_new_lines\n")
    yield _pth("only_returns", "# comment\rimport only_returns\n")
    yield _pth("through_data", "import through_data\n", "through_data-1.0.data/purelib/a.pth")
    yield _pth("through_prefix", "import sys\n", "through_prefix-1.0.data/data/lib/python3.11/site-packages/a.pth")
    yield _pth("through_windows", "import sys\n", "through_windows-1.0.data/data/Lib/site-packages/a.pth")
    yield _pth("prefix_of_windows", "import sys\n", "prefix_of_windows-1.0.data/data/a.PTH")
    yield _pth("any_data_folder", "import sys\n", "x.data/platlib/a.pth")
    yield _pth("start", "start:main\n", "start.start")
    yield _pth("huge", "# x\n" * 40_000)
    yield _pth("leads_away", "/tmp/modules\n")
    yield _pth("leads_up", "inner/../../../modules\n")
    yield _pth("coverage_by_another", f"{COVERAGE}\n")
    yield wheel("coverage", {"a1_coverage.pth": f"{COVERAGE}\nimport more\n"}, version="7.17.4")
    yield _pth("namespace_and_more", f"{NAMESPACE};import more\n")
    yield wheel("customize", {"sitecustomize.py": MODULE})
    yield wheel("customize_user", {"usercustomize/__init__.py": MODULE})
    yield wheel("customize_native", {"sitecustomize.abi3.so": MODULE})
    yield wheel("customize_data", {"customize_data-1.0.data/data/lib/python3.12/sitecustomize.py": MODULE})
    yield wheel("customize_by_path", {"customize_by_path.pth": "inner\n", "inner/sitecustomize.py": MODULE})
    yield wheel(
        "configures_pip", {"configures_pip-1.0.data/data/pip.conf": "[global]\nindex-url = https://example.org\n"}
    )
    yield wheel("configures_shells", {"configures_shells-1.0.data/data/etc/conda/activate.d/a.sh": "true\n"})
    yield wheel("customize_in_zip", {"customize_in_zip.pth": "inner.zip\n", "inner.zip": "PK\x05\x06" + "\0" * 18})
    yield wheel("customize_in_case", {"customize_in_case.pth": "INNER\n", "inner/sitecustomize.py": MODULE})
    yield wheel("customize_of_windows", {"customize_of_windows-1.0.data/data/sitecustomize.py": MODULE})
    yield _pth("folder_of_another", "another/inner\n")
    yield wheel("line_end_of_latin_1", {"line_end_of_latin_1.pth": b"# \xff\x85import this\n"})
    yield wheel("archive_of_python", {"archive_of_python-1.0.data/data/python311.zip": "PK\x05\x06" + "\0" * 18})
    yield wheel("library_of_python", {"library_of_python-1.0.data/data/python311.dll": "MZ"})
    yield wheel("environment", {"environment-1.0.data/data/pyvenv.cfg": "home = /tmp\n"})


def _no_startup_files() -> Vectors:
    yield from _plain()
    yield wheel("weights", {"weights/model.pth": "import this\n", "weights/start.py": MODULE})
    yield wheel("nested", {"nested/bootstrap/sitecustomize.py": MODULE})


def _shadows_standard_library() -> Vectors:
    yield wheel("module", {"distutils.py": MODULE})
    yield wheel("folder", {"asyncore/__init__.py": MODULE})
    yield wheel("unbuilt", {"_lzma.cpython-311-x86_64-linux-gnu.so": MODULE})
    yield wheel("unbuilt_stable", {"unbuilt_stable-1.0.data/platlib/_sqlite3.abi3.so": MODULE})
    yield wheel("itself", {"itself-1.0.data/data/lib/python3.11/json/extra.py": MODULE})
    yield wheel("legacy_cgi", {"cgi.py": MODULE})  # known: told of
    yield wheel("standard_telnetlib", {"cgi.py": MODULE})


def _no_shadows() -> Vectors:
    yield from _plain()
    yield wheel("apart", {"apart/json.py": MODULE, "json5/__init__.py": MODULE, "apart/os/__init__.py": MODULE})


def _shadows_other_distribution() -> Vectors:
    yield wheel("overwrites", {"requests/api.py": MODULE})
    yield wheel("overwrites_script", {"overwrites_script-1.0.data/scripts/tool": "#!python\n"})
    yield wheel("shares", {"requests/extra.py": MODULE})


def _no_other_distribution() -> Vectors:
    yield wheel("overwrites_nothing", {"other/api.py": MODULE})
    yield wheel("requests", {"requests/api.py": MODULE})  # its own


def _shadows_command() -> Vectors:
    yield wheel("lists", scripts=["ls"])
    yield wheel("installs", scripts=["pip3.12"])
    ini = "[console_scripts]\nls : as_settings:main\n"
    yield wheel("as_settings", {"as_settings.py": MODULE, "as_settings-1.0.dist-info/entry_points.txt": ini})
    yield wheel("by_file", {"by_file-1.0.data/scripts/sudo": "#!python\n"})
    yield wheel("by_prefix", {"by_prefix-1.0.data/data/bin/git": "#!python\n"})
    yield wheel("for_windows", {"for_windows-1.0.data/scripts/CMD.EXE": "MZ"})
    yield wheel("interprets", {"interprets-1.0.data/scripts/python3": "#!python\n"})


def _no_command() -> Vectors:
    yield from _plain()
    yield wheel("pip", scripts=["pip", "pip3", "pip3.12"])
    yield wheel("reads", {"reads-1.0.data/scripts/readelf.py": "#!python\n"}, scripts=["reads", "git-reads"])


def _undeclared_native_code() -> Vectors:
    yield wheel("library", {"library/core.so": b"\x7fELF", "library/__init__.py": MODULE})
    yield wheel("launcher", {"launcher/t64.exe": b"MZ"})


def _generic_top_level() -> Vectors:
    yield wheel("forgetful", {"forgetful.py": MODULE, "tests/__init__.py": MODULE})


_DANGEROUS = op.stream(op.call(op.glob("posix", "system"), op.text("true")), protocol=2)
_OWN_CLASS = op.stream(op.glob("project.models", "Classifier") + op.EMPTY_TUPLE + op.NEWOBJ)


def _models_in_package() -> Vectors:
    yield wheel("weights", {"weights/model.pt": zip_bytes([Member(name="archive/data.pkl", data=_DANGEROUS)])})
    yield wheel("no_ending", {"no_ending/weights": _DANGEROUS})
    yield wheel(
        "as_source", {"as_source/data.py": op.stream(op.call(op.glob("os", "system"), op.text("true")), protocol=0)}
    )
    yield wheel("needs_a_class", {"needs_a_class/tests/clf.pkl": _OWN_CLASS})
    yield wheel("compressed", {"compressed/data": zlib.compress(_DANGEROUS)})


def _harmless_models() -> Vectors:
    yield from _plain()
    yield wheel(
        "plain_data", {"plain_data/data.pkl": op.stream(op.EMPTY_DICT), "plain_data/notes.txt": "Copyright\nme\n"}
    )
    yield wheel("template", {"template/page.jinja": "{% extends 'base' %}{{ x.__class__ }}"})


SURROUNDINGS: dict[str, dict[str, Any]] = {
    file_name("asked_for"): {"expected": PackageFile(name="asked-for", version="1.0", filename=file_name("asked_for"))},
    file_name("not_asked_for"): {
        "expected": PackageFile(name="else", version="1.0", filename=file_name("not_asked_for"))
    },
    **{
        file_name(name): {"owners": keys(["requests/api.py", "../../../bin/tool"], "requests")}
        for name in ("overwrites", "overwrites_script", "overwrites_nothing", "requests", "shares")
    },
}
"""What `inspect_wheel` is told besides, by file name."""

CHECKS = {
    "generic-top-level": (_generic_top_level, _plain),
    "models-in-package": (_models_in_package, _harmless_models),
    "shadows-command": (_shadows_command, _no_command),
    "shadows-other-distribution": (_shadows_other_distribution, _no_other_distribution),
    "shadows-standard-library": (_shadows_standard_library, _no_shadows),
    "startup-files": (_startup_files, _no_startup_files),
    "undeclared-native-code": (_undeclared_native_code, _plain),
    "url-dependencies": (_url_dependencies, _dependencies),
    "wheel-metadata": (_wheel_metadata, _metadata),
    "wheel-record": (_wheel_record, _records),
    "wheel-structure": (_wheel_structure, _plain),
}
