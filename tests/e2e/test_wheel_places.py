"""pip installs the members of a wheel where weighlock says that it does, by every way through the ``.data`` folder."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.vectors.wheels import MODULE, wheel
from weighlock.formats import wheel as wheel_format
from weighlock.formats.source import Budget, BytesSource

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(find_spec("pip") is None, reason="this environment has no pip")]
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
FILES = {
    "placed/__init__.py": MODULE,
    "root.pth": "# nothing\n",
    "placed-1.0.data/purelib/pure.pth": "# nothing\n",
    "placed-1.0.data/platlib/plat.py": MODULE,
    "other.data/purelib/any_folder.py": MODULE,  # pip asks only for the ending
    f"placed-1.0.data/data/lib/{VERSION}/site-packages/through_prefix.py": MODULE,
    f"placed-1.0.data/data/lib/{VERSION}/json_extra.py": MODULE,
    "placed-1.0.data/data/bin/by_prefix": "#!/bin/sh\n",
    "placed-1.0.data/data/share/man/man1/placed.1": "text\n",
    "placed-1.0.data/scripts/by_scheme": "#!python\n",
    "placed.data/notes.txt/x": "text\n",
}


def _pip(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "HOME": str(home)}
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile", *arguments]
    return subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=120)


def test_where_pip_installs_what(tmp_path):
    name, data = wheel("placed", {name: text for name, text in FILES.items() if "notes" not in name})
    (tmp_path / name).write_bytes(data)
    ran = _pip("--prefix", str(tmp_path / "prefix"), str(tmp_path / name), home=tmp_path)
    assert ran.returncode == 0, ran.stderr
    library = tmp_path / "prefix" / "lib" / VERSION / "site-packages"
    for member in wheel_format.parse(BytesSource(data), name, Budget()).files:
        assert member.place is not None
        key = member.place.key
        place = tmp_path / "prefix" / key[3:] if key.startswith("../") else library / key
        assert place.is_file(), member.name


def test_a_part_of_the_data_folder_that_pip_does_not_know(tmp_path):
    name, data = wheel("placed", FILES)
    (tmp_path / name).write_bytes(data)
    ran = _pip("--prefix", str(tmp_path / "prefix"), str(tmp_path / name), home=tmp_path)
    assert ran.returncode != 0
    found = wheel_format.parse(BytesSource(data), name, Budget())
    assert "unknown" in {member.place.scheme for member in found.files if member.place is not None}
