"""Checks a library of host kernels in a process of its own: ``mutant.py LIBRARY CHECK``.

A mutated kernel may end the process, so it does not run inside pytest.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gpu.host_kernels import HostKernels
from gpu.match_on_host import check_match
from gpu.resize_on_host import check_resize
from gpu.score_on_host import check_score

CHECKS = {"match": check_match, "resize": check_resize, "score": check_score}


def main() -> None:
    library, check = sys.argv[1:]
    for backwards in (False, True):
        CHECKS[check](HostKernels(Path(library), backwards=backwards))


if __name__ == "__main__":
    main()
