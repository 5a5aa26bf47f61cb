"""What a fit tells scikit-learn's callbacks."""

import io
import pickle
import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from skprune import (
    CNNSpace,
    EnsembleCompressor,
    MultiViewCNNClassifier,
    PrunedCNNClassifier,
    PrunedMultiViewClassifier,
    PruningAmountOptimizer,
    RandomCNNEnsembleClassifier,
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
)
from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.exceptions import CacheWarning

SPACE = CNNSpace(n_blocks=[1], filters=[4], dense_units=[20], learning_rate=(1e-2, 1e-2))


@dataclass
class Recorder:
    """Notes every task; refuses what is not begun and ended in order, or more than was said."""

    max_propagation_depth: int | None = None
    open: list = field(default_factory=list)
    done: list[tuple[str, ...]] = field(default_factory=list)
    n_setups: int = 0
    n_teardowns: int = 0

    def setup(self, estimator, context):
        self.n_setups += 1

    def teardown(self, estimator, context):
        self.n_teardowns += 1

    def on_fit_task_begin(self, estimator, context):
        self.open.append(context)

    def on_fit_task_end(self, estimator, context):
        assert self.open[-1] is context
        self.done.append(tuple(each.task_name for each in self.open))
        self.open.pop()
        if context.max_subtasks is not None:
            assert len(context._children_map) <= context.max_subtasks

    def under(self, *path):
        """Names of the tasks right under one."""
        return [names[-1] for names in self.done if names[:-1] == path]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture
def forest():
    return RandomForestClassifier(5, random_state=0)


@pytest.mark.parametrize(("cv", "n_ensembles"), [(0.3, 1), (3, 4)], ids=["held out", "out of fold"])
def test_a_pruner_trains_then_chooses(iris, forest, cv, n_ensembles):
    recorder = Recorder()
    pruner = SOCPEnsemblePruner(forest, cv=cv, random_state=0).set_callbacks(recorder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a forest has no callbacks, which is nobody's fault
        pruner.fit(*iris)
    assert recorder.under("fit") == ["training members", "choosing members"]
    assert recorder.under("fit", "training members") == ["fit RandomForestClassifier"] * n_ensembles
    assert recorder.n_setups == recorder.n_teardowns == 1
    assert recorder.open == []


def test_a_list_of_members_is_one_step(iris):
    recorder = Recorder()
    members = [(f"m{i}", DecisionTreeClassifier(max_depth=i + 1)) for i in range(3)]
    SOCPEnsemblePruner(members, random_state=0).set_callbacks(recorder).fit(*iris)
    assert len(recorder.under("fit", "training members")) == 1


def test_fitted_members_only_predict(iris, forest):
    recorder = Recorder()
    pruner = SOCPEnsemblePrunerCV(FrozenEstimator(forest.fit(*iris)), random_state=0)
    pruner.set_callbacks(recorder).fit(*iris)
    assert recorder.under("fit") == ["predicting", "choosing members"]


def test_blocks_are_counted(iris, forest):
    X, y = iris
    recorder = Recorder()
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest.fit(X, y)), random_state=0)
    pruner.set_callbacks(recorder).fit_blocks(blocks=[(X[::2], y[::2]), (X[1::2], y[1::2])])
    assert recorder.under("fit", "predicting") == ["block 0", "block 1"]
    assert recorder.under("fit") == ["predicting", "choosing members"]


def test_predictions_are_only_chosen_among(iris, forest):
    X, y = iris
    recorder = Recorder()
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest.fit(X, y)), random_state=0)
    P = np.stack([tree.predict_proba(X) for tree in forest.estimators_])
    pruner.set_callbacks(recorder).fit_predictions(P=P, y=y)
    assert recorder.under("fit") == ["choosing members"]


def test_what_trains_out_of_turn_is_not_said_and_does_no_harm(iris, forest, tmp_path):
    """Members whose files are broken are trained again while others are chosen."""
    recorder = Recorder()
    pruner = SOCPEnsemblePruner(forest, memory=tmp_path, random_state=0).fit(*iris)
    for file in tmp_path.rglob("metadata.json"):
        if "'members'" in file.read_text():
            file.with_name("output.pkl").write_bytes(b"")
    with pytest.warns(CacheWarning, match="is broken"):
        again = clone(pruner).set_callbacks(recorder).fit(*iris)
    np.testing.assert_array_equal(again.weights_, pruner.weights_)
    assert recorder.open == []


def test_a_callback_that_scores_gets_the_fitted_estimator(iris, forest):
    monitor = ScoringMonitor(scoring="accuracy")
    pruner = SOCPEnsemblePruner(forest, random_state=0).set_callbacks(monitor).fit(*iris)
    (scored,) = [row for row in monitor.get_logs().data if row.get("accuracy") is not None]
    assert scored["accuracy"] == pruner.score(*iris)


def test_a_cached_ensemble_is_not_trained_again(iris, forest, tmp_path):
    recorder = Recorder()
    pruner = SOCPEnsemblePruner(forest, memory=tmp_path, random_state=0).fit(*iris)
    pruner.set_callbacks(recorder).fit(*iris)
    assert recorder.under("fit", "training members") == []
    assert recorder.under("fit") == ["training members", "choosing members"]


def test_a_failed_fit_leaves_nothing_behind(iris):
    class Broken(DecisionTreeClassifier):
        def fit(self, X, y, sample_weight=None):
            raise RuntimeError("no")

    recorder = Recorder()
    pruner = SOCPEnsemblePruner([("broken", Broken())], random_state=0).set_callbacks(recorder)
    before = set(vars(pruner))
    with pytest.raises(RuntimeError, match="no"):
        pruner.fit(*iris)
    assert recorder.n_teardowns == 1
    assert set(vars(pruner)) - before <= {"n_features_in_"}


def test_callbacks_are_cloned_and_not_saved(iris, forest):
    pruner = SOCPEnsemblePruner(forest, random_state=0).set_callbacks(Recorder())
    assert clone(pruner)._skl_callbacks is pruner._skl_callbacks
    loaded = pickle.loads(pickle.dumps(pruner.fit(*iris)))
    assert not {"_progress", "_callback_fit_ctx", "_skl_callbacks"} & set(vars(loaded))
    np.testing.assert_array_equal(loaded.predict(iris[0]), pruner.predict(iris[0]))


def test_callbacks_are_no_part_of_the_key_in_the_cache(iris, tmp_path):
    inner = SOCPEnsemblePruner(RandomForestClassifier(5, random_state=0), random_state=0)
    outer = SOCPEnsemblePruner([("a", inner)], memory=tmp_path, random_state=0).fit(*iris)
    n_entries = len(list(tmp_path.rglob("output.pkl")))
    inner.set_callbacks(Recorder())
    outer.fit(*iris)
    assert len(list(tmp_path.rglob("output.pkl"))) == n_entries


def test_callbacks_that_score_do_no_harm_where_no_sample_is_seen(iris, forest):
    X, y = iris
    monitor = ScoringMonitor(scoring="accuracy")
    pruner = SOCPEnsemblePruner(FrozenEstimator(forest.fit(X, y)), random_state=0)
    pruner.set_callbacks(monitor).fit_blocks([(X, y)])
    P = np.stack([tree.predict_proba(X) for tree in forest.estimators_])
    pruner.fit_predictions(P, y)
    assert pruner.score(X, y) > 0.9


def test_a_grid_search_hands_its_callbacks_on(iris, forest):
    recorder = Recorder()
    search = GridSearchCV(SOCPEnsemblePruner(forest, random_state=0), {"lam": [0.1, 0.3]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.set_callbacks(recorder).fit(*iris)
    trainings = [names for names in recorder.done if names[-1] == "fit RandomForestClassifier"]
    assert len(trainings) == 2 * 2 + 1


def test_scikit_learns_progress_bar_shows_the_phases(iris, forest, monkeypatch):
    import rich.progress
    from rich.console import Console

    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=200)
    monkeypatch.setattr(rich.progress, "get_console", lambda: console)
    SOCPEnsemblePruner(forest, random_state=0).set_callbacks(ProgressBar()).fit(*iris)
    text = written.getvalue()
    assert "SOCPEnsemblePruner" in text
    assert "training members" in text
    assert "100%" in text


def test_nothing_is_printed_unless_asked(iris, forest, capsys):
    SOCPEnsemblePruner(forest, random_state=0).fit(*iris)
    assert capsys.readouterr() == ("", "")
    SOCPEnsemblePruner(forest, random_state=0, verbose=1).fit(*iris)
    assert "[SOCPEnsemblePruner] training members on 150 samples" in capsys.readouterr().out


def test_warnings_name_the_line_that_called_fit(iris, forest, tmp_path):
    pruner = SOCPEnsemblePruner(forest, memory=tmp_path)
    with pytest.warns(UserWarning, match="pass an integer random_state") as caught:
        pruner.fit(*iris)
    assert caught[0].filename == __file__


def test_an_optimizer_is_one_task():
    recorder = Recorder()
    amounts = np.linspace(0, 0.9, 6)[:, None]
    y = np.column_stack([95 - 60 * amounts**3, 1 - 0.5 * amounts, 480 - 400 * amounts])
    PruningAmountOptimizer(random_state=0).set_callbacks(recorder).fit(amounts, y)
    assert recorder.done == [("fit",)]


def test_what_trains_within_a_pruner_tells_of_its_own_phases(iris, forest):
    recorder = Recorder()
    inner = SOCPEnsemblePruner(forest, random_state=0)
    SOCPEnsemblePruner(inner, random_state=0).set_callbacks(recorder).fit(*iris)
    own = ["training members", "choosing members"]
    assert recorder.under("fit", "training members", "fit") == recorder.under("fit") == own
    assert recorder.open == []


@pytest.mark.keras
def test_cutting_networks_has_phases():
    X, y = load_digits(n_class=3, return_X_y=True)
    from tests.compression.networks import RandomFeatureNetwork  # imports Keras

    given = {"amounts": (0, 0.5), "fine_tune_epochs": 0, "min_accuracy": 0.3, "random_state": 0}
    cnns = RandomCNNEnsembleClassifier(2, space=SPACE, image_shape=(8, 8), epochs=1, random_state=0)
    for estimator in (
        PrunedCNNClassifier(RandomFeatureNetwork(random_state=0), **given),
        EnsembleCompressor(cnns, **given),
    ):
        recorder = Recorder()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.set_callbacks(recorder).fit(X[:200], y[:200])
        assert recorder.under("fit", "measuring pruning amounts") == ["0.0", "0.5"]
        assert recorder.under("fit")[0].startswith("training")
        assert recorder.open == []
    networks = recorder.under("fit", "training members", "fit", "training networks")
    assert sorted(networks) == ["network 0", "network 1"]


@pytest.mark.keras
def test_views_have_phases():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    X = rng.random((60, 2, 8, 8)) + y[:, None, None, None]
    recorder = Recorder()
    tower = CNNArchitecture((ConvBlock((4,), "max"),), 8, dropout=0.0, learning_rate=1e-2)
    cnn = MultiViewCNNClassifier(tower, epochs=2, n_importance_repeats=1, random_state=0)
    pruner = PrunedMultiViewClassifier(
        cnn, amounts=(0, 0.5), fine_tune_epochs=0, min_accuracy=0.3, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner.set_callbacks(recorder).fit(X, y)
    assert recorder.under("fit", "training", "fit", "training") == ["epoch 0", "epoch 1"]
    assert recorder.under("fit", "measuring pruning amounts") == ["0.0", "0.5"]
    assert recorder.under("fit")[-1] == "applying amounts"
