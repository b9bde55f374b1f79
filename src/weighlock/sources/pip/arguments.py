"""What a user asks of ``pip install``, taken apart.

1. Settings from pip's configuration files and variables, then the arguments, in the order in which pip lets them win.
2. What cannot be honoured safely is refused by name.
3. Every requirement is read, from arguments, files, groups and variables, and sorted: a wheel can satisfy it, or only
   a build can.
4. The rest becomes options for the three times that pip is called: to resolve, to fetch, to install.

Source:
    https://pip.pypa.io/en/stable/cli/pip_install/
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName

from weighlock.errors import UsageError
from weighlock.formats import pylock
from weighlock.release import Origin
from weighlock.sources.pip import configuration, groups, locked, options, remote, target
from weighlock.sources.pip.interface import Network, PipRequest
from weighlock.sources.pip.options import Given, Kind, Use
from weighlock.sources.pip.reading import Reading
from weighlock.sources.pip.redaction import redacted
from weighlock.sources.pip.requirement import require_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from weighlock.sources.pip.interface import Build

PYPI = "https://pypi.org/simple"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# They set one thing between them, the last one wins.
_OPPOSITES = {
    "user": "no-user", "no-user": "user", "compile": "no-compile", "no-compile": "compile",
    "cache-dir": "no-cache-dir", "no-cache-dir": "cache-dir",
}  # fmt: skip
_STRIPPED = ("PIP_", "PYTHON", "_PIP_")
_KEPT = ("PYTHONUSERBASE", "PYTHONNOUSERSITE")
"""They say where the user's own packages are."""


class _Settings:
    """The options in force."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._options: dict[str, options.Option] = {}

    def add(self, one: Given, where: str | None, *, base: str) -> None:
        options.require_allowed(one.option, one.value, where)
        value = one.value
        if one.option.path and value and not (one.option.name == "log" and value == "-"):
            value = os.path.normpath(os.path.join(base, os.path.expanduser(value)))
        self._values.pop(_OPPOSITES.get(one.option.name, ""), None)
        many = one.option.kind in {Kind.LIST, Kind.TEXT_LIST, Kind.COUNT}
        self._values[one.option.name] = [*(self._values.get(one.option.name, ()) if many else ()), value]
        self._options[one.option.name] = one.option

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def last(self, name: str) -> str | None:
        return self._values[name][-1] if self._values.get(name) else None

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def arguments(self, *uses: Use) -> list[str]:
        """Write those of these uses as pip reads them."""
        found = [(self._options[name], values) for name, values in self._values.items()]
        return [
            f"{option.spelling}={value}" if value or option.kind not in {Kind.FLAG, Kind.OFF} else option.spelling
            for option, values in found
            if option.use in uses
            for value in values
        ]


def read(
    arguments: Sequence[str], *, python: str, environ: Mapping[str, str] | None = None, offline: bool = False
) -> PipRequest:
    """Take the arguments of ``pip install`` apart, with everything that they and pip's configuration name.

    Args:
        arguments: Without ``install``.
        python: The interpreter of the environment that is installed into.
        environ: The variables of the user; those of this process by default.
        offline: No index is asked, whatever is configured, and no requirements file is fetched.

    Raises:
        UsageError: pip would not understand them, or one of them cannot be honoured safely.
        SourceError: A requirements file behind a URL cannot be reached.
    """
    environ = os.environ if environ is None else environ
    given, positional = options.parse(["--no-index", *arguments] if offline else arguments)
    isolated = any(one.option.name == "isolated" for one in given)
    settings = _Settings()
    for one, where in configuration.read(environ, target.prefix(python), isolated=isolated):
        settings.add(one, where, base=os.getcwd())
    for one in given:
        settings.add(one, None, base=os.getcwd())
    _require_same_python(settings, python)
    network = _network(settings)
    fetch = remote.refuse if offline else remote.fetcher(network)
    reading = _reading(settings, positional, environ, fetch, python)
    return _request(settings, reading, python, environ, network)


def _reading(
    settings: _Settings,
    positional: Sequence[str],
    environ: Mapping[str, str],
    fetch: Callable[[str], bytes],
    python: str,
) -> Reading:
    reading = Reading(environ=environ, fetch=fetch)
    reading.index, reading.no_index = settings.last("index-url"), "no-index" in settings
    reading.extra.extend(settings.all("extra-index-url"))
    reading.find_links.extend(_link_place(value) for value in settings.all("find-links"))
    reading.trusted_hosts.extend(settings.all("trusted-host"))
    folder = os.getcwd()
    for place in settings.all("constraint"):
        reading.read(_file_place(place), constraint=True)
    for text in positional:
        if text.endswith(".txt") and os.path.isfile(text):
            raise UsageError("is a file of requirements", where=text, hint=f"write -r {text}")
        if text.strip():
            reading.add(text, Origin(text=redacted(text)), folder=folder)
    for text in settings.all("editable"):
        reading.add_editable(text, Origin(text=redacted(f"-e {text}")), folder=folder)
    for place in settings.all("requirement"):
        if _is_pylock(place):
            locked.read_into(reading, os.path.abspath(place), target.markers(python))
            continue
        reading.read(_file_place(place), constraint=False)
    for value in settings.all("group"):
        for text, origin in groups.read(value, folder):
            reading.add(text, origin, folder=folder)
    for place in settings.all("requirements-from-script"):
        for text, origin in groups.read_script(os.path.abspath(place), target.markers(python)["python_full_version"]):
            reading.add(text, origin, folder=folder)
    _require_something(settings, reading, positional)
    return reading


def _is_pylock(place: str) -> bool:
    bare = re.sub(r"\[[^\]]*\]\Z", "", place)
    if not pylock.FILE_NAME.match(os.path.basename(bare)):
        return False
    if bare != place or _URL.match(place):
        raise UsageError(
            "a lockfile is read from a file only, and without extras",
            where=redacted(place),
            hint="fetch it first, or export what is needed to a requirements file with digests",
        )
    return True


def _require_something(settings: _Settings, reading: Reading, positional: Sequence[str]) -> None:
    sources = ("requirement", "group", "requirements-from-script")
    if reading.wanted or reading.builds or any(name in settings for name in sources):
        return
    raise UsageError(
        "there is nothing to install" if not positional else "these are no requirements",
        hint="name a package, or a file with -r",
    )


def _request(
    settings: _Settings, reading: Reading, python: str, environ: Mapping[str, str], network: Network
) -> PipRequest:
    indexes = () if reading.no_index else (reading.index or PYPI, *reading.extra)
    fetching = settings.arguments(Use.FETCHING)
    fetching += ["--no-index"] if reading.no_index else [f"--index-url={indexes[0]}"]
    fetching += [f"--extra-index-url={url}" for url in indexes[1:]]
    fetching += [f"--find-links={place}" for place in reading.find_links]
    fetching += [f"--trusted-host={host}" for host in reading.trusted_hosts]
    features = [f"--use-feature={name}" for name in settings.all("use-feature")]
    passed = [text for text in reading.passed if not text.startswith("--use-feature=")]
    features += [text for text in reading.passed if text.startswith("--use-feature=")]
    origins: dict[str, Origin] = {}
    for wanted in reading.wanted:
        origins.setdefault(wanted.name, wanted.origin)
    builds = tuple(_named(build) for build in reading.builds if _applies(build, python))
    return PipRequest(
        python=python,
        requirements=tuple(reading.wanted),
        constraints=tuple(reading.constraints),
        builds=builds,
        links=tuple(reading.links),
        resolving=(*settings.arguments(Use.RESOLVING, Use.BOTH), *passed, *dict.fromkeys(features)),
        fetching=tuple(fetching),
        installing=tuple(settings.arguments(Use.INSTALLING, Use.BOTH)),
        environ={
            key: value for key, value in environ.items() if key in _KEPT or not key.startswith(_STRIPPED)
        },
        indexes=indexes,
        find_links=tuple(reading.find_links),
        network=Network(
            cert=network.cert, client_cert=network.client_cert, proxy=network.proxy, timeout=network.timeout,
            trusted_hosts=tuple(reading.trusted_hosts),
        ),
        origins=origins,
        quiet=len(settings.all("quiet")),
        dry_run="dry-run" in settings,
        report=_report_place(settings.last("report")),
    )  # fmt: skip


def _network(settings: _Settings) -> Network:
    return Network(
        cert=settings.last("cert"),
        client_cert=settings.last("client-cert"),
        proxy=settings.last("proxy"),
        trusted_hosts=tuple(settings.all("trusted-host")),
        timeout=settings.last("timeout"),
    )


def _require_same_python(settings: _Settings, python: str) -> None:
    named = settings.last("python")
    if named is None:
        return
    for path in (named, os.path.join(named, "bin", "python"), os.path.join(named, "Scripts", "python.exe")):
        if os.path.abspath(path) == os.path.abspath(python) and os.path.isfile(path):
            return
    raise UsageError(
        "pip's --python names another environment than the one that is installed into",
        where=named,
        hint=f"write `weighlock install --python {named} …` and unset PIP_PYTHON",
    )


def _report_place(value: str | None) -> str | None:
    if value == "-":
        hint = "name a file, or use --format json for the report of weighlock"
        raise UsageError(
            "pip's report cannot share standard output with that of weighlock", where="--report", hint=hint
        )
    return None if value is None else os.path.abspath(value)


def _link_place(value: str) -> str:
    return value if _URL.match(value) else os.path.abspath(os.path.expanduser(value))


def _file_place(value: str) -> str:
    return value if re.match(r"(?:https?|file):", value, re.IGNORECASE) else os.path.abspath(value)


def _named(build: Build) -> Build:
    """Give a folder the name that it says it has: the policy allows builds by names, and the wheel has to have it."""
    require_source(build)
    is_folder = build.kind == "folder" and os.path.isdir(build.location)
    return replace(build, name=groups.project_name(build.location)) if build.name is None and is_folder else build


def _applies(build: Build, python: str) -> bool:
    """Say whether a build is for this environment at all; pip, too, leaves out what is not."""
    if build.marker is None:
        return True
    try:
        return Marker(build.marker).evaluate({**target.markers(python), "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True
