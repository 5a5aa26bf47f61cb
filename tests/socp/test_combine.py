"""Statistics of parts add up to those of the whole, and can be taken off it again."""

import numpy as np
import pytest

from skprune.socp import EnsembleStatistics, SOCPProblem, socp_path

from .pools import digits_trees, dirichlet, regressors

FIELDS = ("gram", "reference_gram", "agreement", "divergence", "target_power", "reference_mass")


def statistics(kind, rows, weighted, dtype=np.float64):
    """Statistics of some rows of one pool, whole or in part."""
    if kind == "regression":
        P, y = regressors(N=45)
        units = {"center": y.mean(axis=0), "scale": y.std(axis=0)}
        make = EnsembleStatistics.from_regression
    else:
        P, y = dirichlet(N=45)
        units = {}
        make = EnsembleStatistics.from_predictions
    weight = np.random.default_rng(0).uniform(size=45)[rows] if weighted else None
    return make(P[:, rows].astype(dtype), y[rows], weight, **units)


def assert_same(one, other, atol):
    assert one.kind == other.kind
    assert (one.n_samples, one.n_classes) == (other.n_samples, other.n_classes)
    assert one.total_weight == pytest.approx(other.total_weight, rel=1e-14)
    for field in FIELDS:
        a, b = getattr(one, field), getattr(other, field)
        if b is None:
            assert a is None
        else:
            np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=field)


FOLDS = np.array_split(np.random.default_rng(3).permutation(45), [4, 19, 20, 38])
CASES = pytest.mark.parametrize(
    ("kind", "dtype", "atol"),
    [
        ("classes", np.float64, 1e-14),
        ("classes", np.float32, 1e-6),
        ("regression", np.float64, 1e-14),
    ],
)


@pytest.mark.parametrize("weighted", [False, True])
@CASES
def test_folds_add_up_to_the_whole(kind, dtype, atol, weighted):
    whole = statistics(kind, np.arange(45), weighted, dtype)
    folds = [statistics(kind, fold, weighted, dtype) for fold in FOLDS]
    assert_same(sum(folds), whole, atol)
    assert_same(
        folds[0] + folds[1], statistics(kind, np.r_[FOLDS[0], FOLDS[1]], weighted, dtype), atol
    )


@pytest.mark.parametrize("weighted", [False, True])
@CASES
def test_the_whole_less_a_fold_is_the_rest(kind, dtype, atol, weighted):
    whole = statistics(kind, np.arange(45), weighted, dtype)
    for number, fold in enumerate(FOLDS):
        rest = np.concatenate([f for k, f in enumerate(FOLDS) if k != number])
        difference = whole - statistics(kind, fold, weighted, dtype)
        assert_same(difference, statistics(kind, rest, weighted, dtype), 10 * atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [0.3, 0.9])
def test_the_path_of_a_difference_is_optimal(alpha, dtype):
    P, y = digits_trees()
    P = P.astype(dtype)
    folds = np.arange(len(y)) % 3
    whole = EnsembleStatistics.from_predictions(P, y)
    for k in range(3):
        part = EnsembleStatistics.from_predictions(P[:, folds == k], y[folds == k])
        path = socp_path(whole - part, alpha)
        assert path.kkt_residual <= 1e-10
        # The same weights as where the fold was never seen.
        rest = EnsembleStatistics.from_predictions(P[:, folds != k], y[folds != k])
        problem = SOCPProblem.from_statistics(rest, alpha)
        at = problem.with_penalty(0.1 * problem.penalty_max)
        assert at.kkt_residual(path.at(0.1)) <= (1e-10 if dtype == np.float64 else 1e-4)


def test_operands_are_left_as_they_were():
    one, other = (statistics("classes", fold, True) for fold in FOLDS[:2])
    before = [getattr(s, field).copy() for s in (one, other) for field in FIELDS[:4]]
    (one + other) - other
    after = [getattr(s, field) for s in (one, other) for field in FIELDS[:4]]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_target_power_of_classes_is_exact():
    folds = [statistics("classes", fold, True) for fold in FOLDS]
    assert sum(folds).target_power == (sum(folds) - folds[2]).target_power == 0.25


def other_units():
    F, y = regressors()
    return EnsembleStatistics.from_regression(F, y)


@pytest.mark.parametrize(
    ("other", "match"),
    [
        (
            lambda: EnsembleStatistics.from_predictions(*dirichlet(M=7)),
            "same number of members.*8 and 7",
        ),
        (
            lambda: EnsembleStatistics.from_predictions(*dirichlet(C=3)),
            "same number of classes.*4 and 3",
        ),
        (other_units, "same kind.*'classes' and 'regression'"),
    ],
)
@pytest.mark.parametrize("sign", ["+", "-"])
def test_statistics_of_different_things_do_not_combine(other, match, sign):
    one, other = statistics("classes", np.arange(45), False), other()
    with pytest.raises(ValueError, match=match):
        one + other if sign == "+" else one - other


@pytest.mark.parametrize("name", ["center", "scale"])
def test_regression_statistics_in_different_units_do_not_combine(name):
    F, y = regressors()
    units = {"center": np.zeros(2), "scale": np.ones(2)}
    one = EnsembleStatistics.from_regression(F, y, **units)
    other = EnsembleStatistics.from_regression(F, y, **{**units, name: np.full(2, 3.0)})
    with pytest.raises(ValueError, match=f"same {name} .*{name}=..."):
        one + other


def test_regression_statistics_of_different_targets_do_not_combine():
    one = EnsembleStatistics.from_regression(*regressors())
    other = EnsembleStatistics.from_regression(*regressors(T=1))
    with pytest.raises(ValueError, match=r"same number of targets.*2 and 1"):
        one + other


def test_a_difference_must_leave_samples():
    whole = statistics("classes", np.arange(45), False)
    part = statistics("classes", FOLDS[1], False)
    for nothing in (lambda: part - part, lambda: part - whole, lambda: whole - part - whole):
        with pytest.raises(ValueError, match="leaves no sample"):
            nothing()


def test_a_difference_must_leave_weight():
    P, y = dirichlet()
    weight = np.r_[np.random.default_rng(0).random(20), np.zeros(20)]
    whole = EnsembleStatistics.from_predictions(P, y, weight)
    part = EnsembleStatistics.from_predictions(P[:, :20], y[:20], weight[:20])
    with pytest.raises(ValueError, match="leaves no sample"):
        whole - part


@pytest.mark.parametrize("other", [1, 0.0, None, "x", np.ones(3), [1]])
def test_only_statistics_combine_with_statistics(other):
    stats = statistics("classes", FOLDS[0], False)
    for combine in (
        lambda: stats + other,
        lambda: stats - other,
        lambda: other - stats,
        lambda: other + stats,
    ):
        with pytest.raises(TypeError):
            combine()
