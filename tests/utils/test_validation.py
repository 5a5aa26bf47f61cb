"""Constraints of parameters: what they take, what they refuse, and what messages say."""

from numbers import Integral, Real

import numpy as np
import pytest
from sklearn.model_selection import KFold

from skprune.utils import ALPHA, LAM, N_JOBS, Number, SequenceOf, Splitter, check_parameters

SHARE = [Number(Real, 0, 1, closed="both")]


@pytest.mark.parametrize("value", [0, 0.0, 0.25, 1, np.float32(0.5), np.int64(0), np.float64(0.9)])
def test_numbers_in_range(value):
    check_parameters("f", {"share": SHARE}, share=value)


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, np.bool_(1), "0.5", None, [0.5], 0.5j, np.ones(1), np.array(0.5)),
        *(-1e-300, -1, 1.0000001, np.nan, np.inf, -np.inf, 10**400, -(10**400)),
    ],
    ids=repr,
)
def test_everything_else_is_refused(value):
    for error in (TypeError, ValueError):
        with pytest.raises(
            error, match=r"'share' parameter of f must be a float in the range \[0.0, 1.0\]\. Got"
        ):
            check_parameters("f", {"share": SHARE}, share=value)


@pytest.mark.parametrize("value", [np.inf, np.nan, 10**400])
def test_numbers_without_an_upper_bound_are_finite(value):
    check_parameters("f", {"cost": [Number(Real, 0)]}, cost=1e300)
    with pytest.raises(ValueError, match="'cost'"):
        check_parameters("f", {"cost": [Number(Real, 0)]}, cost=value)


def test_one_is_an_alpha_and_not_a_lam():
    check_parameters("f", {"alpha": ALPHA, "lam": LAM}, alpha=1, lam=np.nextafter(1, 0))
    with pytest.raises(ValueError, match="any lam below 1 keeps at least one member"):
        check_parameters("f", {"lam": LAM}, lam=1)


@pytest.mark.parametrize("value", [(0.5,), [0, 1], np.array([0.1, 0.2]), range(2)])
def test_sequences(value):
    check_parameters("f", {"shares": [SequenceOf(*SHARE)]}, shares=value)


@pytest.mark.parametrize("value", [(), [], 0.5, np.array(0.5), iter([0.5]), "0.5", [0.5, 2], None])
def test_other_sequences_are_refused(value):
    with pytest.raises(ValueError, match="must be a non-empty sequence of a float in the range"):
        check_parameters("f", {"shares": [SequenceOf(*SHARE)]}, shares=value)


def test_splitters():
    pairs = [([0], [1])]
    check_parameters("f", {"cv": [Splitter()]}, cv=KFold(2))
    check_parameters("f", {"cv": [Splitter(iterable=True)]}, cv=pairs)
    for constraint, value in [
        *((Splitter(), each) for each in (pairs, KFold, "KFold", 5)),
        *((Splitter(iterable=True), each) for each in (KFold, "pairs", 5, ...)),
    ]:
        with pytest.raises(ValueError, match="must be a cross-validation splitter"):
            check_parameters("f", {"cv": [constraint]}, cv=value)


@pytest.mark.parametrize("value", [None, 1, 8, -1, -2, np.int64(2), 2**31 - 1])
def test_numbers_of_jobs(value):
    check_parameters("f", {"n_jobs": N_JOBS}, n_jobs=value)


@pytest.mark.parametrize("value", [0, True, 1.0, 2**31, -(10**30), "2", [2], np.array(2)], ids=repr)
def test_other_numbers_of_jobs_are_refused(value):
    with pytest.raises(ValueError, match=r"jobs at a time.*-1: all cores"):
        check_parameters("f", {"n_jobs": N_JOBS}, n_jobs=value)


def test_a_meaning_is_part_of_the_message():
    folds = [Number(Integral, 2, meaning="a number of folds")]
    with pytest.raises(ValueError, match=r"an int in the range \[2, inf\) \(a number of folds\)"):
        check_parameters("f", {"cv": folds}, cv=1)
