"""How much each view of a sample matters to a fitted estimator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring
from sklearn.utils import check_array, check_consistent_length

from ..amount import reciprocal_mean_rank
from ..utils import (
    RANDOM_STATE,
    Number,
    ReprHTML,
    StrOptions,
    check_parameters,
    check_random_state,
    draw_seed,
    generator,
    is_integer,
)

__all__ = ["ViewImportance", "view_importance"]

METHODS = ("permute", "remove")


@dataclass(frozen=True, eq=False)
class ViewImportance(ReprHTML):
    """Importance of V views, from what the score loses without each, R times.

    Attributes
    ----------
    importance : ndarray of shape (V,)
        Reciprocal mean rank, in (0, 1]; see :func:`~skprune.amount.reciprocal_mean_rank`.
    drops : ndarray of shape (R, V)
        Baseline minus the score with that view destroyed.
    ranks : ndarray of shape (R, V)
        Rank of each view by its drop, 1 the largest; equal drops share their mean rank.
    baseline : ndarray of shape (R,)
        Score with all views as they are.
    method : {"permute", "remove"}
        How views were destroyed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skprune.multiview import view_importance
    >>> X = np.random.default_rng(0).normal(size=(200, 3, 2))
    >>> y = X[:, 1].sum(axis=1) > 0
    >>> flatten = FunctionTransformer(np.reshape, kw_args={"shape": (-1, 6)})
    >>> model = make_pipeline(flatten, LogisticRegression()).fit(X, y)
    >>> found = view_importance(model, X, y, random_state=0)
    >>> found.drops.shape, found.ranks[:, 1]
    ((5, 3), array([1., 1., 1., 1., 1.]))
    """

    importance: NDArray[np.float64]
    drops: NDArray[np.float64]
    ranks: NDArray[np.float64]
    baseline: NDArray[np.float64]
    method: str


def view_importance(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    method: str = "permute",
    n_repeats: int = 5,
    scoring: str | Callable[..., float] | None = None,
    mask: ArrayLike | None = None,
    random_state: Any = None,
) -> ViewImportance:
    """Rank views by how much the score drops when each is destroyed.

    Parameters
    ----------
    estimator : fitted estimator
        Predicts from X.
    X : array-like of shape (n_samples, V, ...)
        Samples; the second axis is the view.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        What is to be predicted.
    method : {"permute", "remove"}, default="permute"
        "permute" permutes the samples of a view. "remove" takes it away: an estimator whose
        ``predict`` has an argument ``mask`` gets that, for any other the view becomes its mean
        over the samples (as it also does where it is a sample's only view).
    n_repeats : int, default=5
        Repeats, in each of which all views are ranked. Those of "permute" differ in the
        shuffle, those of "remove" in the rows, which are drawn with replacement.
    scoring : str, callable or None, default=None
        As in scikit-learn, higher being better; a callable takes ``(estimator, X, y)``. None is
        the estimator's own ``score``.
    mask : array-like of bool of shape (n_samples, V) or (V,), default=None
        True where a view is there; handed on to the estimator. Views that are missing stay so,
        and take no part in shuffles and means.
    random_state : int, RandomState instance, numpy Generator or None, default=None
        Decides shuffles and rows. None takes fresh entropy.

    Returns
    -------
    ViewImportance

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, the estimator takes no mask and one is given, or a score is not
        finite.

    See Also
    --------
    skprune.amount.importance_inverse_amounts : Prunes important views less.
    sklearn.inspection.permutation_importance : The same for single features, without ranks.

    References
    ----------
    The notebook "mvcnn-results-reg-fit": the form of its importance of views.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skprune.multiview import view_importance
    >>> X = np.random.default_rng(0).normal(size=(200, 3, 2))
    >>> y = X[:, 1].sum(axis=1) > 0
    >>> flatten = FunctionTransformer(np.reshape, kw_args={"shape": (-1, 6)})
    >>> model = make_pipeline(flatten, LogisticRegression()).fit(X, y)
    >>> view_importance(model, X, y, random_state=0).importance.argmax()
    np.int64(1)
    """
    check_parameters(
        "view_importance",
        {
            "method": [StrOptions(set(METHODS))],
            "n_repeats": [Number(Integral, 1)],
            "scoring": [None, str, callable],
            "random_state": [*RANDOM_STATE, np.random.Generator],
        },
        method=method,
        n_repeats=n_repeats,
        scoring=scoring,
        random_state=random_state,
    )
    rows = _Rows.of(estimator, X, y, mask)
    scorer = scoring if callable(scoring) else check_scoring(estimator, scoring)
    if is_integer(random_state):  # not the seed itself, so that an int gives what it always gave
        random_state = draw_seed(check_random_state(random_state))
    rng = generator(random_state)
    repeats = [
        _permuted(rows, rng) if method == "permute" else _removed(rows, rng)
        for _ in range(n_repeats)
    ]
    # The first of a repeat is the baseline, which does not change without new rows.
    scores = np.empty((n_repeats, 1 + rows.n_views))
    for number, repeat in enumerate(repeats):
        for place, (images, truth, present) in enumerate(repeat):
            if place == 0 and number > 0 and method == "permute":
                scores[number, 0] = scores[0, 0]
            else:
                scores[number, place] = scorer(_masked(estimator, present), images, truth)
    if not np.isfinite(scores).all():
        raise ValueError(f"scoring={scoring!r} must give finite numbers; got {scores.tolist()}.")
    drops = scores[:, :1] - scores[:, 1:]
    ranks = rankdata(-drops, method="average", axis=1)
    return ViewImportance(reciprocal_mean_rank(ranks), drops, ranks, scores[:, 0].copy(), method)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Samples as checked; ``present`` is None where no mask is to be handed on."""

    X: NDArray
    y: NDArray
    present: NDArray[np.bool_]
    takes_mask: bool
    has_mask: bool

    @property
    def n_views(self) -> int:
        return self.X.shape[1]

    @classmethod
    def of(cls, estimator: Any, X: Any, y: Any, mask: Any) -> "_Rows":
        samples = check_array(
            X, allow_nd=True, ensure_2d=False, dtype=None, ensure_all_finite=False, input_name="X"
        )
        if samples.ndim < 2 or samples.shape[1] == 0:
            raise ValueError(
                "X must have the shape (n_samples, views, ...), with at least one view; got "
                f"{samples.shape}."
            )
        truth = np.asarray(y)
        check_consistent_length(samples, truth)
        predict = getattr(estimator, "predict", None)
        takes_mask = predict is not None and "mask" in signature(predict).parameters
        present = np.ones(samples.shape[:2], dtype=bool)
        if mask is not None:
            if not takes_mask:
                raise TypeError(
                    f"mask is given, but the predict of {type(estimator).__name__} takes no mask."
                )
            given = np.asarray(mask)
            shapes = (present.shape, present.shape[1:])
            if given.dtype != bool or given.shape not in shapes:
                raise ValueError(
                    f"mask must be an array of bool of shape {shapes[0]} or {shapes[1]}; got "
                    f"{given.dtype} of shape {given.shape}."
                )
            present = np.broadcast_to(given, present.shape)
        return cls(samples, truth, present, takes_mask, mask is not None)


_Scored = tuple[NDArray, NDArray, NDArray[np.bool_] | None]


def _permuted(rows: _Rows, rng: np.random.Generator) -> Iterator[_Scored]:
    """The samples as they are, then with each view in turn permuted: one working copy."""
    order = rng.permutation(len(rows.X))
    mask = rows.present if rows.has_mask else None
    yield rows.X, rows.y, mask
    work = rows.X.copy()
    for view in range(rows.n_views):
        there = rows.present[:, view]
        work[there, view] = rows.X[order[there[order]], view]
        yield work, rows.y, mask
        work[:, view] = rows.X[:, view]


def _removed(rows: _Rows, rng: np.random.Generator) -> Iterator[_Scored]:
    """Rows drawn with replacement, then without each view in turn: one working copy."""
    drawn = rng.integers(len(rows.X), size=len(rows.X))
    work, truth, present = rows.X[drawn], rows.y[drawn], rows.present[drawn]
    yield work, truth, present if rows.has_mask else None
    for view in range(rows.n_views):
        kept, there = work[:, view].copy(), present[:, view]
        gone = there & (present.sum(axis=1) > 1) & rows.takes_mask
        filled = there & ~gone
        if filled.any():
            work[filled, view] = _mean(rows.X[rows.present[:, view], view], work.dtype)
        left = present.copy()
        left[gone, view] = False
        yield work, truth, left if rows.has_mask or gone.any() else None
        work[:, view] = kept


def _mean(images: NDArray, dtype: np.dtype) -> NDArray:
    mean = images.mean(axis=0, dtype=np.float64)
    return np.rint(mean).astype(dtype) if dtype.kind in "biu" else mean.astype(dtype)


def _masked(estimator: Any, mask: NDArray[np.bool_] | None) -> Any:
    return estimator if mask is None else _Masked(estimator, mask)


class _Masked:
    """An estimator that is told the same mask by whatever scores it."""

    _METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score")

    def __init__(self, estimator: Any, mask: NDArray[np.bool_]):
        self._estimator, self._mask = estimator, mask

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._estimator, name)
        if name not in self._METHODS:
            return found
        # The score that scikit-learn gives a class knows no mask, but only calls predict.
        function = getattr(found, "__func__", None)
        if function in (ClassifierMixin.score, RegressorMixin.score):
            return function.__get__(self)

        @wraps(found)
        def masked(*args: Any, **kwargs: Any) -> Any:
            return found(*args, mask=self._mask, **kwargs)

        return masked
