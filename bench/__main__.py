"""Measure every part, one after the other so that none disturbs another, and write ``docs/benchmarks.md``.

``python -m bench [PART...]`` measures those parts only; the others keep the results of their last run.
"""

from __future__ import annotations

import subprocess
import sys

from bench import render
from bench.row import PARTS


def main(parts: list[str]) -> int:
    """Measure and render.

    Returns:
        0 where every part ran; whether its bars were met stands on the page.
    """
    unknown = set(parts) - set(PARTS)
    if unknown:
        sys.stderr.write(f"error: there is no part {', '.join(sorted(unknown))}\nhint: {', '.join(PARTS)}\n")
        return 2
    failed = [
        part
        for part in parts or PARTS
        if subprocess.run([sys.executable, "-m", f"bench.{part}"], check=False).returncode
    ]
    if failed:
        sys.stderr.write(f"error: {', '.join(failed)} did not run to the end; the page was not written\n")
        return 1
    render.write()
    sys.stdout.write(f"wrote {render.PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
