"""Run the tests marked ``hub`` under every supported major version of huggingface_hub, each in its own environment.

The arguments are handed on to pip, such as ``--extra-index-url URL`` for a CPU build of torch.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_VERSIONS = ("0.36", "1", "2")
_NEEDED = ("coverage", "hypothesis", "numpy", "pytest", "pytest-timeout", "torch", "transformers")


def main() -> int:
    """Return 0 where the tests pass under every version."""
    failed = [version for version in _VERSIONS if not _passes(version)]
    print(f"failed under huggingface_hub {', '.join(failed)}" if failed else "passed under every huggingface_hub")
    return 1 if failed else 0


def _passes(version: str) -> bool:
    folder = _ROOT / f".venv-hub-{version}"
    python = str(folder / "bin" / "python")
    if not (folder / "ready").exists():
        print(f"making {folder.name}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        hub = f"huggingface_hub=={version}.*"
        subprocess.run([*pip, *sys.argv[1:], "--editable", str(_ROOT), hub, *_requirements()], check=True)
        (folder / "ready").touch()
    print(f"huggingface_hub {version}", flush=True)
    return (
        subprocess.run([python, "-m", "pytest", "-q", "-m", "hub", *_tests()], cwd=_ROOT, check=False).returncode == 0
    )


def _requirements() -> list[str]:
    """Return what the tests need, but with the versions that pip finds for the version of the Hub client."""
    with (_ROOT / "pyproject.toml").open("rb") as file:
        group = tomllib.load(file)["dependency-groups"]["test"]
    torch = next(item for item in group if item.startswith("torch=="))
    return [torch if name == "torch" else name for name in _NEEDED]


def _tests() -> list[str]:
    """Return the files with such tests; the others import libraries that these environments do not have."""
    files = sorted((_ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in files if "mark.hub" in path.read_text(encoding="utf-8")]


if __name__ == "__main__":
    sys.exit(main())
