"""Grids over cached ensembles: what is trained, read and predicted, and how often."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from joblib import Memory, parallel_config
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
)
from skprune.exceptions import CacheWarning

from .conftest import CountingBag

M = 7
GRID = {"alpha": [0.3, 0.9], "lam": [0.05, 0.2]}


class LoggingTree(DecisionTreeClassifier):
    """A tree that writes a line to a file when it is trained, predicts, is pickled or unpickled."""

    def __init__(self, log=None, max_depth=3, random_state=None):
        super().__init__(max_depth=max_depth, random_state=random_state)
        self.log = log

    def fit(self, X, y, sample_weight=None):
        self._note("fit", len(X))
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        self._note("predict", f"{self.random_state}-{float(np.sum(X)):.6f}")
        return super().predict_proba(X)

    def __getstate__(self):
        if hasattr(self, "tree_"):
            self._note("saved", self.random_state)
        return super().__getstate__()

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "tree_"):
            self._note("loaded", self.random_state)

    def _note(self, *what):
        # one write a line, so that lines of several processes do not mix
        file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, (" ".join(map(str, what)) + "\n").encode())
        os.close(file)


def lines(log, what):
    if not Path(log).exists():
        return []
    return [line.split()[1] for line in Path(log).read_text().splitlines() if line[:3] == what[:3]]


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def pruner(log, cache):
    bag = BaggingClassifier(LoggingTree(log), M, random_state=0)
    return SOCPEnsemblePruner(bag, memory=cache, random_state=0)


def files(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def entries(cache, kind):
    """Files of the cached values of a kind."""
    notes = Path(cache).rglob("metadata.json")
    kinds = {note: json.loads(note.read_text())["input_args"]["kind"] for note in notes}
    return [note.with_name("output.pkl") for note, name in kinds.items() if name == repr(kind)]


def cut(path, n_bytes=300):
    path.write_bytes(path.read_bytes()[:n_bytes])


@pytest.mark.parametrize(("n_jobs", "cv"), [(1, 0.25), (2, 0.25), (1, 3)])
def test_in_a_grid_each_member_is_trained_and_predicts_once(pruner, data, log, n_jobs, cv):
    pruner.set_params(cv=cv)
    search = GridSearchCV(pruner, GRID, cv=5, n_jobs=n_jobs, return_train_score=True).fit(*data)
    # Five folds and the refit train one ensemble, or one for each fold and one on all rows.
    assert len(lines(log, "fit")) == 6 * M * (1 if cv == 0.25 else 4)
    if cv == 0.25:  # of several folds the same seeds predict the same rows
        # On calibration rows, and for each fold on its test rows and its training rows.
        predicted = Counter(lines(log, "predict"))
        assert max(predicted.values()) == 1
        assert 6 * M < len(predicted) <= 6 * M + 2 * 5 * M
    best = search.best_estimator_
    plain = clone(best).set_params(memory=None).fit(*data)
    np.testing.assert_array_equal(plain.weights_, best.weights_)
    np.testing.assert_array_equal(plain.predict_proba(data[0]), best.predict_proba(data[0]))


def test_a_grid_scores_as_without_a_cache(pruner, data):
    scores = [
        GridSearchCV(pruner.set_params(memory=memory), GRID, cv=3, scoring="neg_log_loss")
        .fit(*data)
        .cv_results_["mean_test_score"]
        for memory in (pruner.memory, pruner.memory, None)
    ]
    np.testing.assert_array_equal(scores[0], scores[2])
    np.testing.assert_array_equal(scores[1], scores[2])


def test_the_search_with_folds_trains_one_set_of_ensembles(pruner, data, log):
    search = SOCPEnsemblePrunerCV(
        pruner.estimator, cv=5, memory=pruner.memory, random_state=0, alphas=[0.5, 0.9], lams=[0.1]
    )
    search.fit(*data)
    assert len(lines(log, "fit")) == 6 * M
    clone(search).set_params(lams=[0.01, 0.3]).fit(*data)
    assert len(lines(log, "fit")) == 6 * M


class SlowTree(LoggingTree):
    def fit(self, X, y, sample_weight=None):
        time.sleep(0.05)
        return super().fit(X, y, sample_weight)


def slow_fit(log, cache):
    X, y = make_classification(200, 8, random_state=0)
    bag = BaggingClassifier(SlowTree(log), M, random_state=0)
    return SOCPEnsemblePruner(bag, cv=3, memory=cache, random_state=0).fit(X, y).weights_.tolist()


ALONE = """
import sys
from tests.pruning.test_grids import slow_fit

print("ready", flush=True)
sys.stdin.readline()
print(slow_fit(*sys.argv[1:]))
"""


@contextmanager
def another_process(*arguments):
    """One that begins the same fit."""
    run = subprocess.Popen(
        [sys.executable, "-c", ALONE, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        try:
            assert run.stdout.readline() == "ready\n"
            run.stdin.write("go\n")
            run.stdin.flush()
            yield run
        finally:
            run.kill()


def test_two_processes_that_fit_the_same_train_it_once(log, cache):
    with another_process(log, cache) as other:
        weights = slow_fit(log, str(cache))
        assert other.communicate(timeout=120)[0] == f"{weights}\n"
    assert len(lines(log, "fit")) == 4 * M


def test_a_killed_fit_continues_where_it_was(log, cache):
    with another_process(log, cache) as run:
        deadline = time.monotonic() + 60
        while len(lines(log, "fit")) < 2 * M + 2:  # in the third of four ensembles
            assert time.monotonic() < deadline
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        run.communicate()
    before = len(lines(log, "fit"))
    assert before < 3 * M
    weights = slow_fit(log, str(cache))
    assert len(lines(log, "fit")) == before + 2 * M
    assert slow_fit(log, str(cache.with_name("other"))) == weights


class TestReading:
    def test_only_kept_members_are_read(self, pruner, data, log):
        first = pruner.fit(*data)
        assert 0 < first.n_members_ < M
        before = lines(log, "loaded")
        again = clone(pruner).fit(*data)
        kept = [str(member.random_state) for member in again.estimators_]
        assert lines(log, "loaded")[len(before) :] == kept
        np.testing.assert_array_equal(first.predict_proba(data[0]), again.predict_proba(data[0]))

    def test_large_members_are_stored_apart(self, data, cache):
        """Members that are not kept are not read: their entries may be broken."""
        bag = BaggingClassifier(KNeighborsClassifier(), M, max_samples=2000, random_state=0)
        X, y = (np.tile(part, (40, 1)[: part.ndim]) for part in (np.tile(data[0], 4), data[1]))
        first = SOCPEnsemblePruner(bag, memory=cache, random_state=0, max_members=2).fit(X, y)
        stored = sorted(entries(cache, "members"), key=lambda path: path.stat().st_mtime_ns)
        assert len(stored) == M
        for path, is_kept in zip(stored, first.support_, strict=True):
            if not is_kept:
                cut(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = clone(first).fit(X, y)
        np.testing.assert_array_equal(first.predict_proba(X[:9]), again.predict_proba(X[:9]))

    def test_members_that_are_broken_are_trained_again_with_a_warning(self, pruner, data, log):
        pruner.fit(*data)
        before = pruner.predict_proba(data[0])
        (members,) = entries(pruner.memory, "members")
        cut(members)
        with pytest.warns(CacheWarning, match="'members' .* is broken") as caught:
            again = clone(pruner).fit(*data)
        assert len(caught) == 1
        assert len(lines(log, "fit")) == 2 * M
        np.testing.assert_array_equal(again.predict_proba(data[0]), before)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            clone(pruner).fit(*data)
        assert len(lines(log, "fit")) == 2 * M

    @pytest.mark.parametrize("kind", ["ensemble", "predictions", "statistics", "outputs"])
    def test_every_kind_of_entry_may_break(self, pruner, data, kind):
        before = pruner.fit(*data).predict_proba(data[0])
        (broken,) = entries(pruner.memory, kind)
        cut(broken, -1)
        with pytest.warns(CacheWarning, match=f"{kind}' .* is broken") as caught:
            again = clone(pruner).fit(*data).predict_proba(data[0])
        assert len(caught) == 1
        np.testing.assert_array_equal(again, before)

    def test_weights_of_calibration_rows_are_known_to_the_cache(self, data, cache):
        # Members that take no weights are trained on the same data whatever the weights are.
        X, y = data
        members = [(str(k), KNeighborsClassifier(k)) for k in (1, 5, 15, 45)]
        rng = np.random.default_rng(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for weight in rng.random((2, len(y))) ** 4:
                pruner = SOCPEnsemblePruner(members, random_state=0, reweight="none")
                plain = clone(pruner).fit(X, y, weight)
                cached = pruner.set_params(memory=cache).fit(X, y, weight)
                np.testing.assert_array_equal(plain.weights_, cached.weights_)
        assert len(entries(cache, "ensemble")) == 1

    def test_regressors(self, cache):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 5))
        y = X[:, 0] + np.abs(X[:, 1])
        pruner = SOCPEnsemblePrunerRegressor(
            BaggingRegressor(n_estimators=6, random_state=0), memory=cache, random_state=0, cv=3
        )
        plain = clone(pruner).set_params(memory=None).fit(X, y).predict(X)
        for _ in range(2):
            np.testing.assert_array_equal(clone(pruner).fit(X, y).predict(X), plain)


class TestOtherProcesses:
    """Members predict in threads, but a user may name a back end of processes."""

    @pytest.mark.parametrize("breaks", [False, True])
    def test_members_are_read_here_and_sent(self, pruner, data, log, breaks):
        plain = clone(pruner).set_params(memory=None).fit(*data)
        pruner.fit(*data)
        (predicted,) = entries(pruner.memory, "predictions")
        shutil.rmtree(predicted.parent)
        if breaks:
            cut(*entries(pruner.memory, "members"))
        before = len(lines(log, "fit"))
        with warnings.catch_warnings(), parallel_config(backend="loky", n_jobs=2):
            warnings.simplefilter("ignore", CacheWarning)
            again = clone(pruner).fit(*data)
        np.testing.assert_array_equal(again.weights_, plain.weights_)
        assert len(lines(log, "fit")) == before + M * breaks


class TestSaved:
    def test_a_loaded_pruner_writes_to_no_cache(self, pruner, data):
        X, y = data
        pruner.fit(X, y)
        loaded = pickle.loads(pickle.dumps(pruner))
        np.testing.assert_array_equal(loaded.predict_proba(X), pruner.predict_proba(X))
        assert len(entries(pruner.memory, "outputs")) == 1  # of the one that was fitted here
        before = files(pruner.memory)
        for n in (10, 20, 30):
            loaded.predict(X[:n])
        assert files(pruner.memory) == before

    def test_one_that_goes_on_predicting_stops_writing(self, pruner, data):
        X, y = data
        pruner.fit(X, y)
        for n in range(1, 20):
            pruner.predict(X[:n])
        assert len(entries(pruner.memory, "outputs")) == 2

    def test_members_that_were_replaced_bypass_the_cache(self, pruner, data):
        X, y = data
        before = pruner.fit(X, y).predict_proba(X)
        others = BaggingClassifier(DecisionTreeClassifier(max_depth=1), M, random_state=9)
        pruner.estimators_ = others.fit(X, y).estimators_[: pruner.n_members_]
        assert np.abs(pruner.predict_proba(X) - before).max() > 0.01

    def test_a_folder_that_was_deleted_is_not_made_again(self, pruner, data):
        before = pruner.fit(*data).predict_proba(data[0])
        shutil.rmtree(pruner.memory)
        np.testing.assert_array_equal(pruner.predict_proba(data[0]), before)
        assert not Path(pruner.memory).exists()

    def test_it_works_without_the_cache_it_was_fitted_with(self, pruner, data):
        pruner.fit(*data)
        before = pruner.predict_proba(data[0])
        Memory(str(pruner.memory), verbose=0).clear()
        np.testing.assert_array_equal(pruner.predict_proba(data[0]), before)
        assert pruner.estimators_[0].tree_.node_count > 1

    def test_the_table_of_members_is_saved(self, pruner, data):
        saved = pickle.dumps(clone(pruner).fit(*data))  # before the table was read
        pruner.fit(*data)
        found = pickle.loads(saved)
        assert str(found.explain()) == str(pruner.explain())
        np.testing.assert_array_equal(found.frontier_.score, pruner.frontier_.score)


class TestWrongMemory:
    @pytest.mark.parametrize("below", ["", "below"])
    def test_nothing_is_trained(self, pruner, data, log, tmp_path, below):
        (tmp_path / "file").write_text("")
        pruner.set_params(memory=tmp_path / "file" / below)
        with pytest.raises(ValueError, match=r"memory=.* cannot be used as a cache"):
            pruner.fit(*data)
        assert not Path(log).exists()

    def test_members_that_cannot_be_pickled_are_refused(self, pruner, data, log):
        members = [("a", make_pipeline(FunctionTransformer(lambda X: X), LoggingTree(log)))]
        pruner.set_params(estimator=members)
        with pytest.raises(TypeError, match=r"memory: .* cannot be pickled.*no lambdas"):
            pruner.fit(*data)
        assert not Path(log).exists()
        pruner.set_params(memory=None).fit(*data)

    def test_a_full_disk_costs_the_cache_and_nothing_else(self, pruner, data, small_disk):
        pruner.set_params(memory=small_disk, estimator__n_estimators=60)
        plain = clone(pruner).set_params(memory=None).fit(*data).predict_proba(data[0])
        for _ in range(2):
            with pytest.warns(CacheWarning, match="could not be stored") as caught:
                got = clone(pruner).fit(*data).predict_proba(data[0])
            assert len(caught) == 1
            np.testing.assert_array_equal(got, plain)


def test_splits_that_draw_from_a_generator_still_work(pruner, data):
    folds = KFold(3, shuffle=True, random_state=np.random.RandomState(0))
    assert pruner.set_params(cv=folds).fit(*data).n_members_ >= 1


def test_missing_parts_of_an_ensemble_train_it_once(tmp_path):
    """A cache that was reduced is completed by one training, also in threads."""
    X, y = make_classification(400, 100, n_informative=8, random_state=0)
    log = tmp_path / "log"
    bag = CountingBag(KNeighborsClassifier(), 12, log=log)  # about 240 kB a member: three parts
    pruner = SOCPEnsemblePruner(bag, lam=0.0, memory=tmp_path / "cache", random_state=0, n_jobs=4)
    first = pruner.fit(X, y).weights_.copy()
    assert log.read_text() == "400\n"
    large = [p for p in (tmp_path / "cache").rglob("output.pkl") if p.stat().st_size > 5_000]
    assert len(large) >= 4
    for path in large:  # the members and their predictions, not what is read first
        path.unlink()
    for alpha in (None, 0.9, 0.8):
        again = clone(pruner).set_params(alpha=alpha).fit(X, y)
        if alpha is None:
            np.testing.assert_array_equal(again.weights_, first)
        assert log.read_text() == "400\n" * 2
