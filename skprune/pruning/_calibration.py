"""Where calibration predictions come from: held-out rows, folds, out-of-bag rows, fitted members.

Trained ensembles and their predictions are cached; predictions of members in files are written to
a file, of the cache or temporary.
"""

import os
import pickle
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from numbers import Integral, Real
from typing import Any

import joblib
import numpy as np
import sklearn
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupShuffleSplit, check_cv
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.validation import assert_all_finite, column_or_1d

from .._version import __version__
from ..exceptions import CacheWarning
from ..utils import (
    Predictions,
    PredictionStore,
    ScratchFolder,
    cache_folder,
    cache_lock,
    cached_call,
    cast,
    check_method_params,
    check_room,
    data_hash,
    hold_out,
    num_samples,
    unfreeze,
    warn_user,
    write_predictions,
)
from ._members import MemberFile, Members, encode_labels, is_trained
from ._out_of_bag import fill_with_others, out_of_bag_rows

__all__ = [
    "Calibration",
    "MemberOutputCache",
    "StoredBlocks",
    "TIMED_ROWS",
    "TrainingData",
    "calibrated_out_of_bag",
    "calibration_splits",
    "checked_groups",
    "checked_rows",
    "is_fraction",
    "losses_by_draw",
    "predict_fitted",
    "predictions_of",
    "train_and_predict",
    "train_out_of_bag",
    "warn_of_drawn_rows",
    "warn_of_few_rows",
    "warn_of_known_rows",
]

# Calibration rows that members are timed on.
TIMED_ROWS = 256

# With fewer calibration rows of a class a selection is more often worse than the full vote: of
# 3 % positives, 48 trials each, in 10 % with five rows, 6 % with ten, 2 % with fifteen.
_FEW_ROWS = 8
_N_FOLDS = 5  # that are recommended

# When a member is told apart from others by what it knows: not on fewer rows, nor if others make
# fewer errors (an equally good member makes none on so many rows in one of 20,000 cases).
_MANY_ROWS = 50
_MANY_ERRORS = 10
_NEARLY_ALL = 0.999  # R^2
_ROUNDING = 1e-9

Split = tuple[NDArray[np.intp], NDArray[np.intp]]

# Sets of rows for which a fitted pruner keeps predictions: a search scores on test rows and, where
# it is asked to, on training rows. Rows that are predicted after those are seen once.
_MAX_ROW_SETS = 2
# Pickled members that are stored, and read, at a time.
_PART_BYTES = 2**20

# Draws of groups to hold out, until those to train on have all classes.
_N_DRAWS = 20

# What predictions of members in files are kept in by default.
_FILE_DTYPE = "float32"

_SMALLER = "prediction_dtype='float16' takes half of what float32 does."
_IN_SCRATCH = f"Set JOBLIB_TEMP_FOLDER to a folder on another disk; {_SMALLER}"
_IN_CACHE = f"Give memory a folder on another disk; {_SMALLER}"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Fitted members, and calibration predictions: theirs, or those of members trained on folds."""

    members: Members  # to select from
    P: Predictions  # (M, N, k), of the calibration rows
    y: NDArray  # labels or targets of these rows
    sample_weight: NDArray[np.float64] | None  # their weights
    X: Any  # first rows, to time members on; None where no samples are seen
    memory: joblib.Memory | None = None  # of what is computed from P; None for fitted members
    key: tuple = ()  # what P and the weights depend on
    output_cache: "MemberOutputCache | None" = None  # of what the kept members predict
    # (M, N), rows that each member was not trained on; None if no member was trained on any
    own: NDArray[np.bool_] | None = None
    names: tuple[str, ...] | None = None  # of the members, where predictions came with names
    groups: NDArray | None = None  # of the rows


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The user's data, and what is passed to the members' fit (by name, for a list)."""

    X: Any
    y: NDArray
    fit_params: dict[str, Any]


# Splits


def is_fraction(cv: Any) -> bool:
    """Whether cv is a share of the rows, not a number of folds or a splitter."""
    return isinstance(cv, Real) and not isinstance(cv, Integral)


def calibration_splits(
    cv: Any, X: Any, y: NDArray, *, by_class: bool, seed: int, split_params: dict[str, Any]
) -> list[Split]:
    """Rows to train on and rows to calibrate on; one such pair for a fraction, else one a fold."""
    if is_fraction(cv):
        if split_params.get("groups") is not None:
            return [_hold_out_groups(y, split_params["groups"], float(cv), seed, by_class)]
        codes = np.unique(y, return_inverse=True)[1] if by_class else np.zeros(len(y), np.intp)
        return [_hold_out(codes, float(cv), seed)]
    if cv is None or isinstance(cv, Integral) or hasattr(cv, "split"):
        splitter = check_cv(cv, y, classifier=by_class)
        try:
            folds = list(splitter.split(X, y, **split_params))
        except ValueError as error:
            raise ValueError(f"cv={cv!r:.100} cannot split these rows: {error}") from error
    else:
        folds = list(cv)
    if not folds:
        raise ValueError(f"cv must give at least one pair (train, test); {cv!r:.100} gives none.")
    splits = [_checked_fold(number, fold, len(y)) for number, fold in enumerate(folds)]
    if split_params.get("groups") is not None:
        _check_groups(splits, split_params["groups"], cv)
    rows = np.concatenate([test for _, test in splits])
    if len(np.unique(rows)) < len(rows):
        raise ValueError(
            f"cv={cv!r} tests some rows in several folds. Give a splitter whose test folds are "
            "disjoint, such as KFold or StratifiedKFold."
        )
    return splits


def _hold_out(codes: NDArray[np.intp], fraction: float, seed: int) -> Split:
    """Hold out a fraction, by class if possible; the only row of a class is trained on."""
    shared = np.flatnonzero(np.bincount(codes)[codes] > 1)
    n_test = round(fraction * len(codes))
    if not 1 <= n_test <= len(shared) - 1:
        raise ValueError(
            f"cv={fraction:g} of {len(codes)} samples leaves {n_test} to calibrate on and "
            f"{len(codes) - n_test} to train on; give more samples or another fraction."
        )
    held_out = np.zeros(len(codes), dtype=bool)
    held_out[shared] = hold_out(codes[shared], n_test, seed)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _hold_out_groups(y: NDArray, groups: Any, fraction: float, seed: int, by_class: bool) -> Split:
    """Hold out a fraction of the groups; each class must be in the others, too."""
    n_groups = len(np.unique(groups))
    if not 1 <= round(fraction * n_groups) <= n_groups - 1:
        raise ValueError(
            f"cv={fraction:g} of {n_groups} group(s) leaves none to calibrate on, or none to train "
            "on; give more groups or another share."
        )
    splitter = GroupShuffleSplit(_N_DRAWS, test_size=fraction, random_state=seed)
    for train, test in splitter.split(y, y, groups):
        missing = np.setdiff1d(y[test], y[train])
        if not by_class or len(missing) == 0:
            return train, test
    raise ValueError(
        f"Classes {missing[:5].tolist()} are in the held-out groups only, in each of {_N_DRAWS} "
        "draws: no member would know them. Give more groups with these classes, or a splitter "
        "that has them on both sides, such as StratifiedGroupKFold."
    )


def _check_groups(splits: list[Split], groups: Any, cv: Any) -> None:
    """Raise if rows of one group are trained and calibrated on."""
    for number, (train, test) in enumerate(splits):
        both = np.intersect1d(groups[train], groups[test])
        if len(both):
            raise ValueError(
                f"cv={cv!r:.100} trains and calibrates on rows of the same {len(both)} group(s) in "
                f"fold {number}, such as {both[0]!r}. Give a share of the groups to hold out, or a "
                "splitter such as GroupKFold."
            )


def _checked_fold(number: int, fold: Any, n_rows: int) -> Split:
    """Positions of the rows to train on and to calibrate on; raise for wrong ones."""
    try:
        train, test = fold
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"cv as an iterable must give pairs (train, test) of row positions; fold {number} is "
            f"{fold!r:.100}."
        ) from error
    train = checked_rows("cv", f"train of fold {number}", train, n_rows)
    test = checked_rows("cv", f"test of fold {number}", test, n_rows)
    both = np.intersect1d(train, test)
    if len(both):
        raise ValueError(
            f"cv gives a fold that trains and calibrates on the same {len(both)} of {n_rows} "
            "rows; members may not be calibrated on rows they were trained on."
        )
    return train, test


def checked_rows(name: str, which: str, given: Any, n_rows: int) -> NDArray[np.intp]:
    """Positions of rows, from positions or from a mask; errors name the argument and the fold."""
    right = (
        f"{name} must give positions in 0 .. {n_rows - 1}, or a mask of {n_rows} rows, at least one"
    )
    rows = np.asarray(given)
    if rows.dtype == bool and rows.shape == (n_rows,):
        rows = np.flatnonzero(rows)
    if rows.size == 0:
        raise ValueError(f"{right}; {which} is empty.")
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise ValueError(f"{right}; {which} is {given!r:.100}.")
    outside = rows[(rows < 0) | (rows >= n_rows)]
    if len(outside):
        raise ValueError(f"{right}; {which} holds {outside[0]}.")
    return rows


def checked_groups(groups: Any, y: NDArray) -> NDArray:
    """The groups of the rows as an array; raise for other shapes, and for missing values."""
    try:
        checked: NDArray = column_or_1d(groups, input_name="groups")
        check_consistent_length(y, checked)
        assert_all_finite(checked, input_name="groups")
        np.unique(checked)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"groups must have one group a row, all numbers or all text, none missing: {error}"
        ) from error
    return checked


def warn_of_few_rows(
    y: NDArray,
    sample_weight: NDArray[np.float64] | None,
    classes: NDArray,
    rows: NDArray[np.intp] | None = None,
    groups: NDArray | None = None,
) -> None:
    """Warn of classes with too few of the calibration rows, ``rows`` (None: all)."""
    codes, used = encode_labels(y, classes), np.ones(len(y), dtype=bool)
    if sample_weight is not None:
        used = sample_weight > 0
    held_out = used if rows is None else used & np.isin(np.arange(len(y)), rows)
    counts = np.bincount(codes[held_out], minlength=len(classes))
    few = np.flatnonzero(counts < _FEW_ROWS)
    if len(few) == 0:
        return
    remedy = "Give more rows of it."
    if rows is not None:
        # What folds are made of: rows, or groups.
        parts = np.arange(len(y)) if groups is None else groups
        n_parts = [len(np.unique(parts[used & (codes == c)])) for c in few]
        if min(n_parts) >= _N_FOLDS:
            folds = "{}" if groups is None else "StratifiedGroupKFold({})"
            remedy = (
                f"Give cv={folds.format(_N_FOLDS)}, whose folds calibrate on all {used.sum()} rows."
            )
    which = [f"{classes[i : i + 1].tolist()[0]!r} has {counts[i]}" for i in few[:5]]
    more = f", and {len(few) - 5} more classes have less than {_FEW_ROWS}" if len(few) > 5 else ""
    warn_user(
        f"Class {', '.join(which)} of the {held_out.sum()} calibration rows{more}: too few to "
        f"compare members on. {remedy}"
    )


def warn_of_known_rows(
    names: Sequence[str],
    scores: NDArray[np.float64],
    n_rows: int,
    given: NDArray[np.bool_],
    *,
    by_class: bool,
) -> None:
    """Warn of given members that predict all rows right where others do not, or where all do.

    ``scores`` (M,) are accuracies, or R^2, on the calibration rows.
    """
    perfect = scores >= 1 - _ROUNDING
    if n_rows < _MANY_ROWS or len(scores) < 2 or not (perfect & given).any():
        return
    best = scores[~perfect].max(initial=-np.inf)
    if perfect.all():
        others = "so there is nothing to choose by"
    elif by_class and round((1 - best) * n_rows) >= _MANY_ERRORS:
        others = f"and the best other one {1 - best:.1%} of them wrong"
    elif not by_class and best < _NEARLY_ALL:
        others = f"and the best other one has an R^2 of {best:.4f}"
    else:
        return
    found = [names[i] for i in np.flatnonzero(perfect & given).tolist()]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    warn_user(
        f"All {n_rows} calibration rows are predicted right by {', '.join(found[:5])}{more}, "
        f"{others}. If members were trained on these rows, calibrate on others, which alone show "
        "what a member is worth; or give unfitted members, which are trained and calibrated on "
        "different rows."
    )


def losses_by_draw(
    losses: Iterable[NDArray], drawn: NDArray[np.bool_]
) -> tuple[float, float] | None:
    """Mean loss of members on rows that they drew, (M, N), and on others.

    None if it is not clearly less where they drew a row: by five standard errors, and by a tenth.
    """
    n_drawn = drawn.sum(axis=0)
    both = (n_drawn > 0) & (n_drawn < len(drawn))
    if both.sum() < _MANY_ROWS:
        return None
    on_drawn, on_others = np.zeros(len(both)), np.zeros(len(both))
    for loss, rows in zip(losses, drawn, strict=True):
        on_drawn += np.where(rows, loss, 0.0)
        on_others += np.where(rows, 0.0, loss)
    seen = on_drawn[both] / n_drawn[both]
    unseen = on_others[both] / (len(drawn) - n_drawn[both])
    gain = unseen - seen
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    if gain.mean() <= 5 * error or seen.mean() >= 0.9 * unseen.mean():
        return None
    return float(seen.mean()), float(unseen.mean())


def warn_of_drawn_rows(found: dict[str, tuple[float, float]], remedy: str) -> None:
    """Warn of ensembles, by name, whose members have a smaller loss on rows that they drew."""
    if not found:
        return
    seen, unseen = next(iter(found.values()))
    warn_user(
        f"The calibration rows seem to be those that {', '.join(found)} learned from: on rows that "
        f"its members drew (estimators_samples_) their mean loss is {seen:.3g}, and {unseen:.3g} "
        f"on the others. {remedy}"
    )


# Members to be trained


def train_and_predict(
    estimator: Any,
    data: TrainingData,
    splits: list[Split],
    *,
    refit: bool,
    outputs: dict[str, Any],
    sample_weight: NDArray[np.float64] | None,
    groups: NDArray | None,
    dtype: str | None,
    memory: joblib.Memory,
    n_jobs: int | None,
    training: Callable[[Any], AbstractContextManager],
) -> Calibration:
    """Train on the first rows of each split, and predict the second; with ``refit``, train on all.

    ``outputs`` are the classes or the number of targets, for :meth:`Members.of`; ``sample_weight``
    are the weights of the calibration rows; ``training`` is entered around the fit of each
    ensemble, to report progress.
    """
    ensemble = _trainer(estimator, data, outputs, memory, n_jobs, training)
    parts: list[NDArray] = []
    tested = []
    for train, test in splits:  # nothing else refers to `trained`: one ensemble in memory at a time
        trained = ensemble(train)
        parts.append(_predict_rows(trained, data.X, test, memory, n_jobs))
        tested.append((trained.key, test))
    sizes = {len(part) for part in parts}
    if len(sizes) > 1:
        raise ValueError(
            f"The ensemble has a different number of members in each fold: {sorted(sizes)}. "
            "Out-of-fold calibration needs member i in all of them; use a fraction as cv."
        )
    P = _cast_all(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), dtype)
    if refit:
        trained = ensemble(None)
    rows = np.concatenate([test for _, test in splits])
    return Calibration(
        trained.members(),
        P,
        data.y[rows],
        sample_weight,
        _safe_indexing(data.X, rows[:TIMED_ROWS]),
        memory,
        (tested, sample_weight, dtype),
        None if trained.key is None else MemberOutputCache(memory, trained.key),
        groups=groups,
    )


def train_out_of_bag(
    estimator: Any,
    data: TrainingData,
    seed: int,
    *,
    outputs: dict[str, Any],
    sample_weight: NDArray[np.float64] | None,
    groups: NDArray | None,
    dtype: str | None,
    memory: joblib.Memory,
    n_jobs: int | None,
    training: Callable[[Any], AbstractContextManager],
) -> Calibration:
    """Train on all rows once, and calibrate each member on those that it did not draw."""
    every = np.arange(len(data.y))
    ensemble = _trainer(estimator, data, outputs, memory, n_jobs, training)
    trained = ensemble(None, out_of_bag=True)
    P = _cast_all(_predict_rows(trained, data.X, every, memory, n_jobs), dtype)
    members = trained.members()
    assert members.own is not None
    return calibrated_out_of_bag(
        Calibration(
            members,
            P,
            data.y,
            sample_weight,
            _safe_indexing(data.X, every[:TIMED_ROWS]),
            memory,
            ("out of bag", trained.key, sample_weight, dtype),
            None if trained.key is None else MemberOutputCache(memory, trained.key),
            groups=groups,
        ),
        members.own,
        seed,
    )


def calibrated_out_of_bag(
    calibration: Calibration, own: NDArray[np.bool_], seed: int
) -> Calibration:
    """The same, with what other members predict for rows that a member was trained on."""
    P: Any = calibration.P
    if not P.flags.writeable or isinstance(P, np.memmap):  # a cache may give a map of its file
        P = np.array(P)
    fill_with_others(P, own, seed)
    return replace(calibration, P=P, own=own, key=(*calibration.key, seed))


def _trainer(
    estimator: Any,
    data: TrainingData,
    outputs: dict[str, Any],
    memory: joblib.Memory,
    n_jobs: int | None,
    training: Callable[[Any], AbstractContextManager],
) -> Callable[..., "_Ensemble"]:
    """A function of rows (None: all) that trains the ensemble on them when it is needed."""
    key = None
    if memory.location is not None:
        # Another version of scikit-learn may misread pickled members, or train them differently.
        known = (estimator, outputs, data.X, data.y, data.fit_params, sklearn.__version__)
        key = data_hash(*known, *_training_keys(estimator))

    def ensemble(rows: NDArray[np.intp] | None, *, out_of_bag: bool = False) -> _Ensemble:
        fit = partial(_fit_members, estimator, rows, out_of_bag, outputs, data, n_jobs, training)
        return _Ensemble(memory, None if key is None else data_hash(key, rows, out_of_bag), fit)

    return ensemble


def _cast_all(P: NDArray, dtype: str | None) -> NDArray:
    if dtype is None:
        return P
    found = np.empty(P.shape, dtype)
    for i, output in enumerate(P):
        found[i] = cast(output, found.dtype, i)
    return found


def _predict_rows(
    ensemble: "_Ensemble", X: Any, rows: NDArray[np.intp], memory: joblib.Memory, n_jobs: int | None
) -> NDArray:
    """Predict some rows with all members; an ensemble is trained only if they are not cached."""

    def predict() -> NDArray:
        return ensemble.members().outputs(_safe_indexing(X, rows), n_jobs)

    P: NDArray = cached_call(memory, "predictions", (ensemble.key, rows), predict)
    return P


def _training_keys(estimator: Any) -> list[Any]:
    """What training depends on besides parameters and data: for networks, Keras's back end."""
    members = [m for _, m in estimator] if isinstance(estimator, list) else [estimator]
    keys = []
    for each in members:
        params = each.get_params(deep=True) if hasattr(each, "get_params") else {}
        for part in (each, *params.values()):
            if hasattr(part, "__skprune_training_key__"):
                keys.append(part.__skprune_training_key__())
            elif any(base.__module__.startswith("scikeras.") for base in type(part).__mro__):
                keys.append(sys.modules["keras"].backend.backend())
    return keys


def _fit_members(
    estimator: Any,
    rows: NDArray[np.intp] | None,
    out_of_bag: bool,
    outputs: dict[str, Any],
    data: TrainingData,
    n_jobs: int | None,
    training: Callable[[Any], AbstractContextManager],
) -> Members:
    """Fit a clone of the ensemble, or of each member of a list, on some rows (None: all)."""
    encoded: dict[int, NDArray] = {}
    by_class = "classes" in outputs
    if isinstance(estimator, list):
        with training(estimator):
            trained = Parallel(n_jobs=n_jobs)(
                delayed(_fit_member)(member, data.X, data.y, data.fit_params[name], rows, by_class)
                for name, member in estimator
            )
        fitted = [(name, m) for (name, _), (m, _) in zip(estimator, trained, strict=True)]
        encoded = {i: labels for i, (_, labels) in enumerate(trained) if labels is not None}
    else:
        fitted = clone(estimator, safe=False)
        with training(fitted):
            _fit_rows(fitted, data.X, data.y, data.fit_params, rows)
    members = Members.of(fitted, encoded=encoded, **outputs)
    if out_of_bag:
        members = replace(members, own=out_of_bag_rows(fitted, len(data.y)))
    return members


def _fit_member(
    member: Any,
    X: Any,
    y: NDArray,
    fit_params: dict[str, Any],
    rows: NDArray[np.intp] | None,
    by_class: bool,
) -> tuple[Any, NDArray | None]:
    """Fit a clone of one member of a list; also its labels, if ``classes_`` does not hold them.

    Some classifiers take no labels but 0 .. k - 1, and all of these: XGBoost, many networks.
    """
    if not is_trained(member):
        return member, None
    fitted = clone(member, safe=False)
    labels = np.unique(y if rows is None else y[rows]) if by_class else None
    try:
        _fit_rows(fitted, X, y, fit_params, rows)
    except MemoryError:
        raise
    except Exception:
        if labels is None or np.array_equal(labels, np.arange(len(labels))):
            raise
        fitted = clone(member, safe=False)
        codes = np.searchsorted(labels, y)  # of other rows anything
        _fit_rows(fitted, X, codes, fit_params, rows)  # its error shows the first one, too
        return fitted, labels
    return fitted, None if getattr(fitted, "classes_", None) is not None else labels


def _fit_rows(
    estimator: Any, X: Any, y: NDArray, fit_params: dict[str, Any], rows: NDArray[np.intp] | None
) -> None:
    if rows is not None:
        fit_params = check_method_params(X, fit_params, indices=rows)
        X, y = _safe_indexing(X, rows), _safe_indexing(y, rows)
    estimator.fit(X, y, **fit_params)


class _Ensemble:
    """The members of an ensemble, trained when first needed, or read from the cache.

    In the cache the members are stored in parts, so that a pruner reads only those that it keeps
    (and what is stored with them), and not each in a file of its own, which takes longer.
    """

    def __init__(self, memory: joblib.Memory, key: str | None, fit: Callable[[], Members]) -> None:
        self._memory, self.key, self._fit = memory, key, fit
        self._trained: Members | None = None
        self._training = threading.Lock()
        self._part: tuple[int, list[bytes]] = (-1, [])  # the last one that was read

    def members(self) -> Members:
        """The members; those in the cache are read one by one, when they are used."""
        if self.key is None:
            return self._train()
        frame, self._name, self._step = cached_call(
            self._memory, "ensemble", self.key, self._train_and_store
        )
        file = str(self._memory.location)
        files = (_CachedMember(file, self, i) for i in range(len(frame)))
        return replace(frame, estimators=tuple(files))

    def member(self, i: int) -> Any:
        """Member i; if what is stored of it is broken, the ensemble is trained again."""
        if self._trained is None:
            number, part = self._part
            if number != i // self._step:
                number = i // self._step
                part = self._stored(number)
                self._part = number, part
            if self._trained is not None:  # the part was missing: others may be, too
                self._store_parts(len(self._trained))
            return pickle.loads(part[i % self._step])
        return self._trained.estimators[i]

    def _train(self) -> Members:
        with self._training:  # threads that miss parts train once
            if self._trained is None:
                self._trained = self._fit()
            return self._trained

    def _train_and_store(self) -> tuple[Members, str, int]:
        """What is read of the ensemble at first: all but the members, and where these are."""
        members = self._train()
        self._name = uuid.uuid4().hex  # parts of two trainings are not mixed if one is killed
        try:
            self._step = max(1, _PART_BYTES // len(pickle.dumps(members.estimators[0])))
            self._store_parts(len(members))
        except (pickle.PicklingError, TypeError, AttributeError):
            return members, self._name, 1  # the cache says why they cannot be stored
        return replace(members, estimators=(None,) * len(members)), self._name, self._step

    def _store_parts(self, n_members: int) -> None:
        for number in range(-(-n_members // self._step)):
            self._stored(number)

    def _stored(self, number: int) -> list[bytes]:
        def pickled() -> list[bytes]:
            part = slice(number * self._step, (number + 1) * self._step)
            return [pickle.dumps(member) for member in self._train().estimators[part]]

        part: list[bytes] = cached_call(self._memory, "members", (self._name, number), pickled)
        return part


@dataclass(frozen=True, eq=False)
class _CachedMember(MemberFile):
    """A member of an ensemble in the cache, whose folder is the path."""

    ensemble: _Ensemble
    position: int

    def load(self) -> Any:
        """Read the member, or train it again."""
        return self.ensemble.member(self.position)

    def __reduce__(self):
        return unfreeze, (self.load(),)  # to another process, which cannot train it again


class MemberOutputCache:
    """What members of a cached ensemble predict on the rows that a search scores on.

    The candidates of a search keep different members of one ensemble, and all are scored on the
    same rows: each member predicts them once. An entry holds what one candidate had to predict.
    """

    def __init__(self, memory: joblib.Memory, key: str) -> None:
        self._memory, self._key = memory, key
        self._row_sets: set[str] = set()

    def outputs(
        self, kept: Members, positions: NDArray[np.intp], X: Any, n_jobs: int | None
    ) -> Iterable[NDArray]:
        """Predictions of the kept members, whose positions in the ensemble are given."""
        if len(self._row_sets) > _MAX_ROW_SETS or not cache_folder(self._memory).is_dir():
            return kept.member_outputs(X, n_jobs)
        rows = data_hash(X)
        self._row_sets.add(rows)
        if len(self._row_sets) > _MAX_ROW_SETS:  # the search is over
            return kept.member_outputs(X, n_jobs)
        known: dict[int, NDArray] = {}

        def predict_missing() -> dict[int, NDArray]:
            new = np.array([i not in known for i in positions.tolist()])
            outputs = kept.subset(new).member_outputs(X, n_jobs)
            return dict(zip(positions[new].tolist(), outputs, strict=True))

        for number in count():
            if all(i in known for i in positions.tolist()):
                break
            known |= cached_call(
                self._memory, "outputs", (self._key, rows, number), predict_missing
            )
        return iter([known[i] for i in positions.tolist()])


# Members that are fitted already


def predict_fitted(
    members: Members,
    X: Any,
    *,
    dtype: str | None,
    memory: joblib.Memory,
    scratch: ScratchFolder,
    n_jobs: int | None,
) -> Predictions:
    """Predict all rows with members that were fitted before; in a file where members are files."""
    if members.has_files:
        dtype = dtype or _FILE_DTYPE
    key = None
    if memory.store_backend is not None:
        # A fingerprint may change although its member does not; then rows are predicted again.
        key = data_hash(members.with_fingerprints(), X, str(dtype), __version__)
    if not members.has_files:
        P: Predictions = cached_call(
            memory, "predictions", key, lambda: members.outputs(X, n_jobs, dtype)
        )
        return P
    if key is None:
        path = os.path.join(scratch.path, "predictions.npy")
        return _write_outputs(path, members, X, dtype, n_jobs, _IN_SCRATCH)
    folder = cache_folder(memory) / "skprune_predictions" / key
    path = str(folder / "predictions.npy")
    with cache_lock(memory, "predictions", key):
        if os.path.exists(path):
            try:
                return PredictionStore.open([path])
            except ValueError as error:
                warn_user(
                    f"memory: a file of the cache is broken and is made again: {error}",
                    CacheWarning,
                )
        folder.mkdir(parents=True, exist_ok=True)
        return _write_outputs(path, members, X, dtype, n_jobs, _IN_CACHE)


def predictions_of(members: Members, X: Any, n_jobs: int | None, dtype: str | None) -> Predictions:
    """Predictions for a report; those of files in a temporary file, deleted when unused."""
    if not members.has_files:
        return members.outputs(X, n_jobs, dtype)
    scratch = ScratchFolder()
    try:
        path = os.path.join(scratch.path, "predictions.npy")
        store = _write_outputs(path, members, X, dtype, n_jobs, _IN_SCRATCH)
    except BaseException:
        scratch.close()
        raise
    weakref.finalize(store, scratch.close)
    return store


def _write_outputs(
    path: str, members: Members, X: Any, dtype: str | None, n_jobs: int | None, remedy: str
) -> PredictionStore:
    """Write predictions to a file; what a killed process has left of it is continued."""
    M, n, k = len(members), num_samples(X), members.n_outputs
    dtype = dtype or _FILE_DTYPE
    what = f"{M} members for {n:,} rows and {k} outputs in {dtype}"
    return write_predictions(
        path,
        (M, n, k),
        np.dtype(dtype),
        lambda first: members.member_outputs(X, n_jobs, first=first),
        lambda n_bytes: check_room(os.path.dirname(path), n_bytes, what, remedy),
    )


class StoredBlocks:
    """Predictions of fitted members for rows that come in blocks, a file a block."""

    def __init__(
        self, members: Members, dtype: str | None, scratch: ScratchFolder, n_jobs: int | None
    ) -> None:
        self._members, self._dtype, self._scratch = members, dtype, scratch
        self._n_jobs = n_jobs
        self._paths: list[str] = []

    def add(self, X: Any) -> None:
        """Predict a block of at least one row and write it."""
        path = os.path.join(self._scratch.path, f"block_{len(self._paths):06d}.npy")
        members, dtype = self._members, self._dtype
        if members.has_files:
            _write_outputs(path, members, X, dtype, self._n_jobs, _IN_SCRATCH)
        else:
            M, n, k = len(members), num_samples(X), members.n_outputs
            n_bytes = M * n * k * np.dtype(dtype or np.float64).itemsize
            what = f"{M} members for a block of {n:,} rows and {k} outputs"
            check_room(self._scratch.path, n_bytes, what, _IN_SCRATCH)
            P = members.outputs(X, self._n_jobs, dtype)
            self._dtype = P.dtype.name  # all blocks in that of the first
            np.save(path, P)
        self._paths.append(path)

    def store(self) -> PredictionStore:
        """All blocks, one after the other."""
        return PredictionStore.open(self._paths)
