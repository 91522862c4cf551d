"""A bundle's engines on this machine: found, or built once and kept.

They lie in the bundle's ``engines/``, a folder for each library, release and architecture, or in
the user's cache: both are read, and what is built goes to the first that can be written.  An engine
is used only if its sidecar and its own bytes are as they should be.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cached_property
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
from res2clip_runtime.tensorrt.isolated_build import build_in_process
from res2clip_runtime.tensorrt.library import RTX, Library
from res2clip_runtime.tensorrt.stored_engine import StoredEngine

__all__ = ["EngineCache"]

logger = logging.getLogger(__name__)


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
            device: its name; empty: any card of the architecture, as TensorRT for RTX builds them.

        Raises:
            InputError: TensorRT for RTX does not know the architecture.
        """
        if library.name == RTX:
            library.check_target(architecture)
        self.library = library
        self._bundle = bundle
        self._architecture = architecture
        self._device = device
        identity = sha256_hex(bundle.manifest.to_json().encode())[:16]
        name = f"{library.name}-{library.version}-{architecture}"
        self._places = (
            bundle.directory / "engines" / name,
            cache_directory() / "engines" / identity / name,
        )

    @cached_property
    def folder(self) -> Path:
        """Where engines are built, made.

        Raises:
            OutputError: neither place can be written.
        """
        refused: OSError | None = None
        for place in self._places:
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as err:
                refused = err
                continue
            if os.access(place, os.W_OK):
                return place
        raise (
            output_error(self._places[-1], refused)
            if refused
            else OutputError(None, "neither {} nor {} can be written".format(*self._places))
        )

    def find(self, stage: str, limits: EngineLimits | None = None) -> bytes | None:
        """Return the engine of a stage if it can be used; ``limits`` None: whatever they are."""
        job = EngineJob.of(self._bundle, stage, limits or EngineLimits())
        for place in self._places:
            if (plan := self._usable(place, job, exactly=limits is not None)) is not None:
                return plan
        return None

    def records(self) -> list[tuple[Path, EngineRecord]]:
        """Return the engines that are there with their sidecars, in the order of the stages."""
        found = []
        for stage in self._bundle.manifest.stages:
            for files in (StoredEngine(place, stage) for place in self._places):
                record = read_record(files.record)
                if record is not None and files.plan.is_file():
                    found.append((files.plan, record))
                    break
        return found

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

    def _build(self, stage: str, limits: EngineLimits, progress: Progress | None) -> bytes:
        if progress is None:
            logger.warning(
                "building the %s engine of '%s' for %s, once; it takes minutes",
                self.library.name,
                stage,
                self._device or self._architecture,
            )
        job = EngineJob.of(self._bundle, stage, limits)
        files, start = StoredEngine(self.folder, stage), time.monotonic()
        try:
            built = self._built(job, files, progress or (lambda what, done, total: None))
        except BackendError as err:
            raise BackendError(f"{err} (whole log: {files.log})") from err
        record = self._record(job, built, seconds=time.monotonic() - start)
        # First the engine, then the sidecar that makes it count.
        write_atomically(files.plan, built.plan)
        write_atomically(files.record, record.to_json().encode())
        if built.timing_cache is not None:
            write_atomically(self._measured, built.timing_cache)
        return built.plan

    def _built(self, job: EngineJob, files: StoredEngine, progress: Progress) -> BuiltEngine:
        """Return the engine of a job; the log is kept, whatever comes of it."""

        def keep(text: str) -> None:
            write_atomically(files.log, text.encode())

        if self.library.name == RTX:
            return build_in_process(
                job,
                self._architecture,
                keep_log=keep,
                progress=lambda what, *how_far: progress(
                    f"{what} for {self._architecture}", *how_far
                ),
            )
        log = BuildLog(self.library)
        try:
            return build_engine(
                self.library,
                job,
                log=log,
                timing_cache=self._measured.read_bytes() if self._measured.is_file() else None,
                progress=progress,
            )
        finally:
            keep(log.text)

    @property
    def _measured(self) -> Path:
        return self.folder / "timing.cache"

    def _record(self, job: EngineJob, built: BuiltEngine, *, seconds: float) -> EngineRecord:
        return EngineRecord(
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

    def _usable(self, place: Path, job: EngineJob, *, exactly: bool) -> bytes | None:
        files = StoredEngine(place, job.stage)
        record = read_record(files.record)
        if record is None or not files.plan.is_file():
            return None
        reasons = record.stale(
            job,
            library=self.library.name,
            version=self.library.version,
            architecture=self._architecture,
            device=self._device,
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
