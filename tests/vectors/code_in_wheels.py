"""Wheels with Python that does what a check of packages looks for; nothing of it is ever run."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Iterator

from tests.corpus.archives import Member
from tests.vectors.wheels import wheel

Vectors = Iterator[tuple[str, bytes]]

_INERT = "print('a vector')"
_B64 = base64.b64encode(_INERT.encode()).decode()
_BLOB = base64.b64encode(bytes(range(256)) * 8).decode()


def module(name: str, text: str | bytes) -> tuple[str, bytes]:
    """Write a wheel of one package whose `__init__` is that text."""
    return wheel(name, {f"{name}/__init__.py": text})


def _decodes_and_executes() -> Vectors:
    yield module("exec_base64", f"import base64\nexec(base64.b64decode('{_B64}'))\n")
    hidden = f"exec(_z.decompress(_b.b64decode(b'{_B64}')[::-1]))\n"
    yield module("like_aiocpa", f"import zlib as _z, base64 as _b\ndef _hook(x):\n    return x\n{hidden}")
    yield module(
        "like_litellm",
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', "
        f"\"import base64; exec(base64.b64decode('{_B64}'))\"])\n",
    )
    yield module("alias", f"from base64 import b64decode as d\ne = eval\ne(compile(d('{_B64}'), 'x', 'exec'))\n")
    yield module("name_in_pieces", "import builtins\ngetattr(builtins, 'ex' + 'ec')('x = 1')\n")
    yield module("globals", f"import base64\nglobals()['__builtins__']['exec'](base64.b64decode('{_B64}'))\n")
    yield module("numbers", "exec(''.join(chr(c ^ 1) for c in [113, 115]))\n")
    yield module("bytes_of_numbers", "exec(bytes([120, 61, 49]))\n")
    yield module("hexadecimal", "exec(bytes.fromhex('783d31'))\n")
    yield module("rot13", f"import codecs\nexec(codecs.decode('{codecs.encode('x = 1', 'rot13')}', 'rot13'))\n")
    yield module("fetched", "import urllib.request as u\nexec(u.urlopen('http://127.0.0.1/x').read())\n")
    yield module("marshalled", "import marshal\nexec(marshal.loads(b'N'))\n")
    yield module("payload_in_a_variable", f"from base64 import *\nx = b64decode('{_B64}')\nexec(x)\n")
    yield module("unpickled", f"import pickle, base64\nx = pickle.loads(base64.b64decode('{_B64}'))\n")
    yield module("wide_letters", f"import base64\n\uff45\uff58\uff45\uff43(base64.b64decode('{_B64}'))\n")
    yield module("imported_by_name", f"exec(__import__('base' + '64').b64decode('{_B64}'))\n")
    yield module("mapped", f"import base64\nlist(map(exec, [base64.b64decode('{_B64}')]))\n")
    yield module("lambda_at_once", f"import base64\n(lambda f: f(base64.b64decode('{_B64}')))(exec)\n")


def _honest_code() -> Vectors:
    yield module(
        "plugins",
        "import importlib\n\ndef load(name):\n    return importlib.import_module(name.replace('-', '_'))\n",
    )
    yield module(
        "decodes", f"import base64\n\nICON = base64.b64decode('{_B64}')\n\ndef run(text):\n    exec(text, {{}})\n"
    )
    yield module("template", "SOURCE = 'def f(x):\\n    return x\\n'\nexec(compile(SOURCE, '<made>', 'exec'))\n")
    yield module("model", "def evaluate(model, data):\n    model.eval()\n    return [model(bytes(x)) for x in data]\n")
    yield module(
        "regular",
        "import re, sys\n\nPATTERN = re.compile('x')\nCODE = PATTERN.sub('', 'abc'[::-1])\nDATA = b'abc'.hex()\n",
    )


def _import_time_behaviour() -> Vectors:
    yield module("process", "import subprocess\nsubprocess.run(['true'])\n")
    yield module("through_alias", "from os import system as s\ns('true')\n")
    yield module("through_function", "import os\n\ndef check():\n    os.popen('true')\n\nif True:\n    check()\n")
    yield module("through_the_c_library", "import ctypes\nctypes.CDLL(None).system(b'true')\n")
    yield module(
        "for_subclasses",
        "import os\n\nclass A:\n    def __init_subclass__(cls):\n        os.system('true')\n\nclass B(A):\n    pass\n",
    )
    yield module("newer_syntax", "import os\nx = such as no Python\nos.system('true')\n")
    yield module("in_class_body", "import socket\n\nclass A:\n    S = socket.create_connection(('127.0.0.1', 9))\n")
    yield module("in_default", "import subprocess\n\ndef f(x=subprocess.check_output(['true'])):\n    return x\n")
    yield module("in_thread", "import os, threading\nthreading.Thread(target=lambda: os.system('true')).start()\n")
    yield module("own_type_checking", "import os\nTYPE_CHECKING = 1\nif TYPE_CHECKING:\n    os.system('true')\n")
    yield wheel(
        "like_lightning",
        {
            "like_lightning/__init__.py": "from ._runtime import start\n",
            "like_lightning/_runtime/__init__.py": "from threading import Thread\nfrom .start import go\n"
            "Thread(target=go, daemon=True).start()\n",
            "like_lightning/_runtime/start.py": "import subprocess\nfrom urllib.request import urlretrieve\n\n"
            "def go():\n    path, _ = urlretrieve('http://127.0.0.1/bun')\n    subprocess.Popen([path, 'router.js'])\n",
        },
    )
    yield module("shell_profile", "from pathlib import Path\n(Path.home() / '.bashrc').open('a').write('# a vector')\n")


def _imports_define() -> Vectors:
    yield module("guarded", "import subprocess\nif __name__ == '__main__':\n    subprocess.run(['true'])\n")
    yield module(
        "for_types",
        "import subprocess\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    A = subprocess.run(['true'])\n",
    )
    yield module("functions", "import subprocess, requests\n\ndef run():\n    return subprocess.run(['true'])\n")
    yield module(
        "client",
        "import requests\n\nclass C:\n    def get(self, u):\n        return requests.get(u)\n\nDEFAULT = C()\n",
    )
    yield wheel(
        "not_imported", {"not_imported/__init__.py": "", "not_imported/tool.py": "import os\nos.system('true')\n"}
    )


def _credential_paths() -> Vectors:
    yield module(
        "collector",
        "PLACES = ['~/.ssh/id_rsa', '~/.aws/credentials', '~/.netrc', '~/.pypirc', '~/.kube/config', '~/.gnupg']\n",
    )


def _one_service() -> Vectors:
    yield module("client", "KEY = '~/.ssh/id_rsa'\nCONFIG = '~/.aws/config'\n")


def _hidden_text() -> Vectors:
    yield module("turned", "x = 1  # \u202e not a comment \u2066\n")
    yield module("selectors", "x = '" + "\U000e0101" * 9 + "'\n")
    yield module("far_away", "x = 1;" + " " * 200 + "y = 2\n")


def _shown_text() -> Vectors:
    yield module("letters", "NAMES = ['\u05d0\u05d1', '\u0627\u0628', '\u26a0\ufe0f']\n")
    yield module("aligned", "x = 1" + " " * 200 + "# a comment\n")


def _encoded_blob() -> Vectors:
    yield module("icon", f"ICON = '{_BLOB}'\n")


def _no_blob() -> Vectors:
    yield module("long_line", "NAMES = '" + "word " * 600 + "'\n")


def _unread_python() -> Vectors:
    yield module("utf_7", b"# coding: utf-7\nx = 1\n")
    yield module("escapes", b"# -*- coding: unicode_escape -*-\nx = 1\n")
    yield module("second_line", b"#!/usr/bin/python\r# coding: raw_unicode_escape\nx = 1\n")
    yield module("deep", "import base64\nx = " + "-" * 5000 + "1\nexec(base64.b64decode(x))\n")
    yield module("newer_syntax", f"import base64\nx = 1 such as no Python\nexec(base64.b64decode('{_B64}'))\n")
    compiled = b"\xa7\r\r\n%s\0\0\0" + bytes(8) + b"N"
    yield wheel("without_source", {"without_source/__init__.py": "", "without_source/inner.pyc": compiled % b"\0"})
    cached = "bound_to_nothing/__pycache__/__init__.cpython-311.pyc"
    yield wheel("bound_to_nothing", {"bound_to_nothing/__init__.py": "", cached: compiled % b"\1"})


def _read_python() -> Vectors:
    yield module("latin", b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\n")
    yield module("big5", b"# -*- coding: big5 -*-\n" + "def f(x='\u4f60\u597d'):\n    return eval(x)\n".encode("big5"))
    cached = "stale/__pycache__/__init__.cpython-311.pyc"
    yield wheel("stale", {"stale/__init__.py": "", cached: b"\xa7\r\r\n" + bytes(12) + b"N"})
    yield module("cookie_in_text", b'"""\nText.\n\n# coding: utf-7\n"""\n')


def _foreign_scripts() -> Vectors:
    yield wheel("shell", {"shell/__init__.py": "", "shell/run.sh": "echo a vector\n"})
    yield wheel("first_line", {"first_line/__init__.py": "", "first_line/run": "#!/usr/bin/env node\n"})


def _python_scripts() -> Vectors:
    script = Member(name="python_script-1.0.data/scripts/tool", data=b"#!python\nprint('a vector')\n")
    yield wheel("python_script", members=[script])


_OLD = {
    "name": "demo",
    "version": "1.0",
    "size": 200_000,
    "scripts": ["demo"],
    "top_levels": ["demo"],
    "requires": ["numpy"],
    "behaviours": [["starts a program", "subprocess.run"]],
}


def change(name: str, **new: object) -> tuple[str, bytes]:
    """Write two profiles of one project, of which the second differs in some fields."""
    profiles = {"previous": _OLD, "new": _OLD | {"version": "1.1"} | new}
    return f"{name}.json", json.dumps(profiles, indent=1).encode() + b"\n"


def _new_in_release() -> Vectors:
    yield change("startup-file", startup=["demo.pth"])
    yield change("network-at-import", behaviours=[["reaches the network", "requests.get"]])
    yield change("large-script", large=[["demo/_runtime/router.js", 11 << 20]], size=12 << 20)
    yield change("native-code", native=["demo/_speed.so"])
    yield change("command", scripts=["demo", "demo-agent"])
    yield change("dependency", requires=["numpy", "numpi"])
    yield change("top-level", top_levels=["demo", "tests"])


def _next_release() -> Vectors:
    yield change("same")
    yield change("larger", size=300_000, requires=[])
    yield change("other-program", behaviours=[["starts a program", "subprocess.check_output"]])


CHECKS = {
    "credential-paths": (_credential_paths, _one_service),
    "decodes-and-executes": (_decodes_and_executes, _honest_code),
    "encoded-blob": (_encoded_blob, _no_blob),
    "foreign-scripts": (_foreign_scripts, _python_scripts),
    "import-time-behaviour": (_import_time_behaviour, _imports_define),
    "new-in-release": (_new_in_release, _next_release),
    "hidden-text": (_hidden_text, _shown_text),
    "unread-python": (_unread_python, _read_python),
}
