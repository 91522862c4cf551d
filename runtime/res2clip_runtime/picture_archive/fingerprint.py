"""What a run was made of; only an equal run may use its parts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from res2clip_runtime.errors import ArtefactError, FormatVersionError
from res2clip_runtime.spec import canonical_json

__all__ = ["METADATA_KEY", "Fingerprint"]

METADATA_KEY = b"res2clip.score"
"""Key of the fingerprint's JSON in the metadata of the Parquet files."""
FORMAT_VERSION = 1
_CALLED = {
    "pictures": "pictures",
    "inputs_sha256": "pictures",
    "recipes": "recipes",
    "encoder_id": "model",
    "score_id": "model",
    "shard_size": "--shard-size",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Pictures, recipes and model of a run."""

    pictures: int
    """How many pictures."""
    inputs_sha256: str
    """Hash over path, file and product of every picture, in order (not over their bytes)."""
    recipes: Mapping[str, str]
    """sha256 of the recipe's file, by product."""
    encoder_id: str
    """The model's encoder."""
    score_id: str
    """Scale of the model's scores."""
    shard_size: int
    """Pictures in a shard."""

    def differences(self, other: Fingerprint) -> str:
        """Return what differs, in the user's words: ``pictures, model``."""
        names = [
            called
            for name, called in _CALLED.items()
            if getattr(self, name) != getattr(other, name)
        ]
        return ", ".join(dict.fromkeys(names))

    def to_json(self) -> str:
        """Return the fields and the format version as canonical JSON."""
        return canonical_json({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Fingerprint:
        """Return what :meth:`to_json` wrote.

        Raises:
            FormatVersionError: a newer res2clip wrote it.
            ArtefactError: it is damaged.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values.pop("format_version")
            if version > FORMAT_VERSION:
                raise FormatVersionError(
                    f"it is of format version {version}, this res2clip reads up to "
                    f"{FORMAT_VERSION}; upgrade res2clip"
                )
            return cls(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as err:
            if isinstance(err, FormatVersionError):
                raise
            raise ArtefactError(f"its record is damaged: {err}") from err
