"""Files of images, good and bad."""

import tracemalloc
import zipfile
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
        (raw(x_train=np.array([{}], dtype=object)), "x_train holds Python objects"),
        (raw(x_train=IMAGES[0]), "x_train must be uint8 of shape"),
        (raw(x_test=IMAGES / 255), "x_test must be uint8 .* it is float64"),
        (raw(x_test=np.uint8(3)), "x_test must be uint8"),
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


def claiming(shape, descr="|u1", content=b""):
    """An array whose header claims a shape, whatever follows it."""
    stream = BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        ("x_train", claiming((6, 2**24, 2**23)), "x_train is damaged: .* 844,424,930,131,968 b"),
        ("x_train", claiming((6, 8, 8), content=bytes(385)), "has 385 at most"),
        ("x_train", claiming((-6, -8, 8), content=bytes(384)), "x_train is damaged"),
        ("y_train", claiming((10**18,), "|S0"), "y_train is damaged"),
        ("y_train", claiming(("6",)), "y_train is no array of NumPy"),
        ("y_train", b"\x93NUMPY\x01\x00\x90\x01" + b"(" * 400, "y_train is no array of NumPy"),
        ("y_train", b"hello", "y_train is no array of NumPy"),
    ],
)
def test_sizes_are_checked_before_memory_is_taken(tmp_path, key, content, message):
    path = tmp_path / "a.npz"
    np.savez(path, **{name: array for name, array in raw().items() if name != key})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{key}.npy", content)
    with pytest.raises(ValueError, match=message) as caught:
        load_image_npz(path)
    assert str(path) in str(caught.value)


def test_an_archive_that_claims_what_its_bytes_cannot_hold(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **{name: array for name, array in raw().items() if name != "x_train"})
    content = claiming((6, 2**14, 2**14))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", content)
        # What the archive's directory says, which is written last.
        archive.getinfo("x_train.npy").file_size = len(content) + 6 * 2**28
    with pytest.raises(ValueError, match="x_train is damaged"):
        load_image_npz(path)


def test_classes_are_compared_before_images_are_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **raw(x_test=np.zeros((400, 256, 256), np.uint8)))
    assert path.stat().st_size < 200_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="400 test images, but 2 classes"):
        load_image_npz(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {"train_length": a["train_length"] * [1, -1, 1]}, "truncated"),
        (lambda a: {"train_length": a["train_length"][:2]}, "2 train images, but 3 classes"),
        (lambda a: {"train_length": a["train_length"] / 1}, "train_length must hold whole"),
        (lambda a: {"train_jpeg": a["train_jpeg"][::-1]}, "image 0 cannot be decoded"),
        (lambda a: {"train_jpeg": a["train_jpeg"].astype(int)}, "train_jpeg must be uint8"),
    ],
)
def test_wrong_jpeg(tmp_path, change, message):
    arrays, _ = jpeg()
    np.savez(tmp_path / "a.npz", **arrays | change(arrays))
    with pytest.raises(ValueError, match=message):
        load_image_npz(tmp_path / "a.npz")


def test_jpeg_of_different_sizes(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    files = []
    for side in (8, 16):
        buffer = BytesIO()
        Image.fromarray(np.zeros((side, side), np.uint8)).save(buffer, "JPEG")
        files.append(np.frombuffer(buffer.getvalue(), np.uint8))
    part = {"jpeg": np.concatenate(files), "length": [len(file) for file in files]}
    arrays = {f"{p}_{name}": array for p in ("train", "test") for name, array in part.items()}
    np.savez(tmp_path / "a.npz", **arrays, y_train=[0, 1], y_test=[0, 1])
    with pytest.raises(ValueError, match=r"image 1 has shape \(16, 16\)"):
        load_image_npz(tmp_path / "a.npz")
