"""Which clients' certificates are trusted: those that lie in a folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from res2clip_runtime.errors import OutputError
from res2clip_runtime.storage import write_atomically

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Distrust", "TrustList"]

logger = logging.getLogger(__name__)

_LONGEST_BYTES = 16_384
_REJECTED_KEPT = 16
_ENDINGS = (".der", ".pem", ".crt", ".cer")


class Distrust(Enum):
    """Why a certificate is refused; the values are names of OPC UA status codes."""

    UNTRUSTED = "BadCertificateUntrusted"
    TIME = "BadCertificateTimeInvalid"
    URI = "BadCertificateUriInvalid"
    USE = "BadCertificateUseNotAllowed"
    INVALID = "BadCertificateInvalid"


class TrustList:
    """A client is trusted if its very certificate lies in ``trusted``; authorities are not.

    The folders are looked at anew for every session, so that nothing need be restarted. One that
    is refused is put into ``rejected``, from where a person may move it.
    """

    def __init__(self, folder: Path) -> None:
        """Use ``trusted`` and ``rejected`` in ``folder``, made where they are missing.

        Raises:
            OutputError: they cannot be made.
        """
        self.trusted = folder / "trusted"
        self.rejected = folder / "rejected"
        for each in (self.trusted, self.rejected):
            try:
                each.mkdir(parents=True, exist_ok=True)
            except OSError as err:
                raise OutputError(
                    err.errno,
                    f"opcua.folder: cannot make {each}: {err.strerror}; choose another place",
                ) from err

    def check(self, der: bytes, application_uri: str) -> Distrust | None:
        """Return why the client of this certificate is not trusted, or None."""
        from cryptography import x509

        if len(der) > _LONGEST_BYTES:
            return Distrust.INVALID
        try:
            certificate = x509.load_der_x509_certificate(der)
        except ValueError:
            return Distrust.INVALID
        if hashlib.sha256(der).digest() not in set(self._fingerprints()):
            self._reject(der)
            return Distrust.UNTRUSTED
        return _flaw(certificate, application_uri)

    def _fingerprints(self) -> Iterator[bytes]:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        for path in sorted(self.trusted.iterdir()):
            if path.suffix.lower() not in _ENDINGS:
                continue
            try:
                data = path.read_bytes()
                if data.lstrip().startswith(b"-----"):
                    data = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
            except (OSError, ValueError) as err:
                logger.warning("opcua: the trusted certificate %s cannot be read: %s", path, err)
            else:
                yield hashlib.sha256(data).digest()

    def _reject(self, der: bytes) -> None:
        """Keep what was refused; strangers cannot fill the disk or push others out."""
        path = self.rejected / f"{hashlib.sha1(der, usedforsecurity=False).hexdigest()}.der"
        remedy = f"move {path} into {self.trusted} if it is yours"
        try:
            full = sum(1 for _ in self.rejected.iterdir()) >= _REJECTED_KEPT
            if full and not path.exists():
                remedy = f"{self.rejected} is full and it was not kept: empty it"
            elif not path.exists():
                write_atomically(path, der)
        except (OSError, OutputError) as err:
            remedy = f"and it could not be kept: {err}"
        logger.warning("opcua: a client's certificate is not trusted; %s", remedy)


def _flaw(certificate: x509.Certificate, application_uri: str) -> Distrust | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    now = datetime.now(timezone.utc)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return Distrust.TIME
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
        return Distrust.USE
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return Distrust.URI
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return None if application_uri in uris else Distrust.URI
