"""Checks a library of host kernels in a process of its own: ``mutant.py LIBRARY CHECK``.

A mutated kernel may end the process, so it does not run inside pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gpu.host_kernels import HostKernels
from gpu.match_on_host import check_match
from gpu.resize_on_host import check_resize
from gpu.score_on_host import check_score

CHECKS = {"match": check_match, "resize": check_resize, "score": check_score}


def run_check(library: Path, check: str) -> subprocess.CompletedProcess[str]:
    """Return how the check ended in a process of its own."""
    tests = Path(__file__).parents[1]
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (tests, tests.parent / "runtime")))
    command = [sys.executable, "-m", "gpu.mutant", str(library), check]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def main() -> None:
    library, check = sys.argv[1:]
    for backwards in (False, True):
        CHECKS[check](HostKernels(Path(library), backwards=backwards))


if __name__ == "__main__":
    main()
