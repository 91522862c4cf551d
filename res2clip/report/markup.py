"""HTML in which text cannot become markup.

Whatever is not :class:`Html` is escaped, so a file name with angle brackets is shown, not obeyed.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

__all__ = ["Html", "element", "join", "table"]

_VOID = frozenset(("br", "img"))


class Html(str):
    """Markup that is safe as it is; only this module makes it from text."""

    __slots__ = ()


def element(
    name: str,
    *children: str,
    css: str = "",
    attributes: Mapping[str, str | float] | None = None,
) -> Html:
    """Return one element.

    Args:
        name: of the tag.
        children: text, which is escaped, or :class:`Html`.
        css: its class.
        attributes: its other attributes; values are escaped.
    """
    values = {**({"class": css} if css else {}), **(attributes or {})}
    opened = name + "".join(f' {key}="{html.escape(str(value))}"' for key, value in values.items())
    if name in _VOID:
        return Html(f"<{opened}>")
    return Html(f"<{opened}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Return the children one after the other, text escaped."""
    return Html("".join(c if isinstance(c, Html) else html.escape(c) for c in children))


def table(head: list[str], rows: list[list[str]], *, foot: list[str] | None = None) -> Html:
    """Return a table that scrolls sideways on a narrow screen; the first column names the row."""
    parts = [element("thead", _row(head, cell="th"))]
    parts.append(element("tbody", *(_row(row, cell="td") for row in rows)))
    if foot:
        parts.append(element("tfoot", _row(foot, cell="td")))
    return element("div", element("table", *parts), css="scroll")


def _row(cells: list[str], *, cell: str) -> Html:
    first, *others = cells
    heading = element("th", first, attributes={"scope": "col" if cell == "th" else "row"})
    return element("tr", heading, *(element(cell, other) for other in others))
