"""A bundle's engines on this machine: found, or built once and kept.

They lie in the bundle's ``engines/``, a folder for each library, release and architecture; where
the bundle cannot be written, in the user's cache.  An engine is used only if its sidecar and its
own bytes are as they should be.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError, OutputError
from res2clip_runtime.spec import sha256_hex
from res2clip_runtime.storage import cache_directory, output_error, write_atomically
from res2clip_runtime.tensorrt.build_log import BuildLog
from res2clip_runtime.tensorrt.build_progress import Progress
from res2clip_runtime.tensorrt.builder import BuiltEngine, build_engine
from res2clip_runtime.tensorrt.engine_job import EngineJob, EngineLimits
from res2clip_runtime.tensorrt.engine_record import EngineRecord, read_record
from res2clip_runtime.tensorrt.library import Library

__all__ = ["EngineCache", "StoredEngine"]

logger = logging.getLogger(__name__)


class StoredEngine:
    """Where an engine, its sidecar and the log of its build are."""

    def __init__(self, folder: Path, stage: str) -> None:
        """Name the three files of a stage in ``folder``."""
        self.plan = folder / f"{stage}.engine"
        self.record = folder / f"{stage}.engine.json"
        self.log = folder / f"{stage}.build.log"


class EngineCache:
    """The engines of one bundle for one library and one architecture."""

    def __init__(
        self, bundle: Bundle, library: Library, *, architecture: str, device: str = ""
    ) -> None:
        """Find the folder.

        Args:
            bundle: the exported model.
            library: TensorRT at hand.
            architecture: of the device the engines run on, such as ``sm87``.
            device: its name; empty: they are built ahead of time, for another machine.
        """
        self._bundle = bundle
        self.library = library
        self._architecture = architecture
        self._device = device
        self.folder = _engine_folder(bundle, f"{library.name}-{library.version}-{architecture}")

    def find(self, stage: str, limits: EngineLimits | None = None) -> bytes | None:
        """Return the engine of a stage if it can be used; ``limits`` None: whatever they are."""
        job = EngineJob.of(self._bundle, stage, limits or EngineLimits())
        return self._usable(job, exactly=limits is not None)

    def records(self) -> list[EngineRecord]:
        """Return the sidecars of the engines that are there, in the order of the stages."""
        paths = [StoredEngine(self.folder, stage).record for stage in self._bundle.manifest.stages]
        return [record for path in paths if (record := read_record(path)) is not None]

    def provide(
        self,
        stage: str,
        limits: EngineLimits | None = None,
        *,
        progress: Progress | None = None,
    ) -> bytes:
        """Return the engine of a stage, built if need be; a second process waits for the first.

        Raises:
            BackendError: TensorRT refused; its log lies beside where the engine would be.
            OutputError: the engine could not be written.
        """
        plan = self.find(stage, limits)
        if plan is not None:
            return plan
        with self._locked():
            plan = self.find(stage, limits)  # another process may have built it meanwhile
            return plan or self._build(stage, limits or EngineLimits(), progress)

    def store(
        self, job: EngineJob, built: BuiltEngine, log_text: str, *, seconds: float
    ) -> StoredEngine:
        """Keep an engine: first itself, then the sidecar that makes it count."""
        files = StoredEngine(self.folder, job.stage)
        record = EngineRecord(
            stage=job.stage,
            library=self.library.name,
            version=self.library.version,
            architecture=self._architecture,
            onnx_sha256=job.onnx_sha256,
            engine_sha256=sha256_hex(built.plan),
            precision=job.precision,
            typing=built.typing,
            tf32=False,
            max_batch=job.max_batch,
            max_references=job.max_references,
            workspace_mib=job.workspace_mib,
            device=self._device,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            build_seconds=round(seconds, 1),
        )
        write_atomically(files.log, log_text.encode())
        write_atomically(files.plan, built.plan)
        write_atomically(files.record, record.to_json().encode())
        return files

    def _build(self, stage: str, limits: EngineLimits, progress: Progress | None) -> bytes:
        if progress is None:
            logger.warning(
                "building the TensorRT engine of '%s' for this device, once; it takes minutes",
                stage,
            )
        job = EngineJob.of(self._bundle, stage, limits)
        measured = self.folder / "timing.cache"
        log, start = BuildLog(self.library), time.monotonic()
        try:
            built = build_engine(
                self.library,
                job,
                log=log,
                timing_cache=measured.read_bytes() if measured.is_file() else None,
                progress=progress or (lambda what, done, total: None),
            )
        except BackendError as err:
            path = StoredEngine(self.folder, stage).log
            write_atomically(path, log.text.encode())
            raise BackendError(f"{err} (whole log: {path})") from err
        self.store(job, built, log.text, seconds=time.monotonic() - start)
        if built.timing_cache is not None:
            write_atomically(measured, built.timing_cache)
        return built.plan

    def _usable(self, job: EngineJob, *, exactly: bool) -> bytes | None:
        files = StoredEngine(self.folder, job.stage)
        record = read_record(files.record)
        if record is None or not files.plan.is_file():
            return None
        reasons = record.stale(
            job,
            library=self.library.name,
            version=self.library.version,
            architecture=self._architecture,
            exactly=exactly,
        )
        plan = files.plan.read_bytes() if not reasons else b""
        if not reasons and sha256_hex(plan) != record.engine_sha256:
            reasons = ["the file is damaged"]
        if reasons:
            logger.info("%s is built again: %s", files.plan, ", ".join(reasons))
            return None
        return plan

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.folder / ".lock"
        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as err:
            raise output_error(path, err) from err
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning("another process builds engines in %s; waiting for it", self.folder)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)  # lets the lock go, too


def _engine_folder(bundle: Bundle, name: str) -> Path:
    """Return the writable folder for engines, made: in the bundle, else in the user's cache."""
    identity = sha256_hex(bundle.manifest.to_json().encode())[:16]
    places = [bundle.directory / "engines", cache_directory() / "engines" / identity]
    refused: OSError | None = None
    for place in places:
        folder = place / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            refused = err
            continue
        # A folder that is there already may lie on a file system mounted read-only, with what is
        # wanted in it: engines built ahead of time.
        if os.access(folder, os.W_OK) or any(folder.glob("*.engine.json")):
            return folder
    raise (
        output_error(places[-1], refused)
        if refused
        else OutputError(None, f"neither {places[0]} nor {places[1]} can be written")
    )
