"""A page of figures for Prometheus on a port of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from res2clip_runtime.errors import OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.sinks.config_checks import check_port, check_text
from res2clip_runtime.sinks.metrics_figures import MetricsFigures
from res2clip_runtime.verdict import Verdict

__all__ = ["MetricsConfig", "MetricsPage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where the page is served."""

    host: str = "127.0.0.1"
    """Address to listen on; the page has no password."""
    port: int = 9109
    """TCP port."""

    def __post_init__(self) -> None:
        check_text("metrics.host", self.host, forbidden=" /")
        check_port("metrics.port", self.port)


class MetricsPage:
    """Serves ``/metrics`` from a registry of its own, on threads of its own."""

    def __init__(self, config: MetricsConfig, control: LineControl) -> None:
        """Begin to serve.

        Raises:
            MissingExtraError: prometheus-client is not installed.
            OutputError: the address is taken or is none of this machine's.
        """
        self._figures = MetricsFigures(control, extra="metrics")
        import prometheus_client as prometheus

        self._closed = threading.Event()
        try:
            self._server, self._thread = prometheus.start_http_server(
                config.port, config.host, self._figures.registry
            )
        except OSError as err:
            raise OutputError(
                f"cannot serve metrics at {config.host}:{config.port}: {err.strerror or err}; "
                "choose another metrics.host or metrics.port"
            ) from err
        self.port: int = self._server.server_port

    def write(self, verdict: Verdict, picture: PictureU8 | None = None) -> None:
        """Count a verdict's score and time."""
        self._figures.count(verdict)

    def close(self) -> None:
        """End serving."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
