"""Pictures that host programs send."""

from __future__ import annotations

import io
import socket
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from drawn_parts import draw_part
from line.web.conftest import Serve, Served
from PIL import Image

from res2clip_runtime.inspector import Inspector
from res2clip_runtime.recipe import Recipe

PNG = {"Content-Type": "image/png"}


def encoded(picture: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_picture_gets_the_verdict_that_it_gets_elsewhere(
    client: httpx.Client, served: Served, inspector: Inspector, recipe_files: list[Path], kind: str
) -> None:
    recipe = Recipe.load(recipe_files[0])
    for scratched in (False, True):
        picture = draw_part(50, scratched=scratched)
        options = {"lossless": True} if kind == "WEBP" else {}
        answer = client.post(
            "/api/inspect",
            content=encoded(picture, kind, **options),
            headers={"Content-Type": f"image/{kind.lower()}"},
        )
        assert answer.status_code == 200, answer.text
        alone = inspector.inspect(picture, recipe)
        assert answer.json()["score"] == pytest.approx(alone.score, abs=1e-6)
        assert answer.json()["decision"] == ("NG" if scratched else "OK")
    uploads = [v for v in served.run.verdicts if v.frame_id == "upload"]
    assert uploads == []  # nobody else gets it


def test_product_may_be_named(client: httpx.Client) -> None:
    picture = encoded(draw_part(50))
    named = client.post("/api/inspect?product=nut", content=picture, headers=PNG)
    unknown = client.post("/api/inspect?product=bolt", content=picture, headers=PNG)
    assert named.json()["product"] == "nut"
    assert unknown.status_code == 409
    assert "there are: washer, nut" in unknown.json()["error"]


def huge_png(side: int) -> bytes:
    """Return a PNG of a few kB that says it is ``side`` pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        )

    size = side.to_bytes(4, "big")
    head = size + size + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animated() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(draw_part(n)) for n in range(2)]
    frames[0].save(buffer, format="PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"", "image/png", 422),
        (b"no picture", "image/png", 422),
        (encoded(draw_part(1))[:300], "image/png", 422),
        (huge_png(60_000), "image/png", 422),
        (huge_png(7_900), "image/png", 422),
        (animated(), "image/png", 422),
        (encoded(draw_part(1)[:20, :20]), "image/png", 422),
        (encoded(draw_part(1), "GIF"), "image/gif", 422),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/eps", 422),
        (encoded(draw_part(1)), "text/html", 415),
        (encoded(draw_part(1)), "", 415),
    ],
)
def test_what_is_no_picture_is_refused_and_inspection_goes_on(
    client: httpx.Client, served: Served, data: bytes, kind: str, status: int
) -> None:
    answer = client.post("/api/inspect", content=data, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    served.await_parts(2)


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_picture_that_would_fill_the_memory_is_refused_before_it_is_unpacked(
    client: httpx.Client, side: int
) -> None:
    answer = client.post("/api/inspect", content=huge_png(side), headers=PNG)
    assert answer.status_code == 422
    assert "expected at most 64000000 px" in answer.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_picture_that_is_too_large_is_refused(serve: Serve, chunked: bool) -> None:
    served = serve(upload_mb=0.5)
    data = b"x" * 3_000_000
    body = iter([data[i : i + 65_536] for i in range(0, len(data), 65_536)]) if chunked else data
    with served.client() as client:
        answer = client.post("/api/inspect", content=body, headers=PNG)
        assert answer.status_code == 413
        assert "larger than 500000 bytes" in answer.json()["error"]
        assert client.get("/api/me").status_code == 200


@pytest.mark.parametrize("length", ["99999999999999999999", "1000000000000"])
def test_length_beyond_all_bounds_is_refused_without_reading(served: Served, length: str) -> None:
    with socket.create_connection(("127.0.0.1", served.web.port), timeout=60) as raw:
        raw.sendall(
            f"POST /api/inspect HTTP/1.1\r\nHost: localhost\r\nX-Res2clip: 1\r\n"
            f"Content-Type: image/png\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        answer = raw.recv(1000)
    assert answer.split()[1] in (b"400", b"413")


def test_upload_whose_sender_dies_is_forgotten(served: Served, client: httpx.Client) -> None:
    for _ in range(5):  # more than may be under way at once
        with socket.create_connection(("127.0.0.1", served.web.port)) as raw:
            raw.sendall(
                b"POST /api/inspect HTTP/1.1\r\nHost: localhost\r\nX-Res2clip: 1\r\n"
                b"Content-Type: image/png\r\nContent-Length: 1000\r\n\r\nabc"
            )
    answer = client.post("/api/inspect", content=encoded(draw_part(50)), headers=PNG)
    assert answer.status_code in (200, 503)
    while answer.status_code == 503:  # until the dead ones have been noticed
        answer = client.post("/api/inspect", content=encoded(draw_part(50)), headers=PNG)
    assert answer.json()["decision"] == "OK"
