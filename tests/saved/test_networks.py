"""What holds Keras networks: the same bits elsewhere, and no more in a file than is needed."""

import copy
import io
import pickle
import zipfile

import joblib
import keras
import numpy as np
import pytest
import skops.io as sio

from skprune.exceptions import SavedFormatError
from skprune.utils import SAVED_TYPES
from skprune.utils._estimator import SavedWith

from .models import answer
from .ways import WAYS, check_again_and_again, check_in_a_new_process, load, save

pytestmark = pytest.mark.keras


def test_in_a_new_process(networks, tmp_path):
    members = {"cnns", "member", "pruner_of_cnns"}
    check_in_a_new_process(networks, set(networks) - members, tmp_path)


def test_saved_again(networks):
    check_again_and_again(networks)


def test_no_optimizer_is_in_a_file(networks):
    from skprune.compression._kept_model import KeptModel

    member = copy.deepcopy(networks["member"].estimator)
    size = len(pickle.dumps(member))
    images = networks["member"].X[..., None]
    member.partial_fit(images, np.arange(len(images)) % 3)
    assert member.model_.optimizer is not None
    assert abs(len(pickle.dumps(member)) - size) < 100  # one more pass in its history
    pruned = pickle.loads(pickle.dumps(networks["pruned_cnn"].estimator))
    network, before = pruned.network_, len(pickle.dumps(pruned))
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(networks["pruned_cnn"].X[..., None], np.arange(40) % 3, shuffle=False, verbose=0)
    after = pickle.dumps(pruned)
    assert abs(len(after) - before) < 100
    kept = KeptModel(network).__getstate__()["_bytes"]
    assert b"optimizer" not in zipfile.ZipFile(io.BytesIO(kept)).read("model.weights.h5")
    assert network.optimizer is not None  # itself it is as it was
    # And it is the network as it is now that was saved.
    X = networks["pruned_cnn"].X
    assert not np.array_equal(answer(pruned, X), networks["pruned_cnn"].answer())
    np.testing.assert_array_equal(answer(pickle.loads(after), X), answer(pruned, X))


def test_the_same_pickle_twice(networks):
    """Caches know an estimator by its pickle."""
    for name in ("member", "pruned_cnn", "compressor", "views", "pruned_views_nested"):
        estimator = networks[name].estimator
        assert joblib.hash(estimator) == joblib.hash(estimator)
    # What predictions leave behind, to be faster, is nobody else's.
    for saved in networks.values():
        before = saved.answer(), joblib.hash(saved.estimator)
        for _ in range(50):
            after = saved.answer()
        np.testing.assert_array_equal(after, before[0])
        assert joblib.hash(saved.estimator) == before[1]
    loaded = pickle.loads(pickle.dumps(networks["pruned_cnn"].estimator))
    unread = joblib.hash(loaded)
    loaded.predict(networks["pruned_cnn"].X)
    assert joblib.hash(loaded) == unread


def test_weights_may_be_mapped_into_memory(networks, tmp_path):
    for name in ("pruner_of_cnns", "views", "pruned_views_nested"):
        joblib.dump(networks[name].estimator, tmp_path / name)
        mapped = joblib.load(tmp_path / name, mmap_mode="r")
        np.testing.assert_array_equal(answer(mapped, networks[name].X), networks[name].answer())


def test_types_to_trust(networks):
    for saved in networks.values():
        data = sio.dumps(saved.estimator)
        assert set(sio.get_untrusted_types(data=data)) <= set(SAVED_TYPES)


def test_what_holds_networks_says_which_keras(networks):
    for saved in networks.values():
        (stamp,) = [v for v in saved.estimator.__getstate__().values() if type(v) is SavedWith]
        needed = {"scikit-learn"} | (
            {"keras"} if "pruner" not in type(saved.estimator).__name__.lower() else set()
        )
        assert needed <= stamp.packages.keys()
        assert stamp.packages.get("keras", keras.__version__) == keras.__version__


@pytest.mark.parametrize("way", WAYS)
def test_a_network_that_is_cut_short_is_refused(way, networks):
    saved = networks["pruned_cnn"]
    broken = pickle.loads(pickle.dumps(saved.estimator))
    whole = broken._kept._bytes
    for n in (0, 10, len(whole) // 2, len(whole) - 30):
        broken._kept._bytes = whole[:n]
        loaded = load(way, save(way, broken))
        with pytest.raises(SavedFormatError, match=r"network cannot be read.*cut short"):
            loaded.predict(saved.X)


def test_keras_reads_in_safe_mode(networks, monkeypatch):
    load_model, seen = keras.models.load_model, []

    def watched(*args, **kwargs):
        seen.append(kwargs)
        return load_model(*args, **kwargs)

    monkeypatch.setattr(keras.models, "load_model", watched)
    for saved in networks.values():
        answer(pickle.loads(pickle.dumps(saved.estimator)), saved.X)
    assert len(seen) > 5
    assert all(kwargs == {"compile": False, "safe_mode": True} for kwargs in seen)
