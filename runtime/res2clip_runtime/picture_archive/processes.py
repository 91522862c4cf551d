"""Shards scored by several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import pyarrow as pa

from res2clip_runtime.errors import BackendError
from res2clip_runtime.picture_archive.shard import (
    Advance,
    OpenModel,
    Results,
    Shard,
    score_shard,
)
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.stages import Stages

__all__ = ["score_in_processes"]

_opened: list[tuple[Stages, Mapping[str, Recipe]]] = []
"""In a worker only: its model and recipes. A pool's tasks reach what its initializer opened no
other way."""


def score_in_processes(
    open_model: OpenModel,
    recipes: Mapping[str, Recipe],
    shards: Iterator[Shard],
    advance: Advance,
    *,
    workers: int,
) -> Results:
    """Yield the shards' results as they are finished by ``workers`` processes.

    Raises:
        BackendError: a process died (killed, out of memory), or could not open the model.
    """
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),  # a fork would copy the engines' threads
        initializer=_open,
        initargs=(open_model, recipes),
    )
    waiting: set[Future[tuple[int, pa.Table]]] = set()
    try:
        for shard in shards:
            waiting.add(pool.submit(_score, shard))
            if len(waiting) >= 2 * workers:
                yield from _finished(waiting, advance)
        while waiting:
            yield from _finished(waiting, advance)
    except BrokenProcessPool as err:
        raise BackendError(
            "a worker process died (killed, out of memory) or could not open the model; the "
            "finished shards are kept: run the same command again, with fewer --workers if the "
            "memory is short"
        ) from err
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(waiting: set[Future[tuple[int, pa.Table]]], advance: Advance) -> Results:
    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
        waiting.remove(future)
        number, table = future.result()
        advance(table.num_rows)
        yield number, table


def _open(open_model: OpenModel, recipes: Mapping[str, Recipe]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _opened.append((open_model(), recipes))


def _end_with_parent() -> None:
    # A pool's worker waits for work for ever when its parent was killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _score(shard: Shard) -> tuple[int, pa.Table]:
    stages, recipes = _opened[0]
    return shard.index, score_shard(stages, recipes, shard)
