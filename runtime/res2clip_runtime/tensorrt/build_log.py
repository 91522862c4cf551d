"""What TensorRT says while it builds or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from res2clip_runtime.tensorrt.library import Library

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["BuildLog"]


class BuildLog:
    """Everything said, and of it the errors; kept in memory until it is written."""

    def __init__(self, library: Library) -> None:
        """Listen with ``logger``, which TensorRT's objects take and must not outlive."""
        self._lines: list[str] = []
        self._errors: list[str] = []
        self.logger = _logger(library.trt, self)

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self._lines) + "\n"

    @property
    def reason(self) -> str:
        """The errors in one line, for a message."""
        return " ".join("; ".join(self._errors[-3:]).split()) or "TensorRT gives no reason"

    def add(self, line: str, *, error: bool = False) -> None:
        """Take one line."""
        self._lines.append(line)
        if error:
            self._errors.append(line)


def _logger(module: Any, log: BuildLog) -> trt.ILogger:
    class Listener(module.ILogger):  # type: ignore[misc]  # the base is known when TensorRT is
        def __init__(self) -> None:
            module.ILogger.__init__(self)

        def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
            if severity <= module.ILogger.Severity.INFO:
                error = severity <= module.ILogger.Severity.ERROR
                log.add(f"{severity.name}: {msg}" if not error else msg, error=error)

    return Listener()
