"""The harness that ``res2clip bench`` and ``benchmarks/`` share, and a benchmark of a bundle."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from numpy_model import sparsemax
from typer.testing import CliRunner

from res2clip_runtime import Bundle
from res2clip_runtime.backends import open_stages
from res2clip_runtime.benchmark import append_csv, as_csv, as_text, benchmark_bundle, time_in_turn
from res2clip_runtime.benchmark.frames import seeded_frames
from res2clip_runtime.benchmark.plain_match import sorted_sparsemax
from res2clip_runtime.benchmark.scaling_plot import draw_scaling
from res2clip_runtime.benchmark.surroundings import surroundings
from res2clip_runtime.cpu import FEWEST_REFERENCES, CpuMatcher, MatchedOnCpu
from res2clip_runtime.errors import InputError, OutputError, ParityError


def test_calls_take_turns_after_the_warm_up() -> None:
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    timings = time_in_turn(calls, runs=4, warm_up=2)
    assert order == ["a", "b"] * 7  # the first, two to warm up, four timed
    assert timings["a"].runs == timings["b"].runs == 4
    for timing in timings.values():
        assert 0 <= timing.min_ms <= timing.p50_ms <= timing.p90_ms <= timing.p99_ms


@pytest.mark.parametrize("runs", [3, 50])
def test_a_slow_call_ends_after_its_time_but_is_timed_three_times(runs: int) -> None:
    count = []
    timing = time_in_turn({"a": lambda: count.append(1)}, runs=runs, warm_up=9, seconds=0.0)["a"]
    assert timing.runs == 3
    assert len(count) <= 5


def test_rows_become_text_and_csv_with_every_column() -> None:
    rows = [{"stage": "match", "ms": 12.3456}, {"stage": "heads", "ms": 1.0, "note": "x"}]
    assert as_text(rows).splitlines()[1].split() == ["match", "12.3"]
    parsed = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert parsed[1] == {"stage": "heads", "ms": "1.0", "note": "x"}


def test_a_csv_file_grows_and_takes_new_columns(tmp_path: Path) -> None:
    path = tmp_path / "results" / "match.csv"
    append_csv(path, [{"a": 1}])
    append_csv(path, [{"a": 2, "b": "new"}])
    with path.open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}, {"a": "2", "b": "new"}]


def test_a_file_that_is_no_csv_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "match.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OutputError, match="no CSV"):
        append_csv(path, [{"a": 1}])
    assert path.read_bytes() == b"\xff\xfe\x00"


def test_memory_of_a_call_is_seen_though_it_is_given_back() -> None:
    # A fresh process: what others freed in this one would be used again without being counted.
    program = (
        "import numpy as np; from res2clip_runtime.benchmark.memory import peak_added_mb;"
        "print(peak_added_mb(lambda: np.ones(80_000_000, dtype=np.uint8).sum()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    added = float(done.stdout)
    if np.isnan(added):
        pytest.skip("the kernel does not let this process reset its high-water mark")
    assert 70 < added < 200


def test_surroundings_name_machine_and_versions() -> None:
    found = surroundings()
    assert all(found.values())
    assert "cores" in found["device"]
    assert found["gpu"]
    assert f"numpy={np.__version__}" in found["versions"]


def test_the_baseline_is_the_method() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 300))
    np.testing.assert_allclose(sorted_sparsemax(scores), sparsemax(scores), atol=1e-12)


def test_frames_are_always_the_same() -> None:
    first, second = seeded_frames(2, width=64, height=48)
    assert first.shape == (48, 64, 3)
    assert first.dtype == np.uint8
    assert (first != second).any()
    np.testing.assert_array_equal(first, seeded_frames(1, width=64, height=48)[0])


def test_the_plot_is_svg_with_every_line_inside_its_frame() -> None:
    lines = {"match": [(1, 5.0), (16, 80.0)], "frame <all>": [(1, 100.0), (16, 1000.0)]}
    picture = ET.fromstring(draw_scaling(lines, title="on <this>"))
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    drawn = picture.findall(".//{*}polyline")
    assert len(drawn) == 2
    for line in drawn:
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 < x < width
            assert 0 < y < height
    assert "frame <all>" in [text.text for text in picture.findall(".//{*}text")]


def test_every_stage_of_a_bundle_is_timed(bundle_path: Path) -> None:
    result = benchmark_bundle(
        Bundle.load(bundle_path), frames=seeded_frames(3, width=80, height=60), shots=(1, 6), runs=3
    )
    timed = [(row["stage"], row["shots"]) for row in result.rows]
    alone = [(stage, 1) for stage in ("preprocess", "encoder", "match", "heads", "score", "frame")]
    assert timed == [*alone, ("match", 6), ("frame", 6)]
    assert all(row["p50_ms"] > 0 and row["runs"] == 3 for row in result.rows)
    assert result.match_max_abs < 1e-6
    assert set(result.scaling()) == {"match", "frame"}
    assert result.scaling("batch") == {}
    json.dumps(result.to_json(), allow_nan=False)


def test_batches_are_timed_where_a_stage_takes_more_than_one_picture(bundle_path: Path) -> None:
    result = benchmark_bundle(
        Bundle.load(bundle_path),
        frames=seeded_frames(2, width=80, height=60),
        shots=(1, 2),
        batches=(1, 3),
        runs=3,
    )
    batched = [(row["stage"], row["shots"]) for row in result.rows if row["batch"] == 3]
    assert batched == [("encoder", 1), ("match", 1), ("heads", 1)]
    assert set(result.scaling()) == {"match", "frame"}
    assert {name: len(line) for name, line in result.scaling("batch").items()} == {
        "encoder": 2,
        "match": 2,
        "heads": 2,
    }


def test_a_match_stage_that_is_wrong_is_not_timed(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = CpuMatcher.match
    monkeypatch.setattr(CpuMatcher, "match", lambda *inputs: right(*inputs) + np.float32(1e-3))
    with pytest.raises(ParityError, match="stage 'match' differs by 1"):
        benchmark_bundle(
            Bundle.load(bundle_path), frames=seeded_frames(2, width=64, height=64), shots=[16]
        )


@pytest.mark.parametrize(
    "options", [{"stages": ["sort"]}, {"shots": []}, {"shots": [0]}, {"batches": [0]}]
)
def test_what_cannot_be_timed_is_refused_before_anything_runs(bundle_path, options) -> None:
    with pytest.raises(InputError, match=r"--stage|--shots|--batch"):
        benchmark_bundle(
            Bundle.load(bundle_path), frames=seeded_frames(2, width=64, height=64), **options
        )


@pytest.fixture
def ours_and_graph(bundle_path: Path):
    bundle = Bundle.load(bundle_path)
    opened = [open_stages(bundle, "onnxruntime", graph_match=graph) for graph in (False, True)]
    yield opened
    for stages in opened:
        stages.close()


def test_match_is_ours_on_a_cpu_unless_the_graph_is_asked_for(ours_and_graph) -> None:
    ours, graph = ours_and_graph
    assert isinstance(ours, MatchedOnCpu)
    assert not isinstance(graph, MatchedOnCpu)
    assert ours.spec.score_id == graph.spec.score_id


@pytest.mark.parametrize("references", [FEWEST_REFERENCES - 1, FEWEST_REFERENCES, 5000])
def test_few_and_many_references_give_the_same_residuals(ours_and_graph, references) -> None:
    ours, graph = ours_and_graph
    rng, spec = np.random.default_rng(0), ours.spec
    taps, dim = len(spec.taps), spec.embed_dim
    patches, bank = (
        values / np.linalg.norm(values, axis=-1, keepdims=True)
        for values in (
            rng.standard_normal((2, taps, spec.patches, dim), dtype=np.float32),
            rng.standard_normal((taps, references, dim), dtype=np.float32),
        )
    )
    rho = rng.uniform(0, 4, references).astype(np.float32)
    expected = graph.match(patches, bank, rho)
    np.testing.assert_allclose(ours.match(patches, bank, rho), expected, atol=1e-6)


@pytest.fixture
def bench(bundle_path: Path):
    from res2clip.cli.app import app

    def call(*options: object):
        arguments = ["bench", "--bundle", bundle_path, "--frame", "96x64", "--runs", 3, *options]
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def test_bench_prints_a_table_and_writes_its_files(bench, tmp_path: Path) -> None:
    done = bench("--shots", "1,2", "--batch", "1,2", "--out", tmp_path / "figures")
    assert done.exit_code == 0, done.output
    assert "p99_ms" in done.stdout
    written = json.loads((tmp_path / "figures" / "bench.json").read_text())
    assert written["surroundings"]["device"]
    with (tmp_path / "figures" / "bench.csv").open(newline="") as file:
        assert {row["stage"] for row in csv.DictReader(file)} >= {"encoder", "match", "frame"}
    for axis in ("shots", "batch"):
        ET.fromstring((tmp_path / "figures" / f"scaling_{axis}.svg").read_text())


def test_bench_of_one_stage_as_json(bench) -> None:
    rows = json.loads(bench("--stage", "match", "--shots", "3", "--json").stdout)["rows"]
    assert [(row["stage"], row["shots"]) for row in rows] == [("match", 3)]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--shots", "one"), "--shots"),
        (("--batch", "0"), "--batch"),
        (("--stage", "sort"), "--stage"),
        (("--frame", "big"), "--frame"),
        (("--backend", "abacus"), "--backend"),
        (("--source", "nowhere"), "nowhere"),
    ],
)
def test_bench_names_the_option_that_is_wrong(bench, options, named: str) -> None:
    done = bench(*options)
    assert done.exit_code == 1
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
