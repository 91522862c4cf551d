"""Figures of a line for Prometheus: its health when they are asked for, scores as they come."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from res2clip_runtime.errors import MissingExtraError
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.health import LineHealth
from res2clip_runtime.verdict import Verdict

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["MetricsFigures"]

logger = logging.getLogger(__name__)

_SCORE_BOUNDS = tuple(step / 20 for step in range(1, 21))
_SECONDS_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class MetricsFigures:
    """A registry of its own; may be used from any thread."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"
    """What :meth:`text` is."""

    def __init__(self, control: LineControl, *, extra: str) -> None:
        """Begin to count.

        Args:
            control: the line that is asked how it is.
            extra: of res2clip that brings what is needed.

        Raises:
            MissingExtraError: prometheus-client is not installed.
        """
        try:
            import prometheus_client as prometheus
        except ImportError as err:
            raise MissingExtraError(
                "prometheus-client", extra=extra, purpose="figures for Prometheus"
            ) from err
        self.registry = prometheus.CollectorRegistry()
        self.registry.register(_HealthFigures(control))
        self._score = prometheus.Histogram(
            "res2clip_score",
            "Image scores by product",
            ["product"],
            buckets=_SCORE_BOUNDS,
            registry=self.registry,
        )
        self._seconds = prometheus.Histogram(
            "res2clip_inspection_seconds",
            "Sum of all stages of an inspection",
            ["product"],
            buckets=_SECONDS_BOUNDS,
            registry=self.registry,
        )

    def count(self, verdict: Verdict) -> None:
        """Count a verdict's score and time."""
        if math.isfinite(verdict.score):
            self._score.labels(verdict.product).observe(verdict.score)
            seconds = sum(verdict.latency_ms.values()) / 1000
            self._seconds.labels(verdict.product).observe(seconds)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)


class _HealthFigures:
    """Asks the line how it is at every visit of the page; a line that cannot say is down."""

    def __init__(self, control: LineControl) -> None:
        self._control = control

    def describe(self) -> list[Metric]:
        return []  # so that the registry does not ask the line before it runs

    def collect(self) -> Iterator[Metric]:
        try:
            health = self._control.health()
        except Exception:
            logger.exception("a defect of res2clip, please report it: the line's health")
            yield _gauge("up", "1 if the line can say how it is", 0.0)
            yield _gauge("ready", "1 if results may be trusted", 0.0)
            return
        yield _gauge("up", "1 if the line can say how it is", 1.0)
        yield from _line_figures(health)
        yield from _camera_figures(health)
        yield from _sink_figures(health)


def _line_figures(health: LineHealth) -> Iterator[Metric]:
    yield _gauge("ready", "1 if results may be trusted", health.ready)
    yield _gauge("uptime_seconds", "Since the line began", health.uptime_s)
    yield _counter("inspected", "Pictures that went through the model", health.inspected)
    yield _counter("triggers", "Triggers, each answered once", health.triggers)
    yield _counter("late", "Triggers answered with ERROR for want of time", health.late)
    yield _gauge("triggers_waiting", "Triggers that wait for their answer", health.waiting)
    decisions = {"OK": 0, "NG": 0, "ERROR": 0, **health.decisions}
    yield _counter(
        "decisions", "Verdicts", *((n, {"decision": name}) for name, n in decisions.items())
    )
    yield _gauge(
        "stage_seconds",
        "Median of the last 100 pictures by stage",
        *((ms / 1000, {"stage": stage}) for stage, ms in health.latency_ms.items()),
    )
    yield _gauge(
        "recipe",
        "1 for the recipe in use",
        (1.0, {"product": health.product, "recipe_id": health.recipe_id}),
    )


def _camera_figures(health: LineHealth) -> Iterator[Metric]:
    each = [({"camera": camera.name}, camera) for camera in health.cameras]
    yield _gauge(
        "camera_ready",
        "1 if the camera gives pictures",
        *((camera.state == "ready", labels) for labels, camera in each),
    )
    yield _gauge(
        "camera_frame_age_seconds",
        "Since the camera's last picture",
        *(
            (camera.frame_age_s, labels)
            for labels, camera in each
            if camera.frame_age_s is not None
        ),
    )
    for name, text, counts in (
        ("camera_frames", "Pictures from the camera", [c.frames for _, c in each]),
        ("camera_dropped", "Pictures replaced by newer ones", [c.dropped for _, c in each]),
        ("camera_damaged", "Pictures incomplete or undecodable", [c.damaged for _, c in each]),
        ("camera_reconnects", "Times it was opened anew", [c.reconnects for _, c in each]),
    ):
        labels_of = (labels for labels, _ in each)
        yield _counter(name, text, *zip(counts, labels_of, strict=True))


def _sink_figures(health: LineHealth) -> Iterator[Metric]:
    each = [({"sink": sink.name}, sink) for sink in health.sinks]
    yield _gauge(
        "sink_ok",
        "1 if the last attempt to write succeeded",
        *((sink.state == "ok", labels) for labels, sink in each),
    )
    yield _gauge(
        "sink_queued", "Verdicts that wait", *((sink.queued, labels) for labels, sink in each)
    )
    yield _counter(
        "sink_written", "Verdicts taken", *((sink.written, labels) for labels, sink in each)
    )
    yield _counter(
        "sink_dropped", "Verdicts given up", *((sink.dropped, labels) for labels, sink in each)
    )


_Sample = Any
"""A number, or a pair of a number and its labels."""


def _gauge(name: str, text: str, *samples: _Sample) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return _filled(GaugeMetricFamily, name, text, samples)


def _counter(name: str, text: str, *samples: _Sample) -> Metric:
    """Return a counter; its samples end in ``_total``."""
    from prometheus_client.metrics_core import CounterMetricFamily

    return _filled(CounterMetricFamily, name, text, samples)


def _filled(family: Any, name: str, text: str, samples: tuple[_Sample, ...]) -> Metric:
    pairs = [each if isinstance(each, tuple) else (each, {}) for each in samples]
    metric = family(f"res2clip_{name}", text, labels=tuple(pairs[0][1]) if pairs else ())
    for value, labels in pairs:
        metric.add_metric(tuple(labels.values()), float(value))
    return metric
