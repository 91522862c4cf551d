"""Shards scored on a Ray cluster with Ray Data (extra ``ray``)."""

from __future__ import annotations

import itertools
import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from res2clip_runtime.errors import BackendError, MissingExtraError
from res2clip_runtime.picture_archive.shard import (
    Advance,
    OpenModel,
    Results,
    Shard,
    score_shard,
)
from res2clip_runtime.recipe import Recipe

__all__ = ["score_on_cluster"]

_SHARDS_AT_ONCE = 256
"""Shards handed to Ray Data as one data set: enough to keep the workers busy, few enough that the
driver's memory does not grow with the archive."""
_STORE_BYTES = 256 * 2**20
"""Object store of a cluster on this machine: only paths and results pass through it."""


def score_on_cluster(
    open_model: OpenModel,
    recipes: Mapping[str, Recipe],
    shards: Iterator[Shard],
    advance: Advance,
    *,
    address: str | None = None,
    workers: int | None = None,
    cpus: int = 1,
    gpus: int = 0,
) -> Results:
    """Yield the shards' results as they are finished by the workers of a cluster.

    Each worker opens the model once. Where a worker dies, Ray starts another one and gives it the
    shard again; a shard that came back twice is passed on once.

    Args:
        open_model: opens the model on a worker, which needs res2clip and the same paths.
        recipes: recipe by product.
        shards: what to score.
        advance: told how many more pictures are scored.
        address: of a running cluster; None takes ``RAY_ADDRESS``, else starts one on this machine.
        workers: how many; None: up to as many as there are CPUs for.
        cpus: CPUs of a worker.
        gpus: GPUs of a worker.

    Raises:
        MissingExtraError: Ray is not installed.
        BackendError: the cluster cannot be reached, or a worker failed for good.
    """
    done: set[int] = set()
    with _connected(address, workers=workers, cpus=cpus) as ray:
        _check_resources(ray, cpus=cpus, gpus=gpus)
        most = max(1, int(ray.cluster_resources()["CPU"] // cpus))
        while batch := tuple(itertools.islice(shards, _SHARDS_AT_ONCE)):
            # One block a shard: a shard is what a worker takes, and what is given again.
            dataset = ray.data.from_items(
                [{"shard": pickle.dumps(shard)} for shard in batch], override_num_blocks=len(batch)
            ).map_batches(
                _Scorer,
                fn_constructor_args=(open_model, recipes),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(min_size=workers or 1, max_size=workers or most),
                num_cpus=cpus,
                num_gpus=gpus or None,
            )
            for row in _rows(ray, dataset):
                if row["index"] not in done:
                    done.add(row["index"])
                    table = pa.ipc.open_stream(row["table"]).read_all()
                    advance(table.num_rows)
                    yield row["index"], table


class _Scorer:
    """What a worker runs; it lives as long as the worker."""

    def __init__(self, open_model: OpenModel, recipes: Mapping[str, Recipe]) -> None:
        self._stages = open_model()
        self._recipes = recipes

    def __call__(self, batch: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        shards: list[Shard] = [pickle.loads(data) for data in batch["shard"]]
        tables = [score_shard(self._stages, self._recipes, shard) for shard in shards]
        return {
            "index": np.array([shard.index for shard in shards]),
            "table": np.array([_ipc_bytes(table) for table in tables], dtype=object),
        }


def _ipc_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _check_resources(ray: Any, *, cpus: int, gpus: int) -> None:
    """Refuse what Ray would wait for, for ever."""
    for kind, wanted, remedy in (
        ("CPU", cpus, "give fewer --threads"),
        ("GPU", gpus, "use --backend onnxruntime, or a cluster with GPUs (--ray-address)"),
    ):
        if (found := ray.cluster_resources().get(kind, 0)) < wanted:
            raise BackendError(
                f"a worker needs {wanted} {kind}, the Ray cluster has {found:g}; {remedy}"
            )


def _rows(ray: Any, dataset: Any) -> Iterator[dict[str, Any]]:
    try:
        yield from dataset.iter_rows()
    except (ray.exceptions.RayError, ray.data.exceptions.UserCodeException) as err:
        raise BackendError(
            f"a worker of the cluster failed: {str(err).strip().splitlines()[-1]}; the finished "
            "shards are kept: mend it and run the same command again"
        ) from err


@contextmanager
def _connected(address: str | None, *, workers: int | None, cpus: int) -> Iterator[Any]:
    """Yield Ray's module, connected to a cluster; leave (or end) the cluster afterwards."""
    address = address or os.environ.get("RAY_ADDRESS")
    # Nothing reports to anyone; both are read when Ray is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        # A cluster of this machine alone listens on the loopback address, as it does on macOS.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as err:
        raise MissingExtraError(err.name or "ray", extra="ray", purpose="--ray") from err
    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=workers and workers * cpus,
                object_store_memory=_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
            )
        else:
            ray.init(address=address, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as err:
        raise BackendError(
            f"the Ray cluster at {address or 'this machine'} cannot be used: {err}; check "
            "--ray-address and that it runs the same version of Ray"
        ) from err
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        with redirect_stdout(sys.stderr):  # Ray prints its warnings where our results belong
            yield ray
    finally:
        ray.shutdown()
