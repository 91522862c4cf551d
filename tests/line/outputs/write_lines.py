"""Write verdicts to rotating files until killed: python write_lines.py FOLDER."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.sinks.rotating_jsonl import JsonlConfig, RotatingJsonl

sink = RotatingJsonl(JsonlConfig(folder=Path(sys.argv[1]), max_file_mb=0.02, keep_files=0))
sys.stdout.write("ready\n")
sys.stdout.flush()
for number in itertools.count():
    sink.write(error_verdict(str(number), "washer", "because " * 20))
