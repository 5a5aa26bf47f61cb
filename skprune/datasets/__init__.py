"""Labelled images: from files, and made."""

from ._npz import ImageDataset, load_image_npz
from ._solids import SOLID_NAMES, make_multiview_solids

__all__ = ["SOLID_NAMES", "ImageDataset", "load_image_npz", "make_multiview_solids"]
