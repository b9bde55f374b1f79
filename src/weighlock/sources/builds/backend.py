"""Run in the sandbox, never imported: calls one hook of a build backend and writes down what it answers.

Source:
    PEP 517, "Build backend interface"; PEP 518 for the folder that it runs in.
"""

import json
import sys
from importlib import import_module


def main() -> None:
    """Call the hook that the one argument names."""
    told = json.loads(sys.argv[1])
    sys.path[:0] = told["path"]
    module, _, attributes = told["backend"].partition(":")
    backend = import_module(module)
    for name in attributes.split(".") if attributes else ():
        backend = getattr(backend, name)
    if told["path"] and not any(str(backend_file(module)).startswith(folder) for folder in told["path"]):
        sys.exit("the backend is not in the folder that backend-path names")
    hook = getattr(backend, told["hook"], None)
    if hook is None and told["hook"] == "get_requires_for_build_wheel":
        answer = []
    elif hook is None:
        sys.exit(f"the backend has no {told['hook']}")
    else:
        answer = hook(*told["arguments"])
    with open(told["answer"], "w", encoding="utf-8") as file:
        json.dump(answer, file)


def backend_file(module: str) -> "str | None":
    """Return where a module lies."""
    return getattr(sys.modules[module.partition(".")[0]], "__file__", None) or getattr(
        sys.modules[module], "__file__", None
    )


if __name__ == "__main__":
    main()
