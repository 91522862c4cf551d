"""Texts that others wrote, before they reach a terminal or a log.

A terminal obeys control characters (move, erase, set the clipboard), a reader is fooled by those
that turn the direction of writing.
"""

from __future__ import annotations

import re

__all__ = ["has_controls", "shown"]

# C0 with tab and newline, DEL, C1; LRM, RLM and ALM are harmless and common in names; line and
# paragraph separators; embeddings, overrides and isolates; lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def has_controls(text: str) -> bool:
    """Return whether ``text`` holds a character that acts instead of being shown."""
    return _CONTROL.search(text) is not None


def shown(text: str) -> str:
    r"""Return ``text`` with such characters as escapes: ``\x1b`` for the one named so."""
    return _CONTROL.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
