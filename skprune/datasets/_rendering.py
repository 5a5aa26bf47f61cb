"""Solids as formulas, and cameras that look at them along parallel rays."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Convex", "Solid", "Torus", "camera_frames", "prism", "pyramid", "render"]

# Rays start and end this far from the middle, well outside of every solid.
FAR = 100.0
# Elevations of the cameras in degrees, from the start again after the last. None is near 45, where
# one image would show profile and plan both.
ELEVATIONS = (0, 90, 15, -15, 70, 5, -90, -5, 10, 20, -70, 75)
GOLDEN_ANGLE = 180 * (3 - 5**0.5)
# Direction to the light: azimuth 45 degrees, elevation 45 degrees.
LIGHT = np.array([0.5, 0.5, 0.5**0.5])
AMBIENT = 0.6
# Sphere tracing ends this close to the surface. A ray that grazes it would crawl: it goes on by
# this much at least, and comes back where that led inside.
CLOSE = 1e-5
LEAST_STEP = 2e-3
MAX_STEPS = 200


class Solid(Protocol):
    """What a camera can look at."""

    def hit(self, origin: NDArray, direction: NDArray) -> tuple[NDArray, NDArray]:
        """Say where rays enter the solid.

        Parameters
        ----------
        origin : ndarray of shape (3, n_views, n_rays)
            One point of each ray.
        direction : ndarray of shape (3, n_views, 1)
            Where the rays of a view go, of any length.

        Returns
        -------
        depth : ndarray of shape (n_views, n_rays)
            How many times the direction lies between the origin and the point of entry; inf
            where the ray misses.
        normal : ndarray of shape (3, n_views, n_rays)
            Outward there, of any length; without meaning where the ray misses.
        """


@dataclass(frozen=True, eq=False)
class Convex:
    """Half-spaces, cut with a quadric that is round about the vertical.

    Attributes
    ----------
    normals : ndarray of shape (n_faces, 3)
        Outward normals of the half-spaces.
    offsets : ndarray of shape (n_faces,)
        A point u is inside a half-space where normal . u <= offset.
    quadric : tuple of 4 floats, or None
        (a, c, b, k): u is inside where a (x^2 + y^2) + c z^2 + b z + k <= 0. What the half-spaces
        leave of it has to be convex. None: there is no quadric.
    """

    normals: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    offsets: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    quadric: tuple[float, float, float, float] | None = None

    def hit(self, origin: NDArray, direction: NDArray) -> tuple[NDArray, NDArray]:
        """Say where rays enter the solid; see ``Solid``."""
        enter, leave, face = self._clip(origin, direction)
        normal = np.zeros_like(origin)
        if len(self.normals):
            normal[:] = self.normals.T[:, face]
        if self.quadric is None:
            return np.where(enter < leave, enter, np.inf), normal
        a, c, b, k = self.quadric
        scale = np.array([a, a, c])[:, None, None]

        def gradient(point):
            slope = 2 * scale * point
            slope[2] += b
            return slope

        # q(origin + t direction) = A t^2 + 2 B t + C.
        A = (scale * direction**2).sum(axis=0)
        B = (gradient(origin) * direction).sum(axis=0) / 2
        C = (scale * origin**2).sum(axis=0) + b * origin[2] + k
        spread = B**2 - A * C
        # Both roots without taking the difference of two close numbers, nor needing A != 0.
        larger = -(B + np.copysign(np.sqrt(np.maximum(spread, 0)), B))
        with np.errstate(divide="ignore", invalid="ignore"):
            roots = np.stack([larger / A, C / larger])
        roots[~((roots >= enter) & (roots <= leave) & (spread >= 0))] = np.inf
        depth = roots.min(axis=0)
        inside = (A * enter + 2 * B) * enter + C <= 0
        through_face = inside & (enter < leave)
        curved = ~through_face & np.isfinite(depth)
        at = origin[:, curved] + depth[curved] * np.broadcast_to(direction, origin.shape)[:, curved]
        normal[:, curved] = gradient(at[:, None])[:, 0]
        return np.where(through_face, enter, depth), normal

    def _clip(self, origin, direction):
        """Where rays enter and leave all half-spaces, and which one they enter last."""
        enter = np.full(origin.shape[1:], -FAR)
        leave = np.full(origin.shape[1:], FAR)
        face = np.zeros(origin.shape[1:], dtype=np.intp)
        for f, (n, offset) in enumerate(zip(self.normals, self.offsets, strict=True)):
            rate = np.tensordot(n, direction, axes=1)
            rate[np.abs(rate) < 1e-12] = -1e-12  # along the face: enters or misses, far away
            cut = (offset - np.tensordot(n, origin, axes=1)) / rate
            inwards = rate[:, 0] < 0
            later = cut[inwards] > enter[inwards]
            enter[inwards] = np.where(later, cut[inwards], enter[inwards])
            face[inwards] = np.where(later, f, face[inwards])
            leave[~inwards] = np.minimum(leave[~inwards], cut[~inwards])
        return enter, leave, face


@dataclass(frozen=True)
class Torus:
    """A ring about the vertical.

    Attributes
    ----------
    ring : float
        Radius of the circle in the middle of the tube.
    tube : float
        Radius of the tube.
    """

    ring: float
    tube: float

    def hit(self, origin: NDArray, direction: NDArray) -> tuple[NDArray, NDArray]:
        """Say where rays enter the solid, by sphere tracing; see ``Solid``."""
        length = np.sqrt((direction**2).sum(axis=0))
        ahead = direction / length
        middle = -(origin * ahead).sum(axis=0)
        half_chord = (self.ring + self.tube) ** 2 - (origin**2).sum(axis=0) + middle**2
        depth = np.full(origin.shape[1:], np.inf)
        # Only rays through the sphere around it can hit.
        alive = np.nonzero(half_chord > 0)
        reach = np.sqrt(half_chord[alive])
        here, end = middle[alive] - reach, middle[alive] + reach
        start, step = origin[:, alive[0], alive[1]], ahead[:, alive[0], 0]
        for _ in range(MAX_STEPS):
            x, y, z = start + here * step
            distance = np.hypot(np.hypot(x, y) - self.ring, z) - self.tube
            there = np.abs(distance) < CLOSE
            depth[alive[0][there], alive[1][there]] = here[there]
            here = here + np.where(distance > 0, np.maximum(distance, LEAST_STEP), distance)
            go_on = ~there & (here < end)
            alive = alive[0][go_on], alive[1][go_on]
            here, end, start, step = here[go_on], end[go_on], start[:, go_on], step[:, go_on]
            if not len(here):
                break
        normal = origin + np.where(np.isfinite(depth), depth, 0) * ahead
        radius = np.hypot(normal[0], normal[1])
        normal[:2] *= 1 - self.ring / np.maximum(radius, CLOSE)
        return depth / length, normal


def prism(n_sides: int, radius: float, half_height: float) -> Convex:
    """Stand a prism over a regular polygon.

    Parameters
    ----------
    n_sides : int
        Corners of the polygon; one of them lies on the x axis.
    radius : float
        From the middle of the polygon to a corner.
    half_height : float
        The solid goes from minus this to this.

    Returns
    -------
    Convex
    """
    x, y, apothem = _polygon(n_sides, radius)
    sides = np.column_stack([x, y, 0 * x])
    normals = np.vstack([sides, [[0, 0, 1], [0, 0, -1]]])
    return Convex(normals, np.r_[np.full(n_sides, apothem), half_height, half_height])


def pyramid(n_sides: int, radius: float, base: float, tip: float) -> Convex:
    """Stand a pyramid over a regular polygon.

    Parameters
    ----------
    n_sides : int
        Corners of the polygon; one of them lies on the x axis.
    radius : float
        From the middle of the polygon to a corner.
    base, tip : float
        Heights of its ends.

    Returns
    -------
    Convex
    """
    x, y, apothem = _polygon(n_sides, radius)
    slope = apothem / (tip - base)
    normals = np.vstack([np.column_stack([x, y, np.full(n_sides, slope)]), [[0, 0, -1]]])
    return Convex(normals, np.r_[np.full(n_sides, slope * tip), -base])


def _polygon(n_sides, radius):
    """Normals of the sides and their distance from the middle."""
    angle = (2 * np.arange(n_sides) + 1) * np.pi / n_sides
    return np.cos(angle), np.sin(angle), radius * np.cos(np.pi / n_sides)


def camera_frames(n_views: int) -> NDArray[np.float64]:
    """Place cameras around an upright object; a larger number only adds some.

    Parameters
    ----------
    n_views : int
        Number of cameras.

    Returns
    -------
    ndarray of shape (n_views, 3, 3)
        Row 0 of each points to the right of the image, row 1 up, row 2 forward.
    """
    view = np.arange(n_views)
    azimuth = np.deg2rad(view * GOLDEN_ANGLE)
    elevation = np.deg2rad(np.array(ELEVATIONS)[view % len(ELEVATIONS)])
    (sin_a, sin_e), (cos_a, cos_e) = [[f(azimuth), f(elevation)] for f in (np.sin, np.cos)]
    right = [-sin_a, cos_a, 0 * view]
    up = [-sin_e * cos_a, -sin_e * sin_a, cos_e]
    forward = [-cos_e * cos_a, -cos_e * sin_a, -sin_e]
    return np.array([right, up, forward]).transpose(2, 0, 1)


def render(
    solid: Solid, placement: NDArray, frames: NDArray, aim: NDArray, size: int
) -> NDArray[np.float64]:
    """Draw one solid as every camera sees it, on black, in Lambert's shading.

    Parameters
    ----------
    solid : Solid
        What is looked at.
    placement : ndarray of shape (3, 3)
        Takes the solid's coordinates to those of the world: a rotation times scales.
    frames : ndarray of shape (n_views, 3, 3)
        As ``camera_frames`` gives them.
    aim : ndarray of shape (n_views, 2)
        Where in the image, right and up, the middle of the world appears; the image goes from
        -1 to 1.
    size : int
        Pixels in a row and in a column.

    Returns
    -------
    ndarray of shape (n_views, size, size)
        Brightness in [0, 1].
    """
    back = np.linalg.inv(placement)
    right, up, forward = (back @ frames[:, axis].T for axis in range(3))
    pixel = (2 * np.arange(size) + 1) / size - 1
    x = pixel - aim[:, :1]
    y = -pixel - aim[:, 1:]
    across = right[:, :, None, None] * x[None, :, None, :]
    origin = (across + up[:, :, None, None] * y[None, :, :, None]).reshape(3, len(frames), -1)
    depth, normal = solid.hit(origin, forward[:, :, None])
    # Normals transform by the inverse transposed, so the light is taken to the solid instead.
    towards = np.tensordot(back @ LIGHT, normal, axes=1)
    length = np.sqrt((np.einsum("ji,jvp->ivp", back, normal) ** 2).sum(axis=0))
    lit = np.maximum(towards, 0) / np.maximum(length, CLOSE)
    bright = np.where(np.isfinite(depth), AMBIENT + (1 - AMBIENT) * lit, 0.0)
    return np.minimum(bright, 1).reshape(len(frames), size, size)
