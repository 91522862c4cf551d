"""Bundles verified where they lie: without torch, against the answers recorded at their export."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from res2clip_runtime import Bundle
from res2clip_runtime.backends import open_stages
from res2clip_runtime.cli.app import app
from res2clip_runtime.errors import (
    ArtefactError,
    ArtefactNotFoundError,
    FormatVersionError,
    HashMismatchError,
    InputError,
    ParityError,
)
from res2clip_runtime.manifest import FileEntry
from res2clip_runtime.parity.answers import answers_of
from res2clip_runtime.parity.comparison import compare
from res2clip_runtime.parity.felt_change import felt_change, rank_correlation
from res2clip_runtime.parity.pictures import JudgedPictures
from res2clip_runtime.parity.samples import SAMPLES_FILE, load_samples, save_samples
from res2clip_runtime.parity.tolerances import TOLERANCES, tolerance_of
from res2clip_runtime.parity.verification import verify_bundle, verify_stages
from res2clip_runtime.score import score
from res2clip_runtime.stages import BranchMaps
from res2clip_runtime.storage import file_sha256

TINY = Path(__file__).parent / "data" / "tiny_bundle"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def samples():
    return load_samples(TINY / SAMPLES_FILE)


def rewritten(bundle: Path, samples) -> Bundle:
    """Save other samples into the bundle, and their hash into its manifest."""
    path = bundle / SAMPLES_FILE
    save_samples(path, samples)
    manifest = Bundle.load(TINY).manifest
    entry = FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
    changed = dataclasses.replace(manifest, files={**manifest.files, SAMPLES_FILE: entry})
    (bundle / "manifest.json").write_text(changed.to_json())
    return Bundle.load(bundle)


def test_a_copied_bundle_verifies(bundle: Path) -> None:
    report = verify_bundle(Bundle.load(bundle))
    assert report.failures == ()
    assert {c.stage for c in report.comparisons} == {"encoder", "match", "heads", "verdict"}
    assert report.felt.verdicts == 4 and report.felt.verdicts_changed == 0
    assert report.backend == "onnxruntime" and report.precision == "fp32"


def test_samples_come_back_as_they_were_saved(samples, tmp_path: Path) -> None:
    save_samples(tmp_path / "again", samples)
    again = load_samples(tmp_path / "again")
    assert again.threshold == samples.threshold and again.pictures.kind == "given"
    for one, other in zip(again.pictures.squares, samples.pictures.squares, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(again.stages.residual, samples.stages.residual)
    assert np.array_equal(again.branches.maps, samples.branches.maps)


def test_labels_and_masks_come_back_too(samples, tmp_path: Path) -> None:
    count, size = len(samples.pictures.inspected), samples.pictures.squares[0].shape[0]
    masks = np.random.default_rng(0).random((count, size, size)) > 0.7
    defective = np.arange(count) % 2 == 1
    pictures = dataclasses.replace(samples.pictures, masks=masks, defective=defective)
    save_samples(tmp_path / "labelled", dataclasses.replace(samples, pictures=pictures))
    again = load_samples(tmp_path / "labelled").pictures
    assert np.array_equal(again.masks, masks) and np.array_equal(again.defective, defective)


@pytest.mark.parametrize("name", ["encoder.onnx", SAMPLES_FILE])
def test_a_damaged_file_is_refused_before_anything_runs(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[-9] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(HashMismatchError, match=name):
        Bundle.load(bundle)


def test_an_older_bundle_without_samples_runs_and_says_what_verifying_needs(bundle: Path) -> None:
    (bundle / SAMPLES_FILE).unlink()
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["files"][SAMPLES_FILE]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtefactNotFoundError, match=r"no parity samples.*export it again"):
        verify_bundle(Bundle.load(bundle))
    open_stages(Bundle.load(bundle), "onnxruntime").close()


@pytest.mark.parametrize(
    ("field", "stage"), [("patches", "encoder"), ("image", "encoder"), ("residual", "match")]
)
def test_a_stage_that_answers_differently_is_named(bundle, samples, field, stage) -> None:
    values = getattr(samples.stages, field).copy()
    values.reshape(-1)[::7] += 0.01
    stages = dataclasses.replace(samples.stages, **{field: values})
    report = verify_bundle(rewritten(bundle, dataclasses.replace(samples, stages=stages)))
    with pytest.raises(ParityError, match=rf"^wrong: stage '{stage}'.*differs by"):
        report.require("wrong")


def test_a_changed_verdict_is_a_failure(bundle: Path, samples) -> None:
    lower = dataclasses.replace(samples, threshold=-1.0)
    report = verify_bundle(rewritten(bundle, lower))
    assert report.felt.verdicts_changed > 0
    assert any("verdicts changed" in failure for failure in report.failures)


def test_samples_of_a_newer_format_or_none_at_all_are_refused(tmp_path: Path, samples) -> None:
    from res2clip_runtime.parity import samples as module

    path = tmp_path / "samples"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORMAT_VERSION", 9)
        save_samples(path, samples)
    with pytest.raises(FormatVersionError, match="newer res2clip"):
        load_samples(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ArtefactError, match="damaged"):
        load_samples(path)


def test_the_command_prints_figures_and_exits_with_1_outside_the_limits(bundle, samples) -> None:
    good = CliRunner().invoke(app, ["verify", str(bundle)])
    assert good.exit_code == 0 and "inside the limits" in good.output
    as_json = CliRunner().invoke(app, ["verify", str(bundle), "--json"])
    assert json.loads(as_json.stdout)["failures"] == []
    rewritten(bundle, dataclasses.replace(samples, threshold=-1.0))
    bad = CliRunner().invoke(app, ["verify", str(bundle), "--json"])
    assert bad.exit_code == 1 and json.loads(bad.stdout.splitlines()[0])["failures"]


def test_a_nan_anywhere_fails(samples) -> None:
    clean = np.ones((2, 3), dtype=np.float32)
    broken = clean.copy()
    broken[0, 1] = np.nan
    for limits in TOLERANCES.values():
        for stage in ("encoder", "verdict"):
            assert compare(stage, "x", "drawn", clean, clean).failure(limits) == ""
            assert "nan" in compare(stage, "x", "drawn", clean, broken).failure(limits)
            assert "nan" in compare(stage, "x", "seeded", clean, broken).failure(limits)


def test_noise_does_not_judge_int8_but_pictures_do() -> None:
    ones = np.ones((1, 4), dtype=np.float32)
    other = np.array([[1, 1, 1, 0.5]], dtype=np.float32)
    assert compare("encoder", "patches", "seeded", ones, other).failure(TOLERANCES["int8"]) == ""
    failure = compare("encoder", "patches", "drawn", ones, other).failure(TOLERANCES["int8"])
    assert "cosine of 0.97" in failure and "at least 0.998" in failure


def test_rank_correlation_is_spearmans() -> None:
    rising = np.arange(5.0)
    assert rank_correlation(rising, rising**3) == pytest.approx(1)
    assert rank_correlation(rising, -rising) == pytest.approx(-1)
    # scipy.stats.spearmanr([1, 2, 2, 4], [3, 1, 1, 2]) = -1/3
    tied = rank_correlation(np.array([1.0, 2, 2, 4]), np.array([3.0, 1, 1, 2]))
    assert tied == pytest.approx(-1 / 3)
    assert rank_correlation(np.ones(3), rising[:3]) is None


def answers(scores: list[float], samples, *, threshold: float = 0.5):
    """Answers with these image scores, and maps that are the score everywhere."""
    spec = Bundle.load(TINY).manifest.method
    count = len(scores)
    branches = BranchMaps(
        maps=np.zeros((count, 3, spec.grid, spec.grid), dtype=np.float32),
        scores=np.zeros((count, 2), dtype=np.float32),
    )
    return dataclasses.replace(
        answers_of(branches, threshold, functools.partial(score, spec=spec)),
        scores=np.array(scores, dtype=np.float64),
    )


def labelled(samples, defective: list[bool]) -> JudgedPictures:
    squares = (samples.pictures.squares * 3)[: len(defective) + 2]
    return JudgedPictures(squares=squares, kind="drawn", defective=np.array(defective))


def test_a_decision_near_the_threshold_may_change_and_a_clear_one_may_not(samples) -> None:
    pictures = labelled(samples, [False, False, True, True])
    limits = tolerance_of("fp16")
    before = answers([0.1, 0.499, 0.9, 1.1], samples)
    near = felt_change(before, answers([0.1, 0.501, 0.9, 1.1], samples), pictures, limits)
    assert near.judged and near.failures(limits) == ()
    assert (near.verdicts_changed, near.verdicts_changed_near) == (0, 1)
    clear = felt_change(before, answers([0.1, 0.499, 0.4, 1.1], samples), pictures, limits)
    assert clear.failures(limits) == ("1 of 4 verdicts changed",)
    assert clear.score_change == pytest.approx(0.5 / 0.7, rel=0.01)


def test_verdicts_judge_only_where_fp32_tells_good_from_bad(samples) -> None:
    pictures = labelled(samples, [False, True, False, True])
    before, after = answers([0.4, 0.3, 0.6, 0.7], samples), answers([0.6, 0.7, 0.3, 0.2], samples)
    half = felt_change(before, after, pictures, tolerance_of("fp16"))
    assert not half.judged and "random weights" in half.why
    assert half.verdicts_changed == 4 and half.failures(tolerance_of("fp16")) == ()
    exact = felt_change(before, after, pictures, tolerance_of("fp32"))
    assert exact.failures(tolerance_of("fp32")) == ("4 of 4 verdicts changed",)


def test_a_score_that_is_not_finite_fails_even_where_verdicts_do_not_judge(samples) -> None:
    pictures = labelled(samples, [False, True, False, True])
    before, after = (
        answers([0.4, 0.3, 0.6, 0.7], samples),
        answers([0.4, np.nan, 0.6, 0.7], samples),
    )
    assert "a score is not finite" in felt_change(
        before, after, pictures, tolerance_of("int8")
    ).failures(tolerance_of("int8"))


def test_a_lower_precision_does_not_excuse_a_wrong_match_stage(samples) -> None:
    """The real engine, with a residual that another bank gives."""
    bundle = Bundle.load(TINY)
    stages = open_stages(bundle, "onnxruntime")
    match = stages.match
    stages.match = lambda patches, bank, rho: match(patches, np.roll(bank, 1, axis=2), rho)
    stages._spec = dataclasses.replace(bundle.manifest.method, precision="int8")
    try:
        report = verify_stages(stages, samples, backend="onnxruntime")
    finally:
        stages.close()
    assert any(failure.startswith("stage 'match'") for failure in report.failures)


def test_an_unknown_precision_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"precision 'fp12' \(--precision\) is unknown; use fp32"):
        tolerance_of("fp12")
