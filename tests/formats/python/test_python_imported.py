"""What an import runs, wherever it hides; nothing of it is ever imported."""

from __future__ import annotations

import ast

import pytest

from weighlock.errors import OverBudgetError
from weighlock.formats.python.behaviour import NETWORK, PROCESS, STARTUP
from weighlock.formats.python.imported import Imports, Loaded


def follow(files: dict[str, str], *roots: str) -> Imports:
    """Follow the import of modules, given by their dotted names; a package ends with a dot."""
    packages = {name.rstrip("."): name.endswith(".") for name in files}
    texts = {name.rstrip("."): text for name, text in files.items()}

    def load(name: str) -> Loaded | None:
        return Loaded(ast.parse(texts[name]), name, len(texts[name])) if name in texts else None

    imports = Imports(load, lambda name: packages[name])
    for root in roots or ("demo",):
        imports.enter(root)
    return imports


def kinds(text: str) -> set[str]:
    return {found.kind for found in follow({"demo.": text}).behaviours}


RUNS = {
    "plain": "import subprocess\nsubprocess.run(['true'])",
    "alias": "import subprocess as s\ns.Popen(['true'])",
    "from_import": "from os import system as s\ns('true')",
    "assigned": "import os\ns = os.system\ns('true')",
    "import_call": "__import__('os').system('true')",
    "import_in_pieces": "__import__('o' + 's').system('true')",
    "import_module": "import importlib\nimportlib.import_module('subprocess').run(['true'])",
    "getattr_in_pieces": "import os\ngetattr(os, 'sys' + 'tem')('true')",
    "module_table": "import sys\nsys.modules['os'].popen('true')",
    "condition": "import os\nif 1:\n    os.system('true')",
    "else_of_main": "import os\nif __name__ == '__main__':\n    pass\nelse:\n    os.system('true')",
    "not_main": "import os\nif __name__ != '__main__':\n    os.system('true')",
    "main_is_a_lie": "import os\n__name__ = '__main__'\nif __name__ == '__main__':\n    os.system('true')",
    "own_type_checking": "import os\nTYPE_CHECKING = True\nif TYPE_CHECKING:\n    os.system('true')",
    "type_checking_set": "import os\nfrom typing import *\nTYPE_CHECKING = 1\nif TYPE_CHECKING:\n    os.system('')",
    "try": "import os\ntry:\n    pass\nfinally:\n    os.system('true')",
    "handler": "import os\ntry:\n    1 / 0\nexcept Exception:\n    os.system('true')",
    "loop": "import os\nfor x in [1]:\n    os.system('true')",
    "while": "import os\nwhile True:\n    os.system('true')",
    "with": "import os\nwith open('x') as f:\n    os.system('true')",
    "match": "import os\nmatch 1:\n    case _:\n        os.system('true')",
    "class_body": "import os\nclass A:\n    x = os.system('true')",
    "base_class": "import os\nclass A(os.popen('true').__class__):\n    pass",
    "metaclass_argument": "import os\nclass A(metaclass=os.system('true')):\n    pass",
    "default": "import os\ndef f(x=os.system('true')):\n    pass",
    "keyword_default": "import os\ndef f(*, x=os.system('true')):\n    pass",
    "annotation": "import os\ndef f(x: os.system('true')):\n    pass",
    "variable_annotation": "import os\nx: os.system('true')",
    "decorator": "import os\n@os.system\ndef f():\n    pass",
    "own_decorator": "import os\ndef d(f):\n    os.system('true')\n@d\ndef f():\n    pass",
    "comprehension": "import os\n[os.system(x) for x in ['true']]",
    "lambda_at_once": "import os\n(lambda: os.system('true'))()",
    "mapped": "import os\nlist(map(os.system, ['true']))",
    "f_string": "import os\nf\"{os.system('true')}\"",
    "assertion": "import os\nassert os.system('true')",
    "subscript": "import os\nx[os.system('true')] = 1",
    "function": "import os\ndef f():\n    os.system('true')\nf()",
    "function_in_if": "import os\nif 1:\n    def f():\n        os.system('true')\nf()",
    "function_of_function": "import os\ndef f():\n    os.system('true')\ndef g():\n    f()\ng()",
    "nested_function": "import os\ndef f():\n    def g():\n        os.system('true')\n    g()\nf()",
    "import_in_function": "def f():\n    import os\n    os.system('true')\nf()",
    "coroutine": "import asyncio, os\nasync def f():\n    os.system('true')\nasyncio.run(f())",
    "thread": "import os, threading\ndef f():\n    os.system('true')\nthreading.Thread(target=f).start()",
    "thread_class": "import os, threading as t\nclass T(t.Thread):\n  def run(self):\n    os.system('')\nT().start()",
    "at_exit": "import os, atexit\natexit.register(os.system, 'true')",
    "executor": "import os\nfrom concurrent.futures import *\nThreadPoolExecutor().submit(os.system, 'true')",
    "constructor": "import os\nclass A:\n    def __init__(self):\n        os.system('true')\nA()",
    "own_method": "import os\nclass A:\n  def __init__(self):\n    self.f()\n  def f(self):\n    os.system('')\nA()",
    "method": "import os\nclass A:\n    def f(self):\n        os.system('true')\na = A()\na.f()",
    "called_object": "import os\nclass A:\n    def __call__(self):\n        os.system('true')\nA()()",
    "context_manager": "import os\nclass A:\n    def __enter__(self):\n        os.system('true')\nwith A():\n    pass",
}

RUNS |= {
    "star": "from os import *\nsystem('true')",
    "module_of_a_module": "import shutil\nshutil.os.system('true')",
    "module_of_a_module_as": "from shutil import os as o\no.system('true')",
    "c_library": "import ctypes\nlibrary = ctypes.CDLL(None)\nlibrary.system(b'true')",
    "c_library_item": "import ctypes\nctypes.CDLL(None)['system'](b'true')",
    "own_loop": "import asyncio\nasync def f():\n    await asyncio.get_event_loop().subprocess_shell(None, 'true')\n"
    "asyncio.run(f())",
    "signal": "import signal, os\nsignal.signal(14, lambda *_: os.system('true'))",
    "trace": "import sys, os\ndef f(*_):\n    os.system('true')\nsys.settrace(f)",
    "finalizer": "import os, weakref\nweakref.finalize(object, os.system, 'true')",
    "subclass": "import os\nclass A:\n    def __init_subclass__(cls):\n        os.system('true')\nclass B(A): pass",
    "metaclass": "import os\nclass M(type):\n    def __new__(*_):\n        os.popen('')\nclass B(metaclass=M): pass",
    "prepared": "import os\nclass M(type):\n    def __prepare__(*_):\n        os.popen('')\nclass B(metaclass=M): pass",
    "operator": "import os\nclass A:\n    def __add__(self, _):\n        os.system('true')\nA() + 1",
    "deleted": "import os\nclass A:\n    def __del__(self):\n        os.system('true')\nA()",
    "inherited": "import os\nclass A:\n    def __init__(self):\n        os.system('true')\nclass B(A): pass\nB()",
    "super": "import os\nclass A:\n    def __init__(self):\n        os.system('true')\n"
    "class B(A):\n    def __init__(self):\n        super().__init__()\nB()",
    "given_back": "import os\ndef f():\n    def g():\n        os.system('true')\n    return g\nf()()",
    "decorator_with_arguments": "import os\ndef d(_):\n    def g(f):\n        os.system('true')\n    return g\n"
    "@d(1)\ndef x(): pass",
    "lambda_in_a_variable": "import os\nf = lambda: os.system('true')\nf()",
    "function_in_a_table": "import os\ndef f():\n    os.system('true')\n{'a': f}['a']()",
    "own_module_table": "import os, sys\ndef f():\n    os.system('true')\ngetattr(sys.modules[__name__], 'f')()",
    "guard": "import os\nmatch 1:\n    case x if os.system('true'):\n        pass",
    "handler_type": "import os\ntry:\n    1 / 0\nexcept (os.system('true'), Exception):\n    pass",
    "main_from_elsewhere": "import os\nfrom x import y as __name__\nif __name__ == '__main__':\n    os.system('true')",
}

CONNECTS = {
    "urlopen": "from urllib.request import urlopen\nurlopen('http://127.0.0.1')",
    "urlretrieve": "import urllib.request\nurllib.request.urlretrieve('http://127.0.0.1')",
    "requests": "import requests\nrequests.post('http://127.0.0.1')",
    "session": "import requests\ns = requests.Session()\ns.get('http://127.0.0.1')",
    "httpx_with": "import httpx\nwith httpx.Client() as c:\n    c.get('http://127.0.0.1')",
    "socket": "import socket\ns = socket.socket()\ns.connect(('127.0.0.1', 9))",
    "socket_at_once": "import socket\nsocket.socket().connect(('127.0.0.1', 9))",
    "name_as_message": "import socket\nsocket.gethostbyname('x.invalid')",
    "http_client": "import http.client\nc = http.client.HTTPSConnection('127.0.0.1')\nc.request('GET', '/')",
}

QUIET = {
    "main": "import os\nif __name__ == '__main__':\n    os.system('true')",
    "main_and": "import os\nif __name__ == '__main__' and x:\n    os.system('true')",
    "types": "import os\nimport typing\nif typing.TYPE_CHECKING:\n    os.system('true')",
    "defined": "import os\ndef f():\n    os.system('true')",
    "method_defined": "import os\nclass A:\n    def f(self):\n        os.system('true')\nA()",
    "lambda_kept": "import os\nf = lambda: os.system('true')",
    "default_factory": "import socket\nfield(default_factory=lambda: socket.gethostbyname('x'))",
    "session_made": "import requests\nSESSION = requests.Session()",
    "socket_made": "import socket\ns = socket.socket()\ns.close()",
    "own_run": "def run(x):\n    return x\nrun(['true'])",
    "own_system": "class os:\n    pass\ndef system(x):\n    pass\nsystem('true')",
}


@pytest.mark.parametrize("text", RUNS.values(), ids=list(RUNS))
def test_a_program_that_an_import_starts_is_seen(text: str):
    assert PROCESS in kinds(text)


@pytest.mark.parametrize("text", CONNECTS.values(), ids=list(CONNECTS))
def test_a_connection_that_an_import_makes_is_seen(text: str):
    assert NETWORK in kinds(text)


@pytest.mark.parametrize("text", QUIET.values(), ids=list(QUIET))
def test_what_an_import_only_defines_is_no_behaviour(text: str):
    assert kinds(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "open('/root/.bashrc', 'a').write('x')",
        "import os\np = os.path.expanduser('~/.profile')\nopen(p, 'a')",
        "from pathlib import Path\n(Path.home() / '.zshrc').write_text('x')",
        "import shutil, site\nshutil.copy('a', site.getsitepackages()[0] + '/x.pth')",
        "open('/x/site-packages/sitecustomize.py', 'w')",
        "open('/root/.ssh/authorized_keys', 'a')",
    ],
)
def test_an_import_that_changes_what_starts_by_itself_is_seen(text: str):
    assert STARTUP in kinds(text)


def test_a_function_of_another_module_is_followed_through_those_that_hand_it_on():
    found = follow(
        {
            "demo.": "from .a import start\nstart()",
            "demo.a": "from demo.b import *\nfrom demo.b import begin as start",
            "demo.b": "from . import c\ndef begin():\n    c.Runner().go()",
            "demo.c": "import os\nclass Runner:\n    def go(self):\n        os.system('true')",
        }
    )
    assert [(one.path, one.line) for one in found.behaviours] == [("demo.c", 4)]


def test_a_module_that_is_imported_by_name_is_followed():
    files = {"demo.": "import importlib\nimportlib.import_module('demo.' + 'x')", "demo.x": "import os\nos.system('')"}
    assert follow(files).behaviours


def test_a_module_that_a_called_function_imports_is_followed():
    files = {
        "demo.": "def f():\n    from .x import go\n    go()\nf()",
        "demo.x": "import os\ndef go():\n    os.system('')",
    }
    assert follow(files).behaviours


def test_the_packages_above_an_imported_module_are_imported_too():
    files = {"demo.": "import demo.a.b", "demo.a.": "import os\nos.system('')", "demo.a.b": ""}
    assert {one.path for one in follow(files).behaviours} == {"demo.a"}


def test_modules_that_import_each_other_end():
    files = {"demo.": "from .a import f", "demo.a": "from .b import f", "demo.b": "from .a import f\nf()"}
    assert follow(files).reached == {"demo", "demo.a", "demo.b"}


def test_a_module_that_nothing_imports_is_not_followed():
    assert not follow({"demo.": "", "demo.tool": "import os\nos.system('')"}).behaviours


def test_code_that_is_handed_to_an_interpreter_is_told_apart():
    own = follow({"demo.": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = 1'])"})
    other = follow({"demo.": "import subprocess\nsubprocess.run(['git', '-c', 'x=y', 'status'])"})
    assert [one.runs_code for one in (*own.behaviours, *other.behaviours)] == [True, False]


def test_definitions_that_were_let_go_of_are_read_again_when_they_are_called(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("weighlock.formats.python.imported._KEPT", 1)
    filler = {f"demo.m{number}": f"x = {number}" for number in range(20)}
    files = {
        "demo.": "import demo.a\n" + "".join(f"import {name}\n" for name in filler) + "import demo.z",
        "demo.a": "import os\ndef late():\n    os.system('')",
        "demo.z": "from demo.a import late\nlate()",
        **filler,
    }
    assert {one.path for one in follow(files).behaviours} == {"demo.a"}


def test_an_import_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("weighlock.formats.python.imported._MOST_STATEMENTS", 100)
    with pytest.raises(OverBudgetError):
        follow({"demo.": "x = 1\n" * 200})


@pytest.mark.parametrize(
    "text",
    [
        "from .inner import *\ngo()",
        "import importlib\nimportlib.import_module('.inner', __name__).go()",
        "__import__(__name__ + '.inner', fromlist=['go']).go()",
        "from .inner import A\nclass B(A): pass\nB()",
    ],
)
def test_a_function_of_another_module_is_followed_however_it_is_reached(text: str):
    inner = "import os\ndef go():\n    os.system('true')\nclass A:\n    def __init__(self):\n        go()\n"
    found = follow({"demo.": text, "demo.inner": inner}).behaviours
    assert {one.kind for one in found} == {PROCESS}


def test_what_is_handed_over_with_its_arguments_is_judged_with_them():
    text = "import os, threading\nthreading.Thread(target=os.system, args=('curl http://127.0.0.1/x | sh',)).start()"
    assert [one.runs_code for one in follow({"demo.": text}).behaviours] == [True]


@pytest.mark.parametrize(
    "command", ['bash -c "$(curl -fsSL x)"', "curl -o /tmp/x x; chmod +x /tmp/x", "echo x | crontab"]
)
def test_a_command_that_fetches_and_runs_is_code(command: str):
    found = follow({"demo.": f"import os\nos.system({command!r})"}).behaviours
    assert [one.runs_code for one in found] == [True]


def test_a_module_that_imports_all_of_itself_comes_to_an_end():
    found = follow({"demo.": "from .demo import *\nfrom demo import *\nif hasattr(demo, 'x'):\n    demo.x()"})
    assert found.behaviours == set()


def test_a_long_chain_of_functions_and_classes_is_followed_to_its_end():
    calls = "\n".join(f"def f{n}():\n    f{n + 1}()" for n in range(400))
    classes = "\n".join(f"class A{n + 1}(A{n}): pass" for n in range(20))
    text = f"import os\n{calls}\ndef f400():\n    os.system('true')\nclass A0:\n    __add__ = 1\n{classes}\nA20()\nf0()"
    assert {one.kind for one in follow({"demo.": text}).behaviours} == {PROCESS}
