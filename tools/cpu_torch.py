"""Make sure that the torch which the tests would install is a CPU build, before gigabytes of CUDA are fetched.

Asks pip what it would do, and stops where that includes NVIDIA's packages. The arguments are handed on to pip.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

_ROOT = Path(__file__).parent.parent


def main() -> int:
    """Return 0 where torch would be, or is, a CPU build."""
    with (_ROOT / "pyproject.toml").open("rb") as file:
        group = tomllib.load(file)["dependency-groups"]["test"]
    wanted = next(item for item in group if Requirement(item).name == "torch")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run", "--no-deps"]
    answer = subprocess.run([*pip, "--report", "-", *sys.argv[1:], wanted], check=False, stdout=subprocess.PIPE)
    if answer.returncode:
        return answer.returncode
    for package in json.loads(answer.stdout)["install"]:
        needs = map(Requirement, package["metadata"].get("requires_dist", []))
        cuda = [need.name for need in needs if need.name.startswith(("nvidia-", "cuda-")) and _holds(need)]
        if cuda:
            print(f"error: {wanted} is a CUDA build here, it needs {', '.join(cuda[:3])}", file=sys.stderr)
            print("hint: name PyTorch's index of CPU builds: make test TORCH_INDEX=URL", file=sys.stderr)
            return 2
    return 0


def _holds(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})


if __name__ == "__main__":
    sys.exit(main())
