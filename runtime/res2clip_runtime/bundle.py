"""An exported model: a directory with ``manifest.json``, three ONNX stages and a parity report."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError, HashMismatchError
from res2clip_runtime.manifest import MOST_BYTES, Manifest
from res2clip_runtime.spec import canonical_json, sha256_hex
from res2clip_runtime.storage import data_directory, file_sha256

__all__ = ["Bundle", "bundle_folders", "bundles_directory", "find_bundle", "installed_bundles"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are all there, unchanged."""

    directory: Path
    """Where it lies."""
    manifest: Manifest
    """What it says of itself."""

    @classmethod
    def load(cls, directory: str | Path) -> Bundle:
        """Return the bundle in ``directory``, every file checked against its hash.

        Raises:
            ArtefactNotFoundError: there is no bundle, or a file of it is missing.
            HashMismatchError: a file is not the one that was exported.
            FormatVersionError: a newer res2clip wrote it.
            ArtefactError: the manifest is damaged.
        """
        directory = Path(directory)
        manifest = _read_manifest(directory)
        for name, entry in manifest.files.items():
            path = directory / name
            if not path.is_file():
                raise ArtefactNotFoundError(f"{path} is missing; export the bundle again")
            if path.stat().st_size != entry.bytes or file_sha256(path) != entry.sha256:
                raise HashMismatchError(
                    f"{path} is not the file that was exported (sha256 differs); "
                    "copy the bundle again, or export it again"
                )
        return cls(directory, manifest)

    def stage_path(self, stage: str) -> Path:
        """Return the ONNX file of a stage."""
        return self.directory / self.manifest.stages[stage].file

    def stage_sha256(self, stage: str) -> str:
        """Return one hash of a stage's graph and weights; a large graph's lie in files beside it.

        What was compiled from a stage belongs to this hash.
        """
        name = self.manifest.stages[stage].file
        files = self.manifest.files.items()
        parts = {n: entry.sha256 for n, entry in files if f"{n}.".startswith(f"{name}.")}
        return sha256_hex(canonical_json(parts).encode())


def bundles_directory() -> Path:
    """Return where ``res2clip export`` installs bundles by default."""
    return data_directory() / "bundles"


def bundle_folders() -> list[Path]:
    """Return the folders of installed bundles, sorted; a hidden one is an export at work."""
    return sorted(path.parent for path in bundles_directory().glob("[!.]*/manifest.json"))


def find_bundle(encoder_id: str) -> Bundle:
    """Return the newest installed bundle with this encoder.

    Raises:
        ArtefactNotFoundError: none is installed.
    """
    fitting = [b for b in installed_bundles() if b[1].method.encoder_id == encoder_id]
    if not fitting:
        raise ArtefactNotFoundError(
            f"no installed bundle has encoder {encoder_id[:12]} (looked in {bundles_directory()}); "
            "make one with: res2clip export, or give its folder with --bundle DIR"
        )
    return Bundle.load(max(fitting, key=lambda found: found[1].created)[0])


def installed_bundles() -> list[tuple[Path, Manifest]]:
    """Return the installed bundles; one that cannot be read is logged and left out."""
    found = []
    for folder in bundle_folders():
        try:
            found.append((folder, _read_manifest(folder)))
        except (ArtefactError, ArtefactNotFoundError) as err:
            logger.warning("ignored the bundle %s: %s", folder, err)
    return found


def _read_manifest(directory: Path) -> Manifest:
    path = directory / "manifest.json"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ArtefactError(f"{path} is no manifest: it is too large; export the bundle again")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        raise ArtefactNotFoundError(
            f"no bundle in {directory} (no manifest.json); make one with: res2clip export"
        ) from err
    except (OSError, UnicodeDecodeError) as err:
        raise ArtefactError(f"{path} cannot be read: {err}; export the bundle again") from err
    try:
        return Manifest.from_json(text)
    except ArtefactError as err:
        raise type(err)(f"{directory}: {err}") from err
