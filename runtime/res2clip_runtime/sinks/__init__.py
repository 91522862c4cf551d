"""Where verdicts go, each behind a worker that keeps its troubles from the line."""

from __future__ import annotations

from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sinks.health import SinkHealth
from res2clip_runtime.sinks.jsonl_file import JsonlFile
from res2clip_runtime.sinks.picture_folder import PictureFolder
from res2clip_runtime.sinks.sink import Sink
from res2clip_runtime.sinks.worker import SinkWorker

__all__ = ["Backoff", "JsonlFile", "PictureFolder", "Sink", "SinkHealth", "SinkWorker"]
