"""Labelled images from an .npz file."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..utils import ArrayHeader, NpzFile, ReprHTML

__all__ = ["ImageDataset", "load_image_npz"]


@dataclass(frozen=True, eq=False)
class ImageDataset(ReprHTML):
    """Images and classes, as the file splits them.

    Attributes
    ----------
    X_train : ndarray of shape (n_train, height, width) or (n_train, height, width, channels), uint8
        Images to train with, pixels from 0 to 255.
    y_train : ndarray of shape (n_train,)
        Their classes.
    X_test : ndarray of shape (n_test, height, width) or (n_test, height, width, channels), uint8
        Images to test with.
    y_test : ndarray of shape (n_test,)
        Their classes.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.datasets import ImageDataset
    >>> images, labels = np.zeros((5, 8, 8), np.uint8), np.array([0, 1, 0, 1, 1])
    >>> data = ImageDataset(images[:3], labels[:3], images[3:], labels[3:])
    >>> data.X_train.shape, data.y_test
    ((3, 8, 8), array([1, 1]))
    """

    X_train: NDArray[np.uint8]
    y_train: NDArray
    X_test: NDArray[np.uint8]
    y_test: NDArray


def load_image_npz(path: str | Path) -> ImageDataset:
    """Read a file of labelled images, raw or as JPEG.

    Parameters
    ----------
    path : str or Path
        An .npz file in one of two layouts. Raw, as Keras distributes MNIST: ``x_train``,
        ``y_train``, ``x_test``, ``y_test``. JPEG: ``train_jpeg`` (all files end to end, uint8),
        ``train_length`` (bytes of each), ``y_train``, and the same for ``test``; this one needs
        Pillow.

    Returns
    -------
    ImageDataset

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an .npz file, lacks a key, images and classes differ in number, or what it
        holds is damaged. Keys, types and shapes are checked before an array is read.
    MemoryError
        If the arrays need more memory than is free.
    ImportError
        If it holds JPEG images and Pillow is not installed.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skprune.datasets import load_image_npz
    >>> image, label = np.zeros((2, 8, 8), np.uint8), np.array([0, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "images.npz")
    ...     np.savez(path, x_train=image, y_train=label, x_test=image, y_test=label)
    ...     load_image_npz(path).X_train.shape
    (2, 8, 8)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}; give the path of an .npz file.")
    try:
        file = NpzFile(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not an .npz file of plain arrays: {error}.") from error
    with file:
        try:
            keys = {part: _keys(file, part) for part in ("train", "test")}
            for part, names in keys.items():  # of both parts before either is read
                _check_headers(part, names, [file.header(name) for name in names])
            parts = [[file.read(name) for name in names] for names in keys.values()]
            (X_train, y_train), (X_test, y_test) = (_images(*part) for part in parts)
        except ValueError as error:
            raise ValueError(f"{path}: {error}.") from error
        except ImportError as error:
            raise ImportError(f"{path} holds JPEG images: run `pip install pillow`.") from error
    return ImageDataset(X_train, y_train, X_test, y_test)


def _keys(file: NpzFile, part: str) -> tuple[str, ...]:
    raw, jpeg = (f"y_{part}", f"x_{part}"), (f"y_{part}", f"{part}_jpeg", f"{part}_length")
    for keys in (raw, jpeg):
        if set(keys) <= set(file.keys):
            return keys
    raise ValueError(
        f"it has neither raw images ({', '.join(raw)}) nor JPEG ones ({', '.join(jpeg)}); it has "
        f"{sorted(file.keys)}"
    )


def _check_headers(part: str, keys: tuple[str, ...], headers: list[ArrayHeader]) -> None:
    """Refuse arrays that do not fit together, before they are read."""
    y, X, *length = headers
    if X.dtype != np.uint8 or X.ndim not in ((1,) if length else (3, 4)):
        shape = "(bytes,)" if length else "(images, height, width) or (..., channels)"
        raise ValueError(
            f"{keys[1]} must be uint8 of shape {shape}; it is {X.dtype} of shape {X.shape}"
        )
    if length and length[0].dtype.kind not in "iu":
        raise ValueError(f"{keys[2]} must hold whole numbers; it holds {length[0].dtype}")
    n = length[0].size if length else X.shape[0]
    if n != y.size:
        raise ValueError(f"it has {n} {part} images, but {y.size} classes for them")


def _images(
    y: NDArray, X: NDArray[np.uint8], length: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.uint8], NDArray]:
    return (X if length is None else _decode(X, length.ravel())), y.ravel()


def _decode(jpeg: NDArray[np.uint8], length: NDArray[np.integer]) -> NDArray[np.uint8]:
    from PIL import Image

    sizes = length.tolist()
    if min(sizes, default=0) < 0 or sum(sizes) != len(jpeg):
        raise ValueError(f"it is truncated: {sum(sizes)} bytes of JPEG expected, {len(jpeg)} found")
    images, start = np.empty((0, 0, 0), np.uint8), 0
    for i, size in enumerate(sizes):
        try:
            with Image.open(BytesIO(jpeg[start : start + size].tobytes())) as image:
                pixels = np.asarray(image)
        except Exception as error:  # broken files break the decoder in many ways
            raise ValueError(f"image {i} cannot be decoded: {error}") from error
        if i == 0:
            images = np.empty((len(sizes), *pixels.shape), np.uint8)
        if pixels.shape != images.shape[1:]:
            raise ValueError(
                f"image {i} has shape {pixels.shape}, and those before it {images.shape[1:]}"
            )
        images[i] = pixels
        start += size
    return images
