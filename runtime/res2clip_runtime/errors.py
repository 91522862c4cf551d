"""The one error tree of res2clip.

    Res2ClipError
    ├── InputError             (ValueError)         a picture, file or option is not usable
    ├── ArtefactError          (ValueError)         a bundle, recipe or checkpoint is broken
    │   ├── HashMismatchError                       its bytes are not the ones that were written
    │   ├── FormatVersionError                      it is written by a newer res2clip
    │   └── EncoderMismatchError                    it belongs to another encoder
    ├── ArtefactNotFoundError  (FileNotFoundError)  there is nothing at that place
    ├── MissingExtraError      (ImportError)        an optional package is not installed
    ├── BackendError           (RuntimeError)       an inference engine or device refused
    ├── SourceError            (RuntimeError)       a camera, stream or file gives no pictures
    ├── SourceEnded            (EOFError)           rightly, there are no more pictures
    ├── OutputError            (OSError)            a result could not be written
    └── ParityError            (RuntimeError)       an exported stage differs from PyTorch

Every message says what is wrong, expected against got, and what to do next.  The command lines
print it as one line and exit with 1; anything else that escapes is a defect of ours.
"""

from __future__ import annotations

__all__ = [
    "ArtefactError",
    "ArtefactNotFoundError",
    "BackendError",
    "EncoderMismatchError",
    "FormatVersionError",
    "HashMismatchError",
    "InputError",
    "MissingExtraError",
    "OutputError",
    "ParityError",
    "Res2ClipError",
    "SourceEnded",
    "SourceError",
]


class Res2ClipError(Exception):
    """Root of every error that res2clip raises on purpose."""


class InputError(Res2ClipError, ValueError):
    """Something the user gave (picture, file, option) is not usable."""


class ArtefactError(Res2ClipError, ValueError):
    """A bundle, recipe or checkpoint is damaged, or not what it claims to be."""


class HashMismatchError(ArtefactError):
    """The bytes of a file are not the ones recorded when it was written."""


class FormatVersionError(ArtefactError):
    """The file was written by a newer res2clip, in a format this one does not know."""


class EncoderMismatchError(ArtefactError):
    """A recipe or bundle belongs to another encoder."""


class ArtefactNotFoundError(Res2ClipError, FileNotFoundError):
    """There is no bundle, recipe, checkpoint or picture at the given place."""


class BackendError(Res2ClipError, RuntimeError):
    """An inference engine or device did not do what was asked of it."""


class SourceError(Res2ClipError, RuntimeError):
    """A camera, stream or video file gives no pictures."""


class SourceEnded(Res2ClipError, EOFError):
    """A source has given all its pictures; no fault, and no SourceError for that reason."""


class OutputError(Res2ClipError, OSError):
    """A result could not be written (disk full, no permission, ...)."""


class ParityError(Res2ClipError, RuntimeError):
    """An exported stage does not answer like the PyTorch model it was made from."""


class MissingExtraError(Res2ClipError, ImportError):
    """An optional package is not installed; the message holds the pip command."""

    def __init__(
        self, package: str, *, extra: str = "", purpose: str, install: str | None = None
    ) -> None:
        """Say what is missing and what brings it.

        Args:
            package: its name.
            extra: of res2clip that brings it.
            purpose: what it is for.
            install: the command, where it does not come with an extra (apt).
        """
        install = install or f"pip install 'res2clip[{extra}]'"
        self.package = package
        self.extra = extra
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed. "
            f"Install it with: {install}"
        )
