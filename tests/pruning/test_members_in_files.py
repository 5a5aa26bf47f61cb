"""Members in files: each is loaded once, and the fit is that of members in memory."""

import errno
import gc
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.frozen import FrozenEstimator
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier, ExtraTreeRegressor

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressor
from skprune.exceptions import CacheWarning, MemberFileError, SkpruneError
from skprune.inspection import pruning_report

from .conftest import ALL, SMALL

pytestmark = [
    pytest.mark.filterwarnings("ignore:The cross-validated score of the selection"),
    pytest.mark.usefixtures("scratch"),
]
for_all = pytest.mark.parametrize(("cls", "params"), ALL)

M = 12
EXACT = {"voting": "soft", "diversity": "exact"}


class Recorded:
    """Members that record in files which of them were unpickled, and which predicted."""

    folder = None
    failing = {}  # (what, random_state) -> exception, or "kill"
    in_memory = weakref.WeakSet()
    most_in_memory = 0

    def record(self, what):
        error = Recorded.failing.get((what, self.random_state))
        if error == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if error is not None:
            raise error
        if Recorded.folder is not None:
            with open(Recorded.folder / what, "a") as file:
                file.write(f"{self.random_state}\n")

    def __setstate__(self, state):
        super().__setstate__(state)
        self.record("loads")
        Recorded.in_memory.add(self)
        Recorded.most_in_memory = max(Recorded.most_in_memory, len(Recorded.in_memory))

    __hash__ = object.__hash__


class Voter(Recorded, ExtraTreeClassifier):
    def predict_proba(self, X):
        self.record("predictions")
        return super().predict_proba(X)


class Number(Recorded, ExtraTreeRegressor):
    def predict(self, X):
        self.record("predictions")
        return super().predict(X)


class Elsewhere(GaussianNB):
    """Predicts its own number of samples, whatever it is given."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def predict_proba(self, X):
        return super().predict_proba(np.resize(X, (self.n, X.shape[1])))


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """How often each member was loaded, or predicted, since the last call."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    monkeypatch.setattr(Recorded, "folder", folder)
    monkeypatch.setattr(Recorded, "failing", {})

    def counts(what):
        path = folder / what
        found = Counter(map(int, path.read_text().split())) if path.exists() else Counter()
        path.unlink(missing_ok=True)
        return found

    return counts


def save(member, path):
    joblib.dump(member, path)
    return str(path)


@pytest.fixture
def given(data, tmp_path):
    """Paths, fitted members, and calibration rows for a pruner; of classifiers by default."""
    made = {}

    def of(cls=SOCPEnsemblePruner):
        kind = Number if "Regressor" in cls.__name__ else Voter
        if kind not in made:
            X, y = data[0], np.array(["ant", "bee", "cat"])[data[1]]
            if kind is Number:
                X, y = make_regression(400, 12, noise=20, random_state=0)
            members = [kind(max_depth=4, random_state=i).fit(X[:200], y[:200]) for i in range(M)]
            (tmp_path / kind.__name__).mkdir()
            paths = [  # some of them as they were given elsewhere: frozen
                save(m if i % 3 else FrozenEstimator(m), tmp_path / kind.__name__ / f"{i}.joblib")
                for i, m in enumerate(members)
            ]
            made[kind] = paths, members, X[200:], y[200:]
        return made[kind]

    return of


def frozen(members):
    return [(str(i), FrozenEstimator(member)) for i, member in enumerate(members)]


def the_same(one, other, X, atol=0.0):
    np.testing.assert_allclose(one.weights_, other.weights_, atol=atol)
    np.testing.assert_allclose(one.frontier_.score, other.frontier_.score, atol=max(atol, 1e-12))
    if hasattr(one, "predict_proba"):
        np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=atol)
    else:
        np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-12 + atol)


@pytest.mark.parametrize(
    ("cls", "params"),
    [
        *((cls, params | {"n_jobs": n}) for cls, params in ALL for n in (None, 2)),
        *((SOCPEnsemblePruner, p) for p in ({"voting": "hard"}, {"threshold": 0.5})),
        *((SOCPEnsemblePruner, p) for p in (EXACT, {"penalty": "l0"})),
        *((SOCPEnsemblePruner, {"costs": "parameters"}),),
        *((SOCPEnsemblePrunerCV, SMALL | {"scoring": s}) for s in ("f1_macro", "neg_log_loss")),
    ],
)
def test_the_fit_is_that_of_members_in_memory(cls, params, given, recorded):
    paths, members, X, y = given(cls)
    weight = np.random.default_rng(0).integers(1, 3, len(y)).astype(float)
    weight = None if "scoring" in params else weight
    files = cls(paths, **params).fit(X, y, weight)
    assert recorded("loads")[M - 1] <= (3 if "costs" in params else 2)
    memory = cls(frozen(members), prediction_dtype="float32", **params).fit(X, y, weight)
    the_same(files, memory, X)
    for key, values in getattr(memory, "cv_results_", {}).items():
        if "score" in key:
            np.testing.assert_array_equal(files.cv_results_[key], values)
    assert 1 <= files.n_members_ < files.n_members_in_ == M
    assert [type(m) for m in files.estimators_] == [type(members[0])] * files.n_members_
    assert files.explain().names == tuple(paths)


class TestLoads:
    @for_all
    def test_once_for_a_member_that_is_dropped_and_not_after_the_fit(
        self, cls, params, given, recorded
    ):
        paths, _, X, y = given(cls)
        pruner = cls(paths, **params).fit(X, y)
        kept = np.flatnonzero(pruner.support_)
        assert len(kept) < M
        # The first classifier says which classes there are, and stays until the end.
        again = kept[kept > 0] if hasattr(pruner, "classes_") else kept
        assert recorded("loads") == Counter(range(M)) + Counter(again.tolist())
        assert recorded("predictions") == Counter(range(M))
        pruner.predict(X)
        for use in (type(pruner).explain, clone, type(pruner).get_params, pickle.dumps):
            use(pruner)
        assert not recorded("loads")
        assert set(recorded("predictions")) == set(kept.tolist())

    def test_by_frozen_members_and_files_alike(self, given, recorded):
        paths, members, X, y = given()
        mixed = [*frozen(members[:4]), *paths[4:8], *((f"p{i}", paths[i]) for i in range(8, M))]
        weight = np.random.default_rng(0).exponential(size=len(y))
        pruner = SOCPEnsemblePruner(mixed).fit(X, y, weight)
        again = [i for i in np.flatnonzero(pruner.support_).tolist() if i >= 4]
        assert recorded("loads") == Counter(range(4, M)) + Counter(again)
        the_same(pruner, SOCPEnsemblePruner(paths).fit(X, y, weight), X)
        assert pruner.explain().names[3:9] == ("3", *paths[4:8], "p8")
        with sklearn.config_context(enable_metadata_routing=True):
            routed = SOCPEnsemblePruner(mixed).set_fit_request(sample_weight=True)
            routed.get_metadata_routing()
            the_same(routed.fit(X, y, sample_weight=weight), pruner, X)

    def test_costs_are_timed_and_a_report_predicts_with_all_members(self, given, recorded):
        paths, members, X, y = given()
        pruner = SOCPEnsemblePruner(paths, costs="latency").fit(X, y)
        assert (pruner.explain().cost > 0).all()
        recorded("predictions")
        found = pruning_report(pruner, X, y, ensemble=paths)
        assert set(recorded("predictions")) == set(range(M))
        # As text: predictions of files are float32, which log loss shows in its tenth digit.
        assert str(found) == str(pruning_report(pruner, X, y, ensemble=members))

    @pytest.mark.parametrize(("n_jobs", "most"), [(None, 2), (2, 3)])
    def test_few_are_in_memory_at_a_time(self, n_jobs, most, given, monkeypatch):
        """The first classifier, which tells the classes, and one for each thread."""
        paths, _, X, y = given()
        gc.collect()
        monkeypatch.setattr(Recorded, "in_memory", weakref.WeakSet())
        monkeypatch.setattr(Recorded, "most_in_memory", 0)
        pruner = SOCPEnsemblePruner(paths, n_jobs=n_jobs, max_members=1).fit(X, y)
        assert pruner.n_members_ == 1
        assert Recorded.most_in_memory <= most


class TestAsAnEstimator:
    @for_all
    def test_it_is_copied_and_saved_before_the_fit_and_needs_no_file_after(
        self, cls, params, given
    ):
        paths, _, X, y = given(cls)
        expected = cls(paths, **params).fit(X, y)
        pairs = [(f"m{i}", path) for i, path in enumerate(paths)]
        for estimator in (paths, pairs, [Path(path) for path in paths]):
            pruner = cls(estimator, **params)
            assert clone(pruner).estimator == estimator
            assert pruner.get_params()["estimator"] is estimator
            again = pickle.loads(pickle.dumps(clone(pruner)))
            the_same(again.fit(X, y), expected, X)
        predicted, saved = expected.predict(X), pickle.dumps(expected)
        for path in paths:
            os.unlink(path)
        again = pickle.loads(saved)
        assert again.estimator == paths
        for pruner in (again, expected):
            np.testing.assert_array_equal(pruner.predict(X), predicted)


class TestHalfPrecision:
    @pytest.mark.parametrize("in_files", [True, False])
    @for_all
    def test_it_changes_little(self, cls, params, in_files, given):
        paths, members, X, y = given(cls)
        estimator = paths if in_files else frozen(members)
        half = cls(estimator, prediction_dtype="float16", **params).fit(X, y)
        full = cls(frozen(members), **params).fit(X, y)
        np.testing.assert_array_equal(half.support_, full.support_)
        np.testing.assert_allclose(half.weights_, full.weights_, atol=2e-3)
        np.testing.assert_allclose(half.path_.lams[:3], full.path_.lams[:3], rtol=1e-2)
        np.testing.assert_allclose(half.frontier_.full_score, full.frontier_.full_score, atol=0.02)


class TestMemory:
    """Predictions in the cache."""

    @pytest.fixture
    def fit(self, given, tmp_path, recorded):
        def fit(**params):
            paths, _, X, y = given()
            recorded("loads"), recorded("predictions")
            return SOCPEnsemblePruner(paths, memory=tmp_path / "cache", **params).fit(X, y)

        return fit

    def test_they_are_found_again(self, fit, given, recorded, tmp_path):
        first = fit()
        second = fit(lam=0.5, threshold=0.5)
        kept = set(np.flatnonzero(second.support_).tolist())
        assert set(recorded("loads")) == {0} | kept  # the first says which classes there are
        assert not recorded("predictions")
        the_same(fit(), first, given()[2])
        assert len(list((tmp_path / "cache").rglob("predictions.npy"))) == 1
        fit(prediction_dtype="float16")
        assert recorded("predictions") == Counter(range(M))
        paths, members, _, _ = given()
        save(members[0], paths[3])
        fit()
        assert len(recorded("predictions")) == M - 1  # the place of 3 is 0's now

    @pytest.mark.parametrize("spare", [0, 5])
    def test_a_run_that_ended_half_way_is_continued(self, spare, fit, given, recorded, tmp_path):
        Recorded.failing["predictions", 7] = KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt):
            fit()
        assert recorded("predictions") == Counter(range(7))
        (part,) = (tmp_path / "cache").rglob("*.part")
        with part.open("ab") as file:
            file.write(b"x" * spare)  # a member of which a part was written
        Recorded.failing.clear()
        pruner = fit()
        assert recorded("predictions") == Counter(range(7, M))
        paths, _, X, y = given()
        the_same(pruner, SOCPEnsemblePruner(paths).fit(X, y), X)
        assert not list((tmp_path / "cache").rglob("*.part"))

    @pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.77, 0.999])
    def test_it_is_continued_from_any_byte(self, share, fit, given, recorded, tmp_path):
        first = fit()
        (path,) = (tmp_path / "cache").rglob("predictions.npy")
        whole = path.read_bytes()
        path.unlink()
        Path(f"{path}.part").write_bytes(whole[: int(share * len(whole))])
        again = fit()
        assert M - M * share <= len(recorded("predictions")) <= M - M * share + 2
        assert path.read_bytes() == whole
        the_same(again, first, given()[2])

    @pytest.mark.parametrize("how", ["cut", "empty"])
    def test_predictions_that_are_broken_are_made_again(self, how, fit, given, recorded, tmp_path):
        first = fit()
        (path,) = (tmp_path / "cache").rglob("predictions.npy")
        broken(path, how)
        with pytest.warns(CacheWarning, match=r"is broken .*predictions.npy'"):
            again = fit()
        the_same(again, first, given()[2])
        assert recorded("predictions")[M - 1] >= 1

    def test_without_it_nothing_is_left_of_such_a_run(self, given, recorded, scratch):
        Recorded.failing["predictions", 7] = KeyboardInterrupt
        paths, _, X, y = given()
        with pytest.raises(KeyboardInterrupt):
            SOCPEnsemblePruner(paths).fit(X, y)
        assert recorded("predictions") == Counter(range(7))
        assert not os.listdir(scratch)

    @pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
    def test_nor_of_one_that_was_killed(self, given, tmp_path, scratch):
        paths, _, X, y = given()
        joblib.dump((paths, X, y), tmp_path / "given")
        command = [sys.executable, "-c", KILLED, tmp_path / "given"]
        killed = subprocess.run(command, cwd=Path(__file__).parents[2])
        assert killed.returncode == -signal.SIGKILL
        stop = time.monotonic() + 20
        while os.listdir(scratch) and time.monotonic() < stop:
            time.sleep(0.1)
        assert os.listdir(scratch) == []


KILLED = """
import os, sys
import joblib
from skprune import SOCPEnsemblePruner
from tests.pruning.test_members_in_files import Recorded

paths, X, y = joblib.load(sys.argv[1])
Recorded.failing["predictions", 7] = "kill"
SOCPEnsemblePruner(paths).fit(X, y)
"""


def broken(path, how):
    if how in ("missing", "folder"):
        os.unlink(path)
    if how == "folder":
        os.mkdir(path)
    elif how == "cut":
        with open(path, "r+b") as file:
            file.truncate(os.path.getsize(path) // 2)
    elif how == "no estimator":
        joblib.dump({"a": 1}, path)
    elif how != "missing":
        Path(path).write_text("" if how == "empty" else "text")


class TestWrongFiles:
    @pytest.mark.parametrize(("cls", "params"), [ALL[0], ALL[2]])
    @pytest.mark.parametrize("how", ["missing", "folder", "cut", "empty", "no estimator", "text"])
    @pytest.mark.parametrize("place", [0, 5])
    def test_member_and_path_are_named(self, place, how, cls, params, given, recorded):
        paths, _, X, y = given(cls)
        broken(paths[place], how)
        pairs = [(f"m{i}", path) for i, path in enumerate(paths)]
        problem = {"missing": "does not exist", "folder": "is a folder"}.get(how)
        for estimator, name in ((paths, ""), (pairs, f"'m{place}': ")):
            match = f"member {place}.*{paths[place]}.*"
            match += "holds no estimator" if how == "no estimator" else "cannot be read"
            if problem:
                match = f"{name}'{paths[place]}' {problem}"
            with pytest.raises(MemberFileError, match=match) as caught:
                cls(estimator, **params).fit(X, y)
            # What is missing is seen before anything is loaded.
            assert len(recorded("loads")) == (0 if problem else place)
        assert isinstance(caught.value, SkpruneError)
        assert isinstance(caught.value, ValueError)
        assert pickle.loads(pickle.dumps(caught.value)).path == os.fspath(paths[place])

    @pytest.mark.parametrize(("n_missing", "more"), [(1, r"$"), (3, r" 2 more are missing\.$")])
    def test_several_missing_are_counted(self, n_missing, more, given):
        paths, _, X, y = given()
        for path in paths[2 : 2 + n_missing]:
            os.unlink(path)
        pairs = [(f"m{i}", path) for i, path in enumerate(paths)]
        for estimator, name in ((paths, ""), (pairs, "'m2': ")):
            match = rf"holds a path without a file: {name}.*2.joblib.*{more}"
            with pytest.raises(MemberFileError, match=match):
                SOCPEnsemblePruner(estimator).fit(X, y)

    @pytest.mark.parametrize("what", ["loads", "predictions"])
    def test_memory_that_runs_out_is_not_the_fault_of_a_member(self, what, given, recorded):
        paths, _, X, y = given()
        Recorded.failing[what, 5] = MemoryError
        with pytest.raises(MemoryError):
            SOCPEnsemblePruner(paths).fit(X, y)

    @pytest.mark.parametrize(
        ("made", "error", "match"),
        [
            ("two of three", ValueError, r" \(ExtraTreeClassifier\) in '.*4.joblib' .*have shape"),
            ("dogs", MemberFileError, r" in '.*': GaussianNB knows classes \['dog'\]"),
            ("codes", MemberFileError, r" in '.*4.joblib': .* knows classes"),
            ("columns", MemberFileError, r".*4.joblib'.* expecting 3 features"),
            ("regressor", MemberFileError, r" in .*4.joblib': .*predict_proba"),
            ("unfitted", MemberFileError, r" in .*4.joblib': .*fitted"),
            *((n, ValueError, f".*predicts {n} samples where it was given 200") for n in (1, 400)),
        ],
    )
    def test_a_classifier_that_does_not_fit_is_named(self, made, error, match, given):
        paths, members, X, y = given()
        if made == "two of three":
            odd = ExtraTreeClassifier().fit(X, y)
            odd.classes_ = odd.classes_[:2]
        elif made == "dogs":
            odd = GaussianNB().fit(X, np.where(y == "cat", "dog", y))
        elif made == "codes":
            odd = GaussianNB().fit(X, 1 + np.unique(y, return_inverse=True)[1])
        elif made == "columns":
            odd = GaussianNB().fit(X[:, :3], y)
        elif made == "regressor":
            odd = given(SOCPEnsemblePrunerRegressor)[1][0]
        else:
            odd = DecisionTreeClassifier() if made == "unfitted" else Elsewhere(made).fit(X, y)
        save(odd, paths[4])
        with pytest.raises(error, match=f"member 4{match}"):
            SOCPEnsemblePruner(paths).fit(X, y)
        if isinstance(made, int):  # in memory too
            members[4] = odd
            with pytest.raises(error, match=f"member '4'{match}"):
                SOCPEnsemblePruner(frozen(members), cv="prefit").fit(X, y)

    def test_nor_does_a_regressor(self, given):
        paths, _, X, y = given(SOCPEnsemblePrunerRegressor)
        for odd, match in ((given()[1][0], "be regressors"), (ExtraTreeRegressor(), "not fitted")):
            save(odd, paths[3])
            with pytest.raises(MemberFileError, match=rf"member 3 in .*3.joblib': .*{match}"):
                SOCPEnsemblePrunerRegressor(paths).fit(X, y)

    def test_classes_of_y_that_no_file_knows(self, given, recorded):
        paths, _, X, y = given()
        with pytest.raises(ValueError, match=r"y has classes .* do not know: \['dog'\]"):
            SOCPEnsemblePruner(paths).fit(X, np.where(y == "cat", "dog", y))
        assert recorded("loads") == Counter(range(M))

    def test_a_first_file_that_lacks_a_class(self, given):
        paths, members, X, y = given()
        some = y != "cat"
        members[0] = Voter(max_depth=4, random_state=0).fit(X[some], y[some])
        save(members[0], paths[0])
        found = SOCPEnsemblePruner(paths).fit(X, y)
        the_same(found, SOCPEnsemblePruner(frozen(members), cv="prefit").fit(X, y), X, atol=1e-6)

    def test_a_disk_without_room(self, given, recorded, monkeypatch, tmp_path):
        paths, _, X, y = given()
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
        match = "12 members for 200 rows and 3 outputs in float32 take 2.88e-05 GB, .* has 1e-07 GB"
        with pytest.raises(OSError, match=f"{match} free.*JOBLIB_TEMP_FOLDER") as error:
            SOCPEnsemblePruner(paths).fit(X, y)
        assert error.value.errno == errno.ENOSPC
        with pytest.raises(OSError, match="memory a folder on another disk"):
            SOCPEnsemblePruner(paths, memory=tmp_path / "cache").fit(X, y)
        assert not recorded("predictions")


class TestWrongLists:
    @for_all
    @pytest.mark.parametrize("cv", [0.25, 3])
    def test_members_to_train_beside_files(self, cv, cls, params, given, recorded):
        paths, members, X, y = given(cls)
        mixed = [*paths, ("new", clone(members[0]))]
        with pytest.raises(ValueError, match=rf"files of fitted members, and \['new'\].*cv={cv}"):
            cls(mixed, cv=cv, **params).fit(X, y)
        with pytest.raises(ValueError, match="'new' is not fitted"):
            cls(mixed, cv="prefit", **params).fit(X, y)
        assert not recorded("loads")
        pruner = cls([*paths, ("new", members[0])], cv="prefit", **params).fit(X, y)
        assert pruner.n_members_in_ == M + 1

    @pytest.mark.parametrize(
        ("estimator", "error", "match"),
        [
            (["a.joblib", 3], TypeError, "or paths .*; it holds 3, which has neither"),
            (["a.joblib", ("b", "c", "d")], TypeError, "it holds"),
            ([(3, "a.joblib")], TypeError, "it holds"),
            (["a.joblib", "a.joblib"], ValueError, "names in estimator must differ.*a.joblib"),
            ([("a", "b.joblib"), ("a", "c.joblib")], ValueError, "names .* must differ"),
            ([("splitter", "b.joblib")], ValueError, "cannot be names"),
            ("a.joblib", TypeError, "got str"),
        ],
        ids=str,
    )
    def test_of_other_things(self, estimator, error, match, data):
        with pytest.raises(error, match=match):
            SOCPEnsemblePruner(estimator).fit(*data)

    def test_rows_are_checked_before_files_are_loaded(self, given, recorded):
        paths, _, X, y = given()
        with pytest.raises(ValueError, match="X has 0 samples; at least two are needed"):
            SOCPEnsemblePruner(paths).fit(X[:0], y[:0])
        with pytest.raises(ValueError, match=r"y has one class only, .*ant"):
            SOCPEnsemblePruner(paths).fit(X, np.full(len(y), "ant"))
        assert not recorded("loads")
