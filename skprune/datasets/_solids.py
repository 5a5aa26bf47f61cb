"""Solids, seen by many cameras at once."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import draw_seed
from ._rendering import Convex, Solid, Torus, camera_frames, prism, pyramid, render

__all__ = ["SOLID_NAMES", "make_multiview_solids"]

TOP_AND_BOTTOM = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
CONE_SLOPE = (0.6 / 1.1) ** 2
OCTANTS = np.array([[x, y, z] for x in (1.0, -1.0) for y in (1.0, -1.0) for z in (1.0, -1.0)])

# All lie within 0.76 of the middle: scale and shift leave them in the frame.
SOLIDS: dict[str, Solid] = {
    "sphere": Convex(quadric=(1, 1, 0, -(0.62**2))),
    "cube": prism(4, 0.43 * 2**0.5, 0.43),
    "cylinder": Convex(TOP_AND_BOTTOM, np.array([0.5, 0.5]), (1, 0, 0, -(0.5**2))),
    "cone": Convex(
        TOP_AND_BOTTOM,
        np.array([0.65, 0.45]),
        (1, -CONE_SLOPE, 2 * 0.65 * CONE_SLOPE, -(0.65**2) * CONE_SLOPE),
    ),
    "torus": Torus(0.52, 0.21),
    "square pyramid": pyramid(4, 0.6, -0.45, 0.65),
    "octahedron": Convex(OCTANTS, np.full(8, 0.75)),
    "hemisphere": Convex(TOP_AND_BOTTOM[1:], np.array([0.25]), (1, 1, 0.5, 0.25**2 - 0.68**2)),
    "triangular prism": prism(3, 0.6, 0.45),
    "triangular pyramid": pyramid(3, 0.62, -0.42, 0.68),
}
SOLID_NAMES = tuple(SOLIDS)

MAX_TILT = 12.0
SCALES = 0.8, 1.2
MAX_AIM = 0.08


def make_multiview_solids(
    n_samples: int = 1000,
    n_views: int = 12,
    size: int = 32,
    *,
    noise: float = 0.25,
    n_classes: int = len(SOLID_NAMES),
    random_state: Any = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw."""
    _check_integer("n_samples", n_samples, 1)
    _check_integer("n_views", n_views, 1)
    _check_integer("size", size, 8)
    _check_integer("n_classes", n_classes, 2, len(SOLIDS))
    _check_noise(noise)
    seed = _seed(random_state)
    frames = camera_frames(n_views)
    kinds = list(SOLIDS.values())
    X = np.empty((n_samples, n_views, size, size, 1), dtype=np.float32)
    y = _labels(n_samples, n_classes, seed)
    for i, label in enumerate(y):
        # A stream for each: more views, or more noise, change nothing else.
        pose, aim, dirt = _generator(seed, 1, i).spawn(3)
        placement = _placement(pose)
        offsets = aim.uniform(-MAX_AIM, MAX_AIM, (n_views, 2))
        images = render(kinds[label], placement, frames, offsets, size)
        if noise:
            images += noise * dirt.standard_normal(images.shape)
        X[i, ..., 0] = images.clip(0, 1)
    return X, y


def _labels(n_samples, n_classes, seed):
    """Every so many samples all classes once, each time in another order."""
    blocks = range(-(-n_samples // n_classes))
    order = [_generator(seed, 0, block).permutation(n_classes) for block in blocks]
    return np.concatenate(order)[:n_samples]


def _placement(rng):
    """Scale each axis, turn about the vertical, then tip over a little."""
    turn, towards = rng.uniform(0, 2 * np.pi, 2)
    tilt = np.deg2rad(rng.uniform(0, MAX_TILT))
    axis = np.array([[0, 0, np.cos(towards)], [0, 0, np.sin(towards)], [0, 0, 0]])
    axis = axis - axis.T
    tipped = np.eye(3) + np.sin(tilt) * axis + (1 - np.cos(tilt)) * axis @ axis
    c, s = np.cos(turn), np.sin(turn)
    turned = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return tipped @ turned * rng.uniform(*SCALES, 3)


def _generator(seed, *key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _seed(random_state):
    if random_state is None:
        return np.random.SeedSequence().entropy
    if isinstance(random_state, np.random.RandomState):
        return draw_seed(random_state)
    right = (
        "random_state must be a non-negative integer, a numpy.random.RandomState or None; got "
        f"{random_state!r}."
    )
    if not isinstance(random_state, Integral) or isinstance(random_state, bool):
        raise TypeError(right)
    if random_state < 0:
        raise ValueError(right)
    return int(random_state)


def _check_integer(name, value, least, most=None):
    right = f"of at least {least}" if most is None else f"from {least} to {most}"
    message = f"{name} must be an integer {right}; got {value!r}."
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(message)
    if value < least or (most is not None and value > most):
        raise ValueError(message)


def _check_noise(noise):
    message = f"noise must be a finite number, not negative; got {noise!r}."
    if not isinstance(noise, Real) or isinstance(noise, bool):
        raise TypeError(message)
    if not 0 <= noise < np.inf:
        raise ValueError(message)
