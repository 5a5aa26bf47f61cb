"""What is saved comes back to the last bit, and what is broken not at all: by hypothesis."""

import copy
import io
import json
import os
import pickle
import tempfile
import warnings
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris, make_regression
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from skprune import (
    PruningAmountOptimizer,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
)
from skprune.amount import AdditiveCurve, LogisticCurve, MonotoneCurve, PolynomialCurve
from skprune.exceptions import CacheWarning, SavedFormatError
from skprune.sparsity import SweepResult
from skprune.utils import cached_call, check_cache
from skprune.utils._estimator import FORMAT, SavedWith

from .models import answer

STAMP = "_skprune_saved"
SEEDS = st.integers(0, 50)


@cache
def iris():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


@cache
def trees(kind, n_members, depth, seed):
    """Members that were fitted on every other row."""
    forest = kind(n_members, max_depth=depth, random_state=seed)
    return forest.fit(*(part[::2] for part in iris()))


@cache
def numbers(n_targets):
    return make_regression(60, 3, n_targets=n_targets, noise=5.0, random_state=0)


KINDS = st.sampled_from([RandomForestClassifier, ExtraTreesClassifier])
CHOICES = {
    "reweight": st.sampled_from(["relaxed", "equal", "none"]) | st.floats(0, 1),
    "voting": st.sampled_from(["soft", "hard"]),
    "penalty": st.sampled_from(["l1", "l0"]),
    "max_members": st.none() | st.integers(1, 4),
    "costs": st.sampled_from([None, "parameters"]),
}


@st.composite
def pruners(draw):
    """Fitted pruners of trees, whatever they were told."""
    n, depth = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    forest = trees(draw(KINDS), n, depth, draw(st.integers(0, 3)))
    params = {name: draw(choice) for name, choice in CHOICES.items()}
    params |= {
        "alpha": draw(st.floats(0.2, 1)),
        "lam": draw(st.floats(0, 0.9)),
        "threshold": draw(st.floats(0, 0.5)),
        "diversity": draw(st.sampled_from(["shannon", "exact", "gini"])),
        "random_state": draw(SEEDS),
    }
    X, y = (part[1::2] for part in iris())
    how = draw(st.sampled_from(["trained", "fitted before", "listed"]))
    if how == "listed":  # members of a forest know classes as numbers
        params["costs"] = draw(st.none() | st.just(list(range(1, n + 1))))
        members = [(f"tree {i}", FrozenEstimator(t)) for i, t in enumerate(forest.estimators_)]
        y = np.unique(y, return_inverse=True)[1]
        return fitted(SOCPEnsemblePruner(members, **params), X, y.astype(float))
    forest = clone(forest) if how == "trained" else FrozenEstimator(forest)
    return fitted(SOCPEnsemblePruner(forest, **params), X, y)


def fitted(estimator, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small samples, and what few members reach
        return estimator.fit(*data)


def copies_of(estimator, protocol, compress):
    """By every way to save that needs no list of what to trust."""
    file = io.BytesIO()
    joblib.dump(estimator, file, compress=compress)
    yield joblib.load(io.BytesIO(file.getvalue()))
    loaded = pickle.loads(pickle.dumps(estimator, protocol))
    yield loaded
    yield pickle.loads(pickle.dumps(loaded, protocol))
    yield copy.deepcopy(estimator)


def assert_survives(estimator, X, protocol, compress):
    expected = answer(estimator, X)
    for loaded in copies_of(estimator, protocol, compress):
        found = answer(loaded, X)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        params = [e.get_params(deep=False) for e in (loaded, estimator)]
        for each in params:
            each.pop("estimator", None)  # left empty in the file, if it was fitted beforehand
        assert repr(params[0]) == repr(params[1])
        if hasattr(estimator, "weights_"):
            np.testing.assert_array_equal(loaded.weights_, estimator.weights_)
            np.testing.assert_array_equal(loaded.support_, estimator.support_)
            assert loaded.solution_.objective == estimator.solution_.objective
            assert str(loaded.explain()) == str(estimator.explain())
        if is_classifier(estimator):
            assert loaded.classes_.dtype == estimator.classes_.dtype
            np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))


PROTOCOLS = st.integers(2, pickle.HIGHEST_PROTOCOL)
COMPRESSIONS = st.sampled_from([0, 3, ("gzip", 1), ("lzma", 1)])


@settings(max_examples=25)
@given(pruners(), PROTOCOLS, COMPRESSIONS)
def test_pruners_come_back(pruner, protocol, compress):
    assert_survives(pruner, iris()[0], protocol, compress)


@settings(max_examples=8)
@given(st.integers(1, 2), SEEDS, st.floats(0.2, 1), st.floats(0, 0.8), PROTOCOLS, COMPRESSIONS)
def test_pruners_of_regressors_come_back(n_targets, seed, alpha, lam, protocol, compress):
    X, y = numbers(n_targets)
    extra = ExtraTreesRegressor(5, max_depth=2, random_state=seed)
    pruner = SOCPEnsemblePrunerRegressor(extra, alpha=alpha, lam=lam, random_state=seed)
    assert_survives(fitted(pruner, X, y), X, protocol, compress)


@settings(max_examples=6)
@given(
    KINDS,
    SEEDS,
    st.lists(st.floats(0.2, 1), min_size=1, max_size=2, unique=True),
    st.lists(st.floats(0, 0.8), min_size=1, max_size=2, unique=True),
    st.sampled_from(["best", "one_se"]),
    st.integers(0, 2),
    PROTOCOLS,
    COMPRESSIONS,
)
def test_tuned_pruners_come_back(
    kind, seed, alphas, lams, selection, n_resamples, protocol, compress
):
    pruner = SOCPEnsemblePrunerCV(
        FrozenEstimator(trees(kind, 5, 2, seed % 4)),
        alphas=alphas,
        lams=lams,
        selection=selection,
        inner_cv=3,
        n_resamples=n_resamples,
        random_state=seed,
    )
    pruner = fitted(pruner, *(part[1::2] for part in iris()))
    assert_survives(pruner, iris()[0], protocol, compress)
    loaded = pickle.loads(pickle.dumps(pruner))
    assert repr(loaded.best_params_) == repr(pruner.best_params_)
    np.testing.assert_array_equal(
        loaded.cv_results_["mean_test_score"], pruner.cv_results_["mean_test_score"]
    )


CURVES = st.builds(LogisticCurve) | st.builds(PolynomialCurve, st.integers(1, 4))
CURVES |= st.builds(MonotoneCurve, st.sampled_from(["pchip", "linear"]))
CURVES |= st.builds(AdditiveCurve, st.builds(PolynomialCurve, st.integers(1, 3)))


@given(
    CURVES,
    arrays(float, 8, elements=st.floats(0.05, 1), unique=True),
    PROTOCOLS,
    COMPRESSIONS,
)
def test_curves_come_back(curve, values, protocol, compress):
    amounts = np.linspace(0, 1, 8)[:, None]
    curve = fitted(curve, amounts, np.sort(values)[::-1])
    assert_survives(curve, np.linspace(0, 1, 33)[:, None], protocol, compress)


@settings(max_examples=12)
@given(
    st.sampled_from(["logistic", "pchip", "linear"]),
    st.sampled_from(["cubic", "pchip"]),
    st.none() | st.floats(0.2, 0.99),
    st.none() | st.floats(10, 60),
    st.none() | st.just((0.1, 0.7)),
    SEEDS,
    PROTOCOLS,
    COMPRESSIONS,
)
def test_optimizers_come_back(accuracy, time, least, most, bounds, seed, protocol, compress):
    amounts = np.linspace(0, 1, 9)[:, None]
    fell = 0.97 / (1 + np.exp(6 * (amounts[:, 0] - 0.7)))
    measured = np.column_stack([fell, 1.2 - amounts[:, 0] ** 2, 50 - 40 * amounts[:, 0]])
    optimizer = PruningAmountOptimizer(
        accuracy_curve=accuracy,
        time_curve=time,
        min_accuracy=least,
        max_size=most,
        bounds=bounds,
        n_restarts=0,
        random_state=seed,
    )
    fitted(optimizer, amounts, measured)
    assert_survives(optimizer, amounts, protocol, compress)
    loaded = pickle.loads(pickle.dumps(optimizer))
    assert loaded.best_amount_ == optimizer.best_amount_
    assert loaded.misses_ == optimizer.misses_


# What is broken


NO_FORMATS = st.integers().filter(lambda n: not 1 <= n <= FORMAT) | st.floats() | st.none()
NO_FORMATS |= st.text(max_size=3) | st.booleans() | st.just([FORMAT])


@given(NO_FORMATS)
def test_no_other_format_is_read(number):
    stamp = object.__new__(SavedWith)
    vars(stamp).update(format=number, skprune="9.9", packages={})
    with pytest.raises(SavedFormatError, match="format"):
        pickle.loads(pickle.dumps(stamp))


@given(st.integers(0, 2), st.data())
def test_a_state_without_a_part_is_refused_or_answers_as_before(number, data):
    estimator, X = whole_ones()[number]
    state = estimator.__getstate__()
    missing = data.draw(st.sets(st.sampled_from(sorted(state)), min_size=1), label="missing")
    broken = type(estimator).__new__(type(estimator))
    left = {name: value for name, value in state.items() if name not in missing}
    if STAMP in missing:
        with pytest.raises(SavedFormatError, match="says no format"):
            broken.__setstate__(left)
        return
    broken.__setstate__(left)
    try:
        found = answer(broken, X)
    except Exception:
        return  # it says so
    np.testing.assert_array_equal(found, answer(estimator, X))


@cache
def whole_ones():
    pruner = SOCPEnsemblePruner(trees(RandomForestClassifier, 5, 2, 0), random_state=0)
    amounts = np.linspace(0, 1, 9)[:, None]
    fell = 0.97 / (1 + np.exp(6 * (amounts[:, 0] - 0.7)))
    optimizer = PruningAmountOptimizer(random_state=0)
    return (
        (fitted(pruner, *iris()), iris()[0]),
        (fitted(optimizer, amounts, np.column_stack([fell, 2 - fell, fell])), amounts),
        (fitted(MonotoneCurve(), amounts, fell), amounts),
    )


@cache
def bytes_of(number, compress):
    file = io.BytesIO()
    joblib.dump(whole_ones()[number][0], file, compress=compress)
    return file.getvalue()


@given(st.integers(0, 2), COMPRESSIONS, st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_anywhere_gives_all_or_nothing(number, compress, share):
    whole = bytes_of(number, compress)
    try:
        loaded = joblib.load(io.BytesIO(whole[: int(share * len(whole))]))
    except Exception:
        return  # as joblib says it
    # Only the end of the compression was missing, which nothing reads.
    assert compress
    assert share > 0.9
    estimator, X = whole_ones()[number]
    np.testing.assert_array_equal(answer(loaded, X), answer(estimator, X))


@settings(max_examples=25)
@given(st.data(), st.sampled_from([False, 3]))
def test_a_cache_gives_what_was_stored_or_makes_it_again(data, compress):
    """A file cut short: never another value."""
    value = data.draw(
        st.dictionaries(st.text(max_size=3), st.lists(st.floats(allow_nan=False)), max_size=3)
        | st.lists(st.floats(allow_nan=False), min_size=1).map(np.array)
    )
    with tempfile.TemporaryDirectory() as folder:
        memory = check_cache(joblib.Memory(folder, compress=compress, verbose=0))
        made = []

        def get():
            return cached_call(memory, "thing", "key", lambda: made.append(1) or value)

        np.testing.assert_equal(get(), value)
        (file,) = Path(folder).rglob("output.pkl")
        written = file.read_bytes()
        np.testing.assert_equal(get(), value)
        assert len(made) == 1
        file.write_bytes(written[: data.draw(st.integers(0, len(written) - 1))])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            np.testing.assert_equal(get(), value)
        # Only the end of the compression may be missing without harm.
        assert len(made) == 1 + len(caught)
        assert compress or caught
        assert all(
            warning.category is CacheWarning and "is broken" in str(warning.message)
            for warning in caught
        )
        np.testing.assert_equal(get(), value)
        assert len(made) == 1 + len(caught)


# Sweeps


@st.composite
def sweeps(draw):
    n = draw(st.integers(1, 4))

    def numbers(elements, dtype=float):
        return draw(arrays(dtype, n, elements=elements))

    shares, seconds = st.floats(0, 1), st.floats(1e-9, 1e3)
    counts = st.integers(0, 2**53)
    return SweepResult(
        amounts=np.sort(numbers(st.floats(0, 1, exclude_max=True))),
        accuracy_before=numbers(shares),
        accuracy=numbers(shares),
        time=numbers(seconds),
        time_q25=numbers(seconds),
        time_q75=numbers(seconds),
        size=numbers(seconds),
        parameters=numbers(counts, np.int64),
        nonzero=numbers(counts, np.int64),
        dense_bytes=numbers(counts, np.int64),
        file_bytes=numbers(counts, np.int64),
        compressed_bytes=numbers(counts, np.int64),
        macs=numbers(counts, np.int64),
        method=draw(st.sampled_from(["channels", "magnitude"])),
        size_kind="dense_bytes",
        batch_size=draw(st.integers(1, 512)),
        n_validation=draw(st.integers(1, 10**6)),
        fine_tune_epochs=draw(st.integers(0, 10)),
        hardware=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
        fingerprint=draw(st.text("0123456789abcdef", min_size=4, max_size=8)),
    )


def assert_same_sweep(one, other):
    for name, value in vars(one).items():
        found = getattr(other, name)
        if isinstance(value, np.ndarray):
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value)
        else:
            assert (type(found), found) == (type(value), value)


@settings(max_examples=25)
@given(sweeps(), st.floats(0, 1, exclude_max=True))
def test_sweeps_come_back_whole_or_not_at_all(sweep, share):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sweep.json")
        sweep.save(path)
        assert_same_sweep(sweep, SweepResult.load(path))
        assert_same_sweep(sweep, pickle.loads(pickle.dumps(sweep)))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=r"sweep\.json is not a sweep"):
            SweepResult.load(path)


NOTHING_OF_A_SWEEP = st.none() | st.booleans() | st.just({}) | st.just([]) | st.just([[0.5]])
NOTHING_OF_A_SWEEP |= st.just(["a"]) | st.just([None]) | st.just([[0.5], 1]) | st.just([10**400])


@settings(max_examples=25)
@given(sweeps(), st.data())
def test_a_sweep_with_a_broken_part_is_refused(sweep, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sweep.json")
        sweep.save(path)
        content = json.loads(path.read_text())
        name = data.draw(st.sampled_from(sorted(content)), label="part")
        how = data.draw(st.sampled_from(["missing", "longer", "other"]))
        if how == "missing":
            del content[name]
        elif how == "longer" and isinstance(content[name], list):
            content[name].append(content[name][0])
        else:
            content[name] = data.draw(NOTHING_OF_A_SWEEP)
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=r"sweep\.json is not a sweep"):
            SweepResult.load(path)


@settings(max_examples=10)
@given(sweeps(), sweeps())
def test_a_sweep_that_cannot_be_written_leaves_the_one_before(before, after):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sweep.json")
        before.save(path)
        object.__setattr__(after, "hardware", object())  # which JSON does not know
        with pytest.raises(TypeError):
            after.save(path)
        assert_same_sweep(before, SweepResult.load(path))
        assert os.listdir(folder) == ["sweep.json"]
