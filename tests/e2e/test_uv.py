"""`weighlock install --resolver uv` with the real uv, a loopback index and an environment of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pip_bypasses import Way, Workbench
from tests.e2e.test_install import Bench, sandbox, source_of
from tests.index_faults import FaultyIndex, certificate
from weighlock.demo.index import LoopbackIndex
from weighlock.demo.packages import sdist, wheel
from weighlock.errors import UsageError, WeighlockError
from weighlock.sources.pip import arguments
from weighlock.sources.pip.interface import PipRequest
from weighlock.sources.uv import command
from weighlock.sources.uv.choose import choose

__all__ = ["sandbox"]  # a fixture

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def uv() -> str:
    try:
        return command.find(os.environ)
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with LoopbackIndex() as index:
        yield Workbench(tmp_path_factory.mktemp("traps"), index)


@pytest.fixture
def bench(tmp_path, package_index):
    return Bench(tmp_path, package_index)


def chosen(bench: Workbench, way: Way, folder: Path) -> str:
    folder.mkdir()
    with bench.at_work(way):
        try:
            request = arguments.read(way.given, python=bench.python, environ=bench.environ(way))
            pins = choose(request, folder, {}).requirements(request) if not request.builds else ()
        except WeighlockError as error:
            return f"refused: {error}"
    return " ".join(one.line for one in pins)


def test_no_way_to_make_pip_run_something_makes_uv_run_it(traps: Workbench, tmp_path: Path):
    came = {}
    for number, way in enumerate(traps.ways()):
        came[way.name] = chosen(traps, way, tmp_path / str(number))
        assert not traps.marker.exists(), way.name
        assert came[way.name].startswith("refused") or "marker" not in came[way.name], way.name
    assert sum(text.startswith("refused") for text in came.values()) > 15
    assert came["PIP_PYTHON"].startswith("refused")
    assert came["modules beside it"] == "plain==1.0"


@pytest.mark.parametrize("spelling", ["marker", "{url}", "marker @ {url}", "{tree}", "-e {tree}", "leads-to-url",
                                      "leads-to-git", "marker @ git+file://{folder}/repository", "{links}/{file}",
                                      "--no-binary marker\nmarker", "--find-links {links}\nmarker"])  # fmt: skip
def test_uv_builds_nothing_even_if_nobody_had_read_the_requirements(traps: Workbench, tmp_path: Path, spelling: str):
    text = spelling.format(
        url=traps.url, tree=traps.folder / "tree", folder=traps.folder, links=traps.folder / "links",
        file=traps.sdist.filename,
    )  # fmt: skip
    (tmp_path / "raw.in").write_text(f"--index-url {traps.index.url()}\n{text}\n")
    environ = {**os.environ, "UV_NO_BUILD": "0", "UV_NO_BINARY": "1", "UV_CONFIG_FILE": str(tmp_path / "uv.toml")}
    (tmp_path / "uv.toml").write_text("[pip]\nno-build = false\nno-binary = ['marker']\n")
    request = PipRequest(python=traps.python, environ=environ)
    with pytest.raises(WeighlockError):
        command.compile_(request, ["-o", str(tmp_path / "out.toml"), str(tmp_path / "raw.in")], tmp_path)
    assert not traps.marker.exists()


def test_what_uv_chooses_is_judged_and_installed_as_ever(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}, requires=["dependency", "more; extra=='all'"]))
    bench.index.add(wheel("dependency", "1.0", {"dependency/__init__.py": ""}))
    bench.index.add(wheel("more", "1.0", {"more/__init__.py": ""}))
    done = bench.install("--resolver", "uv", "gantry[all]", "dependency; python_version<'3'")
    assert done.returncode == 0, done.stderr
    assert "3 packages: 3 ALLOW" in done.stdout
    requested = sorted(str(path.parent.name) for path in bench.site.rglob("REQUESTED"))
    assert requested == ["gantry-1.0.dist-info"]
    assert not list(bench.site.rglob("direct_url.json"))
    bench.index.add(wheel("dependency", "2.0", {"dependency/__init__.py": ""}))
    bench.index.add(wheel("gantry", "2.0", {"gantry/__init__.py": ""}, requires=["dependency"]))
    assert "nothing to do" in bench.install("--resolver", "uv", "gantry").stderr
    assert "would install: gantry==2.0 (" in bench.install("--resolver=uv", "--dry-run", "-U", "gantry").stderr
    eager = bench.install("--resolver=uv", "--dry-run", "-U", "--upgrade-strategy=eager", "gantry")
    assert "would install: dependency==2.0 gantry==2.0 (" in eager.stderr


def test_what_uv_chooses_is_refused_as_ever(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry/__init__.py": ""}, requires=["hook"]))
    bench.index.add(wheel("hook", "1.0", {"hook.pth": f"import os; os.mkdir({str(bench.marker)!r})\n"}))
    assert "startup-files" in bench.refused("--resolver", "uv", "gantry")
    bench.index.add(wheel("vulnerable", "1.0", {"vulnerable.py": ""}))
    assert "PYSEC-2026-1" in bench.refused("--resolver", "uv", "vulnerable")
    assert not [request for request in bench.index.requests if "vulnerable-1.0" in request.path
                and request.path.endswith(".whl")]  # fmt: skip


def test_wrong_bytes_for_the_right_name_are_refused(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}), sha256="0" * 64)
    bench.refused("--resolver", "uv", "gantry")


def test_a_name_on_two_indexes_is_refused_whichever_uv_would_take(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": "ours = True"}), "private")
    bench.index.add(wheel("gantry", "9.9", {"gantry.py": "theirs = True"}))
    said = bench.refused("--resolver", "uv", "--extra-index-url", bench.index.url("private"), "gantry")
    assert "DENY   gantry  1.0" in said
    assert "index-ownership" in said


@pytest.mark.parametrize(
    "given", ["--platform=any", "--ignore-requires-python", "--use-feature=fast-deps", "--abi=none",
              "--keyring-provider=import", "--retries=9"])  # fmt: skip
def test_what_uv_cannot_do_is_refused_by_name(traps, tmp_path, given):
    came = chosen(traps, Way("", [given, "plain"]), tmp_path / "folder")
    assert came == "plain==1.0" if given == "--retries=9" else given.partition("=")[0] in came


def test_credentials_and_certificates_are_those_of_pip(traps, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates, and there is none")
    index = FaultyIndex()
    crt, key = certificate(tmp_path, "-addext", "basicConstraints=critical,CA:FALSE")  # uv is strict about that
    index.encrypt(crt, key)
    index.require("me:s3cret$X#")
    index.add(wheel("gantry", "1.0"))
    with index:
        there = index.url(user="me:s3cret%24X%23")
        cert = f"--cert={crt}"
        assert chosen(traps, Way("", ["-i", there, cert, "gantry"]), tmp_path / "right") == "gantry==1.0"
        trusting = ["-i", there, f"--trusted-host={index.url().split('/')[2]}", "gantry"]
        assert chosen(traps, Way("", trusting), tmp_path / "trusting") == "gantry==1.0"
        said = chosen(traps, Way("", ["-i", there, "gantry"]), tmp_path / "strange")
        assert said.startswith("refused")
        assert "s3cret" not in said
        said = chosen(traps, Way("", ["-i", there.replace("s3cret", "wr0ng"), cert, "gantry"]), tmp_path / "wrong")
        assert said.startswith("refused")
        assert "wr0ng" not in said


def test_digests_that_are_given_hold_for_everything(traps, tmp_path):
    pin = "sha256:" + "1" * 64
    files = {"r.txt": f"plain==1.0 --hash={pin}\n"}
    assert chosen(traps, Way("", ["-r", "r.txt"], files=files), tmp_path / "one") == f"plain==1.0 --hash={pin}"
    traps.index.add(wheel("needs-plain", "1.0", requires=["plain"]))
    files = {"r.txt": f"needs-plain==1.0 --hash={pin}\n"}
    assert "no" in chosen(traps, Way("", ["-r", "r.txt"], files=files), tmp_path / "two")
    assert chosen(traps, Way("", ["--require-hashes", "plain"]), tmp_path / "three").endswith(
        "this requirement has none"
    )


def test_without_uv_it_is_said_how_to_get_it(bench):
    (bench.folder / "hidden" / "uv").mkdir(parents=True)
    missing = "def find_uv_bin():\n    raise FileNotFoundError('uv')\n"
    (bench.folder / "hidden" / "uv" / "__init__.py").write_text(missing, encoding="utf-8")
    paths = os.pathsep.join(filter(None, (str(bench.folder / "hidden"), os.environ.get("PYTHONPATH"))))
    said = bench.refused("--resolver", "uv", "gantry", code=2, PATH="/nonexistent", PYTHONPATH=paths)
    assert "there is none" in said
    assert "pip install uv" in said


def test_an_sdist_is_refused_before_it_can_run(bench):
    bench.index.add(sdist("source", "1.0", setup_py=f"import os; os.mkdir({str(bench.marker)!r})\n"))
    assert "allow-build" in bench.refused("--resolver", "uv", "source", code=2)


def test_what_the_policy_lets_build_is_built_apart_and_chosen(bench, sandbox):
    bench.index.add(source_of(bench))
    bench.index.add(wheel("needs-it", "1.0", {"needs_it.py": ""}, requires=["gantry>=1"]))
    bench.policy('[install]\nallow-build = ["gantry"]\n')
    done = bench.install("--resolver", "uv", "needs-it")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (bench.site / "gantry.py").read_text(encoding="utf-8") == "BUILT = True\n"


def test_offline_uv_asks_nobody(bench):
    bench.index.add(wheel("gantry", "1.0", {"gantry.py": ""}))
    assert "gantry" in bench.refused("--resolver", "uv", "--offline", "gantry", code=2)
    assert bench.index.requests == []
