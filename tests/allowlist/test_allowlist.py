"""The allowlist is exact: names one letter, one dot or one version away from a data name are not data."""

from __future__ import annotations

import pytest

from weighlock import allowlist
from weighlock.allowlist import ENTRIES, PROFILES, STATES, Role
from weighlock.allowlist.dangerous import APPROVABLE, GADGET_MODULES, GADGETS, STANDARD_LIBRARY, is_dangerous
from weighlock.allowlist.entry import table
from weighlock.allowlist.python import ENTRIES as PYTHON
from weighlock.allowlist.special import CONTRACTS, STATE_CONTRACTS

RUNS_CODE = [
    "os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval", "builtins.exec",
    "builtins.__import__",
    "builtins.compile", "builtins.open", "builtins.print", "builtins.map", "builtins.filter", "builtins.property",
    "operator.attrgetter", "_operator.methodcaller", "functools.reduce", "importlib.import_module", "pickle.loads",
    "_pickle.loads", "marshal.loads", "types.FunctionType", "types.CodeType", "pkgutil.resolve_name", "pydoc.locate",
    "shutil.rmtree", "tempfile._TemporaryFileWrapper", "abc.ABCMeta", "enum.Enum", "copyreg.add_extension",
    "copy._reconstruct", "ctypes.CDLL", "logging.config.dictConfig", "idlelib.pyshell.ModifiedInterpreter.runcode",
    "lib2to3.pgen2.grammar.Grammar.loads", "uuid._get_command_stdout", "_osx_support._read_output", "antigravity.x",
    "torch.hub.load", "torch.load", "torch.utils.collect_env.run", "torch.jit.unsupported_tensor_ops.execWrapper",
    "torch.utils._config_module.ConfigModule.load_config", "numpy.load", "numpy.f2py.crackfortran.getlincoef",
    "numpy.testing._private.utils.runstring", "pandas.read_pickle", "pandas.eval", "joblib.load", "dill.loads",
    "cloudpickle.cloudpickle._make_function", "pip.main", "huggingface_hub.hf_hub_download",
    "scipy.stats._continuous_distns.norm_gen", "setuptools.sandbox.run_setup",
]  # fmt: skip


@pytest.mark.parametrize("name", RUNS_CODE)
def test_a_name_that_runs_code_is_dangerous(name):
    module, _, attribute = name.rpartition(".")
    assert allowlist.role(module, attribute) is Role.DANGEROUS


@pytest.mark.parametrize(
    "name",
    [
        "collections.OrderedDict.fromkeys", "collections.ordereddict", "datetime.date.today", "numpy.ndarray.tofile",
        "numpy.core.multiarray._reconstruct2", "torch._utils._rebuild_tensor_v9", "torch.FloatStorage.from_file",
        "torch.Tensor.map_", "pandas.DataFrame.eval", "builtins.int.from_bytes", "_codecs.decode", "codecs.encode",
    ],
)  # fmt: skip
def test_a_name_close_to_a_data_name_is_not_data(name):
    module, _, attribute = name.rpartition(".")
    assert allowlist.role(module, attribute) is not Role.DATA
    assert not allowlist.is_data(module, attribute)


def test_a_name_that_nobody_knows_needs_approval():
    assert allowlist.role("lab.models", "Net") is None


@pytest.mark.parametrize("name", sorted(APPROVABLE))
def test_what_can_be_approved_is_neither_data_nor_dangerous(name):
    assert name not in ENTRIES
    assert not is_dangerous(name)
    assert name.split(".")[0] in STANDARD_LIBRARY


def test_no_data_name_is_dangerous_but_those_of_the_standard_library():
    clash = {name for name in ENTRIES if is_dangerous(name) and name not in PYTHON}
    # Both stand in torch.serialization, a module of loaders; the exact entry decides.
    assert clash <= {"torch.serialization._get_layout"}


def test_no_gadget_is_data():
    assert not GADGETS & ENTRIES.keys()
    assert not GADGET_MODULES & ENTRIES.keys()


@pytest.mark.parametrize(
    ("module", "name", "means"),
    [
        ("__builtin__", "set", ("builtins.set",)),
        ("__builtin__", "eval", ("builtins.eval",)),
        ("copy_reg", "_reconstructor", ("copyreg._reconstructor",)),
        ("UserDict", "UserDict", ("collections.UserDict",)),
        ("commands", "getoutput", ("subprocess.getoutput",)),
        ("itertools", "imap", ("builtins.map", "itertools.imap")),
        ("lab", "Net", ("lab.Net",)),
    ],
)
def test_names_of_python_2_are_judged_as_what_they_become(module, name, means):
    assert allowlist.names_of(module, name, legacy=True) == means
    assert allowlist.names_of(module, name, legacy=False) == (f"{module}.{name}",)


def test_a_name_of_python_2_is_data_only_where_it_is_mapped():
    assert allowlist.is_data("__builtin__", "set", legacy=True)
    assert not allowlist.is_data("__builtin__", "set")


def test_every_contract_that_an_entry_names_exists():
    assert {entry.special for entry in ENTRIES.values()} - {None} <= CONTRACTS.keys()
    assert STATE_CONTRACTS.keys() <= set(STATES.values())


def test_a_name_stands_in_a_table_once():
    entry = ENTRIES["builtins.int"]
    with pytest.raises(ValueError, match="twice"):
        table(entry, entry)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_holds_exact_names_that_are_not_dangerous(name):
    names = allowlist.profile(name)
    assert names
    assert not {full for full in names if is_dangerous(full)}
    assert not {full for full in names if "*" in full or full.endswith(".") or "." not in full}


def test_a_profile_that_does_not_exist():
    with pytest.raises(KeyError):
        allowlist.profile("../../etc/passwd")


def test_a_name_of_thousands_of_parts_is_judged_at_once():
    assert not is_dangerous("a." * 50_000 + "b")
    assert is_dangerous("os." + "a." * 50_000 + "b")
