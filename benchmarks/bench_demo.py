"""How long does ``res2clip demo`` take on this machine? (limit: 3 minutes on two cores)

python benchmarks/bench_demo.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from harness import append_rows, print_table


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        command = "from res2clip.cli import main; main()"
        subprocess.run([sys.executable, "-c", command, "demo", "--out", place], check=True)
        rows: list[dict[str, object]] = [
            {"what": "res2clip demo", "seconds": round(time.perf_counter() - start, 1)}
        ]
    print_table(rows)
    print(f"appended to {append_rows('demo', rows)}")


if __name__ == "__main__":
    main()
