"""Where the policy and the lockfile are looked for, and whose they must be."""

import os

import pytest

from weighlock.errors import PolicyError
from weighlock.gates.load_settings import find_lockfile, find_policy
from weighlock.policy import Policy

_SOMEBODY = 65533


@pytest.fixture
def shared(tmp_path):
    """A folder like /tmp, with a project of ours in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to somebody else")
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    (folder / "project").mkdir()
    return folder


def planted(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    os.chown(folder / name, _SOMEBODY, _SOMEBODY)


def test_a_policy_that_somebody_left_in_a_folder_for_everybody_is_not_ours(shared):
    planted(shared, "weighlock.toml", 'mode = "off"\n')
    assert find_policy({"WEIGHLOCK_ROOT": str(shared / "project")}) == (Policy(), None)


def test_a_lockfile_that_somebody_left_in_a_folder_for_everybody_is_not_ours(shared):
    planted(shared, "models.lock", 'lock-version = "1.0"\n')
    assert find_lockfile({"WEIGHLOCK_ROOT": str(shared / "project")}, Policy(), None) is None


def test_a_link_of_somebody_to_a_file_of_ours_is_not_ours(shared):
    (shared / "project" / "elsewhere.toml").write_text('mode = "off"\n', encoding="utf-8")
    (shared / "weighlock.toml").symlink_to("project/elsewhere.toml")
    os.lchown(shared / "weighlock.toml", _SOMEBODY, _SOMEBODY)
    assert find_policy({"WEIGHLOCK_ROOT": str(shared / "project")}) == (Policy(), None)


def test_files_of_ours_count_there_and_files_of_others_in_their_own_folders(shared):
    (shared / "models.lock").write_text("", encoding="utf-8")
    assert find_lockfile({"WEIGHLOCK_ROOT": str(shared / "project")}, Policy(), None) == str(shared / "models.lock")
    planted(shared / "project", "models.lock", "")
    found = find_lockfile({"WEIGHLOCK_ROOT": str(shared / "project")}, Policy(), None)
    assert found == str(shared / "project" / "models.lock")


def test_an_acceptance_of_a_check_that_is_none_does_not_pass_for_one(tmp_path):
    row = '{ package = "gantry", check = "start-up-files", reason = "misspelt" }'
    (tmp_path / "weighlock.toml").write_text(f"[install]\naccept = [{row}]\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"accept\[0\].check: there is no check 'start-up-files'"):
        find_policy({"WEIGHLOCK_ROOT": str(tmp_path)})
