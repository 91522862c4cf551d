"""Whether the bundle on the disk is still the one that was loaded."""

from __future__ import annotations

import logging

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.file_version import FileVersion

__all__ = ["BundleWatch"]

logger = logging.getLogger(__name__)


class BundleWatch:
    """Says once when a bundle's files were changed under a running line.

    The model in memory stays the one that was checked at the start.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Remember what the files of ``bundle`` look like now."""
        self._bundle = bundle
        self._versions = self._look()
        self._said = False

    def check(self) -> bool:
        """Return whether the files are unchanged; log it the first time they are not."""
        unchanged = self._look() == self._versions
        if not unchanged and not self._said:
            self._said = True
            logger.error(
                "the bundle in %s was changed; the line goes on with the model it has loaded. "
                "Start it anew to use the other one (res2clip-run --dry-run checks it first)",
                self._bundle.directory,
            )
        return unchanged

    def _look(self) -> dict[str, FileVersion | None]:
        names = ("manifest.json", *self._bundle.manifest.files)
        return {name: FileVersion.at(self._bundle.directory / name) for name in names}
