import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skprune import PrunedCNNClassifier, SOCPEnsemblePruner
from skprune.ensemble import CNNArchitecture, CNNSpace, ConvBlock

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def member(fitted):
    return fitted.estimators_[0]


def test_it_is_a_classifier_that_clones(member):
    assert is_classifier(member)
    check_is_fitted(member)
    copy = clone(member)
    assert copy.get_params() == member.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(np.zeros((1, 8, 8, 1)))


def test_labels_are_positions(member, digits):
    X, y = digits
    np.testing.assert_array_equal(member.classes_, [0, 1, 2])
    expected = member.predict_proba(X[..., None]).argmax(axis=1)
    np.testing.assert_array_equal(member.predict(X[..., None]), expected)
    assert member.score(X[..., None], y) == np.mean(expected == y)


def test_predictions_agree_with_keras(member, digits):
    X = digits[0][..., None]
    expected = member.model_.predict(X.astype(np.float32), verbose=0)
    np.testing.assert_allclose(member.predict_proba(X), expected, rtol=1e-5, atol=1e-7)


def test_predictions_come_in_bounded_batches(member, digits, monkeypatch):
    from skprune._keras import _joint_prediction

    X = digits[0][..., None]
    whole = member.predict_proba(X)
    monkeypatch.setattr(_joint_prediction, "_BYTES", 4 * 64 * 4 * 7)
    assert _joint_prediction.row_groups([member._widest()]) == [(slice(0, 1), 4)]
    np.testing.assert_allclose(member.predict_proba(X), whole, rtol=1e-5, atol=1e-7)


def test_pickles_hold_arrays_only(member, digits):
    member.predict_proba(digits[0][..., None])
    check_is_fitted(member)  # also once the network stands, and the arrays are let go
    text = pickle.dumps(member)
    assert b"keras.src" not in text
    assert b"tensorflow" not in text
    n_weights = sum(array.size for array in member.model_.get_weights())
    assert len(text) < 4 * n_weights + 10_000
    copy = pickle.loads(text)
    assert copy.__getstate__().get("_model") is None
    expected = member.predict_proba(digits[0][..., None])
    np.testing.assert_array_equal(copy.predict_proba(digits[0][..., None]), expected)


def test_one_member_by_itself(digits):
    from skprune.ensemble import CNNMember

    X, y = digits
    space = CNNSpace(n_blocks=[1], filters=[4], dense_units=[20])
    architecture = space.sample(np.random.default_rng(0))
    member = CNNMember(architecture, 3, offset=5.0, scale=6.0, epochs=2)
    member.fit(X[..., None], y)
    assert len(member.history_["loss"]) == 2
    again = clone(member).fit(X[..., None].astype(float), y)
    np.testing.assert_array_equal(
        member.predict_proba(X[..., None]), again.predict_proba(X[..., None])
    )
    with pytest.raises(ValueError, match=r"labels of 0 ... 2; got \[3\]"):
        clone(member).fit(X[..., None], y + 1)
    with pytest.raises(
        ValueError, match=r"shape \(8, 7, 1\), but .* on samples of shape \(8, 8, 1\)"
    ):
        member.predict(X[:, :, 1:, None])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clone(member).fit(X[..., None], y[:-1])
    flat, images = X.reshape(len(X), -1), X[..., None]
    np.testing.assert_array_equal(member.predict_proba(flat), member.predict_proba(images))
    # More training goes on from the weights, also those of a pickle.
    copy = pickle.loads(pickle.dumps(member)).partial_fit(X[..., None], y)
    assert len(copy.history_["loss"]) == 3
    first = clone(member).partial_fit(X[..., None], y, classes=[0, 1, 2])
    assert len(first.history_["loss"]) == 1
    np.testing.assert_array_equal(first.predict(flat), first.predict_proba(flat).argmax(axis=1))
    assert not np.array_equal(copy.model_.get_weights()[0], member.model_.get_weights()[0])


def wrong_fits():
    X, y = np.zeros((4, 6, 6, 1)), np.array([0, 1, 0, 1])
    yield "labels of 0 ... 1; got \\[5, 6\\]", (X, y + 5), {}
    yield "labels of 0 ... 1; got \\['a'\\]", (X, np.array(["a"] * 4)), {}
    yield "inconsistent numbers", (X, y[:3]), {}
    yield "sample_weight", (X, y, np.ones(3)), {}
    yield "non-zero number", (X, y, np.zeros(4)), {}
    yield "NaN", (X + np.nan, y), {}
    yield r"shape \(5, 6, 1\)", (X, y), {"validation_data": (X[:, 1:], y)}
    yield "got \\[7\\]", (X, y), {"validation_data": (X, y + 7 * (y > 0) - (y > 0))}
    yield "not enough values", (X, y), {"validation_data": (X,)}


@pytest.mark.parametrize(("words", "data", "options"), list(wrong_fits()))
def test_a_fit_that_is_refused_changes_nothing(words, data, options):
    from skprune.ensemble import CNNMember

    member = CNNMember(CNNArchitecture((ConvBlock((2, 2), "max"),), 4, 0.0, 1e-2), 2, epochs=1)
    with pytest.raises(ValueError, match=words):
        member.fit(*data, **options)
    with pytest.raises(NotFittedError):
        pickle.loads(pickle.dumps(member)).predict(data[0])
    X, y = np.random.default_rng(0).random((4, 6, 6, 1)), [0, 1, 0, 1]
    before = member.fit(X, y, None, (X, [True, False, True, False])).predict_proba(X)
    with pytest.raises(ValueError, match=words):
        member.fit(*data, **options)
    np.testing.assert_array_equal(member.predict_proba(X), before)
    np.testing.assert_array_equal(member.predict(X), before.argmax(axis=1))
    assert len(pickle.loads(pickle.dumps(member)).history_["val_loss"]) == 1


def test_an_initialized_member_is_pickled_and_trained_on(digits):
    from skprune.ensemble import CNNMember

    X, y = digits
    architecture = CNNArchitecture((ConvBlock((2, 2), "max"),), 4, 0.0, 1e-2)
    member = CNNMember(architecture, 3, epochs=1).initialize(X, y)
    with pytest.raises(ValueError, match=r"labels of 0 ... 2"):
        clone(member).initialize(X, y + 7)
    copy = pickle.loads(pickle.dumps(member))
    np.testing.assert_array_equal(copy.predict_proba(X), member.predict_proba(X))
    assert len(copy.partial_fit(X, y).history_["loss"]) == 1
    # Keras's fit adds measures that the history did not have.
    history = copy.partial_fit(X, y, validation_split=0.2).history_
    assert (len(history["loss"]), len(history["val_loss"])) == (2, 1)


FRESH = """
import pickle, sys
import numpy as np
import skprune.ensemble
from sklearn.base import clone
from skprune import MultiViewCNNClassifier, RandomCNNEnsembleClassifier
from skprune.ensemble import CNNArchitecture, CNNSpace, ConvBlock

space = CNNSpace(n_blocks=[1], filters=[2], dense_units=[10], learning_rate=(1e-2, 1e-2))
ensemble = clone(
    RandomCNNEnsembleClassifier(1, space=space, epochs=1, random_state=0, image_shape=(8, 8))
)
small = CNNArchitecture((ConvBlock((4,), "max"),), 8, dropout=0.1, learning_rate=2e-2)
views = clone(MultiViewCNNClassifier(small, epochs=1, batch_size=256, random_state=0))
assert not {"keras", "scikeras", "tensorflow"} & set(sys.modules), "imported too early"
data = np.load(sys.argv[1])
X, y = data["X"], data["y"]
ensemble.fit(X, y)
# A member that is trained here does not change how other networks are trained later.
clone(ensemble.estimators_[0]).fit(X[..., None], np.unique(y, return_inverse=True)[1])
views.fit(X[:, None], y)
np.savez(sys.argv[2], cnns=ensemble.member_predict_proba(X), views=views.predict_proba(X[:, None]))
with open(sys.argv[3], "wb") as file:
    pickle.dump((ensemble, views), file)
"""


def test_a_fresh_process_is_quiet_and_its_pickles_predict_the_same_bits(digits, tmp_path):
    X, y = digits
    y = np.array(["zero", "one", "two"])[y]
    data, expected, pickled = tmp_path / "d.npz", tmp_path / "p.npz", tmp_path / "e.pkl"
    np.savez(data, X=X, y=y)
    run = subprocess.run(
        [sys.executable, "-c", FRESH, data, expected, pickled],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    ensemble, views = pickle.loads(pickled.read_bytes())
    with np.load(expected) as there:
        np.testing.assert_array_equal(ensemble.member_predict_proba(X), there["cnns"])
        np.testing.assert_array_equal(views.predict_proba(X[:, None]), there["views"])
        # The same seed gives the same network in every process.
        again = clone(views).fit(X[:, None], y)
        np.testing.assert_array_equal(again.predict_proba(X[:, None]), there["views"])
    assert set(ensemble.predict(X)) <= {"zero", "one", "two"}


FORKS = """
import os
import signal
import sys

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier


def in_child(predict):
    pid = os.fork()
    if not pid:
        signal.alarm(60)  # a child that waits for ever ends by this
        code = 30
        try:
            predict()
            code = 10
        except RuntimeError as error:
            assert "Load the estimator in each worker" in str(error)
            code = 20
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] // 256


pruner, network, X, y = joblib.load(sys.argv[1])
forest = RandomForestClassifier(3, random_state=0).fit(X.reshape(len(X), -1), y)
print(in_child(lambda: pruner.predict(X)))  # loaded, and nothing computed yet
pruner.predict(X)
print(in_child(lambda: pruner.predict(X)))
for each in (pruner.estimators_[0], network):
    print(in_child(lambda: each.predict(X[..., None])))
print(in_child(lambda: forest.predict(X.reshape(len(X), -1))))
pruner.predict(X)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_networks_refuse_to_run_in_a_fork_of_where_they_ran(fitted, digits, tmp_path):
    """They would wait for threads that a fork does not copy."""
    X, y = digits
    pruner = SOCPEnsemblePruner(fitted, cv="prefit", lam=0.0).fit(X, y)
    member = FrozenEstimator(fitted.estimators_[0])
    network = PrunedCNNClassifier(member, amount=0.5, fine_tune_epochs=0, random_state=0)
    script, given = tmp_path / "forks.py", tmp_path / "given"
    script.write_text(FORKS)
    joblib.dump((pruner, network.fit(X[..., None], y), X, y), given)
    done = subprocess.run([sys.executable, script, given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["10", "20", "20", "20", "10"]
