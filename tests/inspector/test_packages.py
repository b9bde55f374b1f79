"""Wheels as they are judged: everything in them, whatever it costs and however it is hidden."""

from __future__ import annotations

import bz2
import io
import os
import zipfile
import zlib

import pytest

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes
from tests.vectors.wheels import COVERAGE, MODULE, NAMESPACE, file_name, wheel
from weighlock.artifact import PackageFile
from weighlock.finding import Finding, Inspection, Outcome, Severity
from weighlock.formats.record import keys
from weighlock.formats.source import Budget, BytesSource, FileSource
from weighlock.inspector import contents, packages
from weighlock.inspector.packages import inspect_wheel, joined

SYSTEM = op.stream(op.call(op.glob("posix", "system"), op.text("true")), protocol=2)


def judge(made: tuple[str, bytes], **surroundings) -> Inspection:
    name, data = made
    return inspect_wheel(BytesSource(data), name, **surroundings)


def of(inspection: Inspection, check: str) -> list[Finding]:
    return [finding for finding in inspection.findings if finding.check == check]


def test_a_plain_wheel_has_nothing_to_tell():
    assert judge(wheel("plain")) == Inspection(format="wheel", outcome=Outcome.DATA_ONLY)


# What cannot be read


@pytest.mark.parametrize(("name", "data"), [("no-wheel.whl", b""), (file_name("plain"), b"<html>404</html>")])
def test_what_is_no_wheel_is_unverifiable(name, data):
    inspection = inspect_wheel(BytesSource(data), name)
    assert inspection.outcome is Outcome.UNVERIFIABLE
    assert len(inspection.findings) == 1


def test_a_download_that_broke_off_is_unverifiable():
    name, data = wheel("plain")
    assert inspect_wheel(BytesSource(data[:-30]), name).outcome is Outcome.UNVERIFIABLE


def test_a_damaged_member_is_never_passed_over():
    inspection = judge(wheel("plain", members=[Member(name="a.py", data=b"x = 1\n" * 99, method=8, crc=1)]))
    assert inspection.outcome is Outcome.UNVERIFIABLE
    assert of(inspection, "unverifiable")[0].location.members == ("a.py",)


def test_a_bomb_ends_with_the_budget_and_one_finding():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            archive.writestr(f"plain/{number}.bin", bytes(1 << 20))
    inspection = inspect_wheel(BytesSource(buffer.getvalue()), file_name("plain"), budget=Budget(inflated=8 << 20))
    assert len(of(inspection, "unverifiable")) == 1
    assert inspection.outcome >= Outcome.UNVERIFIABLE


def test_a_member_beyond_what_is_held_in_memory_is_compared_all_the_same(monkeypatch):
    monkeypatch.setattr(contents, "AT_ONCE", 1000)
    name, data = wheel("large", {"large/a.bin": os.urandom(5000)})
    assert inspect_wheel(BytesSource(data), name).outcome is Outcome.DATA_ONLY
    place = data.index(b"PK\x01\x02") - 1
    assert data[place:] != b""
    start = data.index(b"large/a.bin") + len(b"large/a.bin") + 4000
    changed = data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :]
    assert inspect_wheel(BytesSource(changed), name).outcome is Outcome.UNVERIFIABLE  # its checksum


def test_a_large_pickle_is_judged_to_its_end(monkeypatch):
    monkeypatch.setattr(contents, "AT_ONCE", 1000)
    data = op.proto(4) + op.text("x" * 5000) + op.POP + op.call(op.glob("posix", "system"), op.text("true")) + op.STOP
    assert of(judge(wheel("large", {"large/a.bin": data})), "models-in-package")[0].outcome is Outcome.REFUSED


def test_names_with_control_characters_and_without_an_end():
    members = [Member(name=f"{number}\x1b[2J{'a' * 60_000}.py", data=b"") for number in range(5)]
    inspection = judge(wheel("long_names", members=members))
    assert inspection.outcome is Outcome.REFUSED
    assert all(len(finding.message) <= 1000 for finding in inspection.findings)
    assert all(len(name) <= 1000 for finding in inspection.findings for name in finding.location.members)


def test_a_path_of_thousands_of_folders():
    assert judge(wheel("deep", members=[Member(name="a/" * 30_000 + "b.py", data=b"")])).outcome is Outcome.REFUSED


# Many findings do not hide others


def test_a_thousand_findings_of_one_check_push_out_none_of_another():
    members = [Member(name=f"../{number}.py", data=b"") for number in range(1000)]
    inspection = judge(wheel("many", {"many.pth": "import many\n"}, members=members, scripts=["ls"]))
    assert {"startup-files", "shadows-command"} <= {finding.check for finding in inspection.findings}
    assert of(inspection, "wheel-structure")[-1].message == "and 980 more such findings"
    assert of(inspection, "wheel-structure")[-1].outcome is Outcome.REFUSED


# Shares


def test_the_shares_of_a_wheel_together_are_the_wheel():
    files = {f"shared/{number}.bin": os.urandom(number) + SYSTEM for number in range(7)}
    files |= {"shared/bad.pkl": SYSTEM, "shared.pth": "import shared\n"}
    name, data = wheel("shared", files)
    whole = inspect_wheel(BytesSource(data), name)
    for count in (2, 3, 20):
        parts = [inspect_wheel(BytesSource(data), name, share=(which, count)) for which in range(count)]
        together = joined(parts)
        assert together.outcome is whole.outcome
        assert sorted(map(str, together.findings)) == sorted(map(str, whole.findings))


def test_a_wheel_of_which_one_share_cannot_be_read_is_unverifiable():
    name, data = wheel("plain")
    parts = [inspect_wheel(BytesSource(data), name), inspect_wheel(BytesSource(b""), name, share=(1, 2))]
    assert joined(parts).outcome is Outcome.UNVERIFIABLE


def test_a_file_on_a_disk_is_read_where_it_lies(tmp_path):
    name, data = wheel("plain")
    (tmp_path / name).write_bytes(data)
    with (tmp_path / name).open("rb") as file:
        inspection = inspect_wheel(FileSource(file.fileno(), len(data)), name)
    assert inspection == judge((name, data))
    assert list(tmp_path.iterdir()) == [tmp_path / name]


# What it is expected to be, and what lies there already


def test_another_wheel_than_the_resolver_said():
    expected = PackageFile(name="plain", version="1.1", filename=file_name("plain", "1.1"))
    assert of(judge(wheel("plain"), expected=expected), "wheel-metadata")[0].outcome is Outcome.REFUSED


def test_a_name_that_is_spelled_otherwise_is_the_same():
    expected = PackageFile(name="some-thing", version="1.0", filename=file_name("Some_Thing"))
    made = wheel("Some_Thing", metadata="Metadata-Version: 2.4\nName: some.thing\nVersion: 1.0.0\n")
    assert judge(made, expected=expected).outcome is Outcome.DATA_ONLY


OWNERS = keys(["requests/api.py", "requests/empty.py", "requests/LICENSE", "../../../bin/tool"], "requests")


@pytest.mark.parametrize(
    ("files", "outcome"),
    [
        ({"requests/api.py": MODULE}, Outcome.NEEDS_APPROVAL),
        ({"x-1.0.data/purelib/requests/api.py": MODULE}, Outcome.NEEDS_APPROVAL),
        ({"x-1.0.data/data/lib/python3.11/site-packages/requests/api.py": MODULE}, Outcome.NEEDS_APPROVAL),
        ({"x-1.0.data/scripts/tool": "#!python\n"}, Outcome.NEEDS_APPROVAL),
        ({"requests/LICENSE": "text\n"}, Outcome.DATA_ONLY),
        ({"requests/api.py": ""}, Outcome.DATA_ONLY),
        ({"requests/more.py": MODULE}, Outcome.DATA_ONLY),
        # What Python finds before the module of the other distribution.
        ({"requests/api/__init__.py": MODULE}, Outcome.NEEDS_APPROVAL),
        ({"requests/api/data.txt": "text\n"}, Outcome.DATA_ONLY),
    ],
)
def test_files_of_another_distribution(files, outcome):
    assert judge(wheel("x", files), owners=OWNERS).outcome is outcome


def test_native_code_that_python_finds_before_the_module_of_another_distribution():
    for name in ("requests/api.cpython-311-x86_64-linux-gnu.so", "requests/api.abi3.so", "requests/api.so"):
        found = of(judge(wheel("x", {name: b"\x7fELF"}), owners=OWNERS), "shadows-other-distribution")
        assert [finding.outcome for finding in found] == [Outcome.NEEDS_APPROVAL]


def test_an_entry_point_that_replaces_a_command_of_another_distribution():
    made = wheel("x", {"x/__init__.py": MODULE}, scripts=["tool"])
    assert judge(made, owners=OWNERS).outcome is Outcome.NEEDS_APPROVAL
    assert judge(made, owners=keys(["../../../bin/tool"], "x")).outcome is Outcome.DATA_ONLY


def test_a_command_that_runs_the_other_distributions_code_is_told_of():
    made = wheel("tensorflow", {"tensorflow/__init__.py": MODULE, "tensorflow-1.0.dist-info/entry_points.txt": (
        "[console_scripts]\ntool = requests.main:run\n"
    )})  # fmt: skip
    inspection = judge(made, owners=OWNERS)
    assert inspection.outcome is Outcome.DATA_ONLY
    assert of(inspection, "shadows-other-distribution")


@pytest.mark.parametrize(
    "line",
    [
        "good = /git=x:main",
        "good = /../../../sitecustomize.py=x:main",
        "a b = x:main",
        "a@git = x:main",
        "x = a-git=x:m",
    ],
)
def test_an_entry_point_in_which_a_pip_would_read_another_command(line):
    made = wheel("x", {"x/__init__.py": MODULE, "x-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{line}\n"})
    assert of(judge(made), "wheel-structure")[0].outcome is Outcome.REFUSED


def test_entry_points_as_honest_projects_write_them():
    lines = "a.b-c_d+1 = x.y:main.run\ne = x:main [extra]\nf = x.y : main\n"
    made = wheel("x", {"x/__init__.py": MODULE, "x-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{lines}"})
    assert len(of(judge(made), "wheel-structure")) == 1  # the last one, with which pip fails


def test_a_family_that_shares_its_files_on_purpose_is_told_of():
    inspection = judge(wheel("mlflow", {"mlflow/db.py": MODULE}), owners=keys(["mlflow/db.py"], "mlflow-skinny"))
    assert inspection.outcome is Outcome.DATA_ONLY
    assert of(inspection, "shadows-other-distribution")


# Start-up files


def test_the_known_line_of_a_project_is_told_of_and_no_more():
    inspection = judge(wheel("coverage", {"a1_coverage.pth": f"{COVERAGE}\n"}, version="7.17.4"))
    assert [finding.outcome for finding in of(inspection, "startup-files")] == [Outcome.DATA_ONLY]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("coverages", COVERAGE),
        ("coverage", f"{COVERAGE};import os"),
        ("coverage", COVERAGE.replace("import coverage", "import coverage2")),
        ("coverage", "import coverage"),
        ("space", NAMESPACE.replace("*('space', 'inner')", "*('space', '..', 'tmp')")),
        ("space", NAMESPACE.replace("'space.inner', [", "'space.other', [")),
        ("space", NAMESPACE.replace("find_spec", "find_module")),
        ("space", f"{NAMESPACE};__import__('space.inner')"),
    ],
)
def test_a_line_that_is_nearly_known(name, line):
    assert of(judge(wheel(name, {"a.pth": f"{line}\n"})), "startup-files")[0].outcome >= Outcome.NEEDS_APPROVAL


@pytest.mark.parametrize(
    "inner", ["space", "space.inner", "space.inner.most"], ids=["one folder", "two folders", "three folders"]
)
def test_the_line_of_setuptools_for_namespace_packages(inner):
    folders = ", ".join(repr(part) for part in inner.split("."))
    folders = f"{folders}," if "." not in inner else folders
    line = NAMESPACE.replace("'space', 'inner'", folders).replace("space.inner", inner)
    assert judge(wheel("space", {"space-nspkg.pth": f"{line}\n"})).outcome is Outcome.DATA_ONLY


def test_a_path_in_a_pth_file_that_leads_to_a_sitecustomize_package():
    files = {"a.pth": "inner/deep\n", "inner/deep/usercustomize/__init__.py": MODULE}
    assert judge(wheel("leads", files)).outcome is Outcome.REFUSED


def test_a_path_in_a_pth_file_to_a_folder_of_the_wheel_is_told():
    files = {"a.pth": "own\\inner\n./own\n", "own/inner/deep/module.py": MODULE}
    assert [finding.outcome for finding in of(judge(wheel("own", files)), "startup-files")] == [Outcome.DATA_ONLY]


def test_weights_called_pth_are_no_start_up_file():
    assert of(judge(wheel("weights", {"weights/best.pth": b"import os\n"})), "startup-files") == []


# Models inside


@pytest.mark.parametrize(
    "data",
    [
        SYSTEM,
        op.stream(op.call(op.glob("os", "system"), op.text("true")), protocol=0),
        zlib.compress(SYSTEM),
        zip_bytes([Member(name="archive/data.pkl", data=SYSTEM)]),
        zip_bytes([Member(name="inner.zip", data=zip_bytes([Member(name="a", data=SYSTEM)]))]),
    ],
    ids=["protocol 2", "protocol 0", "zlib", "PyTorch", "zip in zip"],
)
@pytest.mark.parametrize("name", ["model.pt", "notes.txt", "module.py", "lib.so", "README"])
def test_a_dangerous_pickle_under_any_name(name, data):
    findings = of(judge(wheel("brings", {f"brings/{name}": data})), "models-in-package")
    assert [finding.outcome for finding in findings] == [Outcome.REFUSED]
    assert findings[0].location.members[0] == f"brings/{name}"


def test_a_pickle_that_needs_classes_is_told_of():
    data = op.stream(op.glob("sklearn.tree", "DecisionTreeClassifier") + op.EMPTY_TUPLE + op.NEWOBJ)
    inspection = judge(wheel("tests", {"tests/clf.pkl": data}))
    finding = of(inspection, "models-in-package")[0]
    assert (finding.outcome, finding.severity) == (Outcome.DATA_ONLY, Severity.MEDIUM)
    assert inspection.outcome is Outcome.DATA_ONLY


def test_a_model_over_which_the_budget_ran_out_is_unverifiable():
    name, data = wheel("spends", {"spends/a.pkl": op.proto(2) + op.EMPTY_TUPLE * 5000 + op.STOP})
    inspection = inspect_wheel(BytesSource(data), name, budget=Budget(opcodes=100))
    assert inspection.outcome is Outcome.UNVERIFIABLE


def test_what_one_model_spent_is_gone_for_the_next():
    data = op.proto(2) + (op.EMPTY_TUPLE + op.POP) * 400 + op.EMPTY_TUPLE + op.STOP
    files = {f"spends/{number}.pkl": data for number in range(4)}
    name, data = wheel("spends", files)
    assert inspect_wheel(BytesSource(data), name, budget=Budget(opcodes=20_000)).outcome is Outcome.DATA_ONLY
    assert inspect_wheel(BytesSource(data), name, budget=Budget(opcodes=2000)).outcome is Outcome.UNVERIFIABLE


def test_the_budget_grows_with_the_wheel():
    assert packages.default_budget(0).inflated == 1 << 30
    assert packages.default_budget(100 << 20).inflated > 10 << 30


@pytest.mark.parametrize("start", [b"\x88", b"\x8a\x01\x01", b"\x8c\x01a", b"\x8f", b"\x89"])
def test_a_pickle_without_its_magic_number_is_found(start: bytes):
    found = of(judge(wheel("odd", {"odd/__init__.py": "", "odd/data": start + b"0" + SYSTEM[2:]})), "models-in-package")
    assert [finding.outcome for finding in found] == [Outcome.REFUSED]


def test_a_pickle_that_bz2_compresses_is_found():
    files = {"odd/__init__.py": "", "odd/data": bz2.compress(SYSTEM)}
    found = of(judge(wheel("odd", files)), "models-in-package")
    assert [finding.outcome for finding in found] == [Outcome.REFUSED]
