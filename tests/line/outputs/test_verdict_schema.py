from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from res2clip_runtime.inspection import error_verdict
from res2clip_runtime.verdict import Verdict, View

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "verdict.schema.json").read_text())
JUDGE = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture
def several_views(ng: Verdict) -> Verdict:
    """A part seen twice, as a line answers a trigger."""
    views = tuple(
        View(
            frame_id=str(number),
            camera=camera,
            decision=ng.decision,
            score=score,
            reason="",
        )
        for number, (camera, score) in enumerate([("top", ng.score), ("side", float("nan"))])
    )
    return dataclasses.replace(ng, camera="top", trigger_id="plc-7", part_id="7", views=views)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_real_verdicts_are_what_the_schema_says(
    ok: Verdict, ng: Verdict, several_views: Verdict
) -> None:
    assert ng.regions  # so that regions are judged, too
    for verdict in (ok, ng, several_views, error_verdict("x", "washer", "too dark")):
        JUDGE.validate(json.loads(json.dumps(verdict.to_json())))


def test_the_schema_describes_every_field_and_no_other(several_views: Verdict) -> None:
    sent = several_views.to_json()
    assert SCHEMA["properties"].keys() == sent.keys()
    assert set(SCHEMA["required"]) == sent.keys()
    view = SCHEMA["properties"]["views"]["items"]
    assert view["properties"].keys() == sent["views"][0].keys()
    region = SCHEMA["properties"]["regions"]["items"]
    assert region["properties"].keys() == sent["regions"][0].keys()


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "GOOD"},
        {"decision": "OK", "score": None},
        {"decision": "OK", "threshold": None},
        {"decision": "OK", "reason": "why"},
        {"decision": "ERROR", "reason": ""},
        {"regions": [{"box": [1, 2, 3], "area_px": 4, "peak": 0.5}]},
        {"captured_at": 5},
        {"latency_ms": {"encoder": "fast"}},
    ],
)
def test_what_is_no_verdict_is_refused_by_the_schema(
    ng: Verdict, change: dict[str, object]
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        JUDGE.validate({**ng.to_json(), **change})
