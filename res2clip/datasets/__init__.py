"""Readers of data set layouts."""

from __future__ import annotations

from res2clip.datasets.category import Category, Sample
from res2clip.datasets.mask import load_mask
from res2clip.datasets.mvtec import find_categories

__all__ = ["Category", "Sample", "find_categories", "load_mask"]
