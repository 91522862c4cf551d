"""``<out>.parts``: the finished shards of a run, until they become the result.

A shard is a file that is there whole or not at all, so whatever ends a run, the next one goes on
behind the last finished shard. ``_plan.json`` says what the parts were made of.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import ArtefactError, InputError, OutputError
from res2clip_runtime.picture_archive.fingerprint import METADATA_KEY, Fingerprint
from res2clip_runtime.picture_archive.result import PLAN_NAME, is_one_file, result_fingerprint
from res2clip_runtime.picture_archive.table import SCHEMA
from res2clip_runtime.storage import move_durably, output_error, write_atomically

__all__ = ["PartsFolder"]

_JOINED = ".joined.parquet"
_OURS = re.compile(rf"\.?part-\d{{8}}\.parquet.*|\.?{re.escape(PLAN_NAME)}.*|{re.escape(_JOINED)}")
_ROWS_IN_A_GROUP = 16_384
"""Rows joined in memory at a time; small row groups would make the result slow to read."""


class PartsFolder(Closable):
    """Owns the folder ``<out>.parts`` alone until closed."""

    def __init__(self, out: Path, fingerprint: Fingerprint, *, force: bool = False) -> None:
        """Begin a run, or go on with an unfinished one of the same fingerprint.

        Args:
            out: the result: ``NAME.parquet``, or a folder for any other name.
            fingerprint: what the run is made of.
            force: begin anew whatever is there of an earlier run, and replace its result.

        Raises:
            InputError: an earlier run was made of something else, or what is there is not ours.
            OutputError: the place cannot be written, or another run writes there.
        """
        self.out = out
        self.fingerprint = fingerprint
        self.folder = out.with_name(f"{out.name}.parts")
        self._refuse_what_is_not_ours()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            raise output_error(self.folder, err) from err
        try:
            self._take_lock()
            self.complete = self._begin(force=force)
        except BaseException:
            with contextlib.suppress(OSError):
                self.folder.rmdir()  # only if there is nothing in it
            os.close(self._lock)
            raise

    def missing(self) -> list[int]:
        """Return the numbers of the shards that are not finished."""
        if self.complete:
            return []
        shards = -(-self.fingerprint.pictures // self.fingerprint.shard_size)
        return [number for number in range(shards) if not self._part(number).exists()]

    def write(self, number: int, table: pa.Table) -> None:
        """Keep the result of a shard.

        Raises:
            OutputError: the disk is full or gone; the parts before stay.
        """
        buffer = pa.BufferOutputStream()
        pq.write_table(table.cast(self._schema()), buffer)
        write_atomically(self._part(number), buffer.getvalue().to_pybytes())

    def finish(self) -> None:
        """Make the result of the parts, and remove the folder.

        Raises:
            ArtefactError: a part is damaged or missing.
            OutputError: the disk is full; the parts stay.
        """
        if not self.complete:
            self._check_rows()
            try:
                self._join() if is_one_file(self.out) else self._become_result()
            except OSError as err:
                raise output_error(self.out, err) from err
            self.complete = True
        if self.folder.exists():
            # Without its plan the folder is a leftover, whatever ends the removal.
            (self.folder / PLAN_NAME).unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Let other runs have the folder."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def _refuse_what_is_not_ours(self) -> None:
        if self.out.is_dir() if is_one_file(self.out) else self.out.is_file():
            kind = "folder" if self.out.is_dir() else "file"
            raise InputError(
                f"{self.out} is a {kind}; --out is a file NAME.parquet, or a folder with any other "
                "ending"
            )
        if not self.folder.exists():
            return
        if not self.folder.is_dir() or not all(
            _OURS.fullmatch(path.name) for path in self.folder.iterdir()
        ):
            raise InputError(
                f"{self.folder}, where unfinished work is kept, holds something else; move it "
                "away, or choose another --out"
            )

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise OutputError(
                errno.EWOULDBLOCK,
                f"another run is writing {self.out}; wait for it, or choose another --out",
            ) from err

    def _begin(self, *, force: bool) -> bool:
        """Return whether the result is there already; else leave a folder to go on in."""
        plan = self.folder / PLAN_NAME
        unfinished = None if force else self._read_plan(plan)
        if unfinished is None:
            finished = result_fingerprint(self.out)
            self._clear()
            if finished == self.fingerprint and not force:
                return True
            if finished is not None and not force:
                self._refuse("result", self.out, finished)
        elif unfinished != self.fingerprint:
            self._refuse("unfinished work", self.folder, unfinished)
        write_atomically(plan, self.fingerprint.to_json().encode())
        return False

    def _read_plan(self, plan: Path) -> Fingerprint | None:
        try:
            return Fingerprint.from_json(plan.read_bytes())
        except FileNotFoundError:
            return None
        except (ArtefactError, OSError) as err:
            raise ArtefactError(f"{plan}: {err}; begin anew with --force") from err

    def _refuse(self, kind: str, place: Path, found: Fingerprint) -> None:
        raise InputError(
            f"{place} holds the {kind} of a run with other {self.fingerprint.differences(found)}; "
            "give the same again, choose another --out, or begin anew with --force"
        )

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:08d}.parquet"

    def _schema(self) -> pa.Schema:
        return SCHEMA.with_metadata({METADATA_KEY: self.fingerprint.to_json().encode()})

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    def _check_rows(self) -> None:
        rows = 0
        for part in self._parts():
            with _reading(part):
                rows += pq.read_metadata(part).num_rows
        if rows != self.fingerprint.pictures:
            raise ArtefactError(
                f"the parts in {self.folder} hold {rows} pictures instead of "
                f"{self.fingerprint.pictures}; begin anew with --force"
            )

    def _join(self) -> None:
        """Copy the parts into one file beside them, then give it its name."""
        joined = self.folder / _JOINED
        try:
            with joined.open("wb") as file:
                with pq.ParquetWriter(file, self._schema()) as writer:
                    for tables in _grouped(self._parts()):
                        writer.write_table(pa.concat_tables(tables))
                file.flush()
                os.fsync(file.fileno())
            move_durably(joined, self.out)
        finally:
            joined.unlink(missing_ok=True)

    def _become_result(self) -> None:
        """Rename the folder to the result; an older result goes first."""
        for path in self.folder.glob(".*"):  # torn by an earlier crash
            path.unlink()
        if self.out.exists():
            result_fingerprint(self.out)
            shutil.rmtree(self.out)
        move_durably(self.folder, self.out)


def _grouped(parts: list[Path]) -> Iterator[list[pa.Table]]:
    tables: list[pa.Table] = []
    for part in parts:
        with _reading(part):
            tables.append(pq.read_table(part))
        if sum(table.num_rows for table in tables) >= _ROWS_IN_A_GROUP:
            yield tables
            tables = []
    if tables:
        yield tables


@contextlib.contextmanager
def _reading(part: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as err:
        raise ArtefactError(
            f"{part} is damaged: {str(err).splitlines()[0]}; remove it and run the command again"
        ) from err
