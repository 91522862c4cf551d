"""GObject introspection (``gi``): the bindings of Aravis and GStreamer, which come from apt."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

from res2clip_runtime.errors import MissingExtraError

__all__ = ["gi_module"]

_SYSTEM_PACKAGES = "/usr/lib/python3/dist-packages"
_APT = {
    "Aravis": "python3-gi gir1.2-aravis-0.8 libaravis-0.8-0",
    "Gst": "python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base",
    "GstApp": "gir1.2-gst-plugins-base-1.0",
}
_PURPOSE = {
    "Aravis": "a GenICam camera read with Aravis (gige://, aravis:)",
    "Gst": "a GStreamer pipeline (gst:, csi://)",
    "GstApp": "a GStreamer pipeline (gst:, csi://)",
}


def gi_module(name: str, version: str) -> Any:
    """Return ``gi.repository.<name>``.

    Raises:
        MissingExtraError: it is not installed, or not for this Python; the packages are named.
    """
    try:
        gi = _gi()
        gi.require_version(name, version)
        with warnings.catch_warnings():
            # PyGObject before 3.44 has an importer of the old kind; Python says so each time.
            warnings.simplefilter("ignore", ImportWarning)
            return importlib.import_module(f"gi.repository.{name}")
    except (ImportError, ValueError) as err:
        packages = _APT.get(name, "python3-gi")
        raise MissingExtraError(
            f"gi.repository.{name} ({err})",
            purpose=_PURPOSE.get(name, "reading this camera"),
            install=f"sudo apt-get install {packages}  (a virtual environment sees it with "
            "--system-site-packages, or by itself if its Python is the system's minor version)",
        ) from err


def _gi() -> Any:
    """Return the package ``gi``, of the system where this environment has none.

    The system's folder goes to the end of the search path and only now, so that it can replace
    nothing: everything of this environment is found first.
    """
    try:
        return importlib.import_module("gi")
    except ImportError:
        if _SYSTEM_PACKAGES in sys.path or not Path(_SYSTEM_PACKAGES, "gi").is_dir():
            raise
    sys.path.append(_SYSTEM_PACKAGES)
    try:
        return importlib.import_module("gi")
    except ImportError:
        sys.path.remove(_SYSTEM_PACKAGES)
        raise
