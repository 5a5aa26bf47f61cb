"""Members in files: written whole, loaded when used, and named when they cannot be."""

import os
import pickle

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skprune.exceptions import MemberFileError, SkpruneError
from skprune.utils import MemberFile, MemberPool, RegressorPool, emptied

X, CODES = load_iris(return_X_y=True)
NAMES = np.array(["ash", "birch", "cedar"])[CODES]


class Logged(DecisionTreeClassifier):
    """A tree that notes in a file that it was taken out of a pickle."""

    log = None

    def __setstate__(self, state):
        super().__setstate__(state)
        if Logged.log is not None:
            with open(Logged.log, "a") as file:
                file.write(f"{self.max_depth}\n")


@pytest.fixture
def loads(tmp_path, monkeypatch):
    """How often each member (by its depth) has been loaded since."""
    monkeypatch.setattr(Logged, "log", tmp_path / "loads")

    def counted():
        path = tmp_path / "loads"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    return counted


def saved(members, folder):
    return [MemberFile.save(member, folder / f"{i}.joblib") for i, member in enumerate(members)]


class TestFile:
    def test_what_is_saved_is_loaded(self, tmp_path):
        tree = DecisionTreeClassifier(max_depth=3).fit(X, CODES)
        file = MemberFile.save(FrozenEstimator(FrozenEstimator(tree)), tmp_path / "tree.joblib")
        assert file == MemberFile(str(tmp_path / "tree.joblib"))
        assert type(file.load()) is DecisionTreeClassifier
        np.testing.assert_array_equal(file.load().predict_proba(X), tree.predict_proba(X))
        assert os.fspath(file) == file.path
        assert pickle.loads(pickle.dumps(file)) == file

    def test_a_frozen_one_that_joblib_wrote_is_looked_through(self, tmp_path):
        joblib.dump(FrozenEstimator(GaussianNB().fit(X, CODES)), tmp_path / "nb")
        assert type(MemberFile(str(tmp_path / "nb")).load()) is GaussianNB

    def test_a_failure_leaves_the_old_file_and_no_other(self, tmp_path):
        file = MemberFile.save(GaussianNB().fit(X, CODES), tmp_path / "nb")
        broken = GaussianNB().fit(X, CODES)
        broken.hook = lambda: None  # cannot be pickled
        with pytest.raises((pickle.PicklingError, AttributeError)):
            MemberFile.save(broken, file.path)
        assert os.listdir(tmp_path) == ["nb"]
        np.testing.assert_array_equal(file.load().classes_, [0, 1, 2])

    def test_a_stamp_changes_with_the_file(self, tmp_path):
        file = MemberFile.save(GaussianNB().fit(X, CODES), tmp_path / "nb")
        before = file.stamp()
        assert before == file.stamp()
        MemberFile.save(DecisionTreeClassifier().fit(X, CODES), file.path)
        assert file.stamp() != before

    @pytest.mark.parametrize("content", ["missing", "folder", "cut", "text", "empty", "array"])
    def test_what_cannot_be_loaded_is_named(self, content, tmp_path):
        path = tmp_path / "a member"
        if content == "folder":
            path.mkdir()
        elif content == "cut":
            MemberFile.save(RandomForestClassifier(5).fit(X, CODES), path)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        elif content in ("text", "empty"):
            path.write_text("what is this?" if content == "text" else "")
        elif content == "array":
            joblib.dump(np.arange(3), path)
        said = {"missing": "does not exist", "folder": "is a folder", "array": "holds no estimator"}
        match = f"a member.*{said.get(content, 'cannot be read')}"
        with pytest.raises(MemberFileError, match=match) as caught:
            MemberFile(str(path)).load()
        assert isinstance(caught.value, SkpruneError)
        assert isinstance(caught.value, ValueError)


def test_a_specification_keeps_its_paths():
    tree = DecisionTreeClassifier(max_depth=3).fit(X, CODES)
    given = ["a.joblib", ("b", "b.joblib"), ("c", FrozenEstimator(tree))]
    empty = emptied(given)
    assert empty[:2] == given[:2]
    assert not hasattr(empty[2][1].estimator, "tree_")


class TestPool:
    def members(self, y=CODES, **params):
        return [Logged(max_depth=d, random_state=d, **params).fit(X, y) for d in (1, 2, 3, 4)]

    @pytest.mark.parametrize("n_jobs", [None, 2])
    @pytest.mark.parametrize("y", [CODES, NAMES, CODES - 1])
    def test_predictions_are_those_of_members_in_memory(self, y, n_jobs, tmp_path, loads):
        members = self.members(y)
        pool = MemberPool.from_fitted(saved(members, tmp_path))
        assert loads() == [1]  # the first says which classes there are
        expected = MemberPool.from_fitted(members)
        np.testing.assert_array_equal(pool.classes, expected.classes)
        np.testing.assert_array_equal(pool.outputs(X, n_jobs), expected.outputs(X))
        assert sorted(loads()) == [1, 2, 3, 4]  # and is not loaded again

    def test_nothing_is_kept_and_a_subset_stays_in_its_files(self, tmp_path, loads):
        pool = MemberPool.from_fitted(saved(self.members(), tmp_path))
        kept = pool.subset(np.array([False, True, False, True]))
        assert all(isinstance(member, MemberFile) for member in kept.estimators)
        assert kept.has_files
        assert loads() == [1]
        for _ in range(2):
            kept.member(1)
        assert loads() == [1, 4, 4]
        inside = kept.loaded()
        assert not inside.has_files
        assert [member.max_depth for member in inside.estimators] == [2, 4]
        before = loads()
        np.testing.assert_array_equal(
            inside.outputs(X), MemberPool.from_fitted(list(inside.estimators)).outputs(X)
        )
        assert [call().shape for call in inside.member_calls(X[:5])] == [(5, 3)] * 2
        assert loads() == before

    def test_one_is_in_memory_at_a_time(self, tmp_path, loads):
        pool = MemberPool.from_fitted(saved(self.members(), tmp_path))
        stream = pool.member_outputs(X)
        next(stream)
        next(stream)
        assert loads() == [1, 2]
        assert len(list(pool.member_outputs(X, first=2))) == 2

    def test_two_threads_do_not_run_ahead_of_who_writes(self, tmp_path, loads):
        pool = MemberPool.from_fitted(saved(self.members(), tmp_path))
        stream = pool.member_outputs(X, 2)
        next(stream)
        assert set(loads()) <= {1, 2}
        assert len(list(stream)) == 3

    def test_members_of_files_and_of_memory(self, tmp_path):
        members = self.members()
        mixed = [members[0], *saved(members[1:3], tmp_path), ("last", members[3])]
        found = MemberPool.from_fitted(mixed).outputs(X)
        np.testing.assert_array_equal(found, MemberPool.from_fitted(members).outputs(X))

    def test_fewer_classes_are_aligned_and_others_are_named(self, tmp_path):
        few = GaussianNB().fit(X[50:], NAMES[50:])
        members = [GaussianNB().fit(X, NAMES), few]
        pool = MemberPool.from_fitted(saved(members, tmp_path))
        np.testing.assert_array_equal(pool.outputs(X), MemberPool.from_fitted(members).outputs(X))
        inside = pool.loaded()
        np.testing.assert_array_equal(inside.columns[1], [1, 2])
        pool = MemberPool.from_fitted(saved(members[::-1], tmp_path))
        match = r"member 1 in '.*1.joblib': GaussianNB knows classes \['ash'\]"
        with pytest.raises(MemberFileError, match=match):
            pool.outputs(X)
        wide = MemberPool.from_fitted(saved(members[::-1], tmp_path), np.unique(NAMES))
        np.testing.assert_array_equal(wide.outputs(X)[1], members[0].predict_proba(X))

    def test_an_ensemble_of_files_whose_members_know_its_codes(self, tmp_path):
        """Bags of few rows: the first file alone does not say whether 1 and 2 are codes."""
        labels = CODES + 1
        for seed in range(200):
            bag = BaggingClassifier(KNeighborsClassifier(1), 6, max_samples=4, random_state=seed)
            bag.fit(X, labels)
            if set(bag.estimators_[0].classes_) == {1, 2}:
                break
        else:
            pytest.fail("no seed has such a first bag")
        expected = MemberPool.from_fitted(bag).outputs(X)
        bag.estimators_ = saved(bag.estimators_, tmp_path)
        np.testing.assert_array_equal(MemberPool.from_fitted(bag).outputs(X), expected)

    @pytest.mark.parametrize(
        ("member", "match"),
        [
            (SVC().fit(X, CODES), "member 1 in '.*1.joblib': .*predict_proba"),
            (GaussianNB(), "member 1 in '.*1.joblib': .*must be fitted"),
            (LinearRegression().fit(X, CODES), "member 1 in '.*1.joblib': .*predict_proba"),
        ],
    )
    def test_what_cannot_vote_is_named_with_its_path(self, member, match, tmp_path):
        good = GaussianNB().fit(X, CODES)
        with pytest.raises(MemberFileError, match=match):
            MemberPool.from_fitted(saved([good, member], tmp_path)).outputs(X)
        with pytest.raises(MemberFileError, match=match.replace("1", "0")):
            MemberPool.from_fitted(saved([member, good], tmp_path))

    def test_probabilities_of_wrong_shape_name_the_path(self, tmp_path):
        odd = DecisionTreeClassifier().fit(X, CODES)
        odd.classes_ = np.arange(2)
        pool = MemberPool.from_fitted(saved([GaussianNB().fit(X, CODES), odd], tmp_path))
        with pytest.raises(
            ValueError, match=r"member 1 \(DecisionTreeClassifier\) in '.*1.joblib' must have"
        ):
            pool.outputs(X)


class TestRegressors:
    def test_predictions_are_those_of_members_in_memory(self, tmp_path):
        members = [DecisionTreeRegressor(max_depth=d).fit(X, X[:, 0]) for d in (1, 2)]
        pool = RegressorPool.from_fitted(saved(members, tmp_path), 1)
        expected = RegressorPool.from_fitted(members, 1).outputs(X)
        np.testing.assert_array_equal(pool.outputs(X), expected)
        np.testing.assert_array_equal(pool.loaded().outputs(X), expected)

    @pytest.mark.parametrize(
        ("member", "match"),
        [
            (GaussianNB().fit(X, CODES), "member 0 in '.*0.joblib': Members must be regressors"),
            (LinearRegression(), "member 0 in '.*0.joblib': .*not fitted"),
        ],
    )
    def test_what_is_no_fitted_regressor_is_named_with_its_path(self, member, match, tmp_path):
        with pytest.raises(MemberFileError, match=match):
            RegressorPool.from_fitted(saved([member], tmp_path), 1).outputs(X)
