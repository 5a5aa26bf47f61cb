"""Rendered solids against point-in-solid sampling, known areas and known brightness."""

import numpy as np
import pytest
from scipy.spatial import Delaunay
from sklearn.ensemble import ExtraTreesClassifier

from skprune.datasets import SOLID_NAMES, make_multiview_solids
from skprune.datasets._rendering import AMBIENT, camera_frames, render
from skprune.datasets._solids import MAX_AIM, SCALES, SOLIDS


def hull(*corners):
    """Points inside the convex hull of some corners, without any half-spaces."""
    cells = Delaunay(np.array(corners, dtype=float))
    return lambda x, y, z: cells.find_simplex(np.stack([x, y, z], axis=-1)) >= 0


def polygon(n_sides, radius, *heights):
    angle = 2 * np.pi * np.arange(n_sides) / n_sides
    return [(radius * np.cos(a), radius * np.sin(a), z) for a in angle for z in heights]


# Each solid a second time, written in another way.
INSIDE = {
    "sphere": lambda x, y, z: x**2 + y**2 + z**2 <= 0.62**2,
    "cube": hull(*polygon(4, 0.43 * np.sqrt(2), -0.43, 0.43)),
    "cylinder": lambda x, y, z: (np.hypot(x, y) <= 0.5) & (np.abs(z) <= 0.5),
    "cone": lambda x, y, z: (z >= -0.45) & (np.hypot(x, y) <= 0.6 * (0.65 - z) / 1.1),
    "torus": lambda x, y, z: (np.hypot(x, y) - 0.52) ** 2 + z**2 <= 0.21**2,
    "square pyramid": hull(*polygon(4, 0.6, -0.45), (0, 0, 0.65)),
    "octahedron": hull(*(s * 0.75 * axis for s in (1, -1) for axis in np.eye(3))),
    "hemisphere": lambda x, y, z: (z >= -0.25) & (x**2 + y**2 + (z + 0.25) ** 2 <= 0.68**2),
    "triangular prism": hull(*polygon(3, 0.6, -0.45, 0.45)),
    "triangular pyramid": hull(*polygon(3, 0.62, -0.42), (0, 0, 0.68)),
}
# From the side, from above, and five from nowhere in particular, of lengths other than 1.
GAZES = np.vstack([[[1, 0, 0], [0, 0, -1]], np.random.default_rng(3).normal(size=(5, 3))])


def parallel_rays(gazes, n=24, shift=(0.0, 0.0)):
    """Rays through a square of 2 by 2 about the middle, as `Solid.hit` takes them."""
    across = np.cross(gazes, [0.3, 0.5, 0.8])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    along = np.cross(gazes, across)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    grid = np.linspace(-0.97, 0.98, n)
    a, b = (g.ravel() for g in np.meshgrid(grid + shift[0], grid + shift[1]))
    origin = across.T[:, :, None] * a + along.T[:, :, None] * b
    return origin, gazes.T[:, :, None].astype(float)


@pytest.mark.parametrize("name", SOLID_NAMES)
def test_depth_against_dense_sampling(name):
    origin, direction = parallel_rays(GAZES)
    depth, _ = SOLIDS[name].hit(origin, direction)
    steps, width = np.linspace(-1.2, 1.2, 601, retstep=True)
    length = np.linalg.norm(direction, axis=0)
    along = steps / length[..., None]
    points = origin[..., None] + along * direction[..., None]
    inside = INSIDE[name](*points)
    found = inside.any(axis=-1)
    assert 0.08 < found.mean() < 0.5
    first = np.where(found, steps[inside.argmax(axis=-1)], np.inf)
    # What is inside must be hit, less than a step before; what is hit can be too thin to sample.
    # Sphere tracing ends 1e-5 off the torus, which is farther along a ray that grazes it.
    exact = 3e-3 if name == "torus" else 1e-9
    early = first[found] - (depth * length)[found]
    assert early.min() > -exact
    assert early.max() < width + exact
    assert (np.isfinite(depth) & ~found).mean() < 0.003
    # The solids stay in the frame, however scaled and shifted.
    reach = np.linalg.norm(points, axis=0)[inside].max()
    assert reach * SCALES[1] + MAX_AIM < 1


@pytest.mark.parametrize("name", SOLID_NAMES)
def test_normals_against_the_surface_itself(name):
    solid, h = SOLIDS[name], 2e-3
    where, normals = [], []
    for shift in [(0.0, 0.0), (h, 0.0), (0.0, h)]:
        origin, direction = parallel_rays(GAZES, shift=shift)
        depth, normal = solid.hit(origin, direction)
        where.append(origin + np.where(np.isfinite(depth), depth, np.nan) * direction)
        normals.append(normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-9))
    outwards = -(normals[0] * direction / np.linalg.norm(direction, axis=0)).sum(axis=0)
    hit = np.isfinite(where[0][0])
    assert (outwards[hit] >= 0).all()
    for moved, other in zip(where[1:], normals[1:], strict=True):
        tangent = (moved - where[0]) / np.linalg.norm(moved - where[0], axis=0)
        # Not over an edge, and not where the ray only grazes.
        smooth = hit & np.isfinite(moved[0]) & (outwards > 0.3)
        smooth &= (normals[0] * other).sum(axis=0) > 0.999
        assert smooth.sum() > 0.6 * hit.sum()
        # A chord is at right angles to the mean of the normals at its ends, but for higher orders.
        middle = (normals[0] + other) / 2
        bound = 2e-3 if name != "torus" else 0.02  # 1e-5 off the surface, over a step of 2e-3
        assert np.abs((tangent * middle).sum(axis=0))[smooth].max() < bound


def test_normals_of_the_torus_point_away_from_the_circle_in_its_tube():
    origin, direction = parallel_rays(GAZES)
    depth, normal = SOLIDS["torus"].hit(origin, direction)
    hit = np.isfinite(depth)
    x, y, z = (origin + np.where(hit, depth, 0) * direction)[:, hit]
    angle = np.arctan2(y, x)
    away = np.array([x - 0.52 * np.cos(angle), y - 0.52 * np.sin(angle), z]) / 0.21
    n = normal[:, hit] / np.linalg.norm(normal[:, hit], axis=0)
    np.testing.assert_allclose(n, away, atol=1e-4)


def area(name, view, placement, size=256):
    """Lit part of the image, where the image is 2 by 2."""
    frames = camera_frames(2)[view : view + 1]
    return (render(SOLIDS[name], placement, frames, np.zeros((1, 2)), size) > 0).sum() * (
        2 / size
    ) ** 2


def turn(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("name", "view", "placement", "expected"),
    [
        ("sphere", 0, np.eye(3), np.pi * 0.62**2),
        ("sphere", 1, np.eye(3), np.pi * 0.62**2),
        ("sphere", 0, np.diag([1, 1.2, 0.8]), np.pi * 0.62**2 * 1.2 * 0.8),
        ("sphere", 0, np.diag([0.8, 1, 1]), np.pi * 0.62**2),
        ("cube", 0, turn(45), 0.86**2),
        ("cube", 0, np.eye(3), 0.86**2 * np.sqrt(2)),
        ("cube", 1, turn(20), 0.86**2),
        ("cylinder", 0, turn(70), 1),
        ("cylinder", 1, np.eye(3), np.pi / 4),
        ("cone", 0, np.eye(3), 0.6 * 1.1),
        ("torus", 1, np.eye(3), np.pi * (0.73**2 - 0.31**2)),
        ("torus", 0, np.eye(3), 4 * 0.52 * 0.21 + np.pi * 0.21**2),
        ("hemisphere", 0, np.eye(3), np.pi * 0.68**2 / 2),
        ("octahedron", 1, turn(33), 2 * 0.75**2),
        ("triangular prism", 1, turn(5), 3 * np.sqrt(3) / 4 * 0.6**2),
    ],
)
def test_area_of_the_outline(name, view, placement, expected):
    assert area(name, view, placement) == pytest.approx(expected, rel=0.015)


def test_brightness_is_lamberts():
    light = [0.5, 0.5, np.sqrt(0.5)]
    frames, none = camera_frames(7), np.zeros((7, 2))
    sphere, block = (render(SOLIDS[n], turn(45), frames, none, 33) for n in ("sphere", "cube"))
    for view, outwards in [(0, [1, 0, 0]), (1, [0, 0, 1]), (6, [0, 0, -1])]:
        expected = AMBIENT + (1 - AMBIENT) * max(0, np.dot(light, outwards))
        assert sphere[view, 16, 16] == pytest.approx(expected, abs=1e-12)
        assert block[view, 16, 16] == pytest.approx(expected, abs=1e-12)
    # Squeezed along x and y, a ball's side turns up less: normals go by the inverse.
    tall = np.diag([0.8, 0.8, 1.2])
    image = render(SOLIDS["sphere"], tall, frames[:1], none[:1], 33)[0]
    height = 1 - (2 * 10 + 1) / 33
    normal = np.array([np.sqrt(0.62**2 - (height / 1.2) ** 2) / 0.8, 0, height / 1.2**2])
    lit = normal @ light / np.linalg.norm(normal)
    assert image[10, 16] == pytest.approx(AMBIENT + (1 - AMBIENT) * lit, abs=1e-9)


def test_cameras():
    frames = camera_frames(30)
    np.testing.assert_allclose(
        frames @ frames.transpose(0, 2, 1), np.tile(np.eye(3), (30, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.cross(frames[:, 0], frames[:, 1]), -frames[:, 2], atol=1e-12)
    np.testing.assert_array_equal(camera_frames(5), frames[:5])
    assert (frames[:, 1, 2] >= -1e-12).all()  # no camera upside down
    gaps = np.linalg.norm(frames[:12, None, 2] - frames[None, :12, 2], axis=-1)
    assert gaps[np.triu_indices(12, 1)].min() > 0.2  # no two at one place
    # A cone stands on its base, and the aim moves it right and up.
    still = render(SOLIDS["cone"], np.eye(3), frames[:1], np.zeros((1, 2)), 32)[0] > 0
    assert still[8].sum() < still[20].sum()
    moved = render(SOLIDS["cone"], np.eye(3), frames[:1], np.array([[4 / 16, 2 / 16]]), 32)[0] > 0
    np.testing.assert_array_equal(moved, np.roll(still, (-2, 4), axis=(0, 1)))


def test_shapes_and_classes():
    X, y = make_multiview_solids(25, 3, 16, random_state=1)
    assert X.shape == (25, 3, 16, 16, 1)
    assert (X.dtype, y.dtype) == (np.float32, np.int64)
    assert X.min() == 0
    assert X.max() <= 1
    assert len(SOLID_NAMES) == 10
    for start in (0, 10):
        assert sorted(y[start : start + 10]) == list(range(10))
    assert np.bincount(y).max() == 3
    assert list(y[:10]) != list(y[10:20])
    _, few = make_multiview_solids(7, 1, 8, n_classes=3, random_state=1)
    assert sorted(np.bincount(few)) == [2, 2, 3]
    assert make_multiview_solids(1, 1, 8)[0].shape == (1, 1, 8, 8, 1)
    assert make_multiview_solids(1, 14, 9)[0].shape == (1, 14, 9, 9, 1)


def test_the_seed_decides():
    X, y = make_multiview_solids(12, 4, 16, random_state=5)
    for longer in [(12, 4), (30, 4), (12, 13), (15, 5)]:
        X2, y2 = make_multiview_solids(*longer, 16, random_state=np.int64(5))
        np.testing.assert_array_equal(X2[:12, :4], X)
        np.testing.assert_array_equal(y2[:12], y)
    assert not np.array_equal(make_multiview_solids(12, 4, 16, random_state=6)[0], X)
    fresh = [make_multiview_solids(2, 1, 8)[0] for _ in range(2)]
    assert not np.array_equal(*fresh)
    draws = []
    for _ in range(2):
        rng = np.random.RandomState(0)
        draws.append([make_multiview_solids(3, 2, 8, random_state=rng) for _ in range(2)])
    np.testing.assert_array_equal(draws[0][1][0], draws[1][1][0])
    assert not np.array_equal(draws[0][0][0], draws[0][1][0])
    # Another noise leaves solids, poses and cameras as they are.
    clean = make_multiview_solids(12, 4, 16, noise=0, random_state=5)[0]
    assert ((X > 0.45) == (clean > 0.45)).mean() > 0.9


@pytest.mark.parametrize("random_state", [0, None])
def test_the_global_generator_is_left_alone(random_state):
    before = np.random.get_state()  # noqa: NPY002
    make_multiview_solids(2, 2, 8, random_state=random_state)
    after = np.random.get_state()  # noqa: NPY002
    assert before[2:] == after[2:]
    np.testing.assert_array_equal(before[1], after[1])


def test_noise_has_the_deviation_asked_for():
    clean, noisy = (
        make_multiview_solids(10, 6, noise=noise, random_state=0)[0].astype(float)
        for noise in (0, 0.04)
    )
    assert set(np.unique(clean[clean < 0.59])) == {0}
    middle = (clean > 0) & (clean < 0.8)  # where clipping is out of reach
    difference = (noisy - clean)[middle]
    assert difference.std() == pytest.approx(0.04, rel=0.03)
    assert difference.mean() == pytest.approx(0, abs=0.002)


def test_one_view_is_much_worse_than_twelve():
    X, y = make_multiview_solids(1000, size=16, random_state=0)
    train, test = slice(700), slice(700, None)
    votes = []
    for view in range(12):
        pixels = X[:, view].reshape(len(X), -1)
        forest = ExtraTreesClassifier(60, random_state=0).fit(pixels[train], y[train])
        votes.append(forest.predict_proba(pixels[test]))
    single = [(vote.argmax(axis=1) == y[test]).mean() for vote in votes]
    assert max(single) < 0.72
    assert (np.mean(votes, axis=0).argmax(axis=1) == y[test]).mean() > max(single) + 0.12
    # From below there is little to see.
    assert np.argmin(single) == 6
    assert single[6] < max(single) - 0.12


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "'n_samples' .* int in the range .1, inf.* Got 0"),
        ({"n_samples": 5.0}, TypeError, r"'n_samples' .* int in the range .1, inf.* Got 5\.0"),
        ({"n_samples": True}, TypeError, "'n_samples' .* int in the range .1, inf.* Got True"),
        ({"n_views": 0}, ValueError, "'n_views' .* int in the range .1, inf.* Got 0"),
        ({"n_views": "12"}, TypeError, "'n_views' .* int in the range .1, inf.* Got '12'"),
        ({"size": 7}, ValueError, "'size' .* int in the range .8, inf.* Got 7"),
        ({"size": (32, 32)}, TypeError, r"'size' .* int in the range .8, inf.* Got \(32, 32\)"),
        ({"noise": -0.1}, ValueError, r"'noise' .* float in the range .0.0, inf.* Got -0\.1"),
        ({"noise": np.nan}, ValueError, "'noise' .* float in the range .0.0, inf.* Got nan"),
        ({"noise": np.inf}, ValueError, "'noise' .* float in the range .0.0, inf.* Got inf"),
        ({"noise": False}, TypeError, "'noise' .* float in the range .0.0, inf.* Got False"),
        ({"noise": None}, TypeError, "'noise' .* float in the range .0.0, inf.* Got None"),
        ({"n_classes": 11}, ValueError, "'n_classes' .* int in the range .2, 10.* Got 11"),
        ({"n_classes": 1}, ValueError, "'n_classes' .* int in the range .2, 10.* Got 1"),
        ({"random_state": -1}, ValueError, "random_state must be an int of at least 0.*-1"),
        ({"random_state": True}, TypeError, "random_state must be an int of at least 0.*True"),
        ({"random_state": "0"}, TypeError, "random_state must be an int of at least 0.*'0'"),
    ],
)
def test_wrong_arguments(arguments, error, message, monkeypatch):
    def refuse(*_):
        raise AssertionError("rendered before the check")

    monkeypatch.setattr("skprune.datasets._solids.render", refuse)
    with pytest.raises(error, match=message):
        make_multiview_solids(**arguments)
