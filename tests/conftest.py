"""Every test runs as on a machine where no one has used weighlock or the Hub yet, and without the network."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.measured import drop_torn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.index_faults import FaultyIndex

_NOBODY = 65534

_HOME = tempfile.mkdtemp(prefix="weighlock-tests-")

# Before any library reads them, and for child processes as well.
_SETTINGS = "WEIGHLOCK_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "MLFLOW_"
for _name in [name for name in os.environ if name.startswith(_SETTINGS)]:
    del os.environ[_name]
os.environ.update(
    {
        "XDG_CACHE_HOME": os.path.join(_HOME, "cache"),
        "XDG_CONFIG_HOME": os.path.join(_HOME, "config"),
        "XDG_DATA_HOME": os.path.join(_HOME, "data"),
        "XDG_STATE_HOME": os.path.join(_HOME, "state"),
        "HF_HOME": os.path.join(_HOME, "huggingface"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
)

settings.register_profile("weighlock", deadline=None, derandomize=True, print_blob=True, database=None)
settings.load_profile("weighlock")


@pytest.fixture(autouse=True)
def _no_settings() -> Iterator[None]:
    """Keep what a test, or a guard that it switched on, sets for its children away from the tests after it."""
    paths = os.environ.get("PYTHONPATH")
    yield
    recording = sys.modules.get("weighlock.gates.recording")
    if recording is not None:
        recording.take_used()  # what no command sealed belongs to this test
    for name in [name for name in os.environ if name.startswith("WEIGHLOCK_")]:
        del os.environ[name]
    if paths is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = paths


@pytest.fixture
def unprivileged() -> Callable[[Path], AbstractContextManager[None]]:
    """Return a context in which permissions count, also where root runs the tests; the folder stays reachable."""

    @contextlib.contextmanager
    def drop(folder: Path) -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        # Other users may pass through the folders of pytest, which are closed to them.
        closed = [parent for parent in (folder, *folder.parents) if not parent.stat().st_mode & stat.S_IXOTH]
        modes = [(parent, stat.S_IMODE(parent.stat().st_mode)) for parent in closed]
        for parent, mode in modes:
            parent.chmod(mode | 0o055)
        os.seteuid(_NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            for parent, mode in modes:
                parent.chmod(mode)

    return drop


@pytest.fixture
def package_index() -> Iterator[FaultyIndex]:
    """Return an empty package index on the loopback interface that is running; see `tests.index_faults`."""
    from tests.index_faults import FaultyIndex

    with FaultyIndex() as index:
        yield index


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 that nobody trusts, and its key."""
    from tests import index_faults

    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates, and there is none")
    return index_faults.certificate(tmp_path_factory.mktemp("certificate"))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: writers put the time into archives, and every worker must collect the same names."""
    if isinstance(val, bytes) and not (len(val) <= 16 and val.isascii()):
        return f"{len(val)}-bytes"
    return None


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Drop what killed children left of their coverage, right before pytest-cov combines it."""
    result = yield
    if session.config.pluginmanager.hasplugin("_cov") and not hasattr(session.config, "workerinput"):
        for name in drop_torn(session.config.rootpath / os.environ.get("COVERAGE_FILE", ".coverage")):
            session.config.get_terminal_writer().line(f"\na child was killed over {name}, which is dropped")
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    del config
    shutil.rmtree(_HOME, ignore_errors=True)
