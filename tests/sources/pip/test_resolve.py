"""Resolving and fetching from a loopback index: what is admitted comes through, all else is one clear line."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.sources.pip.conftest import Environment
from weighlock.demo.index import Answer, LoopbackIndex
from weighlock.demo.packages import Package, sdist, wheel
from weighlock.errors import DigestMismatchError, SourceError, UsageError, WeighlockError
from weighlock.sources.pip import arguments
from weighlock.sources.pip.download import download
from weighlock.sources.pip.interface import PipRequest, Resolution
from weighlock.sources.pip.no_build import NoBuildPip
from weighlock.sources.pip.resolve import resolve

pytestmark = pytest.mark.e2e


class Index(LoopbackIndex):
    """An index that may ask for a password, and answer with errors."""

    def __init__(self) -> None:
        super().__init__()
        self.basic: str | None = None
        self.broken: dict[str, Answer] = {}

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        if self.basic is not None and headers.get("Authorization") != f"Basic {self.basic}":
            return Answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
        for part, answer in self.broken.items():
            if part in path:
                return answer
        return super().answer(path, headers)


class Desk:
    """Asks pip about one environment."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self.environment = environment
        self.index = Index()
        self.folder = folder
        self._running: dict[str, NoBuildPip] = {}

    def request(self, *given: str, environ: Mapping[str, str] | None = None, index: bool = True) -> PipRequest:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1", "PIP_TIMEOUT": "10"}
        settings |= {"PIP_INDEX_URL": self.index.url()} if index else {}
        return arguments.read(given, python=self.environment.python, environ={**kept, **settings, **(environ or {})})

    def fetch(self, *given: str, **more: object) -> tuple[Resolution, dict[str, str]]:
        request = self.request(*given, **more)
        wheels = tempfile.mkdtemp(dir=self.folder)
        pip = self.pip(request)
        found = resolve(request, self.folder, pip=pip)
        return found, download(request, found.packages, wheels, scratch=self.folder, pip=pip)

    def pip(self, request: PipRequest) -> NoBuildPip:
        """Return a running one, shared by all tests with these variables."""
        key = json.dumps(dict(request.environ))
        if key not in self._running:
            self._running[key] = NoBuildPip(request, self.folder)
        return self._running[key]

    def close(self) -> None:
        for pip in self._running.values():
            pip.close()

    def pins(self, *given: str, **more: object) -> list[str]:
        return sorted(package.artifact.pin for package in self.fetch(*given, **more)[0].packages)

    def refused(self, *given: str, kind: type[WeighlockError] = SourceError, **more: object) -> WeighlockError:
        with pytest.raises(kind) as caught:
            self.fetch(*given, **more)
        assert "\n" not in caught.value.message
        return caught.value


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("resolve")
    venv.create(folder / "venv", with_pip=False)
    (folder / "private").mkdir(mode=0o700)
    desk = Desk(Environment(folder / "venv"), folder / "private")
    yield desk
    desk.close()


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as index:
        index.add(wheel("alpha", "1.0", requires=["beta>=1"], metadata={"Provides-Extra": "more"}))
        index.add(wheel("alpha", "2.0rc1", requires=["beta>=1"]))
        index.add(wheel("beta", "1.0"))
        index.add(sdist("only-sdist", "1.0", setup_py=""))
        yield index


@pytest.fixture
def desk(shared: Desk, index: Index) -> Desk:
    shared.index = index
    return shared


def test_what_is_chosen_is_told_and_fetched(desk: Desk, index: Index):
    found, paths = desk.fetch("alpha[more]")
    alpha, beta = found.packages
    assert (alpha.artifact.pin, alpha.requested, alpha.extras, alpha.direct) == ("alpha==1.0", True, ("more",), None)
    assert (beta.artifact.pin, beta.requested, beta.yanked) == ("beta==1.0", False, False)
    assert alpha.metadata["requires_dist"] == ["beta>=1"]
    assert found.markers["python_version"]
    assert json.loads(found.report)["version"] == "1"
    for package in found.packages:
        assert package.artifact.digest is not None
        assert package.artifact.digest.value == index.projects["simple", package.artifact.name].files[0].package.sha256
        assert os.path.getsize(paths[package.artifact.filename])
    assert not any(path.endswith(".tar.gz") for path in index.paths())


def test_the_metadata_come_before_any_wheel_where_the_index_has_them(desk: Desk, index: Index):
    request = desk.request("alpha")
    resolve(request, desk.folder, pip=desk.pip(request))
    assert not [path for path in index.paths() if path.endswith(".whl")]


def test_the_options_keep_their_meaning(desk: Desk, tmp_path: Path):
    assert desk.pins("--pre", "alpha") == ["alpha==2.0rc1", "beta==1.0"]
    assert desk.pins("--no-deps", "alpha") == ["alpha==1.0"]
    (tmp_path / "c.txt").write_text("alpha==2.0rc1\n")
    assert desk.pins("-c", str(tmp_path / "c.txt"), "alpha") == ["alpha==2.0rc1", "beta==1.0"]
    assert desk.pins("-t", str(tmp_path / "t"), "beta") == ["beta==1.0"]


def test_what_is_installed_is_left_alone(desk: Desk, index: Index):
    info = desk.environment.packages / "beta-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n")
    assert desk.pins("alpha") == ["alpha==1.0"]
    assert desk.pins("beta") == []
    assert desk.pins("--force-reinstall", "beta") == ["beta==1.0"]
    shutil.rmtree(info)


def test_urls_and_files_are_direct_and_say_so(desk: Desk, index: Index, tmp_path: Path):
    beta = index.project("beta").files[0].package
    found, _ = desk.fetch(f"beta @ {index.file_url(beta)}")
    assert found.packages[0].direct == "url"
    assert found.packages[0].direct_url["url"] == index.file_url(beta)
    place = tmp_path / beta.filename
    place.write_bytes(beta.data)
    found, paths = desk.fetch(str(place))
    assert found.packages[0].direct == "file"
    assert found.packages[0].direct_url["url"] == place.as_uri()
    assert Path(paths[beta.filename]).read_bytes() == beta.data


def test_a_yanked_release_is_told(desk: Desk, index: Index):
    index.change(index.project("beta").files[0].package, yanked="broken")
    assert desk.fetch("beta==1.0")[0].packages[0].yanked


def test_credentials_reach_the_index_and_nobody_else(desk: Desk, index: Index):
    index.basic = "dXNlcjpodW50ZXIy"
    with_password = {"PIP_INDEX_URL": index.url(user="user:hunter2")}
    found, _ = desk.fetch("beta", environ=with_password)
    assert "hunter2" not in repr(found)
    beta = index.project("beta").files[0].package
    direct = index.file_url(beta).replace("http://", "http://user:hunter2@")
    found, _ = desk.fetch("--no-index", f"beta @ {direct}", environ=with_password)
    assert "hunter2" not in repr(found)
    assert "hunter2" not in json.dumps(found.packages[0].direct_url)
    index.basic = "eDp4"
    error = desk.refused("beta", environ=with_password)
    assert "credentials" in (error.hint or "") + error.message
    assert "hunter2" not in "\n".join([str(error), *error.__notes__])


def test_a_password_of_netrc_is_used(desk: Desk, index: Index, tmp_path: Path):
    index.basic = "dXNlcjpodW50ZXIy"
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert desk.pins("beta", environ={"HOME": str(tmp_path)}) == ["beta==1.0"]


def test_a_keyring_may_be_asked_though_nothing_else_may_start(desk: Desk, index: Index, tmp_path: Path):
    index.basic = "dXNlcjpodW50ZXIy"
    program = tmp_path / "bin" / "keyring"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho \'{"username": "user", "password": "hunter2"}\'\n')
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PIP_INDEX_URL": index.url(user="user")}
    given = ("--keyring-provider=subprocess", "beta")
    program.write_text("#!/bin/sh\necho hunter2\n") if _old_keyring() else None
    assert desk.pins(*given, environ=environ) == ["beta==1.0"]


def test_an_importable_keyring_is_asked_as_by_pip(desk: Desk, index: Index, request: pytest.FixtureRequest):
    index.basic = "dXNlcjpodW50ZXIy"
    keyring = desk.environment.packages / "keyring.py"
    request.addfinalizer(keyring.unlink)
    keyring.write_text(
        "import subprocess\nclass Found:\n    username = 'user'\n    password = 'hunter2'\n"
        "def get_credential(place, user):\n    subprocess.run(['/bin/true'], check=True)\n    return Found\n"
        "def get_password(place, user):\n    return 'hunter2'\n"
    )
    fresh = {"FRESH": "1"}  # another process, because pip remembers that there is no keyring
    assert desk.pins("beta", environ=fresh) == ["beta==1.0"]


def _old_keyring() -> bool:
    import pip

    return tuple(int(part) for part in pip.__version__.split(".")[:2]) < (26, 2)


def test_an_unknown_name_is_one_clear_line(desk: Desk):
    error = desk.refused("nothing-like-it")
    assert (error.where, "no index has a wheel" in error.message) == ("nothing-like-it", True)


def test_what_is_only_there_as_an_sdist_names_allow_build(desk: Desk):
    error = desk.refused("only-sdist")
    assert 'allow-build = ["only-sdist"]' in error.hint


def test_a_version_that_is_not_there_names_those_that_are(desk: Desk):
    assert "1.0" in desk.refused("beta==7").hint


def test_a_conflict_is_one_clear_line(desk: Desk):
    error = desk.refused("alpha", "beta<1")
    assert "conflict" in error.message or "beta" in str(error)


def test_an_index_that_is_down_is_one_clear_line(desk: Desk):
    error = desk.refused("beta", environ={"PIP_INDEX_URL": "http://127.0.0.1:9/simple/"})
    assert "cannot be reached" in error.message


def test_a_server_without_tls_is_one_clear_line(desk: Desk, index: Index):
    url = index.url().replace("http:", "https:")
    assert desk.refused("beta", environ={"PIP_INDEX_URL": url}).message


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_file_that_is_not_there_is_one_clear_line(desk: Desk, index: Index, status: int):
    index.broken["beta-1.0-py3-none-any.whl"] = Answer(status)
    assert str(status) in str(desk.refused("beta"))


def test_other_bytes_than_the_page_says_are_refused(desk: Desk, index: Index):
    beta = index.project("beta").files[0].package
    index.change(beta, package=Package(beta.filename, wheel("beta", "1.0", {"beta.py": "evil"}).data, beta.metadata))
    desk.refused("beta", kind=DigestMismatchError)


def test_other_bytes_than_the_requirements_say_are_refused(desk: Desk, tmp_path: Path):
    (tmp_path / "r.txt").write_text(f"beta==1.0 --hash=sha256:{'0' * 64}\n")
    desk.refused("-r", str(tmp_path / "r.txt"), kind=DigestMismatchError)


def test_a_digest_that_is_missing_is_one_clear_line(desk: Desk, tmp_path: Path):
    (tmp_path / "r.txt").write_text("beta==1.0\n")
    assert "digest" in desk.refused("--require-hashes", "-r", str(tmp_path / "r.txt"), kind=UsageError).message


def test_a_file_without_a_digest_on_its_page_is_fetched_and_hashed(desk: Desk, index: Index):
    beta = index.project("beta").files[0].package
    index.change(beta, sha256=None)
    found, paths = desk.fetch("beta")
    assert Path(paths[beta.filename]).read_bytes() == beta.data
    assert found.packages[0].artifact.digest is None or found.packages[0].artifact.digest.value == beta.sha256


def test_bytes_that_changed_after_the_resolution_are_refused(desk: Desk, index: Index):
    request = desk.request("beta")
    found = resolve(request, desk.folder, pip=desk.pip(request))
    beta = index.project("beta").files[0].package
    index.change(beta, package=Package(beta.filename, wheel("beta", "1.0", {"beta.py": "evil"}).data, beta.metadata))
    wheels = desk.folder / "wheels-of-a-thief"
    wheels.mkdir()
    with pytest.raises(DigestMismatchError):
        download(request, found.packages, wheels, scratch=desk.folder, pip=desk.pip(request))


def test_a_malformed_wheel_is_one_clear_line(desk: Desk, index: Index):
    index.add(Package("broken-1.0-py3-none-any.whl", b"no zip", b""), metadata=False)
    desk.refused("broken")


def test_a_wheel_with_the_metadata_of_another_is_refused(desk: Desk, index: Index):
    other = wheel("other", "1.0")
    index.add(Package("broken-1.0-py3-none-any.whl", other.data, other.metadata), metadata=False)
    desk.refused("broken")


def test_an_option_that_this_pip_lacks_is_one_clear_line(desk: Desk):
    request = desk.request("beta")
    with pytest.raises(UsageError, match="does not know --frobnicate"):
        resolve(PipRequest(python=request.python, resolving=("--frobnicate",)), desk.folder, pip=desk.pip(request))


def test_an_interpreter_that_is_none_is_one_clear_line(desk: Desk, tmp_path: Path):
    for place in (str(tmp_path / "nowhere"), "/bin/false"):
        with pytest.raises(UsageError):
            arguments.read(["beta"], python=place, environ={})
        with pytest.raises(UsageError):
            NoBuildPip(PipRequest(python=place), desk.folder)


def test_a_pip_that_cannot_be_imported_is_one_clear_line(desk: Desk, request: pytest.FixtureRequest):
    broken = desk.environment.packages / "pip"
    broken.mkdir()
    request.addfinalizer(lambda: shutil.rmtree(broken))
    (broken / "__init__.py").write_text("raise ImportError('broken')\n")
    with pytest.raises(UsageError, match="broken"):
        NoBuildPip(desk.request("beta"), desk.folder)
    (broken / "__init__.py").write_text("__version__ = '22.1'\n")
    with pytest.raises(UsageError):
        NoBuildPip(desk.request("beta"), desk.folder)


def test_a_lockfile_of_packages_installs_exactly_its_files(desk: Desk, index: Index, tmp_path: Path):
    beta = index.project("beta").files[0].package
    place = tmp_path / "pylock.toml"
    text = (
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "beta"\nversion = "1.0"\nwheels = '
        f'[{{ name = "{beta.filename}", url = "{index.file_url(beta)}", hashes = {{ sha256 = "{beta.sha256}" }} }}]\n'
    )
    place.write_text(text)
    assert desk.pins("--no-index", "-r", str(place)) == ["beta==1.0"]
    place.write_text(text.replace(beta.sha256, "0" * 64))
    desk.refused("--no-index", "-r", str(place), kind=DigestMismatchError)
