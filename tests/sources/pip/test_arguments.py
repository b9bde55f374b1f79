from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from weighlock.errors import UsageError
from weighlock.sources.pip import arguments, options, remote
from weighlock.sources.pip.interface import PipRequest

NO_SETTINGS = {"PIP_CONFIG_FILE": os.devnull, "HOME": "/nowhere", "PATH": "/bin"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*given: str, environ: dict[str, str] | None = None) -> PipRequest:
    return arguments.read(given, python=sys.executable, environ={**NO_SETTINGS, **(environ or {})})


@pytest.mark.parametrize(
    "given",
    [
        ["--no-binary", "x"], ["--no-binary=:all:"], ["--no-bi", "x"], ["-C", "a=b"], ["-Ca=b"],
        ["--config", "a=b"], ["--config-settings=a"],
        ["--global-option=x"], ["--install-option=x"], ["--no-build-isolation"], ["--no-build"],
        ["--build-constraint", "c.txt"], ["--check-build-dependencies"], ["--use-pep517"], ["--no-use-pep517"],
        ["--src", "/x"], ["--source=x"], ["--no-clean"], ["--use-deprecated=legacy-resolver"], ["--debug"], ["-h"],
        ["--use-feature", "venv-isolation"], ["--use-feature=no-binary-enable-wheel-cache"],
        ["-UqC", "a=b"], ["--python", "/other/python"],
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(given: list[str]):
    with pytest.raises(UsageError) as caught:
        read(*given, "name")
    assert caught.value.hint


@pytest.mark.parametrize("given", [["--frobnicate"], ["--no-dep"], ["--require"], ["-z"], ["--target"], ["--pre=yes"]])
def test_what_pip_would_not_understand_is_refused(given: list[str]):
    with pytest.raises(UsageError, match="pip would not understand"):
        read("name", *given)


@pytest.mark.parametrize("given", [[], ["--pre"], [""], ["-c", os.devnull]])
def test_nothing_to_install_is_refused(given: list[str]):
    with pytest.raises(UsageError):
        read(*given)


@pytest.mark.parametrize(
    "environ",
    [
        {"PIP_NO_BINARY": "x"}, {"PIP_NO_BUILD_ISOLATION": "0"}, {"PIP_GLOBAL_OPTION": "x"},
        {"PIP_CONFIG_SETTINGS": "a=b"},
        {"PIP_PYTHON": "/evil"}, {"PIP_USE_DEPRECATED": "legacy-resolver"}, {"PIP_SRC": "/x"}, {"PIP_PRE": "maybe"},
        {"PIP_QUIET": "lots"}, {"PIP_USE_PEP517": "1"}, {"PIP_SOURCE_DIR": "x"}, {"PIP_DEBUG": "1"},
    ],
)  # fmt: skip
def test_a_variable_that_cannot_be_honoured_is_refused_by_name(environ: dict[str, str]):
    with pytest.raises(UsageError) as caught:
        read("name", environ=environ)
    assert next(iter(environ)) in str(caught.value) or "PIP_PYTHON" in (caught.value.hint or "")


def test_abbreviations_joined_options_and_the_end_of_options():
    request = read(
        "-Uqq", "--ind=https://a.example", "--extra", "https://b.example", "--upgrade-s", "eager", "--", "name"
    )
    assert request.resolving == ("--upgrade", "--upgrade-strategy=eager")
    assert request.indexes == ("https://a.example", "https://b.example")
    assert request.quiet == 2
    assert [wanted.line for wanted in request.requirements] == ["name"]


def test_options_after_the_requirements_count():
    request = read("name", "--pre", "other", "-t", "x", "--dry-run", "--report", "r.json")
    assert [wanted.name for wanted in request.requirements] == ["name", "other"]
    assert request.resolving == ("--pre", f"--target={os.getcwd()}/x")
    assert request.installing == (f"--target={os.getcwd()}/x",)
    assert (request.dry_run, request.report) == (True, f"{os.getcwd()}/r.json")


def test_pip_gets_no_variable_that_it_would_take_for_a_setting():
    environ = {"PIP_INDEX_URL": "https://a.example", "PYTHONPATH": "/evil", "_PIP_STANDALONE_CERT": "/x", "OTHER": "1"}
    request = read("name", environ={**environ, "PYTHONUSERBASE": "/base"})
    assert request.indexes == ("https://a.example",)
    assert request.environ == {
        "HOME": "/nowhere", "PATH": "/bin", "OTHER": "1", "PYTHONUSERBASE": "/base",
    }  # fmt: skip


def test_settings_win_in_the_order_of_pip(tmp_path: Path):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://global.example\nextra-index-url = https://one.example\n    https://two.example\n"
        "pre = yes\nretries = 1\n[install]\nindex_url = https://install.example\nuser = true\n[download]\npre = no\n"
    )
    environ = {"PIP_CONFIG_FILE": "pip.conf"}
    request = read("name", environ=environ)
    assert request.indexes == ("https://install.example", "https://one.example", "https://two.example")
    assert request.resolving == ("--pre", "--user")
    request = read(
        "name", environ={**environ, "PIP_PRE": "0", "PIP_EXTRA_INDEX_URL": "https://env.example", "PIP_RETRIES": ""}
    )
    assert request.indexes == ("https://install.example", "https://env.example")
    assert request.resolving == ("--user",)
    assert "--retries=1" in request.fetching
    request = read(
        "name", "--no-user", "-i", "https://cli.example", "--extra-index-url", "https://x.example", environ=environ
    )
    assert request.indexes == ("https://cli.example", "https://one.example", "https://two.example", "https://x.example")
    assert "--user" not in request.installing


def test_user_and_site_files_count_and_isolated_leaves_out_what_pip_leaves_out(tmp_path: Path):
    home = tmp_path / "home" / ".config" / "pip"
    home.mkdir(parents=True)
    (home / "pip.conf").write_text("[global]\nindex-url = https://user.example\n")
    environ = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PIP_PRE": "1"}
    request = arguments.read(["name"], python=sys.executable, environ=environ)
    assert request.indexes[0] == "https://user.example"
    (tmp_path / "xdg" / "pip").mkdir(parents=True)
    (tmp_path / "xdg" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://global.example\n")
    request = arguments.read(["--isolated", "name"], python=sys.executable, environ=environ)
    assert "--pre" not in request.resolving
    assert request.indexes[0] != "https://user.example"


def test_the_file_of_the_environment_counts(tmp_path: Path):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "venv" / "pip.conf").write_text("[global]\nindex-url = https://site.example\n")
    environ = {"HOME": "/nowhere", "XDG_CONFIG_DIRS": "/nowhere"}
    request = arguments.read(["name"], python=str(tmp_path / "venv" / "bin" / "python"), environ=environ)
    assert request.indexes == ("https://site.example",)


@pytest.mark.parametrize("data", [b"nonsense", b"[global]\nx\n=", b"\xff\xfe", b"[a]\n[a]\n"])
def test_a_broken_configuration_is_refused(tmp_path: Path, data: bytes):
    (tmp_path / "pip.conf").write_bytes(data)
    with pytest.raises(UsageError):
        read("name", environ={"PIP_CONFIG_FILE": "pip.conf"})


def test_requirements_of_variables_are_requirements(tmp_path: Path):
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "r.txt").write_text("one\n")
    (tmp_path / "c.txt").write_text("two @ https://host.example/two.tar.gz\n")
    request = read("name", environ={"PIP_REQUIREMENT": "r.txt", "PIP_CONSTRAINT": "c.txt", "PIP_EDITABLE": "."})
    assert [wanted.name for wanted in request.requirements] == ["name", "one"]
    assert [(build.kind, build.constraint) for build in request.builds] == [("sdist", True), ("folder", False)]
    assert request.origins["one"].path == str(tmp_path / "r.txt")


def test_no_index_asks_none():
    request = read("--no-index", "-f", ".", "-i", "https://host.example", "name")
    assert request.indexes == ()
    assert request.fetching[0] == "--no-index"
    assert request.find_links == (os.getcwd(),)


def test_groups_are_read(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(
        '[dependency-groups]\nTest = ["one>1", {include-group = "base_two"}]\nbase-two = ["two"]\n'
        'round = [{include-group = "round"}]\n'
    )
    request = read("--group", "test")
    assert [wanted.line for wanted in request.requirements] == ["one>1", "two"]
    assert request.origins["one"].line == 2
    for group in ("round", "none", "other.toml:test"):
        with pytest.raises(UsageError):
            read("--group", group)


def test_the_block_of_a_script_is_read(tmp_path: Path):
    (tmp_path / "s.py").write_text('# /// script\n# dependencies = [\n#   "one",\n# ]\n# ///\n')
    assert [wanted.line for wanted in read("--requirements-from-script", "s.py").requirements] == ["one"]
    for text in ("x = 1\n", '# /// script\n# requires-python = ">=99"\n# ///\n', "# /// script\n# [\n# ///\n"):
        (tmp_path / "s.py").write_text(text)
        with pytest.raises(UsageError):
            read("--requirements-from-script", "s.py")


def test_every_option_of_the_running_pip_is_known():
    from pip._internal.commands import create_command

    parser = create_command("install").parser
    known = {name for option in options.OPTIONS for name in option.names}
    names = {
        text.lstrip("-") for option in parser.option_list_all for text in (*option._long_opts, *option._short_opts)
    }
    assert names <= known
    for option in parser.option_list_all:
        mine = options.NAMED[option._long_opts[0][2:]]
        assert (mine.kind in {options.Kind.VALUE, options.Kind.LIST, options.Kind.TEXT_LIST}) == option.takes_value()


LOCK = """lock-version = "1.0"
created-by = "hand"
{top}
[[packages]]
name = "one"
version = "1.0"
wheels = [{{ url = "https://files.example/one-1.0-py3-none-any.whl", hashes = {{ sha256 = "{a}" }} }}]

[[packages]]
name = "two"
marker = "{marker}"
wheels = [{{ path = "./two-2.0-py3-none-any.whl", hashes = {{ sha256 = "{a}" }} }}]
"""


def lock(folder: Path, top: str = "", marker: str = "python_version >= '3'", more: str = "") -> None:
    text = LOCK.format(a="a" * 64, top=top, marker=marker) + more
    (folder / "pylock.toml").write_text(text)


def test_a_lockfile_of_packages_becomes_pins_and_links(tmp_path: Path):
    lock(tmp_path)
    request = read("-r", "pylock.toml")
    assert [wanted.line for wanted in request.requirements] == [
        f"one==1.0 --hash=sha256:{'a' * 64}",
        f"two==2.0 --hash=sha256:{'a' * 64}",
    ]
    assert request.links == (
        f"https://files.example/one-1.0-py3-none-any.whl#sha256={'a' * 64}",
        f"file://{tmp_path}/two-2.0-py3-none-any.whl#sha256={'a' * 64}",
    )
    assert request.origins["one"].line == 4


def test_groups_and_markers_of_a_lockfile_count(tmp_path: Path):
    lock(tmp_path, marker="'dev' in dependency_groups")
    assert [wanted.name for wanted in read("-rpylock.toml").requirements] == ["one"]
    lock(tmp_path, top='default-groups = ["dev"]', marker="'dev' in dependency_groups")
    assert [wanted.name for wanted in read("-rpylock.toml").requirements] == ["one", "two"]


@pytest.mark.parametrize(
    ("top", "marker", "more"),
    [
        ('requires-python = ">=99"', "", ""),
        ("environments = [\"sys_platform == 'nowhere'\"]", "", ""),
        ("default-groups = [1]", "", ""),
        ("", "nonsense", ""),
        (
            "",
            "python_version >= '3'",
            '[[packages]]\nname = "x"\nversion = "1 -r y"\nwheels = [{ path = "x-1-py3-none-any.whl" }]',
        ),
        (
            "",
            "python_version >= '3'",
            '[[packages]]\nname = "x"\nversion = "1"\nwheels = [{ path = "x-1-py3-none-any.whl" }]',
        ),
    ],
)
def test_a_lockfile_that_does_not_fit_is_refused(tmp_path: Path, top: str, marker: str, more: str):
    lock(tmp_path, top, marker or "python_version >= '3'", more)
    with pytest.raises(UsageError):
        read("-r", "pylock.toml")


def test_what_a_lockfile_would_have_built_never_reaches_pip(tmp_path: Path):
    lock(tmp_path, more='[[packages]]\nname = "x"\ndirectory = { path = "../x" }\n')
    assert [build.kind for build in read("-r", "pylock.toml").builds] == ["folder"]
    hashes = 'hashes = { sha256 = "' + "a" * 64 + '" }'
    lock(
        tmp_path, more='[[packages]]\nname = "x"\narchive = { url = "https://host.example/x.tar.gz", ' + hashes + " }\n"
    )
    assert [build.kind for build in read("-r", "pylock.toml").builds] == ["sdist"]


@pytest.mark.parametrize(
    "place", ["https://host.example/pylock.toml", "pylock.toml[extra]", "file:///x/pylock.dev.toml"]
)
def test_a_lockfile_from_elsewhere_is_refused(tmp_path: Path, place: str):
    lock(tmp_path)
    with pytest.raises(UsageError, match="lockfile"):
        read("-r", place)


def test_a_build_for_another_system_is_left_out_as_pip_leaves_it_out():
    for text, count in (("sys_platform == 'nowhere'", 0), ("python_version >= '3'", 1)):
        assert len(read(f"x @ git+https://host.example/x ; {text}", "name").builds) == count


def test_offline_no_configuration_and_no_file_brings_an_index_back(tmp_path: Path):
    (tmp_path / "r.txt").write_text("--index-url https://host.example/simple\nname\n", encoding="utf-8")
    environ = {**NO_SETTINGS, "PIP_INDEX_URL": "https://host.example", "PIP_EXTRA_INDEX_URL": "https://other.example"}
    request = arguments.read(["-r", "r.txt"], python=sys.executable, environ=environ, offline=True)
    assert request.indexes == ()
    assert request.fetching[0] == "--no-index"
    assert not any("example" in option for option in request.fetching)


@pytest.mark.parametrize("option", ["-r", "-c"])
def test_offline_no_requirements_file_is_fetched(option: str):
    with pytest.raises(UsageError, match="server"):
        arguments.read(
            ["name", option, "https://host.example/r.txt"], python=sys.executable, environ=NO_SETTINGS, offline=True
        )


@pytest.mark.parametrize(
    "given",
    [
        ["name", "-f", "https://u:secret@host.example/links"],
        ["name @ https://u:secret@host.example/name-1.0-py3-none-any.whl"],
        ["https://u:secret@host.example/name-1.0-py3-none-any.whl"],
        ["name", "-i", "HTTP://u:secret@host.example"],
    ],
)
def test_what_would_be_fetched_though_nobody_may_be_asked_is_refused(given: list[str]):
    with pytest.raises(UsageError, match="server") as caught:
        remote.require_local(read(*given))
    assert "secret" not in str(caught.value.where)


def test_folders_and_files_of_this_machine_are_not_asked_for(tmp_path: Path):
    place = (tmp_path / "name-1.0-py3-none-any.whl").as_uri()
    remote.require_local(read("--no-index", "-f", ".", "-f", tmp_path.as_uri(), f"name @ {place}"))


@pytest.mark.parametrize("given", [["./nowhere"], ["nowhere/x-1.0.tar.gz"], ["."], ["-e", "."], ["-e", "./nowhere"]])
def test_a_path_that_nothing_can_be_built_from_is_said_so(given: list[str]):
    with pytest.raises(UsageError, match=r"nothing is there|it is no project"):
        read(*given)


@pytest.mark.parametrize(
    ("text", "name"),
    [('[project]\nname = "My.Tool"', "my-tool"), ('[project]\nname = "a b"', None), ("project = 1", None), ("", None)],
)
def test_a_folder_has_the_name_that_it_says_so_that_a_policy_can_allow_it(tmp_path: Path, text: str, name: str | None):
    (tmp_path / "pyproject.toml").write_text(text)
    for given in (["."], ["-e", "."]):
        assert [build.name for build in read(*given).builds] == [name]
