from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from drawn_video import write_video

from res2clip_runtime.errors import SourceError
from res2clip_runtime.sources import open_source

av = pytest.importorskip("av", reason="the extra 'video' is not installed")


def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix in the track header, as a phone does."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 4 + 20 + 16
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))


def frames_of(path: Path) -> list[np.ndarray]:
    with open_source(str(path)) as source:
        return [np.asarray(frame.image) for frame in source]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
def test_every_frame_is_given_with_its_number(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"part{suffix}")
    with open_source(str(path)) as source:
        assert source.count in (5, None)
        assert "96 x 64 px" in source.describe()
        frames = list(source)
    assert [frame.frame_id for frame in frames] == [f"part{suffix}#{i:06d}" for i in range(5)]
    for frame in frames:
        image = np.asarray(frame.image)
        assert image.shape == (64, 96, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert image[5, 5, 0] > 200 > 60 > image[5, 5, 2]
        assert image[-5, 5, 2] > 200 > 60 > image[-5, 5, 0]


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
)
def test_rotation_in_the_header_is_applied(
    tmp_path: Path, matrix: tuple[int, int, int, int], turns: int
) -> None:
    path = write_video(tmp_path / "part.mp4", frames=1)
    (plain,) = frames_of(path)
    turn(path, matrix)
    (turned,) = frames_of(path)
    np.testing.assert_array_equal(turned, np.rot90(plain, turns))


@pytest.mark.parametrize("data", [b"", b"junk" * 100])
def test_file_that_is_no_video_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "part.mp4"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"part\.mp4 cannot be decoded"):
        open_source(str(path))


def test_video_without_its_end_is_refused(tmp_path: Path) -> None:
    """The index of a plain MP4 is at its end."""
    path = write_video(tmp_path / "part.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"part\.mp4"):
        open_source(str(path))


def test_video_cut_off_after_its_header_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "part.mp4", frames=60, faststart=True)
    path.write_bytes(path.read_bytes()[:-200])
    try:
        assert len(frames_of(path)) < 60
        assert "of 60 frames" in caplog.text
    except SourceError as err:
        assert "part.mp4" in str(err)


def test_audio_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = np.zeros((1, 800), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(SourceError, match="holds no video"):
        open_source(str(path))


def test_closing_twice_does_nothing(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "part.mp4")))
    source.close()
    source.close()
