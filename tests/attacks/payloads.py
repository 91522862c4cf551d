"""Code that a careless reader would run: it makes the canary file, which a test looks for."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

COMMAND = 'touch "$CANARY"'


class Runs:
    """Runs ``COMMAND`` when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (COMMAND,)


def pickled() -> bytes:
    return pickle.dumps({"visual.conv1.weight": Runs()})


def torch_zip(data: bytes, *, folder: str = "archive", extra: dict[str, bytes] | None = None):
    """Return a file as ``torch.save`` makes it, around any pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", data)
        archive.writestr(f"{folder}/version", "3\n")
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(data: bytes) -> bytes:
    """Return a ``.npy`` of objects: a pickle behind a header."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def climbing_zip() -> bytes:
    """Return a zip whose entries lie outside of wherever it is unpacked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../canary", "")
        archive.writestr("/tmp/res2clip-canary", "")
        archive.writestr("manifest.json", "{}")
    return buffer.getvalue()


def safetensors(header: bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Return a safetensors file around any header."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def png(
    width: int, height: int, *, chunks: bytes = b"", rows: bytes | None = None, colour: int = 2
) -> bytes:
    """Return a PNG that claims a size; its pixels are zeros, or what ``rows`` unfolds to."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    if rows is None:
        channels = {0: 1, 2: 3, 6: 4}[colour]
        packer = zlib.compressobj(9)
        line = bytes(1 + channels * width)
        rows = b"".join(packer.compress(line) for _ in range(min(height, 64))) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )  # fmt: skip


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def zeros(size: int) -> bytes:
    """Return zlib data of ``size`` zeros (whole MB), a thousandth as long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    adler = (size % 65521) << 16 | 1  # of zeros
    return b"\x78\xda" + block * (size >> 20) + b"\x03\x00" + struct.pack(">I", adler)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
