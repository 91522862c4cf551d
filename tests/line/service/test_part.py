"""The worst view of a part is the part's verdict."""

from __future__ import annotations

import itertools
import json

from res2clip_runtime.service.part import part_verdict
from res2clip_runtime.verdict import Decision, Verdict

OK, NG, ERROR = Decision.OK, Decision.NG, Decision.ERROR


def verdict(
    decision: Decision, score: float, *, camera: str = "top", threshold: float | None = 0.5
) -> Verdict:
    return Verdict(
        frame_id=f"{camera}-{score}",
        product="washer",
        decision=decision,
        score=score,
        threshold=threshold,
        camera=camera,
        latency_ms={"encoder": 2.0},
    )


def test_error_is_worse_than_ng_and_ng_than_ok_in_any_order() -> None:
    views = [verdict(OK, 0.1), verdict(NG, 0.9), verdict(ERROR, float("nan"))]
    for count, expected in ((1, OK), (2, NG), (3, ERROR)):
        for order in itertools.permutations(views[:count]):
            assert part_verdict(order, part_id="p").decision is expected


def test_among_equals_the_score_farthest_above_its_threshold_is_shown() -> None:
    views = [verdict(NG, 0.6, threshold=0.1), verdict(NG, 0.9, threshold=0.8)]
    assert part_verdict(views, part_id="p").score == 0.6


def test_views_are_listed_and_times_added() -> None:
    part = part_verdict([verdict(OK, 0.1, camera="top"), verdict(NG, 0.9, camera="side")],
                        part_id="p7")  # fmt: skip
    assert part.part_id == "p7"
    assert [(view.camera, view.decision) for view in part.views] == [("top", OK), ("side", NG)]
    assert part.latency_ms == {"encoder": 4.0}
    assert part.camera == "side"


def test_view_without_a_score_is_valid_json() -> None:
    part = part_verdict([verdict(ERROR, float("nan")), verdict(OK, 0.1)], part_id="p")
    values = json.loads(json.dumps(part.to_json(), allow_nan=False))
    assert [view["score"] for view in values["views"]] == [None, 0.1]
