"""The line's configuration: one TOML file."""

from __future__ import annotations

from res2clip_runtime.service.config.camera_table import CameraTable
from res2clip_runtime.service.config.line_config import LineConfig, load_config
from res2clip_runtime.service.config.line_table import LineTable
from res2clip_runtime.service.config.model_table import ModelTable

__all__ = ["CameraTable", "LineConfig", "LineTable", "ModelTable", "load_config"]
