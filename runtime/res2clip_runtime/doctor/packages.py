"""Python and the packages that the runtime needs or can use."""

from __future__ import annotations

import importlib
import platform
from importlib import metadata

from res2clip_runtime.doctor.check import Check, Status

__all__ = ["check_package", "check_packages"]


def check_packages() -> list[Check]:
    """Return Python, the required packages and the optional ones."""
    return [
        Check(
            name="python",
            status=Status.OK,
            detail=f"{platform.python_version()} on {platform.machine()}, {platform.platform()}",
        ),
        check_package("res2clip", module="res2clip_runtime", remedy="pip install res2clip"),
        check_package("numpy", remedy="pip install res2clip"),
        check_package("pillow", module="PIL", remedy="pip install res2clip"),
        check_package("safetensors", remedy="pip install res2clip"),
        check_package(
            "av",
            purpose="video files and streams",
            remedy="pip install 'res2clip[video]'",
            required=False,
        ),
        check_package(
            "opencv-python-headless",
            module="cv2",
            purpose="cameras",
            remedy="pip install 'res2clip[camera]'",
            required=False,
        ),
    ]


def check_package(
    name: str,
    *,
    module: str | None = None,
    purpose: str = "",
    remedy: str,
    required: bool = True,
) -> Check:
    """Return whether a package can be imported, by importing it.

    Args:
        name: of the distribution.
        module: its import name, where it differs.
        purpose: what it is for, said when it is absent.
        remedy: the command that installs it.
        required: whether nothing works without it.
    """
    bad = Status.MISSING if required else Status.WARN
    try:
        imported = importlib.import_module(module or name)
    except Exception as err:  # a broken wheel raises whatever it likes
        needed = f" (needed for {purpose})" if purpose else ""
        absent = isinstance(err, ModuleNotFoundError) and err.name == (module or name)
        detail = f"not installed{needed}" if absent else f"cannot be imported{needed}: {err}"
        return Check(name=name, status=bad, detail=detail, remedy=remedy)
    return Check(name=name, status=Status.OK, detail=_version(name, imported))


def _version(name: str, imported: object) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return str(getattr(imported, "__version__", "version unknown"))
