"""TLS towards browsers and host programs."""

from __future__ import annotations

import ssl
from pathlib import Path

from res2clip_runtime.errors import InputError

__all__ = ["server_context"]


def server_context(certificate: Path, private_key: Path) -> ssl.SSLContext:
    """Return a context for a server that shows ``certificate``, TLS 1.2 or newer.

    Args:
        certificate: the server's own and those between it and its authority, PEM.
        private_key: unencrypted, PEM.

    Raises:
        InputError: a file is missing, or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password the terminal would be asked for one.
        context.load_cert_chain(certificate, private_key, password="")
    except (OSError, ssl.SSLError) as err:
        raise InputError(
            f"web.certificate: cannot use {certificate} with private_key {private_key}: {err}; "
            "expected a certificate and its unencrypted key in PEM"
        ) from err
    return context
