"""Scoring a whole archive of pictures into one Parquet file, resumable (extra ``archive``).

The way through: listing -> worklist (shards) -> a runner (this process, processes, a Ray cluster)
-> parts -> the result.
"""

from __future__ import annotations

from res2clip_runtime.errors import MissingExtraError

try:
    import pyarrow  # noqa: F401
except ModuleNotFoundError as err:
    raise MissingExtraError("pyarrow", extra="archive", purpose="scoring an archive") from err

from res2clip_runtime.picture_archive.archive_run import ArchiveSummary, score_archive
from res2clip_runtime.picture_archive.recipe_book import RecipeBook
from res2clip_runtime.picture_archive.shard import OpenModel, Runner, score_here
from res2clip_runtime.picture_archive.worklist import Worklist

__all__ = [
    "ArchiveSummary",
    "OpenModel",
    "RecipeBook",
    "Runner",
    "Worklist",
    "score_archive",
    "score_here",
]
