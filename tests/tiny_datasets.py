"""Miniature copies of public data sets: their folders and names, with pictures of a few pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE_PX = (48, 32)
"""(width, height) of every picture."""


def save_picture(path: Path, *, size_px: tuple[int, int] = SIZE_PX, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_px, (shade, 120, 60)).save(path)
    return path


def save_mask(
    path: Path, *, column: int = 4, value: int = 255, size_px: tuple[int, int] = SIZE_PX
) -> Path:
    """Write a mask that marks four columns of pixels, from ``column`` on, with ``value``."""
    pixels = np.zeros(size_px[::-1], dtype=np.uint8)
    pixels[:, column : column + 4] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def save_btad(root: Path) -> Path:
    """BTAD: ``ok`` and ``ko``; pictures and masks are bmp/png, png/png and bmp/bmp."""
    for category, of_pictures, of_masks in (
        ("01", "bmp", "png"), ("02", "png", "png"), ("03", "bmp", "bmp"),
    ):  # fmt: skip
        folder = root / category
        for split, kind, count in (("train", "ok", 3), ("test", "ok", 2), ("test", "ko", 2)):
            for index in range(count):
                save_picture(folder / split / kind / f"{index:04}.{of_pictures}")
        for index in range(2):
            save_mask(folder / "ground_truth" / "ko" / f"{index:04}.{of_masks}")
    return root


def save_mpdd(root: Path) -> Path:
    """MPDD: MVTec AD's layout."""
    for category, defect in (("connector", "parts_mismatch"), ("tubes", "anomalous")):
        folder = root / category
        for place in ("train/good/000", "train/good/001", "test/good/000", f"test/{defect}/000"):
            save_picture(folder / f"{place}.png")
        save_mask(folder / "ground_truth" / defect / "000_mask.png")
    return root


def save_loco(root: Path, masks: Sequence[int] = (255, 254)) -> Path:
    """MVTec LOCO AD: several masks a picture, of different values; a validation split."""
    folder = root / "pushpins"
    for place in (
        "train/good/000", "train/good/001", "validation/good/000", "test/good/000",
        "test/logical_anomalies/000", "test/structural_anomalies/000",
    ):  # fmt: skip
        save_picture(folder / f"{place}.png")
    for number, value in enumerate(masks):
        place = folder / "ground_truth" / "logical_anomalies" / "000" / f"{number:03}.png"
        save_mask(place, column=4 + 8 * number, value=value)
    save_mask(folder / "ground_truth" / "structural_anomalies" / "000" / "000.png", value=1)
    (folder / "defects_config.json").write_text("[]")
    return root


def save_ad_2(root: Path) -> Path:
    """MVTec AD 2: public test pictures with masks, private ones without labels."""
    folder = root / "walnuts"
    for place in (
        "train/good/000_regular", "train/good/001_regular", "validation/good/002_regular",
        "test_public/good/000_regular", "test_public/bad/000_regular",
        "test_private/000_regular", "test_private_mixed/000_mixed",
    ):  # fmt: skip
        save_picture(folder / f"{place}.png")
    save_mask(folder / "test_public" / "ground_truth" / "bad" / "000_regular_mask.png")
    return root


def save_visa(root: Path) -> Path:
    """VisA as downloaded: pictures by label, masks with a defect's number, the split in a csv."""
    lines = ["object,split,label,image,mask"]
    for category in ("candle", "pcb1"):
        images = f"{category}/Data/Images"
        for split, label, number in (
            ("train", "normal", 5), ("train", "normal", 1), ("test", "normal", 3),
            ("test", "anomaly", 0), ("test", "anomaly", 1),
        ):  # fmt: skip
            image = f"{images}/{label.capitalize()}/{number:04}.JPG"
            save_picture(root / image)
            mask = f"{category}/Data/Masks/Anomaly/{number:03}.png" if label == "anomaly" else ""
            if mask:
                save_mask(root / mask, value=number + 1)
            lines.append(f"{category},{split},{label},{image},{mask}")
    table = root / "split_csv" / "1cls.csv"
    table.parent.mkdir()
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def save_plain(root: Path) -> Path:
    """Good pictures, bad ones, masks."""
    for index in range(5):
        save_picture(root / "normal" / f"{index}.png")
    for index in range(2):
        save_picture(root / "abnormal" / f"{index}.jpg")
        save_mask(root / "masks" / f"{index}.png")
    return root
