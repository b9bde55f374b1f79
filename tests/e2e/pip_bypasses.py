"""Every known way to make pip run code of a package while it only resolves, and the proof that none works.

Each way is tried twice: as a user would ask weighlock for it, and with the same arguments and variables given raw to
the pip that can build nothing, as if nobody had read the requirements. The code leaves a marker and does nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pip

from weighlock.demo.index import LoopbackIndex
from weighlock.demo.packages import marking, sdist, wheel
from weighlock.errors import WeighlockError
from weighlock.sources.pip import arguments
from weighlock.sources.pip.download import download
from weighlock.sources.pip.interface import PipRequest
from weighlock.sources.pip.no_build import NoBuildPip
from weighlock.sources.pip.resolve import resolve

BACKEND = """
{marking}
def get_requires_for_build_wheel(config_settings=None):
    return []
get_requires_for_build_sdist = get_requires_for_build_editable = get_requires_for_build_wheel
def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    import os
    name = "marker-9.0.dist-info"
    os.mkdir(os.path.join(metadata_directory, name))
    with open(os.path.join(metadata_directory, name, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: marker\\nVersion: 9.0\\n")
    return name
prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
"""
PIP_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(pip.__file__)))
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
EVERY_COMMAND = ("only an sdist", "the URL of an sdist", "an sdist in a file", "a folder", "a wheel that needs a URL")


@dataclass(frozen=True)
class Way:
    """One way to make pip run something.

    Args:
        name: For people.
        given: Arguments of ``pip install``.
        environ: Variables.
        files: Written into the folder where the command runs.
    """

    name: str
    given: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


class Workbench:
    """An index full of traps, an environment with one pip, and a marker that must never be there.

    Args:
        folder: For everything.
        pip: A folder with the pip to use, or `None` for an environment without one, which uses that of this process.
    """

    def __init__(self, folder: Path, index: LoopbackIndex, pip: Path | None = None) -> None:
        self.folder = folder
        self.index = index
        self.marker = folder / "marker"
        self.python = str(folder / "venv" / "bin" / "python")
        venv.create(folder / "venv", with_pip=False)
        if pip is not None:
            packages = next((folder / "venv" / "lib").glob("python3.*")) / "site-packages"
            (packages / "the_pip.pth").write_text(f"{pip}\n")
        self._runner = os.path.join(pip or PIP_FOLDER, "pip", "__pip-runner__.py")
        self._running: dict[frozenset[tuple[str, str]], NoBuildPip] = {}
        self.work = folder / "work"
        self.work.mkdir()
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._traps()

    def _traps(self) -> None:
        code = marking(str(self.marker))
        backend = BACKEND.format(marking=code)
        self.sdist = self.index.add(
            sdist("marker", "9.0", pyproject=PYPROJECT, files={"backend.py": backend, "setup.py": code}), metadata=False
        )
        self.old = self.index.add(sdist("old-marker", "9.0", setup_py=code), metadata=False)
        self.url = self.index.file_url(self.sdist)
        self.index.add(wheel("plain", "1.0"))
        self.index.add(wheel("leads-to-url", "1.0", requires=[f"marker @ {self.url}"]))
        self.index.add(wheel("leads-to-git", "1.0", requires=[f"marker @ git+file://{self.folder}/repository"]))
        links = self.folder / "links"
        links.mkdir()
        (links / self.sdist.filename).write_bytes(self.sdist.data)
        newer = sdist("plain", "9.0", pyproject=PYPROJECT, files={"backend.py": backend})
        (links / newer.filename).write_bytes(newer.data)
        for tree in (self.folder / "tree", self.folder / "marker-9.0-py3-none-any.whl"):
            tree.mkdir()
            for name, text in {"pyproject.toml": PYPROJECT, "backend.py": backend, "setup.py": code}.items():
                (tree / name).write_text(text)
        program = self.folder / "program"
        program.write_text(f"#!{sys.executable}\n{code}")
        program.chmod(0o755)
        self._repository(code)

    def _repository(self, code: str) -> None:
        place = self.folder / "repository"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environ = {**kept, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        with suppress(FileNotFoundError):
            subprocess.run(["git", "init", "-q", str(place)], check=True, env=environ, timeout=60)  # noqa: S607
            (place / "setup.py").write_text(code)

    def ways(self) -> Iterator[Way]:
        """Make all of them."""
        url, tree, links = self.url, str(self.folder / "tree"), str(self.folder / "links")
        archive = f"{links}/{self.sdist.filename}"
        yield Way("only an sdist", ["marker"])
        yield Way("only an old sdist", ["old-marker"])
        yield Way("the URL of an sdist", [f"marker @ {url}"])
        yield Way("a bare URL", [url])
        yield Way("an sdist in a file", [archive])
        yield Way("a folder", [tree])
        yield Way("a folder in an odd spelling", [f"file://{tree}/../tree"])
        yield Way("a folder with the name of a wheel", [str(self.folder / "marker-9.0-py3-none-any.whl")])
        yield Way("an editable folder", ["-e", tree])
        yield Way("an editable folder, joined", [f"-e{tree}"])
        yield Way("a repository", [f"git+file://{self.folder}/repository"])
        yield Way("a repository that is a command", [f"marker @ git+ext::{self.folder}/program"])
        yield Way("a wheel that needs a URL", ["leads-to-url"])
        yield Way("a wheel that needs a repository", ["leads-to-git"])
        yield Way("--no-binary", ["--no-binary", "marker", "marker"])
        yield Way("--no-binary in short", ["--no-bin=:all:", "marker"])
        yield Way("--no-binary in a file", ["-r", "r.txt"], files={"r.txt": "--no-binary :all:\nmarker\n"})
        yield Way("--no-binary beside a requirement", ["-r", "r.txt"], files={"r.txt": "marker --no-binary marker\n"})
        yield Way("a nested file", ["-rr.txt"], files={"r.txt": "-r deep/s.txt\n", "deep/s.txt": f"-e {tree}\n"})
        yield Way(
            "a URL in a nested file", ["-rr.txt"], files={"r.txt": "-c s.txt\nmarker", "s.txt": f"marker @ {url}"}
        )
        yield Way("a constraint with a URL", ["-c", "c.txt", "marker"], files={"c.txt": f"marker @ {url}\n"})
        yield Way("a broken line", ["-r", "r.txt"], files={"r.txt": f"mark\\\ner @ \\\n{url}\n"})
        yield Way("a variable", ["-r", "r.txt"], {"THE_WAY": url}, {"r.txt": "marker @ ${THE_WAY}\n"})
        yield Way("a line separator", ["-r", "r.txt"], files={"r.txt": f"plain # fine \u2028-e {tree}\n"})
        yield Way("links", ["--no-index", "-f", links, "marker"])
        yield Way("links with a newer sdist", ["--no-binary=plain", "-f", links, "plain"])
        yield Way(
            "an sdist with its digest",
            ["-r", "r.txt"],
            files={"r.txt": f"marker @ {url} --hash=sha256:{self.sdist.sha256}"},
        )
        yield Way("the old resolver", ["--use-deprecated=legacy-resolver", "leads-to-url"])
        yield Way("range requests", ["--use-feature=fast-deps", "leads-to-url"])
        yield Way("builds in this process", ["--use-feature=inprocess-build-deps", f"marker @ {url}"])
        yield Way("no isolation", ["--no-build-isolation", "--config-settings=a=b", f"marker @ {url}"])
        yield Way("an old build", ["--global-option=x", "--use-pep517", "old-marker"])
        yield from self._by_settings()

    def _by_settings(self) -> Iterator[Way]:
        url, tree, links = self.url, str(self.folder / "tree"), str(self.folder / "links")
        listed = {
            "r.txt": f"marker @ {url}\n",
            "pip.conf": f"[install]\nno-binary = :all:\nconstraint = {self.work}/r.txt\n",
        }
        yield Way("PIP_NO_BINARY", ["marker"], {"PIP_NO_BINARY": ":all:"})
        yield Way("PIP_CONSTRAINT", ["marker"], {"PIP_CONSTRAINT": f"{self.work}/r.txt"}, listed)
        yield Way("PIP_REQUIREMENT", ["plain"], {"PIP_REQUIREMENT": f"{self.work}/r.txt"}, listed)
        yield Way("PIP_EDITABLE", ["plain"], {"PIP_EDITABLE": tree})
        yield Way("PIP_FIND_LINKS", ["--no-index", "marker"], {"PIP_FIND_LINKS": links})
        yield Way("PIP_PYTHON", ["plain"], {"PIP_PYTHON": str(self.folder / "program")})
        yield Way("a pip.conf", ["marker"], {"PIP_CONFIG_FILE": f"{self.work}/pip.conf"}, listed)
        yield Way("modules beside it", ["plain"], {"PYTHONPATH": str(self.work)}, self._modules())

    def _modules(self) -> dict[str, str]:
        code = marking(str(self.marker))
        return {"pip/__init__.py": code, "sitecustomize.py": code, "usercustomize.py": code, "json.py": code}

    def environ(self, way: Way) -> dict[str, str]:
        """Return the variables of the user."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": self.index.url(), "PIP_RETRIES": "0"}
        return {**kept, **settings, "PIP_NO_CACHE_DIR": "1", **way.environ}

    @contextmanager
    def at_work(self, way: Way) -> Iterator[None]:
        """Go where the command runs."""
        for name, text in way.files.items():
            (self.work / name).parent.mkdir(exist_ok=True)
            (self.work / name).write_text(text, encoding="utf-8")
        try:
            with chdir(self.work):
                yield
        finally:
            for name in way.files:
                (self.work / name).unlink()

    def ask(self, way: Way) -> str:
        """Ask weighlock, and say what came of it."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        with self.at_work(way):
            try:
                request = arguments.read(way.given, python=self.python, environ=self.environ(way))
                if request.builds:
                    return "build"
                with NoBuildPip(request, folder) as pip:
                    found = resolve(request, folder, pip=pip)
                    (folder / "wheels").mkdir(mode=0o700)
                    download(request, found.packages, folder / "wheels", scratch=folder, pip=pip)
            except WeighlockError as error:
                return f"refused: {error}"
        return " ".join(sorted(one.artifact.pin for one in found.packages))

    def ask_raw(self, way: Way, command: str = "install") -> int:
        """Give the arguments to the pip that can build nothing, as they are."""
        environ = self.environ(way)
        key = frozenset(environ.items())
        if key not in self._running:
            self._running[key] = NoBuildPip(PipRequest(python=self.python, environ=environ), self.scratch)
        dry = ["--dry-run"] if command == "install" else []
        with self.at_work(way):
            return self._running[key].run([command, *dry, *self.absolute(way)]).code

    def close(self) -> None:
        """End every pip."""
        for running in self._running.values():
            running.close()

    def absolute(self, way: Way) -> list[str]:
        """Return the arguments with paths that hold from everywhere."""
        given = [f"-r{self.work}/r.txt" if text == "-rr.txt" else text for text in way.given]
        return [str(self.work / text) if text in {"r.txt", "c.txt"} else text for text in given]

    def plain(self, way: Way) -> bool:
        """Run pip as it is, and say whether it ran code of the package: the marker works."""
        with self.at_work(way):
            command = [self.python, self._runner, "install", "--dry-run", *way.given]
            subprocess.run(command, env=self.environ(way), capture_output=True, check=False, timeout=120)
        ran = self.marker.exists()
        self.marker.unlink(missing_ok=True)
        return ran


def failures(bench: Workbench, *, ask: bool = True) -> list[str]:
    """Try every way, and return those that ran something or that came to a resolution that they must not come to."""
    failed = []
    for way in bench.ways():
        came = bench.ask(way) if ask else "not asked"
        if bench.marker.exists() or (came in {"", "marker==9.0"}):
            failed.append(f"{way.name}: {came}")
        bench.marker.unlink(missing_ok=True)
        for command in ("install", "download", "wheel") if way.name in EVERY_COMMAND else ("install",):
            with suppress(WeighlockError):  # that process ended, which is as good
                bench.ask_raw(way, command)
            if bench.marker.exists():
                failed.append(f"{way.name}, given raw to pip {command}")
            bench.marker.unlink(missing_ok=True)
    return failed
