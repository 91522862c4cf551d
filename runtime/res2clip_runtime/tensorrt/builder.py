"""An ONNX graph -> a serialised engine."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from res2clip_runtime.errors import BackendError
from res2clip_runtime.tensorrt.build_log import BuildLog
from res2clip_runtime.tensorrt.build_progress import BuildProgress, Progress
from res2clip_runtime.tensorrt.engine_job import EngineJob
from res2clip_runtime.tensorrt.library import Library

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["BuiltEngine", "build_engine", "parser_errors"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEngine:
    """What came of a job."""

    plan: bytes
    """The serialised engine."""
    typing: str
    """``strong`` or ``weak``."""
    timing_cache: bytes | None
    """What was measured, for the next build; None where there is no such thing."""


def build_engine(
    library: Library,
    job: EngineJob,
    *,
    log: BuildLog,
    architecture: str | None = None,
    timing_cache: bytes | None = None,
    progress: Progress = lambda what, done, total: None,
) -> BuiltEngine:
    """Return the engine of a job.

    Args:
        library: TensorRT.
        job: graph and limits.
        log: takes what TensorRT says.
        architecture: to build for (``sm86``); None: this device.
        timing_cache: what an earlier build measured.
        progress: told how far the build is.

    Raises:
        BackendError: TensorRT refused; the reason is its own.
    """
    typings = library.typings(job.precision)
    for typing in typings:
        try:
            return _build(library, job, typing, log, architecture, timing_cache, progress)
        except BackendError as err:
            if typing == typings[-1]:
                raise
            logger.info("stage '%s' is built weakly typed instead: %s", job.stage, err)
    raise AssertionError("no typing was tried")


def _build(
    library: Library,
    job: EngineJob,
    typing: str,
    log: BuildLog,
    architecture: str | None,
    timing_cache: bytes | None,
    progress: Progress,
) -> BuiltEngine:
    builder = _builder(library, log)
    network = builder.create_network(library.network_flags(typing))
    _parse(library, network, job, log)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(library.trt.MemoryPoolType.WORKSPACE, job.workspace_mib << 20)
    library.set_arithmetic(config, typing, job.precision)
    if architecture is not None:
        library.set_target(config, architecture)
    _add_profile(builder, config, job, log)
    _use_timing_cache(library, config, timing_cache)
    told = BuildProgress(library.trt, f"building {job.stage}", progress)
    config.progress_monitor = told.monitor
    plan = builder.build_serialized_network(network, config)
    if told.error is not None:
        raise told.error
    if plan is None:
        raise BackendError(f"TensorRT cannot build stage '{job.stage}': {log.reason}")
    return BuiltEngine(plan=bytes(plan), typing=typing, timing_cache=_measured(library, config))


def _builder(library: Library, log: BuildLog) -> trt.Builder:
    try:
        builder: trt.Builder = library.trt.Builder(log.logger)
    except TypeError as err:  # the factory gave nothing: no driver, no device
        raise BackendError(
            f"TensorRT {library.version} finds no GPU on this machine. The bundle's ONNX files are "
            "complete: run this on the device, where engines are built. For RTX cards they can be "
            "built ahead of time: --trt-target rtx:sm86"
        ) from err
    return builder


def _parse(
    library: Library, network: trt.INetworkDefinition, job: EngineJob, log: BuildLog
) -> None:
    parser: trt.OnnxParser = library.trt.OnnxParser(network, log.logger)
    if not parser.parse_from_file(job.onnx):
        reasons = "; ".join(parser_errors(parser)) or log.reason
        raise BackendError(f"TensorRT cannot read stage '{job.stage}' ({job.onnx}): {reasons}")


def parser_errors(parser: trt.OnnxParser) -> list[str]:
    """Return what the parser refused, operator first."""
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    return [f"{error.node_operator()}: {' '.join(error.desc().split())}" for error in errors]


def _add_profile(
    builder: trt.Builder, config: trt.IBuilderConfig, job: EngineJob, log: BuildLog
) -> None:
    profile = builder.create_optimization_profile()
    smallest = job.shapes(1, 1)
    usual = job.shapes(1, job.usual_references)
    largest = job.shapes(job.max_batch, job.max_references)
    for name in smallest:
        profile.set_shape(name, smallest[name], usual[name], largest[name])
    if config.add_optimization_profile(profile) < 0:
        raise BackendError(
            f"TensorRT refused the sizes of stage '{job.stage}' ({largest}): {log.reason}"
        )


def _use_timing_cache(
    library: Library, config: trt.IBuilderConfig, timing_cache: bytes | None
) -> None:
    if not library.has_timing_cache:
        return
    cache = config.create_timing_cache(timing_cache or b"")
    if not config.set_timing_cache(cache, ignore_mismatch=False):
        # Measured on another device: begin anew.
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _measured(library: Library, config: trt.IBuilderConfig) -> bytes | None:
    if not library.has_timing_cache:
        return None
    cache = config.get_timing_cache()
    return bytes(cache.serialize()) if cache is not None else None
