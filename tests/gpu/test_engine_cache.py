"""Engines are built once, kept with their sidecar, and built again when something changed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TINY = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"
FOLDER = "tensorrt-11.4.0.double-sm87"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "bundle"))


@pytest.fixture
def built(on_fake_gpu, bundle: Path) -> Path:
    """A bundle with its engines."""
    assert on_fake_gpu(provide, str(bundle)) == 3
    return bundle


def provide(bundle: str, version: str | None = None, limits: dict | None = None) -> int:
    """Return how many engines had to be built."""
    import tensorrt

    from res2clip_runtime.backends.tensorrt_stages import provide_engines
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.tensorrt import EngineLimits

    if version is not None:
        tensorrt.__version__ = version
    told = []
    provide_engines(
        Bundle.load(bundle),
        EngineLimits(**limits) if limits else None,
        progress=lambda what, done, total: told.append(what),
    )
    return len(set(told))


def test_engines_lie_in_the_bundle_with_sidecar_and_log(built):
    folder = built / "engines" / FOLDER
    record = json.loads((folder / "encoder.engine.json").read_text())
    assert record["version"] == "11.4.0.double"
    assert record["architecture"] == "sm87"
    assert record["device"] == "Fake device (sm_87)"
    assert record["tf32"] is False
    assert record["max_references"] == 8 * 36
    assert (folder / "encoder.build.log").is_file()
    assert (folder / "timing.cache").read_bytes() == b"measured"


def test_a_bundle_with_engines_is_still_a_whole_bundle(built):
    from res2clip_runtime.bundle import Bundle

    Bundle.load(built)


def test_what_is_built_is_used_again(on_fake_gpu, built):
    assert on_fake_gpu(provide, str(built)) == 0


def test_another_release_builds_its_own(on_fake_gpu, built):
    assert on_fake_gpu(provide, str(built), "11.5.0") == 3
    assert on_fake_gpu(provide, str(built)) == 0


def test_other_limits_are_built_when_asked_for_and_then_kept(on_fake_gpu, built):
    assert on_fake_gpu(provide, str(built), None, {"shots": 16}) == 3
    assert on_fake_gpu(provide, str(built), None, {"shots": 16}) == 0
    assert on_fake_gpu(provide, str(built)) == 0


def test_a_damaged_engine_is_built_again(on_fake_gpu, built):
    engine = built / "engines" / FOLDER / "match.engine"
    engine.write_bytes(engine.read_bytes()[:-1])
    assert on_fake_gpu(provide, str(built)) == 1


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"stage": "match", "surprise": 1}'])
def test_an_engine_with_a_damaged_sidecar_is_built_again(on_fake_gpu, built, text):
    (built / "engines" / FOLDER / "match.engine.json").write_text(text)
    assert on_fake_gpu(provide, str(built)) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("onnx_sha256", "0" * 64),
        ("architecture", "sm89"),
        ("version", "10.3.0"),
        ("library", "tensorrt_rtx"),
        ("tf32", True),
        ("precision", "fp16"),
        ("format_version", 0),
        ("device", "another board of this architecture"),
    ],
)
def test_an_engine_of_anything_else_is_built_again(on_fake_gpu, built, field, value):
    path = built / "engines" / FOLDER / "match.engine.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, field: value}))
    assert on_fake_gpu(provide, str(built)) == 1


def test_a_bundle_that_cannot_be_written_keeps_its_engines_in_the_users_cache(
    on_fake_gpu, bundle, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (bundle / "engines").write_text("a file is in the way")
    assert on_fake_gpu(provide, str(bundle)) == 3
    assert on_fake_gpu(provide, str(bundle)) == 0
    assert len(list((tmp_path / "cache" / "res2clip" / "engines").glob("*/*/*.engine"))) == 3


def test_a_bundle_on_a_read_only_file_system_is_read_and_what_it_lacks_is_kept_elsewhere(
    on_fake_gpu, built, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (built / "engines" / FOLDER / "match.engine").unlink()
    with read_only(built):
        assert on_fake_gpu(provide, str(built)) == 1
        assert on_fake_gpu(provide, str(built)) == 0
        assert on_fake_gpu(provide, str(built), None, {"shots": 16}) == 3
        assert on_fake_gpu(provide, str(built), None, {"shots": 16}) == 0
    assert len(list((tmp_path / "cache").rglob("*.engine"))) == 3


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    mounted = [["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder]]
    for command in mounted:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_refused_build_leaves_its_log_and_no_engine(on_fake_gpu, bundle):
    said = on_fake_gpu(refused_build, str(bundle))
    log = bundle / "engines" / FOLDER / "encoder.build.log"
    assert str(log) in said
    assert "no tactic fits" in log.read_text()
    assert not list(bundle.glob("engines/*/*.engine*"))


def refused_build(bundle: str) -> str:
    import tensorrt

    from res2clip_runtime.errors import BackendError

    tensorrt.refuse.add("build_serialized_network")
    try:
        provide(bundle)
    except BackendError as err:
        return str(err)
    return "no error"


def test_ctrl_c_ends_a_build_and_leaves_no_engine(on_fake_gpu, bundle):
    assert on_fake_gpu(interrupted_build, str(bundle)) == "KeyboardInterrupt"
    assert not list(bundle.glob("engines/*/*.engine*"))


def interrupted_build(bundle: str) -> str:
    from res2clip_runtime.backends.tensorrt_stages import provide_engines
    from res2clip_runtime.bundle import Bundle

    def press(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    try:
        provide_engines(Bundle.load(bundle), progress=press)
    except KeyboardInterrupt:
        return "KeyboardInterrupt"
    return "no error"


def test_a_second_builder_waits_and_takes_what_the_first_built(on_fake_gpu, bundle):
    waited, built = on_fake_gpu(two_builders, str(bundle))
    assert waited
    assert built == 3


def two_builders(bundle: str) -> list:
    import fcntl
    import threading
    import time

    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.cuda import CudaDevice
    from res2clip_runtime.tensorrt import EngineCache, load_library

    loaded = Bundle.load(bundle)
    with CudaDevice():  # pycuda is imported once, in one thread
        cache = EngineCache(loaded, load_library(), architecture="sm87")
    counts: list[int] = []
    with (cache.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first builder is at work
        second = threading.Thread(target=lambda: counts.append(provide(bundle)))
        second.start()
        time.sleep(0.5)
        waited = second.is_alive() and not list(cache.folder.glob("*.engine"))
    second.join()
    return [waited, sum(counts)]


def test_progress_counts_nested_phases_and_never_goes_back():
    from types import SimpleNamespace

    from res2clip_runtime.tensorrt.build_progress import BuildProgress

    shown: list[int] = []
    told = BuildProgress(
        SimpleNamespace(IProgressMonitor=object),
        "building match",
        lambda what, done, total: shown.append(done),
    )
    monitor = told.monitor
    monitor.phase_start("Building engine", None, 2)
    for part in range(2):
        monitor.phase_start("Timing", "Building engine", 4)
        for step in range(4):
            assert monitor.step_complete("Timing", step)
        monitor.phase_finish("Timing")
        monitor.step_complete("Building engine", part)
    monitor.phase_finish("Building engine")
    assert shown == [125, 250, 375, 500, 625, 750, 875, 1000]
