from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from drawn_category import save_category
from report_page import ReportPage

from res2clip.datasets import find_categories
from res2clip.evaluation import choose_references, evaluate
from res2clip.metrics import Metrics
from res2clip.report import CategoryResult, Report, render_report, write_report
from res2clip.report.gallery import grouped
from res2clip.report.histogram import draw_histogram
from res2clip.report.markup import Html, element, join
from res2clip.report.model_facts import draw_model, draw_parity
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError, OutputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.quality import Doubt
from res2clip_runtime.sinks import PictureFolder
from res2clip_runtime.teaching import teach
from res2clip_runtime.verdict import Decision

HOSTILE = "<img src=x onerror=alert(1)>&\"'"


@pytest.fixture(scope="module")
def bundle(tiny_bundle_directory) -> Bundle:
    return Bundle.load(tiny_bundle_directory)


@pytest.fixture(scope="module")
def tiny_bundle_directory():
    from pathlib import Path

    return Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"


def inspected(bundle, folder, out) -> CategoryResult:
    (category,) = find_categories(folder)
    with Inspector(bundle, threads=1) as inspector:
        references = choose_references(category, min(3, len(category.train_good)), 0)
        recipe = teach(inspector.stages, references, product=category.name).recipe
        overlays = out / category.name
        evaluation = evaluate(inspector.stages, recipe, category, sinks=[PictureFolder(overlays)])
    return CategoryResult(evaluation=evaluation, recipe=recipe, overlays=overlays)


def page_of(bundle, *results) -> ReportPage:
    return ReportPage(render_report(report_of(bundle, *results)))


def report_of(bundle, *results) -> Report:
    return Report(
        title="a title", created="2030-01-02T03:04:05.678+00:00", bundle=bundle, categories=results
    )


@pytest.fixture(scope="module")
def nut(bundle, tmp_path_factory) -> CategoryResult:
    root = tmp_path_factory.mktemp("report")
    return inspected(bundle, save_category(root / "nut"), root / "pictures")


def test_every_picture_is_on_the_page_as_inspected_and_as_photographed(bundle, nut):
    pictures = page_of(bundle, nut).pictures()
    for sample, verdict in nut.evaluation.outcomes:
        assert min(pictures[f"{verdict.frame_id}, inspected"]) > 100
        assert f"{sample.path.name}, as photographed" in pictures
    for reference in nut.recipe.references:
        assert reference.name in pictures


def test_the_page_loads_and_runs_nothing(bundle, nut):
    page = page_of(bundle, nut)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, values in page.tags:
        assert not [name for name in values if name.startswith("on")]
        assert values.get("src", "data:").startswith("data:")
        assert values.get("href", "#").startswith("#")
    text = render_report(report_of(bundle, nut))
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_the_figures_are_those_of_the_evaluation(bundle, nut):
    text = page_of(bundle, nut).text
    for value in dataclasses.astuple(nut.evaluation.metrics):
        assert f"{100 * value:.1f}" in text
    confusion = nut.evaluation.confusion
    assert f"{confusion.good_ok} of 3" in text
    assert f"{confusion.defective_ng} of 3" in text
    parity = bundle.manifest.parity
    assert f"{parity['max_abs']:.1e}" in text
    for stage in ("read", "preprocess", "encoder", "match", "heads", "score", "total"):
        assert re.search(rf"\b{stage} [\d.]+ [\d.]+ [\d.]+", text), stage
    assert "overkill" in text
    assert "underkill" in text
    assert "2030-01-02 03:04:05 UTC" in text


def test_hostile_names_are_shown_and_not_obeyed(bundle, tmp_path):
    folder = save_category(tmp_path / HOSTILE, defect=HOSTILE, stem=HOSTILE, good=1, scratched=1)
    result = inspected(bundle, folder, tmp_path / "pictures")
    result = dataclasses.replace(result, doubts=(Doubt(HOSTILE, "looks odd"),))
    report = dataclasses.replace(report_of(bundle, result), title=HOSTILE)
    page = ReportPage(render_report(report))
    assert [
        values["src"] for tag, values in page.tags if tag == "img" and values["src"] == "x"
    ] == []
    assert not [values for _, values in page.tags if "onerror" in values]
    assert f"{HOSTILE}/{HOSTILE}200.png" in page.text
    assert f"{HOSTILE}/{HOSTILE}200.png, inspected" in page.pictures()


def test_missed_defects_and_false_alarms_come_first(nut):
    wanted = [(True, Decision.NG), (False, Decision.NG), (False, Decision.OK), (True, Decision.OK)]
    wanted += [(True, Decision.ERROR), (True, Decision.NG)]
    good, bad = nut.evaluation.category.test[0], nut.evaluation.category.test[-1]
    outcomes = tuple(
        (
            bad if defective else good,
            dataclasses.replace(nut.evaluation.verdicts[0], decision=decision, score=float(i)),
        )
        for i, (defective, decision) in enumerate(wanted)
    )
    groups = grouped(outcomes)
    assert [group.title.split(" (")[0] for group in groups] == [
        "Missed defects",
        "False alarms",
        "Defective, no decision",
        "Defects found",
        "Good parts passed",
    ]
    assert [verdict.score for _, verdict in groups[3].outcomes] == [5.0, 0.0]


def test_a_long_run_is_cut_to_so_many_cards_and_says_so(bundle, nut):
    evaluation = nut.evaluation
    many = dataclasses.replace(
        evaluation,
        category=dataclasses.replace(evaluation.category, test=evaluation.category.test * 20),
        verdicts=evaluation.verdicts * 20,
    )
    text = render_report(report_of(bundle, dataclasses.replace(nut, evaluation=many)))
    page = ReportPage(text)
    assert len(page.of_class("card")) <= 4 * 12
    assert "12 of" in page.text
    assert f"all are in {nut.overlays.parent.name}/nut/" in page.text
    assert len(text) < 10_000_000


def test_several_categories_get_a_mean_and_links(bundle, nut, tmp_path):
    bolt = inspected(bundle, save_category(tmp_path / "bolt", masks=False), tmp_path / "pictures")
    page = page_of(bundle, nut, bolt)
    assert "mean" in page.text
    assert "Decisions, all categories" in page.text
    links = {values["href"] for _, values in page.tags if "href" in values}
    assert links == {f"#{values['id']}" for _, values in page.tags if "id" in values}
    assert "\N{EN DASH}" in page.text  # bolt has no pixel figures


def test_a_run_without_threshold_says_why_nothing_is_decided(bundle, tmp_path):
    folder = save_category(tmp_path / "nut", train=1)
    page = page_of(bundle, inspected(bundle, folder, tmp_path / "pictures"))
    assert "holds no threshold" in page.text
    assert "no decision (ERROR)" in page.text
    assert len(page.of_class("threshold")) == 0


def test_unreadable_pictures_leave_a_gap_and_not_a_crash(bundle, tmp_path):
    folder = save_category(tmp_path / "nut")
    (folder / "test" / "good" / "100.png").write_bytes(b"torn")
    result = inspected(bundle, folder, tmp_path / "pictures")
    next(result.overlays.rglob("200.png.jpg")).unlink()
    page = page_of(bundle, result)
    assert page.text.count("picture not readable") == 2


def test_the_mini_is_called_what_it_is(bundle):
    manifest = dataclasses.replace(
        bundle.manifest, backbone={**bundle.manifest.backbone, "name": "mini"}
    )
    assert "load ViT-L-14-336" in draw_model(manifest)
    assert "ViT-L-14-336" not in draw_model(bundle.manifest)
    assert "no parity summary" in draw_parity(dataclasses.replace(manifest, parity={}))


def test_the_histogram_shows_every_score_once_and_the_threshold(bundle):
    scores = np.array([0.1, 0.2, 0.25, 0.9, 1.0, math.nan])
    labels = np.array([False, False, False, True, True, True])
    page = ReportPage(draw_histogram(scores, labels, 0.5))
    titles = re.findall(r"(\d+) (good|defective) parts?, score", page.text)
    assert sum(int(count) for count, kind in titles if kind == "good") == 3
    assert sum(int(count) for count, kind in titles if kind == "defective") == 2
    assert len(page.of_class("threshold")) == 1
    assert "threshold 0.5" in page.text


@pytest.mark.parametrize("scores", [[0.0], [2.0, 2.0], [-1e-9, 1e9], [5.0] * 50])
def test_the_histogram_stands_any_scores(scores):
    values = np.array(scores)
    page = ReportPage(draw_histogram(values, np.zeros(len(values), dtype=bool), None))
    for values in page.of_class("good-bar"):
        assert 0 <= float(values["x"]) <= 560
        assert 0 < float(values["height"]) < 100


def test_a_histogram_of_nothing_is_a_sentence():
    nothing = draw_histogram(np.array([math.nan]), np.array([True]), 0.5)
    assert "No picture has a score" in nothing


def test_text_is_escaped_and_markup_is_not():
    assert join("<b>", Html("<i>"), "&") == "&lt;b&gt;<i>&amp;"
    assert element("a", "x<y", attributes={"title": '"><script>'}) == (
        '<a title="&quot;&gt;&lt;script&gt;">x&lt;y</a>'
    )
    assert element("img", attributes={"width": 3}) == '<img width="3">'


def test_the_file_is_written_whole_or_not_at_all(bundle, nut, tmp_path):
    path = tmp_path / "new" / "report.html"
    write_report(report_of(bundle, nut), path)
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_report(report_of(bundle, nut), tmp_path / "file" / "report.html")


def test_a_report_on_nothing_is_refused(bundle):
    with pytest.raises(InputError, match="nothing to report"):
        render_report(report_of(bundle))


def test_the_mean_leaves_undefined_figures_out(nut):
    blank = Metrics(**{field.name: math.nan for field in dataclasses.fields(Metrics)})
    undefined = dataclasses.replace(
        nut, evaluation=dataclasses.replace(nut.evaluation, metrics=blank)
    )
    report = Report(title="", created="", bundle=None, categories=(nut, undefined))
    assert report.mean == nut.evaluation.metrics
    assert report.confusion == nut.evaluation.confusion + nut.evaluation.confusion
