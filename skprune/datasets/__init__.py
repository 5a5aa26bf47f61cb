"""Labelled images from files."""

from ._npz import ImageDataset, load_image_npz

__all__ = ["ImageDataset", "load_image_npz"]
