"""Real attacks on people who install packages, played again: what they did, with a payload that leaves a marker.

Names, versions and the way in are those of the reports. The code of each makes one file and does nothing else.
"""

from __future__ import annotations

import base64
import os
import random
import zlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from weighlock.demo.packages import marking, wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from weighlock.demo.index import LoopbackIndex
    from weighlock.demo.packages import Package

NIGHTLY = "nightly"
"""The prefix of the project's own index, beside the public one."""

_LIBRARY = 11 << 20
_REPORT = "MAL-2025-6383"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One release of an attacker.

    Args:
        what: What was done, in a few words.
        package: The file.
        check: The check that has to refuse it.
        module: Importing it runs the payload; `None` where starting Python does.
        listed: What the index says about the file; see `weighlock.demo.index.Listed`.
    """

    what: str
    package: Package
    check: str
    module: str | None
    listed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pin(self) -> str:
        """What a person would ask for."""
        return f"{self.package.project}=={self.package.version}"

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.package.project} {self.package.version}"


def marker(folder: str, project: str) -> str:
    """Return the path of the file that the payload of a project makes."""
    return os.path.join(folder, f"{project}-ran")


def said(folder: str, now: datetime) -> list[Attack]:
    """Make the attacks that what is said about a release gives away, before one byte of it is fetched.

    Args:
        folder: For markers.
        now: The time, with a time zone.
    """
    young = {"uploaded": now - timedelta(hours=5)}
    return [
        _said(folder, "torchtriton", "3.0.0", "a second index has the name", "index-ownership"),
        _said(folder, "ultralytics", "8.3.41", "through the honest pipeline", "release-age", **young),
        _said(folder, "num2words", "0.5.15", "a phished maintainer", "malware-report"),
    ]


def held(folder: str) -> list[Attack]:
    """Make the attacks that only the content of a wheel gives away.

    Args:
        folder: For markers.
    """
    return [_litellm(folder), _lightning(folder), _aliyun(folder), _aiocpa(folder)]


def publish(index: LoopbackIndex, attacks: list[Attack]) -> None:
    """Put attacks, and what they stand beside, on the indexes."""
    for attack in attacks:
        index.add(attack.package, **attack.listed)
        if attack.package.project == "torchtriton":
            index.add(wheel("torchtriton", "2.0.0"), NIGHTLY)


def records(now: datetime) -> list[dict[str, Any]]:
    """Return what OSV publishes about them.

    Args:
        now: When it was published: a database with nothing newer than the attack would be too old to decide anything.
    """
    affected = {"package": {"ecosystem": "PyPI", "name": "num2words"}, "versions": ["0.5.15", "0.5.16"]}
    summary = "Malicious code in num2words (PyPI)"
    return [{"id": _REPORT, "modified": f"{now:%Y-%m-%dT%H:%M:%SZ}", "summary": summary, "affected": [affected]}]


def _said(folder: str, name: str, version: str, what: str, check: str, **listed: Any) -> Attack:
    package = wheel(name, version, {f"{name}/__init__.py": marking(marker(folder, name))})
    return Attack(what=what, package=package, check=check, module=name, listed=listed)


def _litellm(folder: str) -> Attack:
    """A file that every start of Python reads, which starts another one with code that nobody can read."""
    hidden = base64.b64encode(marking(marker(folder, "litellm")).encode()).decode()
    # The original forgot that its child would read the file as well, and so was found: -S is ours.
    line = (
        "import subprocess, sys; "
        f"subprocess.run([sys.executable, '-S', '-c', \"import base64; exec(base64.b64decode('{hidden}'))\"])\n"
    )
    package = wheel("litellm", "1.82.8", {"litellm/__init__.py": "", "litellm_init.pth": line})
    return Attack(what="a start-up file (.pth)", package=package, check="startup-files", module=None)


def _lightning(folder: str) -> Attack:
    """An import that fetches a runtime, and gives it the large file that the wheel brings along."""
    fetched = f"data:text/plain,{quote(marking(marker(folder, 'lightning')))}"
    start = (
        "import subprocess, sys\nfrom urllib.request import urlopen\n\n\ndef go():\n"
        f"    code = urlopen({fetched!r}).read().decode()\n    subprocess.run([sys.executable, '-c', code])\n"
    )
    files: dict[str, str | bytes] = {
        "lightning/__init__.py": "from ._runtime import start\n",
        "lightning/_runtime/__init__.py": "from .start import go\n\ngo()\n",
        "lightning/_runtime/start.py": start,
        "lightning/_runtime/router_runtime.js": random.Random(0).randbytes(_LIBRARY),  # noqa: S311 - no secret
    }
    package = wheel("lightning", "2.6.2", files, stored=True)
    return Attack(
        what="its import fetches and runs", package=package, check="import-time-behaviour", module="lightning"
    )


def _aliyun(folder: str) -> Attack:
    """A harmless module that loads a model, which is a pickle."""
    name = "aliyun-ai-labs-snippets-sdk"
    code = marking(marker(folder, name)).strip()
    model = f"cbuiltins\nexec\n(V{code}\ntR.".encode()
    text = (
        "import pickle\nfrom pathlib import Path\n\npickle.loads((Path(__file__).parent / 'model.pt').read_bytes())\n"
    )
    files: dict[str, str | bytes] = {"aliyun_ai_labs/__init__.py": text, "aliyun_ai_labs/model.pt": model}
    package = wheel(name, "1.0.0", files)
    return Attack(what="code in a model file", package=package, check="models-in-package", module="aliyun_ai_labs")


def _aiocpa(folder: str) -> Attack:
    """Code that is decoded and executed by one expression."""
    hidden = base64.b64encode(zlib.compress(marking(marker(folder, "aiocpa")).encode()))
    text = f"import base64\nimport zlib\n\nexec(zlib.decompress(base64.b64decode({hidden!r})))\n"
    package = wheel("aiocpa", "0.1.13", {"aiocpa/__init__.py": text})
    return Attack(what="decodes and executes", package=package, check="decodes-and-executes", module="aiocpa")
