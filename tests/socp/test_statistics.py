"""Statistics: blocks, precision, memory, sums and differences, regressors, invalid input.

That they are those of the equations is shown by ``test_properties.py``.
"""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from skprune.socp import EnsembleStatistics, SOCPProblem, socp_path, solve_exact_entropy, solve_socp

from .pools import (
    POOLS,
    Recorded,
    digits_trees,
    dirichlet,
    exact_loss,
    identical,
    large_pool,
    problem_of,
    regressors,
    single_precision,
    stats_of,
)

ARRAYS = ("gram", "reference_gram", "agreement", "divergence", "target_power", "reference_mass")
of_classes, of_blocks = EnsembleStatistics.from_predictions, EnsembleStatistics.from_blocks
of_targets = EnsembleStatistics.from_regression


def assert_same(one, other, rtol=1e-12, atol=1e-15):
    for name in ("kind", "n_samples", "n_classes"):
        assert getattr(one, name) == getattr(other, name)
    assert one.total_weight == pytest.approx(other.total_weight, rel=1e-14)
    for name in ARRAYS:
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)


def test_f_is_close_to_the_exact_loss_near_uniform_weights():
    """Second order: the error decreases with the cube of the distance."""
    P, y = dirichlet()
    problem = problem_of("dirichlet", 0.2)
    away = np.random.default_rng(0).uniform(-1, 1, len(P)) / len(P)
    errors = []
    for distance in (0.02, 0.01):
        w = 1 / len(P) + distance * away
        errors.append(abs(problem.objective(w) + problem.constant - exact_loss(w, P, y, 0.2)))
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_unit_of_sample_weight_does_not_matter(scale, dtype):
    P, y = dirichlet()
    P, weight = P.astype(dtype), np.random.default_rng(0).uniform(size=len(y))
    one, other = of_classes(P, y, weight), of_classes(P, y, scale * weight)
    for name in ARRAYS[:4]:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)


def split(P, y, sample_weight, cuts):
    for a, b in pairwise([0, *cuts, len(y)]):
        block = (P[:, a:b], y[a:b])
        yield block if sample_weight is None else (*block, sample_weight[a:b])


@pytest.mark.parametrize("weight", [None, np.linspace(0, 1, 40), np.r_[np.zeros(20), np.ones(20)]])
@pytest.mark.parametrize("cuts", [[], [1], [20, 20, 39], range(1, 40)])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_blocks_give_the_statistics_of_the_whole(cuts, weight, dtype, rtol):
    P, y = dirichlet()
    P = P.astype(dtype)
    blocks = split(P, y, weight, cuts)  # a generator: read once
    assert_same(of_blocks(blocks), of_classes(P, y, weight), rtol, atol=1e-8)


def test_large_predictions_are_read_in_blocks():
    P, y = large_pool()
    read, weight = P.view(Recorded), np.random.default_rng(0).uniform(size=len(y))
    found = of_classes(read, y, weight)
    assert 0 < max(read.sizes) < P.size / 2
    assert_same(found, of_blocks([(P, y, weight)]), rtol=1e-4, atol=1e-7)


def test_large_predictions_of_regressors_are_read_in_blocks():
    F, y = regressors(M=60, N=20_000, T=2)
    read, weight = F.view(Recorded), np.random.default_rng(0).random(len(y))
    found = of_targets(read, y, weight)
    assert 0 < max(read.sizes) < F.size
    units = {"center": found.center, "scale": found.scale}
    parts = np.split(np.arange(len(y)), [7, 9_000])
    expected = sum(of_targets(F[:, rows], y[rows], weight[rows], **units) for rows in parts)
    assert_same(found, expected, rtol=1e-11)


def test_only_one_block_is_in_memory():
    M, n, C = 20, 1000, 10
    rng = np.random.default_rng(0)

    def blocks():
        for _ in range(25):
            P = rng.random((M, n, C))
            yield P / P.sum(axis=2, keepdims=True), rng.integers(C, size=n), rng.random(n)

    tracemalloc.start()
    try:
        of_blocks(blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 7 * (8 * M * n * C)


def many_members(M=2_000, N=40):
    p = np.random.default_rng(0).random((M, N), dtype=np.float32)
    return np.stack([1 - p, p], axis=2), np.arange(N) % 2


@pytest.mark.parametrize("weighted", [False, True])
def test_products_of_many_members_are_summed_in_place(weighted):
    """Two matrices of all pairs, and nothing else of their size."""
    P, y = many_members()
    weight = np.linspace(1, 2, len(y)) if weighted else None
    tracemalloc.start()
    try:
        stats = of_classes(P, y, weight)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.7 * stats.gram.nbytes
    share = np.repeat(np.ones(40) if weight is None else weight, 2) / stats.total_weight / 2
    flat = P.reshape(len(P), -1).astype(float)
    for products, m in ((stats.gram, 1), (stats.reference_gram, flat.mean(axis=0))):
        np.testing.assert_array_equal(products, products.T)
        np.testing.assert_allclose(products, flat * (share / m) @ flat.T, rtol=1e-5)


def test_products_of_many_regressors_are_summed_in_place():
    F, y = many_members()
    F = F[:, :, 0].astype(float)
    tracemalloc.start()
    try:
        stats = of_targets(F, y, center=0, scale=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.7 * stats.gram.nbytes
    np.testing.assert_array_equal(stats.gram, stats.gram.T)
    np.testing.assert_allclose(stats.gram, (F @ F.T / 40 + 1) / 2, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-7), (np.float16, 1e-3)])
def test_lower_precision_adds_only_its_own_rounding(dtype, atol):
    P, y = digits_trees()
    P, before = P.astype(dtype), P.astype(dtype)
    found = of_classes(P, y, np.ones(len(y)))
    assert_same(found, stats_of("digits_trees"), rtol=0, atol=atol)
    assert found.gram.dtype == np.float64
    np.testing.assert_array_equal(P, before)


@pytest.mark.parametrize("kind", ["fortran", "samples first", "reversed", "strided", "read only"])
def test_neither_layout_nor_dtype_matter(kind):
    P, y = dirichlet()
    same = {
        "fortran": np.asfortranarray(P),
        "samples first": np.ascontiguousarray(P.transpose(1, 0, 2)).transpose(1, 0, 2),
        "reversed": np.ascontiguousarray(P[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
        "strided": np.repeat(np.repeat(P, 2, axis=1), 3, axis=2)[:, ::2, ::3],
        "read only": P.copy(),  # as a memory map is
    }[kind]
    same.flags.writeable = False
    expected = of_classes(P.tolist(), y.tolist())
    for given in (same, same.astype(">f8"), same.astype(np.longdouble)):
        assert_same(of_classes(given, y), expected)
    P, y = POOLS["one_hot"]()
    for dtype in (np.int64, np.bool_):
        assert_same(of_classes(P.astype(dtype), y), of_classes(P, y), rtol=1e-14)


def test_gram_matrices_are_symmetric_and_divergence_is_not_negative():
    stats = of_classes(*single_precision())
    np.testing.assert_array_equal(stats.gram, stats.gram.T)
    np.testing.assert_array_equal(stats.reference_gram, stats.reference_gram.T)
    assert stats.divergence.min() > 0
    assert stats.n_members == 12
    P, y = identical()
    for dtype in (np.float16, np.float32, np.float64):
        np.testing.assert_allclose(of_classes(P.astype(dtype), y).divergence, 0, atol=1e-15)


def test_around_any_reference_the_expansion_has_value_and_gradient_of_the_loss():
    P, y = dirichlet()
    w = np.random.default_rng(0).exponential(size=8)
    stats = of_classes(P, y, reference=w)
    assert stats.reference_mass == pytest.approx(w.sum() / 4)
    problem = SOCPProblem.from_statistics(stats, 0.3)
    loss = exact_loss(w, P, y, 0.3)
    assert problem.objective(w) + problem.constant == pytest.approx(loss, abs=1e-13)
    moved = [exact_loss(w + 1e-6 * e, P, y, 0.3) - loss for e in np.eye(8)]
    np.testing.assert_allclose(problem.gradient(w), np.array(moved) / 1e-6, atol=1e-5)
    blocks = list(split(P, y, None, [13]))
    assert_same(of_blocks(blocks, reference=w), stats)
    assert_same(sum(of_classes(*block, reference=w) for block in blocks), stats)


@pytest.mark.parametrize("wrong", [np.ones(7), -np.ones(8), np.zeros(8), np.full(8, np.nan), 1.0])
def test_an_invalid_reference_is_refused(wrong):
    with pytest.raises(ValueError, match="reference must"):
        of_classes(*dirichlet(), reference=wrong)


# Sums and differences

FOLDS = np.array_split(np.random.default_rng(3).permutation(45), [4, 19, 20, 38])


def of_rows(kind, rows, dtype=np.float64):
    """Statistics of some rows of one pool."""
    weight = np.random.default_rng(0).uniform(size=45)[rows]
    if kind == "regression":
        F, y = regressors(N=45)
        units = {"center": y.mean(axis=0), "scale": y.std(axis=0)}
        return of_targets(F[:, rows], y[rows], weight, **units)
    P, y = dirichlet(N=45)
    return of_classes(P[:, rows].astype(dtype), y[rows], weight)


@pytest.mark.parametrize(
    ("kind", "dtype", "atol"),
    [("classes", float, 1e-14), ("classes", np.float32, 1e-6), ("regression", float, 1e-14)],
)
def test_folds_add_up_to_the_whole_and_the_whole_without_a_fold_is_the_rest(kind, dtype, atol):
    whole = of_rows(kind, np.arange(45), dtype)
    folds = [of_rows(kind, fold, dtype) for fold in FOLDS]
    before = [fold.gram.copy() for fold in folds]
    assert_same(sum(folds), whole, 0, atol)
    for k, fold in enumerate(folds):
        rest = np.concatenate(FOLDS[:k] + FOLDS[k + 1 :])
        assert_same(whole - fold, of_rows(kind, rest, dtype), 0, 10 * atol)
        np.testing.assert_array_equal(fold.gram, before[k])
    if kind == "classes":  # exactly, whatever was added
        assert sum(folds).target_power == (whole - folds[2]).target_power == 0.25


def of_pool(P, y, center=0.0, scale=1.0):
    return of_classes(P, y) if y.ndim == 1 else of_targets(P, y, center=center, scale=scale)


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (dirichlet(), dirichlet(M=7), "same number of members .*8 and 7"),
        (dirichlet(), dirichlet(C=3), "same number of classes .*4 and 3"),
        (dirichlet(), regressors(), "same kind .*'classes' and 'regression'"),
        (regressors(), regressors(T=1), "same number of targets .*2 and 1"),
        (regressors(), (*regressors(), 3.0), "same center .*center=..."),
        (regressors(), (*regressors(), 0.0, 3.0), "same scale .*scale=..."),
    ],
)
def test_statistics_of_different_things_cannot_be_combined(one, other, match):
    one, other = of_pool(*one), of_pool(*other)
    for combine in (lambda: one + other, lambda: one - other):
        with pytest.raises(ValueError, match=match):
            combine()


def test_a_difference_must_leave_samples_and_weight():
    P, y = dirichlet()
    weight = np.r_[np.ones(20), np.zeros(20)]
    whole, part, small = (
        of_classes(P[:, :n], y[:n], w[:n]) for n, w in ((40, weight), (20, weight), (9, np.ones(9)))
    )
    for nothing in (lambda: part - part, lambda: small - part, lambda: whole - part):
        with pytest.raises(ValueError, match="leaves no sample"):
            nothing()


@pytest.mark.parametrize("other", [1, 0.0, None, "x", np.ones(3), [1]])
def test_statistics_combine_with_nothing_else(other):
    stats = stats_of("dirichlet")
    for combine in (
        *(lambda: stats + other, lambda: stats - other),
        *(lambda: other - stats, lambda: other + stats),
    ):
        with pytest.raises(TypeError):
            combine()


# Regressors


def regression_loss(w, F, y, alpha, center, scale, share):
    """Squared error and Gini diversity of the mixture, with the columns of ones written out."""
    p = np.concatenate([(F - center) / scale, np.ones_like(F)], axis=2)
    target = np.concatenate([(y - center) / scale, np.ones_like(y)], axis=1)
    mixture = np.tensordot(w, p, axes=1)
    error = ((mixture - target) ** 2).mean(axis=1)
    gini = (mixture * (1 - mixture) - np.tensordot(w, p * (1 - p), axes=1)).mean(axis=1)
    return alpha * share @ error + (1 - alpha) * (1 - share @ gini)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.4, 1])
def test_f_of_regressors_is_the_loss_at_any_weights(alpha, weighted):
    F, y = regressors()
    rng = np.random.default_rng(0)
    weight = rng.exponential(size=40) if weighted else np.full(40, 0.5)
    stats = of_targets(F, y, weight)
    center = np.average(y, axis=0, weights=weight)
    scale = np.sqrt(np.average((y - center) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose([stats.center, stats.scale], [center, scale], rtol=1e-12)
    assert (stats.n_members, stats.n_samples, stats.n_classes) == (10, 40, 4)
    assert (stats.total_weight, stats.target_power) == pytest.approx((weight.sum(), 1))
    problem = SOCPProblem.from_statistics(stats, alpha, diversity="gini")
    for size in (0, 0.05, 1):
        w = size * rng.exponential(size=len(F))
        loss = regression_loss(w, F, y, alpha, center, scale, weight / weight.sum())
        assert problem.objective(w) + problem.constant == pytest.approx(loss, rel=1e-11)


def test_center_and_scale_are_used_and_units_do_not_matter():
    F, y = regressors()
    stats = of_targets(F, y, center=0.0, scale=[2.0, 4.0])
    flat = (F / [2.0, 4.0]).reshape(len(F), -1)
    np.testing.assert_allclose(stats.gram, (flat @ flat.T / y.size + 1) / 2, rtol=1e-12)
    assert stats.target_power == pytest.approx((((y / [2.0, 4.0]) ** 2).mean() + 1) / 2)
    assert_same(of_targets(7 * F - 3, 7 * y - 3), of_targets(F, y), rtol=1e-10)


def test_one_target_may_come_without_its_axis_and_numbers_in_any_precision():
    F, y = regressors(T=1)
    F = np.round(F)
    expected = of_targets(F, y).gram
    for given in (F[:, :, 0], F[:, :, 0].tolist(), F.astype(np.float32), F.astype(int)):
        np.testing.assert_array_equal(of_targets(given, y[:, 0]).gram, expected)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_a_constant_target_is_not_scaled(value):
    y = np.full((30, 1), value)
    F = y + np.random.default_rng(0).normal(size=(3, 30, 1))
    stats = of_targets(F, y)
    assert stats.scale[0] == of_targets(F, y, scale=0).scale[0] == 1
    assert stats.gram.max() < 2


@pytest.mark.parametrize("solve", [solve_socp, socp_path])
def test_regressors_need_the_gini_diversity(solve):
    with pytest.raises(ValueError, match="use diversity='gini'"):
        solve(stats_of("regressors"))


def test_members_that_cancel_each_other_have_bounded_weights():
    """Without the column of ones the Gini program would have no minimum here."""
    F = np.array([[1.0, -1.0], [-1.0, 1.0]])
    stats = of_targets(F, [1.0, -1.0], center=0.0, scale=1.0)
    assert solve_socp(stats, 0, 0, diversity="gini").weights.max() < 10
    # The pools are what they claim.
    assert stats_of("cancelling_regressors").gram.min() < -0.1
    assert stats_of("far_off_regressors").gram.sum(axis=1).min() < 0


# Invalid input

P, Y = dirichlet()
F, TARGETS = regressors()


def with_value(pool, value):
    """The pool with a number of member 2 replaced."""
    pool[0][2, 3, 1] = value
    return pool


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (with_value(dirichlet(), np.nan), "NaN or infinite probabilities: member 2"),
        (with_value(dirichlet(), -np.inf), "NaN or infinite probabilities: member 2"),
        (with_value(dirichlet(), -0.3), "negative probabilities: member 2"),
        (with_value(dirichlet(), 0.99), "sum to one: those of member 2"),
        *(
            ((np.full(shape, 0.25), np.zeros(40, dtype=int)), "P must have shape")
            for shape in ((), (8,), (8, 40), (8, 40, 4, 1), (0, 40, 4), (8, 40, 0))
        ),
        ((P, Y[:-1]), r"y must have shape \(40,\)"),
        ((P, Y[:, None]), r"y must have shape \(40,\)"),
        ((P, Y + 1), r"y must be in 0 \.\. 3"),
        ((P, Y - 1), r"y must be in 0 \.\. 3"),
        ((P, Y.astype(float)), r"integer classes 0 \.\. 3; got float64"),
        ((P, Y.astype(str)), "integer classes"),
        ((P, Y > 0), r"integer classes 0 \.\. 3; got bool"),
        ((P, Y, np.zeros(40)), "sums to zero"),
        ((P, Y, np.r_[-1, np.ones(39)]), "sample_weight must be finite and non-negative"),
        ((P, Y, np.r_[np.inf, np.ones(39)]), "finite and non-negative"),
        ((P, Y, np.ones(39)), r"sample_weight must have shape \(40,\)"),
        ((P, Y, 1.0), r"sample_weight must have shape \(40,\)"),
        ((P[:, :0], Y[:0]), "at least one calibration sample"),
    ],
)
def test_invalid_predictions_labels_and_sample_weights_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        of_classes(*arguments)
    with pytest.raises(ValueError, match=match):
        of_blocks([arguments])
    if "member 2" in match:
        with pytest.raises(ValueError, match=match):
            of_classes(arguments[0].astype(np.float32), Y)


@pytest.mark.parametrize(
    ("blocks", "error", "match"),
    [
        ([], ValueError, "at least one calibration sample"),
        ([(P, Y), (P[0], Y)], ValueError, "Block 1: P must have shape"),
        ([(P, Y), (P[:3], Y)], ValueError, "Block 1 has 3 members and 4 classes"),
        ([(P, Y), (np.eye(5)[np.tile(Y, (8, 1))], Y)], ValueError, "Block 1 has 8 members and 5"),
        *((wrong, TypeError, "blocks must ") for wrong in (None, 3, "ab")),
        *(([wrong], TypeError, "blocks must ") for wrong in (P, (P,), (P, Y, None, None))),
    ],
)
def test_blocks_that_disagree_or_are_none_are_refused(blocks, error, match):
    with pytest.raises(error, match=match):
        of_blocks(blocks)


@pytest.mark.parametrize("kind", [complex, str, object])
def test_predictions_that_are_no_real_numbers_are_refused(kind):
    wrong = P.astype(kind)
    for call in (
        lambda: of_classes(wrong, Y),
        lambda: of_blocks([(P, Y), (wrong, Y)]),
        lambda: of_targets(wrong, P[0]),
        lambda: of_targets(P, wrong[0]),
        lambda: solve_exact_entropy(wrong, Y),
    ):
        with pytest.raises(TypeError, match=r"(Block 1: P|P|F|y) must hold real numbers; got "):
            call()


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (with_value(regressors(), np.nan), {}, "NaN or infinite predictions: member 2"),
        (with_value(regressors(), -np.inf), {}, "NaN or infinite predictions: member 2"),
        (with_value(regressors(), 1e200), {}, "too large to be squared: member 2"),
        ((F, np.full_like(TARGETS, np.nan)), {}, "y has NaN"),
        ((F[0, 0], TARGETS), {}, "F must have shape"),
        ((F[:0], TARGETS), {}, "F must have shape"),
        ((F[:, :0], TARGETS[:0]), {}, "F must have shape"),
        ((F, TARGETS[:-1]), {}, r"y must have shape \(40, 2\)"),
        ((F, TARGETS[:, 0]), {}, r"y must have shape \(40, 2\)"),
        ((F, TARGETS, np.zeros(40)), {}, "sums to zero"),
        ((F, TARGETS, np.ones(39)), {}, r"sample_weight must have shape \(40,\)"),
        ((F, TARGETS), {"center": np.ones(3)}, r"center must be finite and have shape \(2,\)"),
        ((F, TARGETS), {"center": np.nan}, "center must be finite"),
        ((F, TARGETS), {"scale": [1.0, np.inf]}, "scale must be finite"),
        ((F, TARGETS), {"scale": [1.0, -1.0]}, "scale must not be negative"),
    ],
)
def test_invalid_predictions_of_regressors_and_units_are_refused(arguments, options, match):
    with pytest.raises(ValueError, match=match):
        of_targets(*arguments, **options)
