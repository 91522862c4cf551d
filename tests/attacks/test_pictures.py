"""Pictures that unfold into gigabytes, take minutes to count, or want a program started."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from attacks.conftest import Room
from attacks.payloads import chunk, climbing_zip, npy, pickled, png, write, zeros
from drawn_parts import draw_part
from PIL import Image


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_part(0)).save(buffer, format=kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def tiff(width: int, height: int, *, next_page: int = 0) -> bytes:
    """Return an uncompressed grey TIFF that claims a size; ``next_page``: offset of another."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
               (273, 4, 200), (277, 3, 1), (278, 4, height), (279, 4, 64)]  # fmt: skip
    page = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        page += struct.pack("<HHII", tag, kind, 1, value)
    return (b"II*\0" + struct.pack("<I", 8) + page + struct.pack("<I", next_page)).ljust(264, b"\0")


def endless_gif(frames: int) -> bytes:
    """Return a GIF of many frames of one pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b";"


_EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n"
    b"(%pipe%touch $CANARY) (w) file\n%%EOF\n"
)
_ATTACKS: dict[str, Callable[[], bytes]] = {
    "PNG 60000 x 60000": lambda: png(60_000, 60_000),
    "PNG 2 x 2000000000": lambda: png(2, 2_000_000_000),
    "TIFF 4000000000 x 4000000000": lambda: tiff(4_000_000_000, 4_000_000_000),
    "TIFF whose pages go in a circle": lambda: tiff(64, 64, next_page=8),
    "GIF of a million frames": lambda: endless_gif(1_000_000),
    "animated PNG": lambda: encoded(
        "PNG", save_all=True, append_images=[Image.fromarray(draw_part(1))]
    ),
    "half a PNG": lambda: encoded("PNG")[:2000],
    "half a JPEG": lambda: encoded("JPEG")[:1000],
    "PNG with a wrong checksum": lambda: encoded("PNG").replace(b"IDAT", b"IDAZ", 1),
    "EPS": lambda: _EPS,
    "EPS behind a binary header": lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 999) + _EPS,
    "PDF": lambda: b"%PDF-1.4\n1 0 obj <</OpenAction <</S/Launch/F(touch)>>>> endobj",
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/>",
    "PSD": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30000, 30000, 8, 3),
    "FLI": lambda: struct.pack("<IHH", 2**31, 0xAF11, 65535).ljust(128, b"\0"),
    "ICNS": lambda: b"icns" + struct.pack(">I", 2**31) + b"ic10" + struct.pack(">I", 2**31),
    "floats": lambda: b"Pf\n64 64\n-1.0\n" + np.full((64, 64), np.nan, "<f4").tobytes(),
    "PPM of a huge size": lambda: b"P6 99999999 99999999 255\n",
    "pickle": pickled,
    "npy of objects": lambda: npy(pickled()),
    "zip": climbing_zip,
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("attack", _ATTACKS)
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_hostile_picture_is_refused(room: Room, tmp_path: Path, attack: str, ending: str) -> None:
    room.refuses("picture", write(tmp_path / f"a{ending}", _ATTACKS[attack]()))


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_what_stands_beside_the_pixels_does_not_unfold(
    room: Room, tmp_path: Path, kind: bytes
) -> None:
    head = b"a\0\1\0\0\0" if kind == b"iTXt" else b"a\0\0"
    bomb = chunk(kind, head + zeros(2 << 30))
    room.open("picture", write(tmp_path / "a.png", png(64, 64, chunks=bomb * 2)))


def test_more_pixel_data_than_pixels_is_not_unfolded(room: Room, tmp_path: Path) -> None:
    room.open("picture", write(tmp_path / "a.png", png(64, 64, rows=zeros(4 << 30))))


def test_names_that_act_are_shown_without_effect(room: Room, tmp_path: Path, no_controls) -> None:
    from res2clip_runtime.cli.group import message_of
    from res2clip_runtime.cli.verdict_text import verdict_line
    from res2clip_runtime.errors import InputError
    from res2clip_runtime.inspection import error_verdict

    name = "\x1b]0;owned\x07\x9b2J\u202egnp\n.png"
    room.refuses("picture", write(tmp_path / name, zlib.compress(b"x")))
    no_controls(message_of(InputError(name)))
    no_controls(verdict_line(error_verdict(name, "washer", name)))


def test_names_that_act_reach_no_log(no_controls) -> None:
    import logging

    from res2clip_runtime.service.log_lines import line_formatter

    record = logging.LogRecord("a", 30, "f", 1, "picture %s", ("\x1b[2J\u2028x\x85",), None)
    for kind in ("text", "json"):
        no_controls(line_formatter(kind).format(record))


def test_good_picture_of_each_kind_is_read(room: Room, tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "GIF", "MPO"):
        path = write(tmp_path / f"a.{kind}", encoded(kind))
        assert room.open("picture", path).ended == "loaded"
