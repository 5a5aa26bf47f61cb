"""Files that are something else, and rays that only graze."""

import sys

import numpy as np
import pytest

from skprune.datasets import load_image_npz
from skprune.datasets._rendering import Torus

from .test_npz import jpeg, raw


def test_an_array_alone_is_no_npz_file(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npz is not an \.npz file of plain arrays"):
        load_image_npz(path)


def test_jpeg_images_need_pillow_and_raw_ones_do_not(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, **jpeg()[0])
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"a\.npz holds JPEG images: run `pip install pillow`"):
        load_image_npz(path)
    np.savez(path, **raw())
    assert len(load_image_npz(path).X_train) == len(raw()["x_train"])


def test_a_ray_that_grazes_a_torus_ends_somewhere():
    """Along the top of the tube the way on is short at every step; it must not be endless."""
    torus = Torus(1.0, 0.25)
    heights = np.linspace(0.2499, 0.2501, 9)
    origin = np.stack([np.full((1, 9), -5.0), np.zeros((1, 9)), heights[None]])
    direction = np.array([1.0, 0.0, 0.0])[:, None, None]
    depth, normal = torus.hit(origin, direction)
    assert np.isfinite(depth[0, heights < 0.2495]).all()
    assert np.isinf(depth[0, heights > 0.2500 + 1e-5]).all()
    assert np.isfinite(normal).all()
