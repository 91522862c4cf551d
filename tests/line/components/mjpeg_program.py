"""A camera's MJPEG over HTTP: ``mjpeg_program.py PORT FPS FOLDER [USER PASSWORD]``.

With the variable MJPEG_CERTIFICATE (a PEM file with the key, too) it speaks HTTPS.

/stream.mjpg plays the folder's pictures in order, again and again; /once.mjpg ends after one
round; /garbage.mjpg sends noise where JPEGs should be; /resized.mjpg halves the picture after
the first round; /noisy.mjpg gives no picture twice, as a sensor's noise does.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

from PIL import Image

PORT, FPS, FOLDER, *SECRET = sys.argv[1:]
CERTIFICATE = os.environ.get("MJPEG_CERTIFICATE")
PICTURES = [Image.open(path).convert("RGB") for path in sorted(Path(FOLDER).iterdir())]
WANTED = "Basic " + base64.b64encode(":".join(SECRET).encode()).decode()


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def numbered(picture: Image.Image, number: int) -> Image.Image:
    """Return the picture with its number in squares along the lower edge, too faint to see."""
    marked = picture.copy()
    for bit in range(20):
        if number >> bit & 1:
            box = (8 * bit, picture.height - 8, 8 * bit + 8, picture.height)
            marked.paste(marked.crop(box).point(lambda level: min(255, level + 4)), box)
    return marked


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if SECRET and self.headers.get("Authorization") != WANTED:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        with contextlib.suppress(OSError):  # the viewer has gone
            self.play()

    def play(self) -> None:
        for number in count():
            first_round = number < len(PICTURES)
            if self.path == "/once.mjpg" and not first_round:
                return
            picture = PICTURES[number % len(PICTURES)]
            if self.path == "/resized.mjpg" and not first_round:
                picture = picture.resize((picture.width // 2, picture.height // 2))
            if self.path == "/noisy.mjpg":
                picture = numbered(picture, number)
            data = jpeg(picture)
            if self.path == "/garbage.mjpg":
                data = bytes((7 * i) % 251 for i in range(len(data)))
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            time.sleep(1 / float(FPS))

    def log_message(self, *unused: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
server.daemon_threads = True
if CERTIFICATE:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)  # noqa: T201
server.serve_forever()
