"""Statistics of predictions: equation (3) itself, blocks, precision, memory, wrong input."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from skprune.socp import EnsembleStatistics, SOCPProblem, _statistics

from .pools import POOLS, digits_trees, dirichlet, identical, single_precision

FIELDS = ("gram", "reference_gram", "agreement", "divergence", "total_weight")


def assert_same_statistics(one, other, rtol=1e-12, atol=1e-15):
    assert (one.n_samples, one.n_classes) == (other.n_samples, other.n_classes)
    for field in FIELDS:
        np.testing.assert_allclose(
            getattr(one, field), getattr(other, field), rtol=rtol, atol=atol, err_msg=field
        )


def entropy(p):
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)


def exact_loss(w, P, y, alpha, sample_weight=None):
    """Equation (3), sample by sample."""
    N, C = len(y), P.shape[2]
    s = np.full(N, 1 / N) if sample_weight is None else sample_weight / sample_weight.sum()
    mixture = np.tensordot(w, P, axes=1)
    error = ((mixture - np.eye(C)[y]) ** 2).sum(axis=1) / C
    diversity = (entropy(mixture) - w @ entropy(P)) / C
    return alpha * s @ error + (1 - alpha) * (1 - s @ diversity)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.3, 0.9, 1])
@pytest.mark.parametrize(
    "name", ["dirichlet", "one_hot", "class_never_predicted", "perfect_and_hopeless", "quarters"]
)
def test_f_is_the_exact_loss_in_value_and_gradient_at_uniform_weights(name, alpha, weighted):
    P, y = POOLS[name]()
    sample_weight = np.random.default_rng(0).exponential(size=len(y)) if weighted else None
    stats = EnsembleStatistics.from_predictions(P, y, sample_weight)
    problem = SOCPProblem.from_statistics(stats, alpha)
    M = len(P)
    uniform = np.full(M, 1 / M)
    loss = exact_loss(uniform, P, y, alpha, sample_weight)
    assert problem.objective(uniform) + problem.constant == pytest.approx(loss, abs=1e-14)
    h = 1e-5
    differences = [
        exact_loss(uniform + h * e, P, y, alpha, sample_weight)
        - exact_loss(uniform - h * e, P, y, alpha, sample_weight)
        for e in np.eye(M)
    ]
    np.testing.assert_allclose(
        problem.gradient(uniform), np.array(differences) / (2 * h), atol=1e-7
    )


def test_f_is_close_to_the_exact_loss_near_uniform_weights():
    """Second order: the error falls with the cube of the distance."""
    P, y = dirichlet()
    problem = SOCPProblem.from_statistics(EnsembleStatistics.from_predictions(P, y), 0.2)
    away = np.random.default_rng(0).uniform(-1, 1, len(P)) / len(P)
    errors = []
    for distance in (0.02, 0.01):
        w = 1 / len(P) + distance * away
        f = problem.objective(w) + problem.constant
        errors.append(abs(f - exact_loss(w, P, y, 0.2)))
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.1)


def test_weights_of_samples_are_repetitions_of_samples():
    P, y = dirichlet()
    times = np.random.default_rng(0).integers(0, 4, size=len(y))
    repeated = EnsembleStatistics.from_predictions(np.repeat(P, times, axis=1), np.repeat(y, times))
    weighted = EnsembleStatistics.from_predictions(P, y, times)
    assert weighted.n_samples == len(y)
    assert weighted.total_weight == times.sum()
    for field in FIELDS:
        np.testing.assert_allclose(getattr(weighted, field), getattr(repeated, field), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_unit_of_sample_weight_does_not_matter(scale, dtype):
    P, y = dirichlet()
    P = P.astype(dtype)
    sample_weight = np.random.default_rng(0).uniform(size=len(y))
    one = EnsembleStatistics.from_predictions(P, y, sample_weight)
    other = EnsembleStatistics.from_predictions(P, y, scale * sample_weight)
    for field in FIELDS[:-1]:
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-6)


def test_a_sample_of_no_weight_is_not_seen():
    P, y = dirichlet()
    first = np.r_[np.ones(30), np.zeros(10)]
    one = EnsembleStatistics.from_predictions(P, y, first)
    other = EnsembleStatistics.from_predictions(P[:, :30], y[:30])
    for field in FIELDS:
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-12)


def split(P, y, sample_weight, cuts):
    edges = [0, *cuts, len(y)]
    for a, b in pairwise(edges):
        block = (P[:, a:b], y[a:b])
        yield block if sample_weight is None else (*block, sample_weight[a:b])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 31], [20, 20, 39], range(1, 40)])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_blocks_give_the_statistics_of_the_whole(cuts, weighted, dtype, rtol):
    P, y = dirichlet()
    P = P.astype(dtype)
    sample_weight = np.random.default_rng(0).uniform(size=len(y)) if weighted else None
    whole = EnsembleStatistics.from_predictions(P, y, sample_weight)
    blocks = split(P, y, sample_weight, cuts)  # a generator: read once
    assert_same_statistics(EnsembleStatistics.from_blocks(blocks), whole, rtol, atol=1e-8)


def test_a_block_whose_samples_all_weigh_nothing_is_harmless():
    P, y = dirichlet()
    sample_weight = np.r_[np.zeros(20), np.ones(20)]
    whole = EnsembleStatistics.from_predictions(P, y, sample_weight)
    blocks = split(P, y, sample_weight, [20])
    assert_same_statistics(EnsembleStatistics.from_blocks(blocks), whole)


def test_many_internal_blocks_give_the_statistics_of_one(monkeypatch):
    P, y = digits_trees()
    sample_weight = np.random.default_rng(0).uniform(size=len(y))
    whole = EnsembleStatistics.from_predictions(P, y, sample_weight)
    monkeypatch.setattr(_statistics, "_BLOCK_BYTES", 2**14)
    cut = EnsembleStatistics.from_predictions(P, y, sample_weight)
    assert_same_statistics(cut, whole, rtol=1e-11)


@pytest.mark.parametrize("layout", ["fortran", "samples first", "reversed", "strided"])
def test_the_layout_in_memory_does_not_matter(layout):
    P, y = dirichlet()
    same = {
        "fortran": np.asfortranarray(P),
        "samples first": np.ascontiguousarray(P.transpose(1, 0, 2)).transpose(1, 0, 2),
        "reversed": np.ascontiguousarray(P[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
        "strided": np.repeat(np.repeat(P, 2, axis=1), 3, axis=2)[:, ::2, ::3],
    }[layout]
    assert not same.flags.c_contiguous
    expected = EnsembleStatistics.from_predictions(P, y)
    assert_same_statistics(EnsembleStatistics.from_predictions(same, y), expected)


def test_a_memory_map_is_read_and_left_as_it_was(tmp_path):
    P, y = dirichlet()
    np.save(tmp_path / "P.npy", P)
    mapped = np.load(tmp_path / "P.npy", mmap_mode="r")
    expected = EnsembleStatistics.from_predictions(P, y)
    assert_same_statistics(EnsembleStatistics.from_predictions(mapped, y), expected)
    np.testing.assert_array_equal(mapped, P)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_input_is_not_changed(dtype, weighted):
    P, y = dirichlet()
    P = P.astype(dtype)
    sample_weight = np.full(len(y), 3.0) if weighted else None
    before = P.copy()
    EnsembleStatistics.from_predictions(P, y, sample_weight)
    np.testing.assert_array_equal(P, before)
    assert sample_weight is None or (sample_weight == 3).all()


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-7), (np.float16, 1e-3)])
def test_lower_precision_costs_no_more_than_its_own_rounding(dtype, atol):
    P, y = digits_trees()
    expected = EnsembleStatistics.from_predictions(P, y)
    found = EnsembleStatistics.from_predictions(P.astype(dtype), y)
    assert_same_statistics(found, expected, rtol=0, atol=atol)
    assert found.gram.dtype == np.float64


@pytest.mark.parametrize("dtype", [">f8", np.longdouble, np.int64, np.bool_])
def test_every_other_dtype_is_computed_in_double_precision(dtype):
    hard = np.dtype(dtype).kind in "ib"
    P, y = POOLS["one_hot"]() if hard else dirichlet()
    expected = EnsembleStatistics.from_predictions(P.astype(np.float64), y)
    found = EnsembleStatistics.from_predictions(P.astype(dtype), y)
    assert_same_statistics(found, expected, rtol=1e-14)


def test_lists_are_taken():
    P, y = dirichlet(N=3)
    expected = EnsembleStatistics.from_predictions(P, y)
    assert_same_statistics(EnsembleStatistics.from_predictions(P.tolist(), y.tolist()), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_members_that_agree_have_no_divergence(dtype):
    P, y = identical()
    stats = EnsembleStatistics.from_predictions(P.astype(dtype), y)
    np.testing.assert_allclose(stats.divergence, 0, atol=1e-15)


def test_gram_matrices_are_symmetric_and_divergence_is_not_negative():
    stats = EnsembleStatistics.from_predictions(*single_precision())
    np.testing.assert_array_equal(stats.gram, stats.gram.T)
    np.testing.assert_array_equal(stats.reference_gram, stats.reference_gram.T)
    assert stats.divergence.min() > 0
    assert stats.n_members == 12


def peak_bytes(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_are_forgotten_one_by_one(weighted):
    M, n, C, n_blocks = 20, 1000, 10, 25
    rng = np.random.default_rng(0)

    def blocks():
        for _ in range(n_blocks):
            P = rng.random((M, n, C))
            P /= P.sum(axis=2, keepdims=True)
            y = rng.integers(C, size=n)
            yield (P, y, rng.random(n)) if weighted else (P, y)

    peak = peak_bytes(lambda: EnsembleStatistics.from_blocks(blocks()))
    assert peak < 6 * (8 * M * n * C)


def test_a_memory_map_is_never_held_whole(tmp_path, monkeypatch):
    P, y = dirichlet(M=10, N=20_000, C=5)
    np.save(tmp_path / "P.npy", P)
    mapped = np.load(tmp_path / "P.npy", mmap_mode="r")
    monkeypatch.setattr(_statistics, "_BLOCK_BYTES", 2**16)
    peak = peak_bytes(lambda: EnsembleStatistics.from_predictions(mapped, y))
    assert peak < P.nbytes / 4


def spoilt(value, member=2):
    P, y = dirichlet()
    P[member, 3, 1] = value
    return P, y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.nan, r"NaN or infinite probabilities: member 2"),
        (np.inf, r"NaN or infinite probabilities: member 2"),
        (-np.inf, r"NaN or infinite probabilities: member 2"),
        (-0.3, r"negative probabilities: member 2"),
        (0.99, r"sum to one: those of member 2"),
    ],
)
def test_what_is_no_distribution_is_refused_and_the_member_named(value, match, dtype):
    P, y = spoilt(value)
    P = P.astype(dtype)
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_predictions(P, y)
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_blocks([(P, y)])


def test_a_negative_probability_is_refused_though_the_row_sums_to_one():
    P, y = dirichlet()
    P[1, 0] = [1.2, -0.2, 0, 0]
    with pytest.raises(ValueError, match="negative probabilities: member 1"):
        EnsembleStatistics.from_predictions(P, y)


@pytest.mark.parametrize("shape", [(), (8,), (8, 40), (8, 40, 4, 1), (0, 40, 4), (8, 40, 0)])
def test_predictions_need_members_samples_and_classes(shape):
    P, y = np.full(shape, 0.25), np.zeros(40, dtype=int)
    with pytest.raises(ValueError, match="P must have shape"):
        EnsembleStatistics.from_predictions(P, y)
    with pytest.raises(ValueError, match="Block 0: P must have shape"):
        EnsembleStatistics.from_blocks([(P, y)])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda y: y[:-1], r"y must have shape \(40,\)"),
        (lambda y: y[:, None], r"y must have shape \(40,\)"),
        (lambda y: y + 1, r"y must be in 0 \.\. 3"),
        (lambda y: y - 1, r"y must be in 0 \.\. 3"),
        (lambda y: y.astype(float), "integer classes 0 .. 3; got float64"),
        (lambda y: y.astype(str), "integer classes"),
        (lambda y: y > 0, "integer classes 0 .. 3; got bool"),
        (lambda y: y.astype(object), "integer classes"),
    ],
)
def test_wrong_labels_are_refused(change, match):
    P, y = dirichlet()
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_predictions(P, change(y))
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_blocks([(P, change(y))])


@pytest.mark.parametrize(
    ("sample_weight", "match"),
    [
        (np.zeros(40), "sums to zero"),
        (np.r_[-1, np.ones(39)], "finite and non-negative"),
        (np.r_[np.nan, np.ones(39)], "finite and non-negative"),
        (np.r_[np.inf, np.ones(39)], "finite and non-negative"),
        (np.ones(39), r"sample_weight must have shape \(40,\)"),
        (np.ones((40, 1)), r"sample_weight must have shape \(40,\)"),
        (1.0, r"sample_weight must have shape \(40,\)"),
    ],
)
def test_wrong_sample_weights_are_refused(sample_weight, match):
    P, y = dirichlet()
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_predictions(P, y, sample_weight)
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_blocks([(P, y, sample_weight)])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda P, y: [], "at least one calibration sample"),
        (lambda P, y: [(P[:, :0], y[:0])], "at least one calibration sample"),
        (lambda P, y: [(P, y), (P[:3], y)], "Block 1 has 3 members and 4 classes"),
        (lambda P, y: [(P, y), (np.pad(P, ((0, 0), (0, 0), (0, 1))), y)], "Block 1 has 8 members"),
        (lambda P, y: [(P, y), (P, y[:5])], "y must have shape"),
    ],
)
def test_blocks_that_are_none_or_disagree_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        EnsembleStatistics.from_blocks(make(*dirichlet()))


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one calibration sample"):
        EnsembleStatistics.from_predictions(np.empty((3, 0, 2)), np.empty(0, dtype=int))
