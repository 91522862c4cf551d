"""One product: a member of a family."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from res2clip.drawing.families import FAMILIES
from res2clip.drawing.field import Rng
from res2clip_runtime.errors import InputError


@dataclass(frozen=True, slots=True)
class Product:
    """One product: a family and the seed of its fixed design."""

    family: str
    """A key of `FAMILIES`."""
    seed: int = 0
    """Dimensions, colours and materials follow from it."""

    def __post_init__(self) -> None:
        """Refuse families that do not exist.

        Raises:
            InputError: for an unknown family or a negative seed.
        """
        if self.family not in FAMILIES:
            known = ", ".join(sorted(FAMILIES))
            raise InputError(f"unknown product family {self.family!r}; choose one of: {known}")
        if self.seed < 0:
            raise InputError(f"a product's seed must be 0 or more, got {self.seed}")

    @classmethod
    def parse(cls, name: str) -> Product:
        """The product of a name such as "flange" (seed 0) or "washer_17".

        Raises:
            InputError: if the name is not a product's.
        """
        if name in FAMILIES:
            return cls(name)
        family, _, seed = name.rpartition("_")
        return cls(family, int(seed)) if family and seed.isdecimal() else cls(name)

    @classmethod
    def parse_all(cls, name: str) -> tuple[Product, ...]:
        """The products of a name; "all" and "all_17" mean one of each family.

        Raises:
            InputError: if the name is not a product's.
        """
        start, _, seed = name.partition("_")
        if start != "all" or not (seed.isdecimal() or name == "all"):
            return (cls.parse(name),)
        return tuple(cls(family, int(seed or 0)) for family in sorted(FAMILIES))

    @property
    def name(self) -> str:
        """The name that `parse` understands."""
        return f"{self.family}_{self.seed}" if self.seed else self.family

    @property
    def defects(self) -> tuple[str, ...]:
        """Names of the defects it can have."""
        return FAMILIES[self.family].defects

    def rng(self, purpose: str, *more: int) -> Rng:
        """A source of randomness of its own for each purpose (and picture)."""
        keys = [zlib.crc32(self.family.encode()), self.seed, zlib.crc32(purpose.encode()), *more]
        return np.random.default_rng(keys)
