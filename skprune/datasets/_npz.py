"""Labelled images from an .npz file."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..utils import ReprHTML

__all__ = ["ImageDataset", "load_image_npz"]


@dataclass(frozen=True, eq=False)
class ImageDataset(ReprHTML):
    """Images and classes, as they were split by whoever made the file.

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
        If it is not an .npz file, lacks a key, or images and classes differ in number.

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
        # Arrays of objects are refused: unpickling them would run code from the file.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, TypeError, BadZipFile) as error:
        raise ValueError(f"{path} is not an .npz file of plain arrays: {error}") from error
    parts = [_read_part(arrays, part, path) for part in ("train", "test")]
    (X_train, y_train), (X_test, y_test) = parts
    return ImageDataset(X_train, y_train, X_test, y_test)


def _read_part(
    arrays: dict[str, NDArray], part: str, path: Path
) -> tuple[NDArray[np.uint8], NDArray]:
    if f"x_{part}" in arrays:
        needed = {f"x_{part}", f"y_{part}"}
    else:
        needed = {f"{part}_jpeg", f"{part}_length", f"y_{part}"}
    missing = needed - set(arrays)
    if missing:
        raise ValueError(
            f"{path} has neither raw images (x_{part}, y_{part}) nor JPEG ones ({part}_jpeg, "
            f"{part}_length, y_{part}); it has {sorted(arrays)}."
        )
    y = arrays[f"y_{part}"].ravel()
    if f"x_{part}" in arrays:
        X = arrays[f"x_{part}"]
    else:
        X = _decode(arrays[f"{part}_jpeg"], arrays[f"{part}_length"], path)
    if len(X) != len(y):
        raise ValueError(f"{path} has {len(X)} {part} images, but {len(y)} classes for them.")
    return X, y


def _decode(jpeg: NDArray[np.uint8], length: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{path} holds JPEG images: run `pip install pillow`.") from error
    ends = np.cumsum(length)
    if len(ends) and ends[-1] != len(jpeg):
        raise ValueError(
            f"{path} is truncated: {ends[-1]} bytes of JPEG expected, {len(jpeg)} found."
        )
    data = jpeg.tobytes()
    images = [
        np.asarray(Image.open(BytesIO(data[end - size : end])))
        for end, size in zip(ends, length, strict=True)
    ]
    return np.stack(images)
