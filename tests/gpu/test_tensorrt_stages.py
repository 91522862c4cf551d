"""Backend ``tensorrt`` end to end: our code and pycuda for real, the rest stood in for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"
NOTHING = {"Runtime": 0, "ICudaEngine": 0, "IExecutionContext": 0}


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(shutil.copytree(TINY, tmp_path / "bundle"))


def test_the_pipeline_answers_like_onnx_runtime(on_fake_gpu, bundle):
    said = on_fake_gpu(both_backends, bundle)
    assert said["scores"]["tensorrt"] == pytest.approx(said["scores"]["onnxruntime"], abs=1e-6)
    assert said["largest_map_difference"] < 1e-5
    assert said["alive"] == [
        {"contexts": 1},
        NOTHING,
    ]


def both_backends(bundle: str) -> dict:
    import numpy as np
    import tensorrt
    from drawn_parts import draw_part

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.inspector import Inspector

    pictures = [draw_part(seed, scratched=seed > 6) for seed in range(4, 9)]
    scores, maps = {}, {}
    for backend in ("onnxruntime", "tensorrt"):
        with Inspector(Bundle.load(bundle), backend=backend, threads=1) as inspector:
            recipe = inspector.teach([draw_part(seed) for seed in range(4)], product="washer")
            verdicts = [inspector.inspect(picture, recipe) for picture in pictures]
        scores[backend] = [verdict.score for verdict in verdicts]
        maps[backend] = np.stack([verdict.anomaly_map for verdict in verdicts])
    return {
        "scores": scores,
        "largest_map_difference": float(np.abs(maps["tensorrt"] - maps["onnxruntime"]).max()),
        "alive": [FakeDriver().live(), tensorrt.lives],
    }


def test_shapes_change_between_runs_and_graphs_with_them(on_fake_gpu, bundle):
    said = on_fake_gpu(changing_shapes, bundle)
    assert max(said["differences"]) < 1e-6
    assert said["graphs launched"] > 0
    assert said["alive"] == {"contexts": 1}


def changing_shapes(bundle: str) -> dict:
    import numpy as np

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.backends import open_stages
    from res2clip_runtime.bundle import Bundle

    loaded, random = Bundle.load(bundle), np.random.default_rng(0)
    spec = loaded.manifest.method
    ours, reference = open_stages(loaded, "tensorrt"), open_stages(loaded, "onnxruntime", threads=1)
    differences = []
    # References grow, shrink and stay for five pictures; the batch is more than an engine takes.
    for references, batch in ((36, 1), (200, 1), (50, 3), *[(100, 1)] * 5):
        patches = random.standard_normal((batch, len(spec.taps), spec.patches, spec.embed_dim))
        bank = random.standard_normal((len(spec.taps), references, spec.embed_dim))
        arrays = [a.astype(np.float32) for a in (patches, bank, random.random(references))]
        differences.append(float(np.abs(ours.match(*arrays) - reference.match(*arrays)).max()))
    ours.close()
    fake = FakeDriver()
    launched = fake.calls("cuGraphLaunch")
    return {"differences": differences, "graphs launched": launched, "alive": fake.live()}


def test_a_bank_that_cannot_change_is_copied_to_the_device_once(on_fake_gpu, bundle):
    writable, read_only = on_fake_gpu(count_copies, bundle)
    assert writable == 5 * 3  # patches, bank, bank_rho
    assert read_only == 5 + 2


def count_copies(bundle: str) -> list[int]:
    import numpy as np

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.backends import open_stages
    from res2clip_runtime.bundle import Bundle

    loaded, fake = Bundle.load(bundle), FakeDriver()
    spec = loaded.manifest.method
    stages = open_stages(loaded, "tensorrt")
    patches = np.ones((1, len(spec.taps), spec.patches, spec.embed_dim), np.float32)
    counts = []
    for freeze in (False, True):
        bank = np.ones((len(spec.taps), 36, spec.embed_dim), np.float32)
        rho = np.ones(36, np.float32)
        bank.setflags(write=not freeze)
        rho.setflags(write=not freeze)
        before = fake.calls("cuMemcpyHtoDAsync_v2")
        for _ in range(5):
            stages.match(patches, bank, rho)
        counts.append(fake.calls("cuMemcpyHtoDAsync_v2") - before)
    stages.close()
    return counts


def test_more_than_the_engine_takes_is_refused_with_the_remedy(on_fake_gpu, bundle):
    said = on_fake_gpu(too_many_references, bundle)
    assert "takes 'bank' up to (2, 288, 32), got (2, 289, 32)" in said
    assert "--trt-shots" in said


def too_many_references(bundle: str) -> str:
    import numpy as np

    from res2clip_runtime.backends import open_stages
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.errors import BackendError

    stages = open_stages(Bundle.load(bundle), "tensorrt")
    patches, bank = np.ones((1, 2, 36, 32), np.float32), np.ones((2, 289, 32), np.float32)
    try:
        stages.match(patches, bank, np.ones(289, np.float32))
    except BackendError as err:
        return str(err)
    finally:
        stages.close()
    return "no error"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("parse_from_file", "cannot read stage 'encoder'"),
        ("add_optimization_profile", "refused the sizes of stage 'encoder'"),
        ("build_serialized_network", "cannot build stage 'encoder': no tactic fits"),
        ("deserialize_cuda_engine", "cannot load the engine of 'encoder'"),
        ("create_execution_context", "cannot run the engine of 'encoder'"),
        ("set_input_shape", "refused, in stage 'match', the shape"),
        ("infer_shapes", "refused, in stage 'match', its shapes: patches"),
        ("set_tensor_address", "refused, in stage 'match', the memory of"),
        ("execute_async_v3", "refused, in stage 'match', to run"),
    ],
)
def test_whatever_tensorrt_refuses_is_our_error_and_frees_everything(
    on_fake_gpu, bundle, method, expected
):
    message, memory, objects = on_fake_gpu(refused, bundle, method)
    assert expected in message
    assert memory == {"contexts": 1}
    assert not any(objects.values())


def refused(bundle: str, method: str) -> list:
    import gc

    import tensorrt

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.errors import BackendError

    tensorrt.refuse.add(method)
    message = "no error"
    try:
        match_once(bundle)
    except BackendError as err:
        message = str(err)
    gc.collect()
    return [message, FakeDriver().live(), tensorrt.lives]


def match_once(bundle: str, pictures: int = 1) -> None:
    import numpy as np

    from res2clip_runtime.backends import open_stages
    from res2clip_runtime.bundle import Bundle

    stages = open_stages(Bundle.load(bundle), "tensorrt")
    try:
        patches, bank = np.ones((1, 2, 36, 32), np.float32), np.ones((2, 40, 32), np.float32)
        for _ in range(pictures):
            stages.match(patches, bank, np.ones(40, np.float32))
    finally:
        stages.close()


def test_every_failing_driver_call_is_our_error_and_frees_what_was_held(on_fake_gpu, bundle):
    outcomes = on_fake_gpu(sweep, bundle)
    assert {said for each in outcomes.values() for said in each} <= {"ours", "fine"}, json.dumps(
        outcomes, indent=1
    )
    assert set(outcomes["cuMemAlloc_v2"]) == set(outcomes["cuStreamSynchronize"]) == {"ours"}
    assert set(outcomes["cuMemcpyDtoHAsync_v2"]) <= {"ours", "fine"}


def sweep(bundle: str) -> dict:
    from gpu.fault_sweep import fault_sweep

    return fault_sweep(lambda: match_once(bundle, pictures=3))


def test_nothing_leaks_in_a_thousand_executors_opened_and_closed(on_fake_gpu, bundle):
    assert on_fake_gpu(open_executors, bundle, 1000) == [
        {"contexts": 1},
        NOTHING,
    ]


def open_executors(bundle: str, times: int) -> list:
    import numpy as np
    import tensorrt

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.cuda import CudaDevice
    from res2clip_runtime.tensorrt import EngineCache, EngineExecutor, load_library

    library = load_library()
    shapes = {"last_patches": (1, 36, 32), "residual": (1, 2, 36, 32), "image_feature": (1, 32)}
    inputs = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    inputs["bank_global_mean"] = np.ones(32, np.float32)
    with CudaDevice() as device:
        plan = EngineCache(Bundle.load(bundle), library, architecture="sm87").provide("heads")
        for _ in range(times):
            with EngineExecutor(library, device, plan, stage="heads") as executor:
                executor.run(inputs)
    return [FakeDriver().live(), tensorrt.lives]
