"""Writes the measured tables of the pages below from benchmarks/results/.

    python benchmarks/tables.py

The newest row of each line of a table counts. A table whose benchmark has not been run says so and
names the command. Only figures of CPUs are published; there are no others here.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import RESULTS
from roofline import table

from res2clip_runtime.benchmark.scaling_plot import draw_scaling
from res2clip_runtime.storage import write_atomically

ROOT = Path(__file__).parents[1]
PAGES = tuple(
    ROOT / page
    for page in ("README.md", "docs/performance.md", "docs/reliability.md", "docs/http.md")
)
PLOT = ROOT / "docs" / "images" / "match_shots.svg"
WAYS = ("ours", "numpy", "torch", "onnx")

Rows = list[dict[str, str]]


def main() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        write_atomically(page, with_tables(text).encode())
        print(f"written: {page}")
    if rows := read("match"):
        write_atomically(PLOT, match_plot(rows).encode())
        print(f"written: {PLOT}")


def with_tables(page: str) -> str:
    """Return the page with the present tables between their marks; other text stays."""
    for name, (make, _) in TABLES.items():
        begin, end = marks(name)
        if begin in page:
            before, _, rest = page.partition(begin)
            page = f"{before}{begin}\n\n{make(read(name))}\n\n{end}{rest.partition(end)[2]}"
    return page


def marks(name: str) -> tuple[str, str]:
    command = TABLES[name][1]
    return f"<!-- measured by: {command} -->", f"<!-- end of {name} -->"


def match_table(rows: Rows) -> str:
    """Return milliseconds of the match stage by shape and shots, and what ours gains."""
    if not rows:
        return not_measured("match")
    found = newest(rows, ("shape", "shots", "threads", "way"))
    lines = []
    keys = dict.fromkeys((row["shape"], int(row["shots"]), row["threads"]) for row in found)
    for shape, shots, threads in sorted(keys, key=lambda key: (key[0], key[2], key[1])):
        of = {
            row["way"]: row
            for row in found
            if (row["shape"], int(row["shots"]), row["threads"]) == (shape, shots, threads)
        }
        if "ours" not in of:
            continue
        times = [figure(of, way, "p50_ms") for way in WAYS]
        gains = [f"{float(of[way]['ours_faster']):.1f}x" if way in of else "" for way in WAYS[1:]]
        memory = [figure(of, way, "added_mb") for way in ("ours", "numpy")]
        lines.append([shape, str(shots), threads, *times, *gains, *memory])
    head = ["shape", "shots", "threads", "ours, ms", "NumPy", "PyTorch", "ONNX"]
    head += ["than NumPy", "than PyTorch", "than ONNX", "ours adds, MB", "NumPy adds"]
    plot = f"![Milliseconds over shots]({PLOT.relative_to(ROOT / 'docs')})"
    return f"{table(head, lines)}\n\n{where(rows)}\n\n{plot}"


def match_plot(rows: Rows) -> str:
    """Return the SVG of the match stage's milliseconds over shots, for the first shape."""
    of = [row for row in rows if row["shape"] == rows[0]["shape"]]
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in sorted(newest(of, ("shots", "way")), key=lambda row: int(row["shots"])):
        lines.setdefault(row["way"], []).append((float(row["shots"]), float(row["p50_ms"])))
    return draw_scaling(lines, title=f"match, {of[0]['shape']}, {of[-1]['device']}")


def pipeline_table(rows: Rows) -> str:
    """Return the median milliseconds of every stage, by bundle, engine and shots."""
    if not rows:
        return not_measured("pipeline")
    found = newest(rows, ("bundle", "backend", "threads", "stage", "shots"))
    stages = ("preprocess", "encoder", "match", "heads", "score", "frame")
    lines = []
    keys = dict.fromkeys(
        (row["bundle"], row["backend"], row["threads"], row["shots"])
        for row in found
        if row["stage"] == "frame"
    )
    for key in keys:
        fitting = [r for r in found if (r["bundle"], r["backend"], r["threads"]) == key[:3]]
        # Stages that do not depend on the shots were timed once.
        of = {row["stage"]: row for row in fitting if row["stage"] not in ("match", "frame")}
        of |= {row["stage"]: row for row in fitting if row["shots"] == key[3]}
        share = of["match+heads+score"]["percent_of_frame"]
        rate = f"{1000 / float(of['frame']['p50_ms']):.2g}"
        times = [figure(of, stage, "p50_ms") for stage in stages]
        lines.append([*key, *times, rate, f"{share} %"])
    head = ["bundle", "engine", "threads", "shots", *(f"{stage}, ms" for stage in stages)]
    return f"{table([*head, 'frames/s', 'match + heads + score'], lines)}\n\n{where(rows)}"


def backends_table(rows: Rows) -> str:
    """Return what each engine and precision gains over plain eager PyTorch, by stage."""
    if not rows:
        return not_measured("backends")
    lines = [
        [
            *(row[column] for column in ("stage", "shots", "way", "arithmetic")),
            f"{float(row['p50_ms']):,.0f}",
            f"**{float(row['faster']):.1f}x**",
            row["cosine"],
        ]
        for row in newest(rows, ("shape", "stage", "shots", "threads", "way"))
    ]
    head = ["stage", "shots", "engine and precision", "arithmetic of the encoder", "ms"]
    shape = f"{rows[-1]['shape']}, {rows[-1]['threads']} threads"
    return f"{table([*head, 'than eager', 'cosine'], lines)}\n\n{shape}. {where(rows)}"


def recovery_table(rows: Rows) -> str:
    """Return how soon each fault is noticed, and how soon the line goes on."""
    if not rows:
        return not_measured("recovery")
    lines = [
        [row["fault"], row["noticed_s"].replace("nan", "-"), row["back_s"]]
        for row in newest(rows, ("fault",))
    ]
    return f"{table(['fault', 'noticed, s', 'back, s'], lines)}\n\n{where(rows)}"


def soak_table(rows: Rows) -> str:
    """Return what a line was like after its time, by its setting."""
    if not rows:
        return not_measured("soak")
    lines = [
        [
            f"{float(row['minutes']):g}",
            f"{row['cameras']} at {float(row['fps']):g} /s",
            row["bundle"],
            row["inspected"],
            f"{row['rss_mb']} ({float(row['rss_change_percent']):+.2f} %)",
            f"{row['threads_most']} ({int(row['threads_growth']):+d})",
            f"{row['descriptors_most']} ({int(row['descriptors_growth']):+d})",
            row["queued_most"],
            row["service_ms"],
            row["overhead_ms"],
        ]
        for row in newest(rows, ("bundle", "cameras", "fps", "threads"))
    ]
    head = ["minutes", "cameras", "bundle", "pictures", "memory, MB", "threads", "descriptors"]
    head += ["most queued", "service, ms", "overhead, ms"]
    return f"{table(head, lines)}\n\n{where(rows)}"


def viewers_table(rows: Rows) -> str:
    """Return what so many viewers of the page cost the inspection."""
    if not rows:
        return not_measured("viewers")
    lines = [
        [
            row["bundle"],
            row["viewers"],
            row["alone_per_s"],
            row["watched_per_s"],
            f"{float(row['change_percent']):+.2f} %",
            f"{row['spread_percent']} %",
        ]
        for row in newest(rows, ("bundle", "viewers"))
    ]
    head = ["bundle", "viewers", "alone, /s", "watched, /s", "change", "spread of the turns alone"]
    return f"{table(head, lines)}\n\n{where(rows)}"


def figure(of: dict[str, dict[str, str]], name: str, column: str) -> str:
    value = of.get(name, {}).get(column, "")
    if value in ("", "nan"):
        return ""
    number = float(value)
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def newest(rows: Rows, columns: Sequence[str]) -> Rows:
    """Return the last row for each combination of these columns, in the order they first came."""
    found = {tuple(row[column] for column in columns): row for row in rows}
    return list(found.values())


def where(rows: Rows) -> str:
    last = rows[-1]
    return f"Medians on {last['device']}; {last['versions']}; commit {last['commit']}."


def not_measured(name: str) -> str:
    return f"Not measured yet; run `{TABLES[name][1]}`, then `python benchmarks/tables.py`."


def read(name: str) -> Rows:
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


TABLES: dict[str, tuple[Callable[[Rows], str], str]] = {
    "match": (match_table, "python benchmarks/bench_match.py"),
    "pipeline": (pipeline_table, "python benchmarks/bench_pipeline.py"),
    "backends": (backends_table, "python benchmarks/bench_backends.py --keep DIR"),
    "recovery": (recovery_table, "python benchmarks/bench_recovery.py"),
    "soak": (soak_table, "python benchmarks/soak.py --minutes 60 --cameras 2"),
    "viewers": (viewers_table, "python benchmarks/bench_viewers.py"),
}
"""By the name of the results: how the table is made, and the command that measures it."""


if __name__ == "__main__":
    main()
