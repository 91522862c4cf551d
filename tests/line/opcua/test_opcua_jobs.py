"""Jobs over the wire: a client of another process, a real line, a camera that can be killed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from line.components.child import await_true
from line.components.mjpeg_server import MjpegServer
from line.components.opcua_client import MACHINE, BadStatus, OpcuaClient
from line.components.served_line import Serve, Served

METHODS = {
    "StartSingleJob": ["", "", "", ""],
    "StartContinuous": ["", "", "", ""],
    "Stop": [],
    "Abort": [],
    "Reset": [],
}


def refused(client: OpcuaClient, method: str, *arguments: object) -> str:
    """Return the status with which a method is refused."""
    with pytest.raises(BadStatus) as caught:
        client.machine(method, *arguments)
    return str(caught.value)


def test_a_single_job_ends_with_one_result_event_and_the_same_last_result(
    served: Served, client: OpcuaClient
) -> None:
    before = client.read("ResultManagement.ResultCount")
    job_id = client.single("measurement 7", "part 17", "", "washer")
    (event,) = client.results_of(job_id)
    verdict = next(v for v in served.line.verdicts if v.trigger_id == job_id)
    assert event["decision"] == verdict.decision.value == "OK"
    assert (event["score"], event["threshold"]) == (verdict.score, verdict.threshold)
    assert (event["measId"], event["partId"]) == ("measurement 7", "part 17")
    assert (event["productId"], event["resultState"], event["fault"]) == ("washer", 1, "")
    assert event["isSimulated"] is event["isPartial"] is False
    assert event["internalRecipeId"] == served.line.line.recipes.recipe_id
    assert json.loads(event["resultContent"]) == verdict.to_json()
    client.await_state("Ready")
    for field in ("resultId", "decision", "score", "partId", "creationTime"):
        assert client.last(field) == event[field]
    assert client.read("ResultManagement.ResultCount") == before + 1
    assert len(client.results_of(job_id)) == 1


def test_the_last_result_is_void_before_the_answer_to_a_start_leaves(
    served: Served, client: OpcuaClient
) -> None:
    client.results_of(client.single())
    await_true(lambda: client.last("decision") == "OK", "a result")
    served.camera.freeze()  # no picture: the job runs until it is aborted
    try:
        job_id = client.single()
        assert (client.last("decision"), client.last("resultId")) == ("", "")
        client.machine("Abort")
        (event,) = client.results_of(job_id)
        assert (event["decision"], event["resultState"], event["score"]) == ("ERROR", 3, None)
        assert (event["fault"], client.last("decision")) == ("aborted", "ERROR")
    finally:
        served.camera.thaw()


def test_each_method_is_refused_in_each_state_that_does_not_allow_it(
    served: Served, client: OpcuaClient
) -> None:
    for method in ("Stop", "Abort"):
        assert refused(client, method) == "BadInvalidState"
    client.machine("StartContinuous", "", "", "", "")
    for method in ("StartSingleJob", "StartContinuous", "Reset"):
        assert refused(client, method, *METHODS[method]) == "BadInvalidState"
    with pytest.raises(BadStatus, match="BadInvalidState"):
        client.prepare("nut")
    assert client.state == "ContinuousExecution"
    assert served.line.line.recipes.product == "washer"
    client.machine("Stop")
    client.await_state("Ready")


def test_a_continuous_job_gives_result_after_result_until_it_is_stopped(
    served: Served, client: OpcuaClient
) -> None:
    job_id, _ = client.machine("StartContinuous", "", "", "", "")
    await_true(lambda: len(client.results_of(job_id)) >= 4, "four results")
    client.machine("Stop")
    client.await_state("Ready")
    triggers = served.line.line.health().triggers
    results = client.results_of(job_id)
    ids = [json.loads(event["resultContent"])["trigger_id"] for event in results]
    assert ids == [f"{job_id}-{n}" for n in range(1, len(ids) + 1)]
    assert {event["decision"] for event in results} == {"OK"}
    assert client.read(MACHINE + "JobId") == ""
    assert served.line.line.health().triggers == triggers


def test_a_recipe_is_prepared_by_its_product_and_an_unknown_one_is_no_match(
    served: Served, client: OpcuaClient
) -> None:
    internal_id, completed, error = client.prepare("nut")
    try:
        assert (completed, error) == (True, 0)
        assert internal_id == served.line.line.recipes.recipe_id
        (event,) = client.results_of(client.single("", "", internal_id))
        assert (event["productId"], event["decision"]) == ("nut", "OK")
        client.await_state("Ready")
        for unknown in ("bolt", "", "nut "):
            with pytest.raises(BadStatus, match="BadNoMatch"):
                client.prepare(unknown)
        assert refused(client, "StartSingleJob", "", "", "0" * 16, "") == "BadNoMatch"
        assert refused(client, "StartSingleJob", "", "", "", "washer") == "BadNoMatch"
        await_true(lambda: client.read("RecipeManagement.PreparedRecipe") == "nut", "it is shown")
        assert client.read("RecipeManagement.Recipes") == ["washer", "nut"]
    finally:
        client.prepare("washer")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], "BadArgumentsMissing"),
        (["", "", ""], "BadArgumentsMissing"),
        (["", "", "", "", ""], "BadTooManyArguments"),
        ([1, "", "", ""], "BadInvalidArgument"),
        (["x" * 201, "", "", ""], "BadInvalidArgument"),
        (["line\nbreak", "", "", ""], "BadInvalidArgument"),
        ([["a", "b"], "", "", ""], "BadInvalidArgument"),
    ],
)
def test_arguments_that_are_none_of_the_method_s_are_refused(
    client: OpcuaClient, arguments: list[object], status: str
) -> None:
    assert refused(client, "StartSingleJob", *arguments) == status
    assert client.state == "Ready"


def test_nothing_can_be_written(client: OpcuaClient) -> None:
    for path, value in ((MACHINE + "JobId", "x"), ("ResultManagement.LastResult.decision", "OK")):
        with pytest.raises(BadStatus, match="BadUserAccessDenied"):
            client.do("write", path, value)


def test_health_of_line_camera_and_server_is_there(served: Served, client: OpcuaClient) -> None:
    await_true(lambda: client.read("Health.Ready"), "ready")
    assert client.read("Health.Cameras.top.State") == "ready"
    assert client.read("Line") == "line3"
    first = client.read("Health.Heartbeat")
    await_true(lambda: client.read("Health.Heartbeat") > first, "the heart beats")
    frames = client.read("Health.Cameras.top.Frames")
    await_true(lambda: client.read("Health.Cameras.top.Frames") > frames, "pictures are counted")
    (control,) = served.line.line.health().controls
    assert (control.name, control.state, control.clients) == ("opcua", "ok", 1)


def test_a_client_that_is_killed_in_its_job_leaves_the_server_ready(
    served: Served, client: OpcuaClient
) -> None:
    with OpcuaClient() as other:
        other.connect(served.server.port)
        job_id, _ = other.machine("StartContinuous", "", "", "", "")
        client.results_of(job_id)
        assert client.state == "ContinuousExecution"
        other.kill()
    client.await_state("Ready")
    triggers = served.line.line.health().triggers
    (event,) = client.results_of(client.single())
    assert event["decision"] == "OK"
    assert served.line.line.health().triggers == triggers + 1


def test_a_client_that_closes_its_session_ends_its_job_and_no_other(
    served: Served, client: OpcuaClient
) -> None:
    job_id, _ = client.machine("StartContinuous", "", "", "", "")
    with OpcuaClient() as other:
        other.connect(served.server.port)
        assert refused(other, "StartSingleJob", "", "", "", "") == "BadInvalidState"
        other.do("disconnect")
    before = len(client.results_of(job_id))
    await_true(lambda: len(client.results_of(job_id)) > before + 2, "the job goes on")
    client.machine("Abort")
    client.await_state("Ready")


def test_a_subscriber_that_reads_nothing_holds_up_neither_inspection_nor_others(
    served: Served, client: OpcuaClient
) -> None:
    with OpcuaClient() as slow:
        slow.connect(served.server.port)
        slow.do("subscribe")
        slow.freeze()
        job_id, _ = client.machine("StartContinuous", "", "", "", "")
        await_true(lambda: len(client.results_of(job_id)) >= 20, "twenty results for the other")
        client.machine("Stop")
        client.await_state("Ready")
        slow.thaw()


def test_a_lost_camera_is_an_error_until_reset_and_its_job_has_a_result_that_says_so(
    served: Served, client: OpcuaClient, film: Path
) -> None:
    job_id, _ = client.machine("StartContinuous", "", "", "", "")
    client.results_of(job_id)
    served.camera.kill()
    client.await_state("Error")
    assert "camera top is lost" in client.read(MACHINE + "Reason")
    assert client.last("decision") != "OK"
    for method in ("StartSingleJob", "StartContinuous", "Stop", "Abort"):
        assert refused(client, method, *METHODS[method]) == "BadInvalidState"
    with pytest.raises(BadStatus, match="BadInvalidState"):
        client.prepare("nut")
    with MjpegServer(film, port=served.camera.port, fps=25):
        await_true(lambda: served.line.line.health().ready, "the camera is back")
        assert client.state == "Error"
        client.machine("Reset")
        client.await_state("Ready")
        (event,) = client.results_of(client.single())
        assert event["decision"] == "OK"


def test_in_free_run_jobs_take_what_is_inspected_anyway_and_ng_is_ng(
    serve: Serve, scratched_film: Path, tmp_path: Path
) -> None:
    served = serve(scratched_film, mode="free", product="", folder=tmp_path)
    with OpcuaClient() as client:
        client.connect(served.server.port)
        client.do("subscribe")
        client.await_state("Preoperational")  # no product is chosen
        assert "no product is chosen" in client.read(MACHINE + "Reason")
        assert refused(client, "StartSingleJob", "", "", "", "") == "BadInvalidState"
        assert refused(client, "Reset") == "BadInvalidState"
        client.prepare("nut")
        client.await_state("Ready")
        (event,) = client.results_of(client.single())
        assert (event["decision"], event["productId"]) == ("NG", "nut")
        assert event["score"] > event["threshold"] and not math.isnan(event["score"])
        job_id, _ = client.machine("StartContinuous", "", "", "", "")
        await_true(lambda: len(client.results_of(job_id)) >= 3, "three results")
        client.machine("Stop")
        assert client.state == "Ready"
