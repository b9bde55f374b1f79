"""What `weighlock lock` says about code that configurations refer to."""

from __future__ import annotations

import json

import pytest

from weighlock._cli import main


@pytest.fixture
def lock(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(auto_map, *options):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"auto_map": auto_map}))
        (folder / "modeling.py").write_text("X = 1\n")
        assert main(["lock", "./model", *options]) == 0
        return capsys.readouterr().out

    return run


def test_code_that_is_not_admitted_is_named_with_the_command_that_admits_it(lock):
    output = lock({"AutoModel": "modeling.Model"})
    assert "it refers to code beside it" in output
    assert "--remote-code` admits it" in output


def test_code_of_another_repository_is_named_although_the_models_own_is_admitted(lock):
    output = lock({"AutoModel": "other/code--modeling.Model"}, "--remote-code")
    assert "`weighlock lock other/code --remote-code` admits it" in output


def test_nothing_is_said_about_code_that_is_admitted(lock, tmp_path):
    assert "code " not in lock({"AutoModel": "modeling.Model"}, "--remote-code")
    lockfile = (tmp_path / "models.lock").read_text()
    assert "remote-code = true" in lockfile
    assert 'path = "modeling.py"' in lockfile


def test_code_that_becomes_admitted_is_told_and_stays_in_the_diff(lock, tmp_path):
    lock({"AutoModel": "modeling.Model"})
    output = lock({"AutoModel": "modeling.Model"}, "--remote-code")
    assert "changed   ./model: its own code may run" in output
    assert "# changed: its own code may run" in (tmp_path / "models.lock").read_text()
    assert "its own code may run" not in lock({"AutoModel": "modeling.Model"}, "--remote-code")


def test_every_python_file_that_may_run_is_named_once(lock):
    assert "may run   ./model: modeling.py" in lock({"AutoModel": "modeling.Model"}, "--remote-code")
    assert "may run" not in lock({"AutoModel": "modeling.Model"})


def test_admitted_code_that_changed_is_named_although_nobody_repeats_the_option(lock, tmp_path):
    lock({"AutoModel": "modeling.Model"}, "--remote-code")
    (tmp_path / "model" / "more.py").write_text("Y = 1\n")
    assert "may run   ./model: more.py" in lock({"AutoModel": "modeling.Model"})


def test_code_that_may_not_run_is_not_said_to(lock):
    assert "may run" not in lock({"AutoModel": "modeling.Model"})
