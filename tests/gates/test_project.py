"""Which policy and lockfile a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from weighlock.errors import LockfileError, PolicyError
from weighlock.gates.project import find_project
from weighlock.lockfile import Lockfile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    return tmp_path


def lock_of(folder: Path, lock: str | None = None, **environ: str) -> Path:
    return find_project({**environ, "WEIGHLOCK_ROOT": str(folder)}, lock).lock


def test_the_nearest_lockfile_is_taken(root: Path) -> None:
    (root / "models.lock").write_text(Lockfile().dumps())
    assert lock_of(root / "sub") == root / "models.lock"
    (root / "sub" / "models.lock").write_text(Lockfile().dumps())
    assert lock_of(root / "sub") == root / "sub" / "models.lock"


def test_a_new_lockfile_stands_beside_the_policy(root: Path) -> None:
    assert lock_of(root / "sub") == root / "sub" / "models.lock"
    (root / "pyproject.toml").write_text("[tool.weighlock]\n")
    assert lock_of(root / "sub") == root / "models.lock"


def test_the_command_line_goes_before_the_environment_before_the_policy(root: Path) -> None:
    (root / "weighlock.toml").write_text('lock = "locks/ours.lock"\n')
    assert lock_of(root / "sub") == root / "locks" / "ours.lock"
    assert lock_of(root / "sub", WEIGHLOCK_LOCK=str(root / "x.lock")) == root / "x.lock"
    assert lock_of(root / "sub", str(root / "y.lock"), WEIGHLOCK_LOCK=str(root / "x.lock")) == root / "y.lock"


def test_a_broken_policy_is_an_error_and_not_the_default(root: Path) -> None:
    (root / "weighlock.toml").write_text('mode = "enforced"\n')
    with pytest.raises(PolicyError, match=r"weighlock\.toml"):
        find_project({"WEIGHLOCK_ROOT": str(root)})


def test_a_missing_lockfile_is_empty_only_where_it_may_be(root: Path) -> None:
    project = find_project({"WEIGHLOCK_ROOT": str(root)})
    assert project.read(required=False) == Lockfile()
    with pytest.raises(LockfileError, match="there is no lockfile"):
        project.read(required=True)
    (root / "models.lock").symlink_to("nothing")
    with pytest.raises(LockfileError):
        project.read(required=False)
