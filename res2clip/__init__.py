"""res2clip: few-shot visual anomaly detection by residuals of frozen CLIP features.

Importing this package is cheap; torch is loaded when a name is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from res2clip.loading import Backbone, load_backbone
    from res2clip.model import Res2CLIP

__all__ = ["Backbone", "Res2CLIP", "load_backbone"]

_HOMES = {
    "Backbone": "res2clip.loading",
    "Res2CLIP": "res2clip.model",
    "load_backbone": "res2clip.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'res2clip' has no attribute '{name}'")
    from importlib import import_module

    from res2clip_runtime.errors import MissingExtraError

    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as err:
        if err.name not in {"torch", "open_clip"}:
            raise
        raise MissingExtraError(str(err.name), extra="train", purpose=f"res2clip.{name}") from err
