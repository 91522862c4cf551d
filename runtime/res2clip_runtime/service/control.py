"""What Modbus, HTTP and whoever else commands the line may ask of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from res2clip_runtime.service.health import ControlHealth, LineHealth
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.stages import Stages
from res2clip_runtime.verdict import Verdict

__all__ = ["LineControl"]


class LineControl(Protocol):
    """The line as seen from outside.

    Every method may be called from any thread, and none waits but those of ``model``.
    """

    @property
    def products(self) -> tuple[str, ...]:
        """The products that can be chosen, in the order of the configuration."""

    @property
    def recipes(self) -> RecipeBook:
        """What can be inspected how; products are taught and thresholds set there."""

    @property
    def model(self) -> Stages:
        """The model, lent between two parts; it waits for its turn, so not from a listener.

        ``teach(control.model, ...)`` and ``inspect(control.model, ...)`` work while the line goes
        on inspecting. BackendError where the line is stopping.
        """

    def trigger(self, trigger_id: str | None = None) -> str:
        """Ask for one inspection and return the trigger's id.

        The answer is exactly one verdict with this ``trigger_id``, to every listener and sink,
        within the line's deadline; ERROR if there is no result by then. The product is the one
        chosen now. Where too many triggers wait already, the answer (ERROR) comes before this
        returns.

        Args:
            trigger_id: of the caller's own making; None: the line numbers it.

        Raises:
            InputError: the line runs freely, is stopping, or the id is waiting already; there is
                no answer then.
        """

    def choose_recipe(self, product: str) -> None:
        """Inspect ``product`` from the next picture or trigger on.

        Raises:
            InputError: there is no recipe of this product; the one before stays chosen.
        """

    def health(self) -> LineHealth:
        """Return how the line is doing at this moment."""

    def add_listener(self, callback: Callable[[Verdict], None]) -> None:
        """Call ``callback`` with every verdict, in order, before the sinks get it.

        It is called on the line's own thread: it must return at once. What it raises is logged,
        and the line goes on.
        """

    def add_control(self, health: Callable[[], ControlHealth]) -> None:
        """Show in the line's health what ``health`` returns; it must return at once."""
