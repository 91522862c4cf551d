"""The server's own certificate: given, or made once and kept."""

from __future__ import annotations

import ipaddress
import logging
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from res2clip_runtime.errors import InputError
from res2clip_runtime.storage import write_atomically

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["OwnCertificate", "own_certificate"]

logger = logging.getLogger(__name__)

_KEY_BITS = 3072
_LIFE = timedelta(days=3650)
_WARN_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """What proves to clients that it is this server."""

    certificate_der: bytes = field(repr=False)
    """X.509, DER."""
    private_key_pem: bytes = field(repr=False)
    """Its unencrypted key, PEM."""
    application_uri: str
    """The server's name in it."""
    sha1: str
    """Its thumbprint, 40 hexadecimal digits, as clients show it."""


def own_certificate(
    folder: Path, *, certificate: Path | None, private_key: Path | None, line: str, host: str
) -> OwnCertificate:
    """Return the certificate given, or the one in ``folder``, made where there is none.

    Args:
        folder: ``certificate.der`` and ``private_key.pem`` lie there.
        certificate: a given one, DER or PEM; None: ours.
        private_key: its key, PEM.
        line: the line's name, part of the server's.
        host: the address that is listened on.

    Raises:
        InputError: a file cannot be used.
        OutputError: the folder cannot be written.
    """
    if certificate is None or private_key is None:
        certificate, private_key = folder / "certificate.der", folder / "private_key.pem"
        if not (certificate.exists() and private_key.exists()):
            _make(certificate, private_key, line=line, host=host)
    try:
        return _loaded(certificate.read_bytes(), private_key.read_bytes(), certificate)
    except (OSError, ValueError, TypeError) as err:
        raise InputError(
            f"opcua: cannot use the certificate {certificate} with the key {private_key}: {err}; "
            "expected a certificate in DER or PEM that names its application URI, and its "
            "unencrypted RSA key in PEM"
        ) from err


def _loaded(certificate: bytes, key_pem: bytes, path: Path) -> OwnCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    pem = certificate.lstrip().startswith(b"-----")
    read = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
    found = read(certificate)
    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        raise ValueError("the key is no RSA key of 2048 bits or more")
    if key.public_key() != found.public_key():
        raise ValueError("the key is not the certificate's")
    _check_dates(found, path)
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    except (x509.ExtensionNotFound, IndexError) as err:
        raise ValueError("the certificate names no application URI") from err
    return OwnCertificate(
        certificate_der=found.public_bytes(Encoding.DER),
        private_key_pem=key_pem,
        application_uri=uri,
        sha1=found.fingerprint(SHA1()).hex(),
    )


def _check_dates(found: x509.Certificate, path: Path) -> None:
    ends = found.not_valid_after_utc
    if ends - datetime.now(timezone.utc) < _WARN_BEFORE:
        logger.warning(
            "opcua: the server's certificate %s ends %s; clients refuse it then: replace it, or "
            "move it away and a new one is made", path, ends.date(),
        )  # fmt: skip


def _make(certificate: Path, private_key: Path, *, line: str, host: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    made = _signed(key, line=line, host=host)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomically(private_key, pem, private=True)
    write_atomically(certificate, made.public_bytes(Encoding.DER))
    logger.info("opcua: made the server's certificate %s", certificate)


def _signed(key: RSAPrivateKey, *, line: str, host: str) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    machine = socket.gethostname() or "localhost"
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "res2clip"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"res2clip {line}"[:64]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True,
        data_encipherment=True, key_agreement=False, key_cert_sign=True, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of PLCs
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(_names(machine, line, host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def _names(machine: str, line: str, host: str) -> list[x509.GeneralName]:
    from cryptography import x509

    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{machine}:res2clip:{line}"),
        x509.DNSName(machine),
    ]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host != machine:
            names.append(x509.DNSName(host))
    else:
        if not address.is_unspecified:
            names.append(x509.IPAddress(address))
    return names
