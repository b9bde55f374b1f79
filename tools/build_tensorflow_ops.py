"""Write `src/weighlock/allowlist/tensorflow.txt`: the ops of TensorFlow that only compute, by their exact names.

Run as ``PYTHON tools/build_tensorflow_ops.py`` with the interpreter of an environment that has TensorFlow. An op gets
in if TensorFlow's registry says that it keeps no state, or if it is named below, and if nothing about it speaks of
files, addresses, other machines or Python.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "weighlock" / "allowlist" / "tensorflow.txt"

#: Inputs and attributes that name something outside of the graph.
_OUTSIDE = re.compile(
    r"file|path$|_path_|dir$|_dir_|address|host|protocol|descriptor_source|server|url|token$|output_stream"
)

#: Kinds of ops that reach outside, run what the registry does not know, or only exist for tests and other hardware.
_REFUSED = re.compile(
    r"^_|Dataset|Xla|TPU|Tpu|Debug|Experimental|PyFunc|Summary|Reader|BoostedTrees|Collective|Nccl|Rpc|Remote|Snapshot"
    r"|Checkpoint|^Save|^Restore|ReadFile|MatchingFiles|BatchFunction|Mlir|Mesh|DTensor|Iterator|^Func|^Sdca|Gpu|Uccl"
    r"|HostConst|CustomAggregator|^Test|^Namespace|^(Int|Float|Ref|Two|Five|None|Old|Kernel|List|String|Type|Mixed|Poly)"
    r".*(Output|Input|Label|Op|Struct|Types?|List|Default)s?\w*$|Attr|^Unary$|^Binary$|^Simple|^Reserved|^OutT|^InPoly"
    r"|^OutPoly|^NIn|^NPoly|^Foo|^[AB]$|Kafka|^Ref$|^RefIn|^Get|^CopyHost$|^Copy$|Stub|^Barrier|^Record"
    r"|^Abort$|^ImmutableConst$|^(Unb|B)atch(Grad)?$|^ConstructionFails$|^None$|^Old$|^Polymorphic|^TwoRefs|^RefOut$"
    r"|^Restrict$|^Fact$|Struct$|^CopyOp$|^WindowOp$|^SymbolicGradient$|^Relayout|Prelinearize|Dedup|SparseCore|^Infeed"
)

#: Ops that keep state, which no model does without: variables, tables, random numbers, control flow, lists.
_STATEFUL = re.compile(
    r"^(Assert|AssignVariableOp|AssignAddVariableOp|AssignSubVariableOp|VarHandleOp|VarIsInitializedOp|ReadVariableOp"
    r"|VariableShape|Variable|VariableV2|TemporaryVariable|DestroyResourceOp|DisableCopyOnRead|GuaranteeConst|DeepCopy"
    r"|Empty|Case|If|While|StatefulPartitionedCall|CheckNumerics|CheckNumericsV2|Multinomial|NonDeterministicInts"
    r"|InitializeTableV2|DeviceIndex|StatelessRandomGetAlg|Timestamp"
    r"|(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|LookupTable(Export|Find|Import|Insert|Remove|Size)V2"
    r"|Resource(Sparse)?Apply\w+|ResourceGather|ResourceGatherNd|ResourceScatter\w+|ResourceStridedSliceAssign"
    r"|ResourceCountUpTo|(Parameterized)?TruncatedNormal|Random(Crop|Gamma|Poisson|PoissonV2|Shuffle|StandardNormal"
    r"|Uniform|UniformInt)|Stateful(Random|Standard|Truncated|Uniform)\w*|Rng(Skip|ReadAndSkip)|TensorArray\w*"
    r"|Stack(V2|Close|CloseV2|Pop|PopV2|Push|PushV2)?|CudnnRNN\w*|SampleDistortedBoundingBox(V2)?"
    r"|(Uniform|LogUniform|LearnedUnigram|ThreadUnsafeUnigram|All)CandidateSampler)$"
)


def ops() -> set[str]:
    """Return the list."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session as session

    registry = op_def_pb2.OpList()
    registry.ParseFromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
    return {op.name for op in registry.op if _only_computes(op)}


def _only_computes(op: Any) -> bool:
    if _REFUSED.search(op.name) or any(map(_OUTSIDE.search, _arguments(op))):
        return False
    return bool(_STATEFUL.match(op.name)) if op.is_stateful else True


def _arguments(op: Any) -> Iterable[str]:
    return (each.name.lower() for each in (*op.input_arg, *op.attr))


def text() -> str:
    """Return what the file holds."""
    head = "# Ops of TensorFlow that only compute; written by tools/build_tensorflow_ops.py.\n"
    return head + "".join(f"{name}\n" for name in sorted(ops()))


def main() -> int:
    """Write the file."""
    TARGET.write_text(text(), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {len(ops())} names")
    return 0


if __name__ == "__main__":
    sys.exit(main())
