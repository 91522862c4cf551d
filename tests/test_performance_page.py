"""docs/performance.md and README hold what the scripts in benchmarks/ make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import roofline
import tables

ROOT = Path(__file__).parents[1]


def test_the_computed_table_is_current() -> None:
    page = roofline.PAGE.read_text(encoding="utf-8")
    assert page == roofline.with_tables(page), "run: python benchmarks/roofline.py --write"


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_the_measured_tables_are_those_of_the_committed_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == tables.with_tables(text), "run: python benchmarks/tables.py"
    assert any(tables.marks(name)[0] in text for name in tables.TABLES)


def test_every_peak_has_its_source() -> None:
    devices = json.loads((ROOT / "benchmarks" / "roofline_devices.json").read_text())
    assert len(devices) == 7
    for device in devices:
        assert "NVIDIA" in device["source"]
        assert (
            f"{device['bandwidth_gb_s'] / (1000 if 'TB/s' in device['source'] else 1):g}"
            in (device["source"])
        )


def test_fusion_moves_less_at_every_number_of_shots() -> None:
    for shots in roofline.SHOTS:
        naive, ours = roofline.match_naive(shots), roofline.match_ours(shots)
        assert ours.bytes < naive.bytes / 4
        assert ours.flops < naive.flops


def test_the_encoder_has_the_known_size_of_vit_l() -> None:
    # 24 blocks of 12 width^2 weights; the V-V stream adds its output projection and attention.
    weights = 24 * 12 * roofline.WIDTH**2
    assert roofline.encoder().flops > 2 * weights * roofline.TOKENS
    assert roofline.encoder().flops < 3 * weights * roofline.TOKENS


def row(**values: object) -> dict[str, str]:
    where = {"device": "a CPU", "versions": "numpy=2", "commit": "abc"}
    return {**where, **{name: str(value) for name, value in values.items()}}


def match_row(way: str, p50: float, **more: object) -> dict[str, str]:
    figures = {"p50_ms": p50, "ours_faster": p50 / 10, "added_mb": 5}
    return row(shape="mini", shots=4, threads=2, way=way, **figures, **more)


def test_the_newest_row_counts_and_a_way_that_was_left_out_is_blank() -> None:
    rows = [match_row("ours", 99), match_row("numpy", 35), match_row("ours", 10)]
    lines = tables.match_table(rows).splitlines()
    assert lines[2].split(" | ")[:6] == ["| mini", "4", "2", "10", "35", ""]
    assert "3.5x" in lines[2]
    assert "a CPU" in tables.match_table(rows)
    assert "match, mini, a CPU" in tables.match_plot(rows)


def test_stages_timed_once_stand_beside_every_number_of_shots() -> None:
    same = {"bundle": "mini", "backend": "onnxruntime", "threads": 2, "percent_of_frame": ""}
    rows = [
        row(**same, stage=stage, shots=shots, p50_ms=milliseconds)
        for stage, shots, milliseconds in [
            ("preprocess", 1, 2),
            ("encoder", 1, 50),
            ("heads", 1, 1),
            ("score", 1, 1),
            ("match", 1, 6),
            ("match", 4, 20),
            ("frame", 1, 60),
            ("frame", 4, 80),
        ]
    ]
    for shots, share in ((1, 13), (4, 30)):
        rows.append(
            row(**{**same, "percent_of_frame": share}, stage="match+heads+score", shots=shots)
        )
        rows[-1]["p50_ms"] = "8"
    lines = tables.pipeline_table(rows).splitlines()
    assert lines[3].split(" | ")[3:] == ["4", "2", "50", "20", "1", "1", "80", "12", "30 % |"]


def test_every_engine_stands_beside_eager_pytorch() -> None:
    same = {"shape": "24 blocks", "stage": "encoder", "shots": "", "threads": 2}
    rows = [
        row(**same, way="eager", arithmetic="fp32", p50_ms=9000, faster=1, cosine=""),
        row(**same, way="openvino/bf16", arithmetic="bf16", p50_ms=3, faster=2, cosine=0.9),
        row(**same, way="openvino/bf16", arithmetic="bf16", p50_ms=1500, faster=6, cosine=0.99),
    ]
    lines = tables.backends_table(rows).splitlines()
    assert lines[2] == "| encoder |  | eager | fp32 | 9,000 | **1.0x** |  |"
    assert lines[3] == "| encoder |  | openvino/bf16 | bf16 | 1,500 | **6.0x** | 0.99 |"
    assert "24 blocks, 2 threads" in lines[-1]


def test_a_table_without_results_names_the_command() -> None:
    assert "benchmarks/bench_match.py" in tables.match_table([])
    assert "benchmarks/bench_pipeline.py" in tables.pipeline_table([])
    assert "benchmarks/bench_backends.py" in tables.backends_table([])
