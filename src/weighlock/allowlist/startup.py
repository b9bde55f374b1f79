"""Lines of ``.pth`` files that run code whenever Python starts, and that are known: each exactly, and of whose project.

A line says which module is imported; what that module does is judged like any other code of its project. So a line is
here for the sake of the file, not of the project: any other line of the same project is as unknown as anybody's.

Source:
    Every wheel below was read in November 2026, in the versions that are named.
"""

from __future__ import annotations

import re

_COVERAGE = (
    'import os\\n\\nif os.getenv("COVERAGE_PROCESS_START") or os.getenv("COVERAGE_PROCESS_CONFIG"):\\n try:\\n  '
    'import coverage\\n except:\\n  pass\\n else:\\n  coverage.process_startup(slug="pth")'
)

_PYTEST_COV = (
    "import os, sys;exec('if \\'COV_CORE_SOURCE\\' in os.environ:\\n try:\\n  from pytest_cov.embed import init\\n  "
    'init()\\n except Exception as exc:\\n  sys.stderr.write(\\n   "pytest-cov: Failed to setup subprocess coverage. "'
    '\\n   "Environ: {0!r} "\\n   "Exception: {1!r}\\\\n".format(\\n    dict((k, v) for k, v in os.environ.items() if '
    "k.startswith(\\'COV_CORE\\')),\\n    exc\\n   )\\n  )\\n')"
)
_PIP_SYSTEM_CERTS = (
    "import os, sys; __import__('pip_system_certs.bootstrap') and sys.modules['pip_system_certs.bootstrap'].bootstrap()"
)
_SETUPTOOLS = (
    "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
    "enabled and __import__('_distutils_hack').add_shim();"
)

LINES: dict[str, frozenset[str]] = {
    "coverage": frozenset(  # 7.13.0; 7.13.4 to 7.17.4
        {f"import sys; exec('\\n\\n\\n\\n\\n\\n{_COVERAGE}\\n')", f"import sys; exec('{_COVERAGE}')"},
    ),
    "pip-system-certs": frozenset({_PIP_SYSTEM_CERTS}),  # 4.0 to 5.3
    "pynvml": frozenset({"import _pynvml_redirector"}),  # 13.0.1
    "pytest-cov": frozenset({_PYTEST_COV}),  # 2.12.1 to 6.3.0
    "pywin32": frozenset({"import pywin32_bootstrap"}),  # 312
    "setuptools": frozenset({_SETUPTOOLS}),  # 60.0.0 to 84.2.1
}
"""Canonical name of a project -> lines, without the white space at their ends."""

# What setuptools wrote for namespace packages, until 2025 and in two forms, into the wheels of many projects. It makes
# a module object and lengthens its path; nothing of the package is run.
_FOLDERS = r"\*\((?P<folders>(?:'\w+', ?)*'\w+',?)\)"
_NAME = r"'(?P<name>\w+(?:\.\w+)*)'"
_AGAIN = r"'(?P=name)'"
_NAMESPACE = re.compile(
    r"import sys, types, os;(?P<has>has_mfs = sys\.version_info > \(3, 5\);)?"
    rf"p = os\.path\.join\(sys\._getframe\(1\)\.f_locals\['sitedir'\], {_FOLDERS}\);"
    r"importlib = (?:has_mfs and )?__import__\('importlib\.util'\);"
    r"(?:has_mfs and )?__import__\('importlib\.machinery'\);"
    rf"m = (?:has_mfs and )?sys\.modules\.setdefault\({_NAME}, importlib\.util\.module_from_spec\("
    rf"importlib\.machinery\.PathFinder\.find_spec\({_AGAIN}, \[os\.path\.dirname\(p\)\]\)\)\);"
    rf"m = m or sys\.modules\.setdefault\({_AGAIN}, types\.ModuleType\({_AGAIN}\)\);"
    r"mp = \(m or \[\]\) and m\.__dict__\.setdefault\('__path__',\[\]\);"
    r"\(p not in mp\) and mp\.append\(p\)"
    r"(?:;m and setattr\(sys\.modules\['\w+(?:\.\w+)*'\], '\w+', m\))?\Z",
    re.ASCII,
)


def is_known(project: str, line: str) -> bool:
    """Tell whether a line of a ``.pth`` file is known.

    Args:
        project: Canonical name of the project that brings it.
        line: Without the end of the line.
    """
    line = line.strip()
    return line in LINES.get(project, frozenset()) or _is_namespace(line)


def _is_namespace(line: str) -> bool:
    """Tell whether it is the line of setuptools for a namespace package: of the folders that its name says."""
    match = _NAMESPACE.match(line)
    return match is not None and re.findall(r"\w+", match["folders"]) == match["name"].split(".")
