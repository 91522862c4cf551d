"""Drawn pictures of products, good and with defects, for demos, tests and auxiliary training.

from res2clip.drawing import Product, draw

drawing = draw(Product("flange"), seed=7, size_px=512, defect="scratch")
drawing.image_rgb_u8, drawing.mask, drawing.captions
"""

from res2clip.drawing.families import FAMILIES, Family
from res2clip.drawing.mvtec import DatasetPlan, write_mvtec
from res2clip.drawing.picture import Drawing, draw
from res2clip.drawing.products import Product

__all__ = ["FAMILIES", "DatasetPlan", "Drawing", "Family", "Product", "draw", "write_mvtec"]
