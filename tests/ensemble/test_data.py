import numpy as np
import pytest

from skprune.ensemble._data import SharedSamples, as_images, pixel_statistics, validation_rows

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "image_shape", "expected"),
    [
        ((5, 4, 3), None, (5, 4, 3, 1)),
        ((5, 4, 3, 2), None, (5, 4, 3, 2)),
        ((5, 24), None, (5, 1, 24, 1)),
        ((5, 24), (4, 6), (5, 4, 6, 1)),
        ((5, 24), (4, 3, 2), (5, 4, 3, 2)),
        ((5, 4, 3), (4, 3), (5, 4, 3, 1)),
        ((5, 4, 3, 1), (4, 3), (5, 4, 3, 1)),
    ],
)
def test_layouts(shape, image_shape, expected):
    X = RNG.random(shape)
    images = as_images(X, image_shape)
    assert images.shape == expected
    np.testing.assert_array_equal(images.ravel(), X.ravel())


@pytest.mark.parametrize(
    ("shape", "image_shape", "words"),
    [
        ((5, 24), (5, 5), ["image_shape", "25", "24"]),
        ((5, 4, 3), (3, 4), ["image_shape", r"\(3, 4\)", r"\(4, 3\)"]),
        ((5, 4, 3, 2, 1), None, ["5 dimensions"]),
        ((5, 0, 3), None, ["no pixels"]),
    ],
)
def test_wrong_layouts_are_named(shape, image_shape, words):
    for word in words:
        with pytest.raises(ValueError, match=word):
            as_images(np.zeros(shape), image_shape)


def test_statistics_do_not_depend_on_the_type_of_the_same_numbers():
    X = RNG.integers(0, 256, (3000, 5, 4, 3), dtype=np.uint8)
    expected = pixel_statistics(X)
    assert expected == pytest.approx((X.mean(), X.std()), rel=1e-12)
    assert pixel_statistics(X.astype(np.float32)) == expected
    assert pixel_statistics(X.astype(np.float64)) == expected


def test_statistics_of_a_flat_image_can_be_divided_by():
    assert pixel_statistics(np.full((3, 2, 2, 1), 7, np.uint8)) == (7.0, 1.0)


def test_statistics_far_from_zero_keep_their_digits():
    X = (1e6 + RNG.normal(size=(100, 4, 4, 1))).astype(np.float64)
    assert pixel_statistics(X)[1] == pytest.approx(X.std(), rel=1e-9)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_validation_rows_are_stratified(fraction):
    y = np.repeat([0, 1, 2], [100, 60, 40])
    held_out = validation_rows(y, fraction, seed=3)
    assert held_out.sum() == 200 * fraction
    for label, count in enumerate([100, 60, 40]):
        assert abs(held_out[y == label].sum() - count * fraction) < 1


def test_every_class_stays_in_the_training_part():
    y = np.array([0] * 20 + [1] + [2] * 2)
    for seed in range(20):
        held_out = validation_rows(y, 0.9, seed)
        assert set(y[~held_out]) == {0, 1, 2}
        assert 1 not in y[held_out]


def test_no_fraction_no_validation_rows():
    y = np.repeat([0, 1], 10)
    assert not validation_rows(y, None, 0).any()
    assert not validation_rows(y, 0, 0).any()
    # Nothing to spare: every class has one row.
    assert not validation_rows(np.arange(5), 0.5, 0).any()


def test_validation_rows_follow_the_seed():
    y = np.repeat([0, 1], 50)
    np.testing.assert_array_equal(validation_rows(y, 0.2, 1), validation_rows(y, 0.2, 1))
    assert (validation_rows(y, 0.2, 1) != validation_rows(y, 0.2, 2)).any()


def test_a_small_fraction_still_holds_out_one_row():
    assert validation_rows(np.repeat([0, 1], 3), 0.01, 0).sum() == 1


def test_shared_samples_come_back(tmp_path):
    X, y = RNG.integers(0, 256, (4, 2, 2, 1), dtype=np.uint8), np.arange(4)
    held_out = np.array([False, True, False, False])
    data = SharedSamples.write(str(tmp_path), [X, y, None], held_out)
    for part, rows in (("training", ~held_out), ("validation", held_out)):
        images, labels = data.load(part)
        np.testing.assert_array_equal(images, X[rows])
        np.testing.assert_array_equal(labels, y[rows])
        assert images.dtype == np.uint8
    (tmp_path / "all").mkdir()
    data = SharedSamples.write(str(tmp_path / "all"), [X, y, y / 4], np.zeros(4, dtype=bool))
    assert len(data.load("training")) == 3
    assert data.load("validation") == []
