"""TLS towards a server whose certificate is always verified."""

from __future__ import annotations

import ssl
from pathlib import Path

from res2clip_runtime.errors import InputError

__all__ = ["tls_context"]


def tls_context(
    sink: str, *, ca_file: Path | None, cert_file: Path | None, key_file: Path | None
) -> ssl.SSLContext:
    """Return a context that trusts ``ca_file`` (None: the system's authorities).

    Args:
        sink: whose settings these are, for the message.
        ca_file: certificates of authorities, PEM.
        cert_file: the client's own certificate, PEM; None: it shows none.
        key_file: its key, PEM; None: in the same file.

    Raises:
        InputError: a file is missing or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as err:
        raise InputError(
            f"{sink}.ca_file: cannot use {ca_file}: {err}; expected certificates in PEM"
        ) from err
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        try:
            # Without a password the terminal would be asked for one.
            context.load_cert_chain(cert_file, key_file, password="")
        except (OSError, ssl.SSLError) as err:
            raise InputError(
                f"{sink}.cert_file: cannot use {cert_file} with key_file {key_file}: {err}; "
                "expected a certificate and its unencrypted key in PEM"
            ) from err
    return context
