"""Readers of data set layouts; docs/datasets.md shows them."""

from __future__ import annotations

from res2clip.datasets.category import Category, Sample
from res2clip.datasets.few_shot_records import parse_prefix, read_few_shot_records
from res2clip.datasets.inventory import CategoryCount, take_inventory
from res2clip.datasets.layouts import find_categories
from res2clip.datasets.mask import load_mask
from res2clip.datasets.meta_json import read_meta, write_meta

__all__ = [
    "Category",
    "CategoryCount",
    "Sample",
    "find_categories",
    "load_mask",
    "parse_prefix",
    "read_few_shot_records",
    "read_meta",
    "take_inventory",
    "write_meta",
]
