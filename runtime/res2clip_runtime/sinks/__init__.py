"""Where verdicts go: a JSONL file and pictures."""

from __future__ import annotations

from res2clip_runtime.sinks.jsonl_file import JsonlFile
from res2clip_runtime.sinks.picture_folder import PictureFolder
from res2clip_runtime.sinks.sink import Sink

__all__ = ["JsonlFile", "PictureFolder", "Sink"]
