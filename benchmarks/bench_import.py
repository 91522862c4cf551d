"""How long do the start of the runtime and of both commands take?

    python benchmarks/bench_import.py

Whole processes, in turn with a bare interpreter; the limit for importing the runtime is 0.5 s.
"""

from __future__ import annotations

import subprocess
import sys

from harness import append_rows, print_table, time_calls

COMMANDS = {
    "python alone": [sys.executable, "-c", "pass"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import res2clip_runtime": [sys.executable, "-c", "import res2clip_runtime"],
    "import res2clip": [sys.executable, "-c", "import res2clip"],
    "res2clip-run --help": [sys.executable, "-m", "res2clip_runtime.cli", "--help"],
    "res2clip --help": [sys.executable, "-c", "from res2clip.cli import main; main()", "--help"],
}


def main() -> None:
    rows: list[dict[str, object]] = []
    for what, command in COMMANDS.items():

        def start(command: list[str] = command) -> None:
            subprocess.run(command, check=True, capture_output=True)

        timing = time_calls(start, runs=10, warm_up=2)
        rows.append(
            {"what": what, "runs": timing.runs, "p50_ms": timing.p50_ms, "p90_ms": timing.p90_ms}
        )
    print_table(rows)
    print(f"appended to {append_rows('import', rows)}")


if __name__ == "__main__":
    main()
