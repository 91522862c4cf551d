"""How far TensorRT's builder is, as one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorrt as trt

__all__ = ["BuildProgress", "Progress"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

STEPS = 1000


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class BuildProgress:
    """Nested phases of a build, told to ``progress`` as thousandths of the whole.

    What ``progress`` raises, Ctrl-C above all, must not pass through TensorRT's C++: the build is
    cancelled, and the error is kept in ``error``.
    """

    def __init__(self, module: Any, label: str, progress: Progress) -> None:
        """Tell ``progress`` about the build called ``label``."""
        self.error: BaseException | None = None
        self._label = label
        self._progress = progress
        self._phases: dict[str, _Phase] = {}
        self._shown = -1
        self.monitor = _monitor(module, self)

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase inside ``parent``."""
        self._phases[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, step: int) -> bool:
        """Return whether to go on after a step."""
        if name in self._phases:
            self._phases[name].done = step + 1
        try:
            self._show()
        except BaseException as err:
            self.error = self.error or err
        return self.error is None

    def finish(self, name: str) -> None:
        """End a phase."""
        self._phases.pop(name, None)

    def _show(self) -> None:
        # A phase that is worked off again inside the same step must not move the bar back.
        shown = max(self._shown, int(STEPS * self._fraction(None)))
        if shown != self._shown:
            self._shown = shown
            self._progress(self._label, shown, STEPS)

    def _fraction(self, parent: str | None) -> float:
        """Return how much of the phases directly inside ``parent`` is done."""
        inside = [(n, p) for n, p in self._phases.items() if p.parent == parent]
        return max(
            (min(1.0, (p.done + self._fraction(name)) / p.steps) for name, p in inside), default=0.0
        )


def _monitor(module: Any, progress: BuildProgress) -> trt.IProgressMonitor:
    class Monitor(module.IProgressMonitor):  # type: ignore[misc]  # the base comes with TensorRT
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase or None, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()
