"""Files of images, good and bad."""

from io import BytesIO

import numpy as np
import pytest

from skprune.datasets import load_image_npz

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (6, 8, 8), dtype=np.uint8)
LABELS = np.arange(6)


def raw(**change):
    return {
        "x_train": IMAGES,
        "y_train": LABELS,
        "x_test": IMAGES[:2],
        "y_test": LABELS[:2],
    } | change


def jpeg():
    Image = pytest.importorskip("PIL.Image")
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    files = []
    for shift in range(3):
        buffer = BytesIO()
        Image.fromarray(np.roll(smooth, shift, axis=0)).save(buffer, "JPEG", quality=60 + shift)
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    part = (np.concatenate(files), np.array([len(f) for f in files]), np.arange(3)[:, None])
    names = ("{}_jpeg", "{}_length", "y_{}")
    arrays = {n.format(p): a for p in ("train", "test") for n, a in zip(names, part, strict=True)}
    return arrays, smooth


def test_raw(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **raw())
    data = load_image_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.X_train, IMAGES)
    np.testing.assert_array_equal(data.y_test, LABELS[:2])
    assert data.X_train.dtype == np.uint8


def test_jpeg(tmp_path):
    arrays, smooth = jpeg()
    np.savez(tmp_path / "a.npz", **arrays)
    data = load_image_npz(str(tmp_path / "a.npz"))
    assert data.X_train.shape == (3, 32, 32, 3)
    assert data.y_train.shape == (3,)
    assert np.abs(data.X_train[0].astype(int) - smooth).mean() < 8  # JPEG loses a little


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": LABELS}, "neither raw images"),
        (raw(y_train=LABELS[:3]), "6 train images, but 3 classes"),
        (raw(x_train=np.array([{}], dtype=object)), "not an .npz file of plain arrays"),
    ],
)
def test_wrong_content(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_image_npz(tmp_path / "a.npz")


def test_truncated(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **raw())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"not an \.npz file"):
        load_image_npz(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"not an \.npz file"):
        load_image_npz(path)
    arrays, _ = jpeg()
    arrays["train_jpeg"] = arrays["train_jpeg"][:-9]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="truncated"):
        load_image_npz(path)


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_image_npz(tmp_path / "nowhere.npz")
