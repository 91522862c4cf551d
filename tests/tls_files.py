"""A certificate authority and a server's certificate for 127.0.0.1, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["make_tls_files"]


def make_tls_files(folder: Path, *, names: str = "IP:127.0.0.1,DNS:localhost") -> Path:
    """Write ca.crt, server.crt for ``names`` and server.key into ``folder`` and return it."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=our CA")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "names").write_text(f"subjectAltName={names}\n")
    sign = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *sign, "-out", "server.crt", "-days", "2")
    return folder
