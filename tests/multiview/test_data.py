"""Layouts, masks, and substitutes for missing views."""

import numpy as np
import pytest

from skprune.multiview._data import ViewSamples, as_mask, as_views, fill_missing


def test_missing_views_are_filled_by_the_next_of_the_sample():
    images = np.arange(12.0).reshape(3, 4, 1, 1, 1)
    mask = np.array([[True, False, False, True], [False, True, False, False], [True] * 4])
    filled = fill_missing(images, mask)[..., 0, 0, 0]
    np.testing.assert_array_equal(filled, [[0, 3, 3, 3], [5, 5, 5, 5], [8, 9, 10, 11]])
    assert fill_missing(images, np.ones((3, 4), bool)) is images


def test_missing_views_are_filled_by_the_same_view_of_other_samples():
    images = np.arange(5.0)[:, None] + np.array([0.0, 10.0, 20.0])
    mask = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=bool)
    samples = ViewSamples(images.reshape(5, 3, 1, 1, 1), mask, np.zeros(5))
    filled = samples.filled_by_view().images[..., 0, 0, 0]
    np.testing.assert_array_equal(filled[:, 0], images[:, 0])
    np.testing.assert_array_equal(filled[:, 1], [11, 11, 13, 13, 11])
    np.testing.assert_array_equal(filled[:, 2], images[:, 2])  # no sample has it
    whole = ViewSamples(samples.images, np.ones_like(mask), samples.y)
    assert whole.filled_by_view() is whole


def test_layouts():
    X = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert as_views(X, None).shape == (2, 3, 4, 5, 1)
    assert as_views(X.reshape(2, 60), None).shape == (2, 1, 1, 60, 1)
    np.testing.assert_array_equal(as_views(X.reshape(2, 60), (3, 4, 5))[..., 0], X)
    assert np.shares_memory(as_views(X, (3, 4, 5, 1)), X)
    with pytest.raises(ValueError, match=r"view_shape=\(3, 4, 4\) has 48 pixels.* 60 features"):
        as_views(X.reshape(2, 60), (3, 4, 4))
    with pytest.raises(ValueError, match=r"view_shape=\(2, 4, 5\).* have the shape \(3, 4, 5\)"):
        as_views(X, (2, 4, 5))
    with pytest.raises(ValueError, match="no pixels"):
        as_views(np.zeros((2, 0, 4, 5)), None)


def test_masks():
    np.testing.assert_array_equal(as_mask(None, 2, 3), np.ones((2, 3)))
    np.testing.assert_array_equal(as_mask([True, False], 3, 2), [[True, False]] * 3)
    for wrong in ([1, 0], [[True, False]], np.ones((2, 3), bool), "ab"):
        with pytest.raises(ValueError, match=r"mask must be an array of bool of shape \(3, 2\)"):
            as_mask(wrong, 3, 2)
