"""Hidden code, in every spelling in which it has been hidden or could be; nothing of it is ever run."""

from __future__ import annotations

import base64
import codecs

import pytest

from weighlock.formats.python.source import read

_B64 = base64.b64encode(b"print('a vector')").decode()
_TAIL = f"(__import__('base64').b64decode('{_B64}'))\n"

DIRECT = {
    "plain": f"import base64\nexec(base64.b64decode('{_B64}'))",
    "decoded_to_text": f"import base64\nexec(base64.b64decode('{_B64}').decode())",
    "compiled_first": f"import base64\nexec(compile(base64.b64decode('{_B64}'), 'x', 'exec'), {{}})",
    "import_in_place": f"exec{_TAIL}",
    "continued_line": f"import base64\nexec\\\n(base64\\\n.b64decode('{_B64}'))",
    "form_feed": f"import base64\n\x0cexec\x0c(base64.b64decode('{_B64}'))",
    "carriage_returns": f"import base64\rexec(base64.b64decode('{_B64}'))\r",
    "alias_of_function": f"from base64 import b64decode as x\ny = exec\ny(x('{_B64}'))",
    "alias_of_module": f"import base64 as b\nexec(b.urlsafe_b64decode('{_B64}'))",
    "through_tuple": f"import base64\na, b = exec, base64.b64decode\na(b('{_B64}'))",
    "default_of_builtins": f"__builtins__.exec{_TAIL}",
    "item_of_builtins": f"__builtins__['exec']{_TAIL}",
    "dict_of_builtins": f"import builtins\nbuiltins.__dict__['exec']{_TAIL}",
    "vars_of_builtins": f"import builtins\nvars(builtins)['exec']{_TAIL}",
    "module_table": f"import sys\nsys.modules['builtins'].exec{_TAIL}",
    "getattr_of_builtins": f"import builtins\ngetattr(builtins, 'exec'){_TAIL}",
    "getattr_in_pieces": f"import builtins\ngetattr(builtins, 'ex' + 'ec'){_TAIL}",
    "getattr_backwards": f"import builtins\ngetattr(builtins, 'cexe'[::-1]){_TAIL}",
    "getattr_joined": f"import builtins\ngetattr(builtins, ''.join(['e', 'x', 'e', 'c'])){_TAIL}",
    "getattr_of_numbers": f"import builtins\ngetattr(builtins, ''.join(map(chr, [101, 120, 101, 99]))){_TAIL}",
    "getattr_by_variable": f"import builtins\nn = 'ev' + 'al'\ngetattr(builtins, n){_TAIL}",
    "getattr_by_base64": f"import builtins, base64\ngetattr(builtins, base64.b64decode('ZXhlYw==').decode()){_TAIL}",
    "globals_item": f"globals()['__builtins__'].exec{_TAIL}",
    "globals_in_pieces": f"globals()['__buil' + 'tins__']['exec']{_TAIL}",
    "module_by_pieces": f"__import__('buil' + 'tins').exec{_TAIL}",
    "import_module": f"import importlib\nimportlib.import_module('builtins').exec{_TAIL}",
    "wide_letters": f"\uff45\uff58\uff45\uff43{_TAIL}",
    "script_letters": f"\U0001d4ee\U0001d501\U0001d4ee\U0001d4ec{_TAIL}",
    "in_lambda": f"(lambda f: f(__import__('base64').b64decode('{_B64}')))(exec)",
    "in_map": f"import base64\nany(map(exec, [base64.b64decode('{_B64}')]))",
    "in_comprehension": f"import base64\n[exec(base64.b64decode(x)) for x in ['{_B64}']]",
    "walrus": f"import base64\nexec((x := base64.b64decode('{_B64}')))",
    "in_method": f"import base64\nclass A:\n    def f(self):\n        exec(base64.b64decode('{_B64}'))",
    "decorators": "import base64\n@exec\n@base64.b64decode\n@(lambda _: 'eA==')\nclass A: pass",
    "attribute_of_class": f"import base64\nclass A:\n    run = exec\nA.run(base64.b64decode('{_B64}'))",
    "partial": f"import base64, functools\nfunctools.partial(exec, base64.b64decode('{_B64}'))()",
    "spawned": f"import os, sys\nos.spawnv(0, sys.executable, ['-c', \"exec{_TAIL.strip()}\"])",
    "unpacked": f"import base64\nexec(*[base64.b64decode('{_B64}')])",
    "compressed": "import zlib\nexec(zlib.decompress(b'x'))",
    "compressed_object": "import zlib\nexec(zlib.decompressobj().decompress(b'x'))",
    "two_layers": f"import zlib, base64\nexec(zlib.decompress(base64.b64decode('{_B64}')))",
    "other_bases": "import base64\nexec(base64.b85decode('x'))\nexec(base64.a85decode('y'))",
    "hexadecimal": "exec(bytes.fromhex('783d31'))",
    "unhexlify": "import binascii\nexec(binascii.unhexlify('783d31'))",
    "hex_codec": "import codecs\nexec(codecs.decode('783d31', 'hex'))",
    "rot13": f"import codecs\nexec(codecs.decode('{codecs.encode('x = 1', 'rot13')}', 'rot13'))",
    "backwards": "exec((lambda: '1 = x')()[::-1])",
    "characters": "exec(''.join(chr(c) for c in [120, 61, 49]))",
    "characters_xor": "exec(''.join(chr(c ^ 7) for c in b'abc'))",
    "bytes_xor": "exec(bytes(c ^ 7 for c in b'abc'))",
    "bytes_of_list": "exec(bytes([120, 61, 49]))",
    "decrypted": "from cryptography.fernet import Fernet\nexec(Fernet(b'k').decrypt(b'x'))",
    "marshalled": "import marshal\nexec(marshal.loads(b'x'))",
    "made_function": "import marshal, types\ntypes.FunctionType(marshal.loads(b'x'), globals())()",
    "fetched": "import urllib.request\nexec(urllib.request.urlopen('http://127.0.0.1').read())",
    "fetched_by_requests": "import requests\nexec(requests.get('http://127.0.0.1').text)",
    "shell_of_base64": f"import os, base64\nos.system(base64.b64decode('{_B64}').decode())",
    "process_of_base64": f"import subprocess, base64\nsubprocess.run(base64.b64decode('{_B64}'), shell=True)",
    "piped_to_shell": "import os\nos.system('echo eA== | base64 -d | sh')",
    "child_that_decodes": f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', \"exec{_TAIL.strip()}\"])",
    "child_of_variable": (
        f"import subprocess, sys\nC = \"import base64; exec(base64.b64decode('{_B64}'))\"\n"
        "subprocess.Popen([sys.executable, '-c', C])"
    ),
    "import_of_decoded": "import base64\n__import__(base64.b64decode('b3M=').decode()).getcwd()",
}

PAYLOADS = {
    "variable": f"import base64\nx = base64.b64decode('{_B64}')\nexec(x)",
    "two_variables": f"import base64\nx = base64.b64decode('{_B64}')\ny = x\nexec(y)",
    "text_in_a_variable": f"import base64\na = '{_B64}'\nx = base64.b64decode(a)\nexec(x)",
    "text_set_twice": f"import base64\na = '{_B64}'\na = a + ''\nx = base64.b64decode(a)\nexec(x)",
    "loop": f"import base64\nfor x in [base64.b64decode('{_B64}')]:\n    exec(x)",
    "executing_function": f"import base64\ndef run(x):\n    exec(x)\nrun(base64.b64decode('{_B64}'))",
    "executing_lambda": f"import base64\n(lambda x: exec(x))(base64.b64decode('{_B64}'))",
    "default_of_a_parameter": f"import base64\ndef f(x=base64.b64decode('{_B64}')):\n    exec(x)\nf()",
    "star": f"from base64 import *\nexec(b64decode('{_B64}'))",
    "star_of_zlib": "from zlib import *\nexec(decompress(b'x'))",
    "timed": f"import base64, timeit\ntimeit.timeit(base64.b64decode('{_B64}').decode(), number=1)",
    "profiled": f"import base64, cProfile\ncProfile.run(base64.b64decode('{_B64}'))",
    "debugged": f"import base64, bdb\nbdb.Bdb().run(base64.b64decode('{_B64}'))",
    "interpreter_in_python": f"import base64, code\ncode.InteractiveConsole().push(base64.b64decode('{_B64}'))",
    "native_interpreter": f"import base64, ctypes\nctypes.pythonapi.PyRun_SimpleString(base64.b64decode('{_B64}'))",
    "unpickled": f"import base64, pickle\npickle.loads(base64.b64decode('{_B64}'))",
    "marshalled_constants": f"import marshal\ndef f(): pass\nf.__code__ = marshal.loads(b'{_B64}')",
    "resolved": f"import base64, pkgutil\npkgutil.resolve_name('buil' + 'tins:exec')(base64.b64decode('{_B64}'))",
    "frame": f"import sys\nsys._getframe().f_globals['__buil' + 'tins__']['ex' + 'ec']{_TAIL}",
    "imported_module_table": f"from sys import modules as m\nm['buil' + 'tins'].__dict__['ex' + 'ec']{_TAIL}",
    "item_of_a_list": f"[exec][0]{_TAIL}",
    "item_of_a_dictionary": f"{{'a': exec}}['a']{_TAIL}",
    "called_by_its_method": f"exec.__call__{_TAIL}",
    "operator": f"import operator, builtins\noperator.attrgetter('ex' + 'ec')(builtins){_TAIL}",
    "thread": f"import base64, threading\nthreading.Thread(target=exec, args=(base64.b64decode('{_B64}'),)).start()",
    "key": f"import base64\nsorted([base64.b64decode('{_B64}')], key=exec)",
    "nested_deeply": f"import base64\nexec({'str(' * 18}base64.b64decode('{_B64}'){')' * 18})",
    "compressed_file": "import gzip, io\nexec(gzip.GzipFile(fileobj=io.BytesIO(b'x')).read())",
    "archive": "import io, zipfile\nexec(zipfile.ZipFile(io.BytesIO(b'x')).read('a'))",
    "unicode_escapes": "exec(b'x'.decode('unicode_escape'))",
    "percent_c": "exec('%c%c' % tuple([120, 49]))",
    "mapped_to_bytes": "exec(bytes(map(int, '120 49'.split())))",
    "comprehended": f"import base64\nexec([base64.b64decode(x) for x in ['{_B64}']][0])",
}

THROUGH = {
    "variable_of_others": "import base64, sys\nx = base64.b64decode(sys.argv[1])\nexec(x)",
    "helper": "import base64\ndef f(x):\n    return base64.b64decode(x)\nexec(f('eA=='))",
    "with_file": "import gzip\nwith open('x') as f:\n    t = gzip.decompress(f.read())\nexec(t)",
}

HONEST = {
    "model_eval": "import base64\nmodel.eval()\nx = base64.b64decode('eA==')\n",
    "own_method": "import zlib\nself.exec(zlib.decompress(x))\n",
    "regular_expression": "import re, base64\nre.compile(base64.b64decode(x).decode())\n",
    "template": "exec(compile(TEMPLATE.format(name='x'), '<t>', 'exec'))\n",
    "literal_eval": "import ast, base64\nast.literal_eval(base64.b64decode(x).decode())\n",
    "file_in_utf8": "exec(open(path, 'rb').read().decode('utf-8'))\n",
    "list_backwards": "names = [x for x in y][::-1]\nexec('x = 1')\n",
    "data_of_others": "import base64, pickle\ndef load(x):\n    return pickle.loads(base64.b64decode(x))\n",
    "numbers_of_a_test": "import pickle, struct\npickle.loads(struct.pack('<Q', 1) + b'a value that is packed here')\n",
    "own_to_bytes": "import subprocess\nfrom x.text import to_bytes\nsubprocess.Popen([to_bytes('git'), 'describe'])\n",
    "data_of_a_child": "import base64, marshal\nargs = marshal.loads(base64.b64decode(line))\n",
    "program": "import subprocess\nsubprocess.run(['git', 'describe'], capture_output=True).stdout.decode()\n",
    "in_a_comment": "# exec(base64.b64decode('x'))\nx = 1\n",
    "in_a_docstring": '"""Never write exec(base64.b64decode(x))."""\n',
}


@pytest.mark.parametrize("source", [*DIRECT.values(), *PAYLOADS.values()], ids=[*DIRECT, *PAYLOADS])
def test_hidden_code_is_seen(source: str):
    found = read("demo/__init__.py", source.encode())
    assert found.problem is None
    assert any(execution.direct for execution in found.executions), found


@pytest.mark.parametrize("source", THROUGH.values(), ids=list(THROUGH))
def test_hidden_code_behind_a_variable_or_a_helper_is_told(source: str):
    found = read("demo/__init__.py", source.encode())
    assert [execution.direct for execution in found.executions] == [False]


@pytest.mark.parametrize("source", HONEST.values(), ids=list(HONEST))
def test_honest_code_is_not_taken_for_hidden_code(source: str):
    found = read("demo/__init__.py", source.encode())
    assert found.problem is None
    assert found.executions == ()


@pytest.mark.parametrize(
    "data",
    [
        b"# coding: utf-7\n+AGUAeABlAGM-(x)\n",
        b"# vim: set fileencoding=unicode_escape :\nx = 1\n",
        b"#!/usr/bin/python\n# -*- coding: raw_unicode_escape -*-\nx = 1\n",
        b"\xef\xbb\xbf# coding: utf-16\nx = 1\n",
        b"#\r# coding: utf-7\rx = 1\r",
        b"#" + b"x" * 5000 + b" coding: utf-7\nx = 1\n",
        b"# coding: no-such-codec\nx = 1\n",
        b"exec(base64.b64decode(x)) if 1 else such as no Python\n",
        b"import base64\nx = " + b"(" * 300 + b"1" + b")" * 300 + b"\nexec(base64.b64decode(x))\n",
        b"import base64\nx = " + b"-" * 20_000 + b"1\nexec(base64.b64decode(x))\n",
        b"import base64\nexec(base64.b64decode(x))\0\n",
        b"import base64\nexec(x)\n" + b"base64.b64decode(x)\n" * 1_000_000,
    ],
    ids=[
        "utf-7", "unicode-escape", "second-line", "utf-16-behind-a-mark", "carriage-returns", "long-first-line",
        "unknown-codec", "syntax-error", "parentheses", "unary-operators", "nul", "huge",
    ],
)  # fmt: skip
def test_a_file_that_could_hide_code_and_cannot_be_read_is_never_passed_over(data: bytes):
    assert read("demo/__init__.py", data).problem


@pytest.mark.parametrize(
    "data",
    [
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
        b"x = 1\n\n\n# coding: utf-7\n",
        b"x = 1  # coding: utf-7\ny = 2\n",
        b"print 'Python 2'\n",
        b"{{ template }}\n",
        b"",
    ],
    ids=["latin-1", "line-four", "not-a-comment-line", "python-2", "template", "empty"],
)
def test_an_odd_file_that_hides_nothing_is_no_problem(data: bytes):
    assert read("demo/__init__.py", data).problem is None


def test_names_that_stand_for_names_without_end_are_given_up_as_a_problem():
    chain = "".join(f"a{i} = a{i - 1} if x else a{i - 2} or a{i - 3}\n" for i in range(3, 400))
    names = "".join(f"a{i}(base64.b64decode(a{i}))\n" for i in range(3, 400))
    found = read("demo/__init__.py", f"import base64\na0 = a1 = a2 = exec\n{chain}{names}".encode())
    assert found.problem or any(execution.direct for execution in found.executions)


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("big5", "\u4f60"),
        ("gb18030", "\u4f60"),
        ("shift_jis", "\u3042"),
        ("euc-jp", "\u3042"),
        ("latin-1", "\xe9"),
        ("koi8-r", "\u0436"),
    ],
)
def test_hidden_code_is_seen_in_an_encoding_that_honest_files_have(encoding: str, word: str):
    text = f"# coding: {encoding}\nx = '{word}'\nexec{_TAIL}"
    found = read("demo/__init__.py", text.encode(encoding))
    assert any(execution.direct for execution in found.executions)


def test_credentials_are_counted_by_their_kinds():
    one = b"A = ['~/.ssh/id_rsa', '~/.ssh/id_ed25519', '/root/.ssh/id_dsa', '~/.ssh/config']\n"
    assert read("a.py", one).secrets == ("ssh",)
    many = one + b"B = ['~/.aws/credentials', '~/.netrc', '~/.config/solana/id.json', '169.254.169.254']\n"
    assert read("a.py", many).secrets == ("aws", "instances", "netrc", "ssh", "wallets")


@pytest.mark.parametrize(
    "data",
    [
        b"x = 1" + b" " * 4_000_000 + b"\n",
        b"\t" * 4_000_000 + b"\n",
        (b"a" * 1999 + b"!") * 2_000,
        b"import " * 500_000 + b"\n",
        b"base64.b64decode(" * 20_000 + b"\nimport subprocess\nsubprocess.run('" + b"b64decode(" * 15_000 + b"')\n",
        b"import base64\n" + b"".join(b"a%d = [a%d, a%d]\n" % (n % 16, (n + 1) % 16, (n + 2) % 16) for n in range(400))
        + b"exec(a1)\n" * 2_000,
    ],
    ids=["blanks", "tabs", "almost-blobs", "imports", "text-of-code", "names-in-circles"],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_text_that_is_made_to_take_for_ever_does_not(data: bytes):
    read("demo/__init__.py", data)
