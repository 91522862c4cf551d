"""A device that blocks for ever, held in place by a socket that nothing comes through."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from res2clip_runtime.errors import SourceError
from res2clip_runtime.sources.frame import Frame, LiveFrames
from res2clip_runtime.sources.reader_thread import ReaderThread
from res2clip_runtime.sources.settings import CameraSettings


class Wire:
    """A handle that gives a picture for each byte that comes, and blocks until then."""

    def __init__(self, end: socket.socket, *, opens_after_a_byte: bool = False) -> None:
        if opens_after_a_byte:
            end.recv(1)
        self.frames = LiveFrames("wire", CameraSettings())
        self.closed_by: threading.Thread | None = None
        self._end = end

    def describe(self) -> str:
        return "a wire"

    def grab(self) -> Frame:
        (value,) = self._end.recv(1)
        return self.frames.frame(np.full((4, 4, 3), value, np.uint8))

    def close(self) -> None:
        self.closed_by = threading.current_thread()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_reading_waits_no_longer_than_asked_though_the_device_blocks(ends) -> None:
    near, far = ends
    reader = ReaderThread(lambda: Wire(near), name="wire", timeout_s=5)
    assert reader.read(0.05) is None
    assert reader.read(0.0) is None
    far.send(b"\x07")
    frame = reader.read(5.0)
    assert frame is not None
    assert np.asarray(frame.image)[0, 0, 0] == 7
    far.send(b"\x08")  # lets the thread see that it should end
    reader.close()


def test_the_newest_picture_replaces_those_that_nobody_read(ends) -> None:
    near, far = ends
    reader = ReaderThread(lambda: Wire(near), name="wire", timeout_s=5)
    far.send(b"\x01\x02\x03")
    end = time.monotonic() + 5
    while reader.dropped < 2 and time.monotonic() < end:
        time.sleep(0.005)
    frame = reader.read(5.0)
    assert frame is not None
    assert np.asarray(frame.image)[0, 0, 0] == 3
    assert reader.dropped == 2
    far.send(b"\x04")
    reader.close()


def test_a_queue_keeps_the_last_few_in_order(ends) -> None:
    near, far = ends
    reader = ReaderThread(lambda: Wire(near), name="wire", timeout_s=5, keep=2)
    far.send(b"\x01\x02\x03")
    end = time.monotonic() + 5
    while not reader.dropped and time.monotonic() < end:
        time.sleep(0.005)
    frames = [reader.read(5.0), reader.read(5.0)]
    assert [np.asarray(frame.image)[0, 0, 0] for frame in frames if frame] == [2, 3]
    far.send(b"\x04\x05")
    while reader.dropped < 1 + 2 and time.monotonic() < end:
        reader.forget()
    assert reader.read(0.0) is None
    far.send(b"\x06")
    reader.close()


def test_the_thread_that_opened_the_device_closes_it(ends) -> None:
    near, far = ends
    reader = ReaderThread(lambda: Wire(near), name="wire", timeout_s=5)
    wire = reader.handle
    assert wire is not None
    closing = threading.Thread(target=reader.close)
    closing.start()
    while closing.is_alive():  # a byte that came before the stop was seen wakes nobody after it
        far.send(b"\x01")
        closing.join(0.01)
    assert wire.closed_by is not None
    assert wire.closed_by.name == "read wire"


def test_a_device_that_never_opens_is_given_up_in_time(ends) -> None:
    near, far = ends
    with pytest.raises(SourceError, match=r"wire did not answer within 0\.2 s"):
        ReaderThread(lambda: Wire(near, opens_after_a_byte=True), name="wire", timeout_s=0.2)
    far.send(b"\x01")  # it opens after all, is closed at once, and its thread ends
    end = time.monotonic() + 5
    while any(t.name == "read wire" for t in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.005)
    assert not any(t.name == "read wire" for t in threading.enumerate())


def test_a_device_that_never_returns_is_left_behind(ends, caplog) -> None:
    near, far = ends
    reader = ReaderThread(lambda: Wire(near), name="wire", timeout_s=5)
    reader.close(timeout_s=0.1)
    assert "still blocks" in caplog.text
    far.send(b"\x01")
    reader.close()


def test_a_defect_in_the_thread_reaches_the_reader(ends) -> None:
    near, far = ends
    reader = ReaderThread(lambda: Wire(near), name="wire", timeout_s=5)
    far.close()  # recv answers b"", which has no first byte
    with pytest.raises(SourceError, match="wire: not enough values"):
        reader.read(5.0)
    reader.close()
