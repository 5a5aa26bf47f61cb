"""How much each view of a sample matters to a fitted estimator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
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
from ._data import as_mask

__all__ = ["ViewImportance", "view_importance"]


@dataclass(frozen=True, eq=False)
class ViewImportance(ReprHTML):
    """Importance of V views, from the drop of the score without each, R times.

    Attributes
    ----------
    importance : ndarray of shape (V,)
        Reciprocal mean rank, in (0, 1]; see :func:`~skprune.amount.reciprocal_mean_rank`.
    drops : ndarray of shape (R, V)
        Baseline minus the score without that view.
    ranks : ndarray of shape (R, V)
        Rank of each view by its drop, 1 the largest; equal drops share their mean rank.
    baseline : ndarray of shape (R,)
        Score with all views.
    method : {"permute", "remove"}
        How views were removed.

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
    """Rank views by the drop of the score without each.

    Parameters
    ----------
    estimator : fitted estimator
        Predicts from X.
    X : array-like of shape (n_samples, V, ...)
        Samples; the second axis is the view.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or targets.
    method : {"permute", "remove"}, default="permute"
        "permute" shuffles the view among the samples. "remove" masks it if the ``predict`` of the
        estimator has an argument ``mask``. For any other estimator, and in samples without
        another view, the view is replaced by its mean over the samples.
    n_repeats : int, default=5
        How often all views are ranked. "permute" shuffles again for each repeat, "remove" draws
        samples with replacement.
    scoring : str, callable or None, default=None
        Score as in scikit-learn, higher is better; a callable takes ``(estimator, X, y)``. None is
        the ``score`` method of the estimator.
    mask : array-like of bool of shape (n_samples, V) or (V,), default=None
        True where a view is present; passed to the estimator. Missing views stay missing, and are
        not used in shuffles and means. None means that all are present.
    random_state : int, RandomState instance, numpy Generator or None, default=None
        Seed of the shuffles and draws. None takes fresh entropy.

    Returns
    -------
    ViewImportance

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, a mask is given to an estimator without one, or a score is not
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
            "method": [StrOptions({"permute", "remove"})],
            "n_repeats": [Number(Integral, 1)],
            "scoring": [None, str, callable],
            "random_state": [*RANDOM_STATE, np.random.Generator],
        },
        method=method,
        n_repeats=n_repeats,
        scoring=scoring,
        random_state=random_state,
    )
    samples, y = _checked(X, y)
    predict = getattr(estimator, "predict", None)
    takes_mask = predict is not None and "mask" in signature(predict).parameters
    if mask is not None and not takes_mask:
        raise TypeError(
            f"mask is given, but the predict of {type(estimator).__name__} takes no mask."
        )
    present = as_mask(mask, *samples.shape[:2], allow_empty=True)
    scorer = scoring if callable(scoring) else check_scoring(estimator, scoring)
    if is_integer(random_state):  # not the seed itself, so that results do not change
        random_state = draw_seed(check_random_state(random_state))
    rng = generator(random_state)

    def score(X: NDArray, y: NDArray, present: NDArray[np.bool_]) -> float:
        plain = mask is None and present.all()
        return scorer(estimator if plain else _Masked(estimator, present), X, y)

    if method == "permute":
        baseline = score(samples, y, present)
        repeats = [
            [baseline, *_permuted_scores(score, samples, y, present, rng)] for _ in range(n_repeats)
        ]
    else:
        repeats = [
            _removed_scores(score, samples, y, present, rng, takes_mask) for _ in range(n_repeats)
        ]
    scores = np.array(repeats, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(f"scoring={scoring!r} must give finite numbers; got {scores.tolist()}.")
    drops = scores[:, :1] - scores[:, 1:]
    ranks = rankdata(-drops, method="average", axis=1)
    return ViewImportance(reciprocal_mean_rank(ranks), drops, ranks, scores[:, 0].copy(), method)


def _checked(X: Any, y: Any) -> tuple[NDArray, NDArray]:
    """X and y as arrays of equally many samples, X with a second axis."""
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
    return samples, truth


_Score = Callable[[NDArray, NDArray, NDArray[np.bool_]], float]


def _permuted_scores(
    score: _Score, X: NDArray, y: NDArray, present: NDArray[np.bool_], rng: np.random.Generator
) -> list[float]:
    """Scores with each view in turn shuffled among the samples that have it."""
    order, changed, scores = rng.permutation(len(X)), X.copy(), []
    for view in range(X.shape[1]):
        changed[present[:, view], view] = X[order[present[order, view]], view]
        scores.append(score(changed, y, present))
        changed[:, view] = X[:, view]
    return scores


def _removed_scores(
    score: _Score,
    X: NDArray,
    y: NDArray,
    present: NDArray[np.bool_],
    rng: np.random.Generator,
    takes_mask: bool,
) -> list[float]:
    """Score of samples drawn with replacement, and their scores without each view in turn."""
    rows = rng.integers(len(X), size=len(X))
    drawn, labels, before = X[rows], y[rows], present[rows]
    scores = [score(drawn, labels, before)]
    for view in range(X.shape[1]):
        pixels = drawn[:, view].copy()
        masked = before[:, view] & (before.sum(axis=1) > 1) & takes_mask
        averaged = before[:, view] & ~masked
        if averaged.any():
            drawn[averaged, view] = _mean(X[present[:, view], view])
        left = before.copy()
        left[masked, view] = False
        scores.append(score(drawn, labels, left))
        drawn[:, view] = pixels
    return scores


def _mean(images: NDArray) -> NDArray:
    """Mean image, in the type of the images."""
    mean = images.mean(axis=0, dtype=np.float64)
    mean = np.rint(mean) if images.dtype.kind in "biu" else mean
    return np.asarray(mean.astype(images.dtype))


class _Masked:
    """An estimator whose methods get a mask."""

    _METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score")

    def __init__(self, estimator: Any, mask: NDArray[np.bool_]) -> None:
        self._estimator, self._mask = estimator, mask

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._estimator, name)
        if name not in self._METHODS:
            return found
        # The score of scikit-learn takes no mask, but it calls predict, which does.
        function = getattr(found, "__func__", None)
        if function in (ClassifierMixin.score, RegressorMixin.score):
            return function.__get__(self)
        return wraps(found)(partial(found, mask=self._mask))
