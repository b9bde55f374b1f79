"""pip-audit as a source of advisories: it asks OSV over the network, in a process of its own, in its strict form.

Whatever goes wrong with it is an error or a reason, never "no known vulnerabilities": that is what it says itself, with
exit code 0, where it skipped every package.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from weighlock.advisories.interface import Status
from weighlock.advisory import Advisory
from weighlock.errors import AdvisoryError, UsageError
from weighlock.formats.osv import is_name
from weighlock.formats.pypi_versions import key, parsed
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAME = "pip-audit"

Pin = tuple[str, str]
"""Canonical name and version."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_PATIENCE = 120.0
_SECONDS_A_PACKAGE = 3.0
_LARGEST_ANSWER = 256 << 20
_LONGEST_SUMMARY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What pip-audit said.

    Args:
        found: Advisories of every package that it looked up.
        problems: Why it did not look up the others, by package.
    """

    found: Mapping[Pin, tuple[Advisory, ...]] = field(default_factory=dict)
    problems: Mapping[Pin, str] = field(default_factory=dict)


class PipAudit:
    """An `AdvisorySource`: pip-audit, as it is installed beside weighlock.

    Args:
        url: Of the query API of OSV; by default the public one.
        patience: Seconds that it may take; many packages get more.

    Raises:
        UsageError: It is not installed.
    """

    def __init__(self, url: str | None = None, patience: float = _PATIENCE) -> None:
        if find_spec("pip_audit") is None:
            raise UsageError("pip-audit is not installed", hint="pip install 'weighlock[audit]'")
        self._url = url
        self._patience = patience

    @property
    def status(self) -> Status:
        """That it is asked over the network, now."""
        return Status(name=NAME, place=self._url or "https://api.osv.dev", made=datetime.now(UTC))

    def query(self, packages: Sequence[tuple[str, str]]) -> Sequence[tuple[Advisory, ...]]:
        """Return the advisories of packages.

        Args:
            packages: Names and versions, in any spelling.

        Raises:
            AdvisoryError: It did not look up every one of them.
        """
        audit = self.audit(packages)
        for (name, version), problem in audit.problems.items():
            raise AdvisoryError(problem, where=f"{name}=={version}")
        return [audit.found[pin_of(name, version)] for name, version in packages]

    def audit(self, packages: Sequence[tuple[str, str]]) -> Audit:
        """Return what it says about packages. Whatever goes wrong is a problem of those that it was asked about.

        Args:
            packages: Names and versions, in any spelling.
        """
        pins = dict.fromkeys(pin_of(name, version) for name, version in packages)
        problems = {
            pin: "pip-audit cannot be asked about a name or version like this" for pin in pins if not _fits(pin)
        }
        found: dict[Pin, tuple[Advisory, ...]] = {}
        for some in _rounds([pin for pin in pins if _fits(pin)]):
            try:
                answer = self._run(some)
            except AdvisoryError as error:
                problems |= dict.fromkeys(some, str(error))
                continue
            for pin in some:
                if pin in answer:
                    found[pin] = answer[pin]
                else:
                    problems[pin] = "pip-audit skipped it"
        return Audit(found=found, problems=problems)

    def _run(self, pins: Sequence[Pin]) -> dict[Pin, tuple[Advisory, ...]]:
        with tempfile.TemporaryDirectory(prefix="weighlock-") as folder:
            requirements, answer = (os.path.join(folder, name) for name in ("pins.txt", "answer.json"))
            with open(requirements, "w", encoding="utf-8") as file:
                file.writelines(f"{name}=={version}\n" for name, version in pins)
            code, said = self._start(folder, requirements, answer, len(pins))
            try:
                with open(answer, "rb") as file:
                    data = file.read(_LARGEST_ANSWER + 1)
            except FileNotFoundError:
                raise AdvisoryError(f"pip-audit gave no answer: {said}") from None
        return _answers(data, code, pins)

    def _start(self, folder: str, requirements: str, answer: str, count: int) -> tuple[int, str]:
        """Run it and return its exit code and its last words."""
        options = ["--strict", "--no-deps", "--disable-pip", "--vulnerability-service", "osv", "--format", "json"]
        options += ["--progress-spinner", "off", "--cache-dir", os.path.join(folder, "cache"), "--output", answer]
        if self._url is not None:
            options += ["--osv-url", self._url]
        command = [sys.executable, "-P", "-m", "pip_audit", *options, "--requirement", requirements]
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, with names and versions that were looked at
                command,
                cwd=folder,
                env=_environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self._patience + count * _SECONDS_A_PACKAGE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise AdvisoryError(f"pip-audit took longer than {error.timeout:.0f} seconds") from None
        except OSError as error:
            raise AdvisoryError(f"pip-audit cannot be started: {error.strerror}") from None
        lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        return done.returncode, lines[-1][:_LONGEST_SUMMARY] if lines else f"it ended with status {done.returncode}"


def _environ() -> dict[str, str]:
    """Return the environment without what would change what pip-audit does, such as ``PIP_AUDIT_OUTPUT``."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}


def pin_of(name: str, version: str) -> Pin:
    """Return a package as pip-audit is asked about it."""
    known = parsed(version)
    return canonical_name(name.strip()), version if known is None else str(known)


def _fits(pin: Pin) -> bool:
    """Whether a pin is one line of a requirements file that says exactly this."""
    return bool(_NAME.match(pin[0])) and parsed(pin[1]) is not None


def _rounds(pins: list[Pin]) -> Iterator[list[Pin]]:
    """Split pins so that no project comes twice in one run, which pip-audit would refuse."""
    while pins:
        some = list({name: (name, version) for name, version in reversed(pins)}.values())
        yield some
        pins = [pin for pin in pins if pin not in some]


def _answers(data: bytes, code: int, pins: Sequence[Pin]) -> dict[Pin, tuple[Advisory, ...]]:
    """Read what it wrote; every part of it has to be what it should be.

    Raises:
        AdvisoryError: It is not.
    """
    try:
        found = _read(data, pins)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AdvisoryError(f"pip-audit gave an answer that is not understood: {error}") from None
    # 1 is also what it ends with when it fails.
    if code != int(any(found.values())):
        raise AdvisoryError(f"pip-audit ended with status {code}, which is not what its answer says")
    return found


def _read(data: bytes, pins: Sequence[Pin]) -> dict[Pin, tuple[Advisory, ...]]:
    if len(data) > _LARGEST_ANSWER:
        raise ValueError("it is too long")
    wanted = {(name, key(version)): (name, version) for name, version in pins}
    found: dict[Pin, tuple[Advisory, ...]] = {}
    for row in json.loads(data)["dependencies"]:
        if "skip_reason" in row:
            continue
        pin = wanted.pop((canonical_name(row["name"]), key(row["version"])), None)
        if pin is None:
            raise ValueError("it is about a package that was not asked for")
        found[pin] = tuple(_advisory(vulnerability, pin[1]) for vulnerability in row["vulns"])
    return found


def _advisory(row: dict[str, Any], version: str) -> Advisory:
    names = [_named(name) for name in (row["id"], *row["aliases"])]
    fixed = {parsed(text): text for text in row["fix_versions"]}
    now = parsed(version)
    return Advisory(
        id=names[0],
        aliases=tuple(sorted(set(names) - {names[0]})),
        summary=str(row.get("description") or "")[:_LONGEST_SUMMARY],
        fixed=tuple(
            fixed[one] for one in sorted(one for one in fixed if one is not None and (now is None or one > now))
        ),
        malware=any(name.startswith("MAL-") for name in names),
        source=NAME,
    )


def _named(value: Any) -> str:
    if not is_name(value):
        raise ValueError("it has a name that is none")
    return str(value)
