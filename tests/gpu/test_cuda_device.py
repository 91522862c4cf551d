"""The device layer under real pycuda on the fake driver."""

from __future__ import annotations

import json

import pytest


def test_data_goes_to_the_device_and_back(on_fake_gpu):
    said = on_fake_gpu(round_trip)
    assert said["values"] == [0.0, 1.0, 2.0, 3.0]
    assert said["device"] == ["Fake device (sm_87)", "sm87"]
    assert said["elapsed_is_positive"]
    assert said["live"] == {"contexts": 1}


def round_trip() -> dict:
    import numpy as np

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.cuda import CudaDevice, DeviceBuffer, PinnedArray

    with (
        CudaDevice() as device,
        PinnedArray(device, (4,), np.float32, purpose="source") as source,
        PinnedArray(device, (4,), np.float32, purpose="result") as result,
        DeviceBuffer(device, 16, purpose="test") as memory,
    ):
        source.array[:] = range(4)

        def copies() -> None:
            device.upload(memory.address, source.array)
            device.download(result.array, memory.address)

        elapsed = device.time_ms(copies)
        device.synchronize()
        return {
            "values": result.array.tolist(),
            "device": [device.name, device.architecture],
            "elapsed_is_positive": elapsed > 0,
            "live": _closed(source, result, memory, device) and FakeDriver().live(),
        }


def _closed(*held) -> bool:
    for thing in held:
        thing.close()
    return True


def test_a_graph_repeats_its_work_with_new_data(on_fake_gpu):
    assert on_fake_gpu(replay) == [[1.0], [2.0]]


def replay() -> list:
    import numpy as np

    from res2clip_runtime.cuda import CapturedGraph, CudaDevice, DeviceBuffer, PinnedArray

    with (
        CudaDevice() as device,
        PinnedArray(device, (1,), np.float32, purpose="value") as value,
        PinnedArray(device, (1,), np.float32, purpose="copy") as copy,
        DeviceBuffer(device, 4, purpose="test") as memory,
    ):

        def work() -> None:
            device.upload(memory.address, value.array)
            device.download(copy.array, memory.address)

        seen = []
        with CapturedGraph(device, work) as graph:
            for number in (1, 2):
                value.array[:] = number
                graph.launch()
                device.synchronize()
                seen.append(copy.array.tolist())
        return seen


def test_nothing_leaks_in_a_thousand_devices_opened_and_closed(on_fake_gpu):
    assert on_fake_gpu(open_and_close, 1000) == {"contexts": 1}


def open_and_close(times: int) -> dict:
    import numpy as np

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.cuda import CapturedGraph, CudaDevice, DeviceBuffer, PinnedArray

    for _ in range(times):
        with (
            CudaDevice() as device,
            PinnedArray(device, (64,), np.uint8, purpose="test") as host,
            DeviceBuffer(device, 64, purpose="test") as memory,
            CapturedGraph(device, lambda d=device, m=memory, h=host: d.upload(m.address, h.array)),
        ):
            device.synchronize()
    return FakeDriver().live()


def test_every_failing_call_is_our_error_and_frees_what_was_held(on_fake_gpu):
    outcomes = on_fake_gpu(sweep)
    assert {"cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamCreate", "cuGraphLaunch"} < set(outcomes)
    assert {said for each in outcomes.values() for said in each} <= {"ours", "fine"}, json.dumps(
        outcomes, indent=1
    )
    for name in ("cuMemAlloc_v2", "cuMemcpyHtoDAsync_v2", "cuStreamSynchronize", "cuGraphLaunch"):
        assert set(outcomes[name]) == {"ours"}, name


def sweep() -> dict:
    from gpu.fault_sweep import fault_sweep

    return fault_sweep(scenario)


def scenario() -> None:
    import numpy as np

    from res2clip_runtime.cuda import CapturedGraph, CudaDevice, DeviceBuffer, PinnedArray

    with (
        CudaDevice() as device,
        PinnedArray(device, (4,), np.float32, purpose="test") as host,
        DeviceBuffer(device, 16, purpose="test") as memory,
    ):
        device.time_ms(lambda: device.upload(memory.address, host.array))
        with CapturedGraph(device, lambda: device.download(host.array, memory.address)) as graph:
            graph.launch()
            device.synchronize()


@pytest.mark.parametrize("use", ["memory", "host", "device", "graph"])
def test_what_is_closed_says_so(on_fake_gpu, use):
    said = on_fake_gpu(use_after_close, use)
    assert "closed" in said or "freed" in said
    assert "open a new one" in said or "capture a new one" in said


def use_after_close(use: str) -> str:
    import numpy as np

    from res2clip_runtime.cuda import CapturedGraph, CudaDevice, DeviceBuffer, PinnedArray
    from res2clip_runtime.errors import BackendError

    device = CudaDevice()
    host = PinnedArray(device, (4,), np.float32, purpose="test")
    memory = DeviceBuffer(device, 16, purpose="test")
    graph = CapturedGraph(device, lambda: device.upload(memory.address, host.array))
    for thing in (graph, memory, host, device):
        thing.close()
        thing.close()
    uses = {
        "memory": lambda: memory.address,
        "host": lambda: host.array,
        "device": device.synchronize,
        "graph": graph.launch,
    }
    try:
        uses[use]()
    except BackendError as err:
        return str(err)
    return "no error"


def test_a_machine_without_a_gpu_gets_a_clear_word(on_stub_gpu):
    assert "no usable NVIDIA GPU" in on_stub_gpu(open_device)


def open_device() -> str:
    from res2clip_runtime.cuda import CudaDevice
    from res2clip_runtime.errors import BackendError

    try:
        CudaDevice()
    except BackendError as err:
        return str(err)
    return "no error"
