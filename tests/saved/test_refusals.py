"""What is not loaded: other formats, code, files that are cut short, paths of other files."""

import io
import json
import pickle
import sys
import warnings
import zipfile
from types import ModuleType

import joblib
import numpy as np
import pytest
import skops.io as sio
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skprune import PrunedCNNClassifier, SOCPEnsemblePruner
from skprune.amount import PolynomialCurve
from skprune.exceptions import SavedFormatError, SavedVersionWarning, SkpruneError
from skprune.utils import SAVED_TYPES, _estimator
from skprune.utils._estimator import FORMAT, SavedWith, SkpruneEstimator

from .models import Saved, answer
from .ways import MEMBER_FILE, TREE, WAYS, load, member_file, save, saved_by_all

every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def said(monkeypatch):
    """Make what is saved say that something else wrote it."""

    def say(**changes):
        told = vars(SavedWith(FORMAT, "0.1.0", {"scikit-learn": "1.9.1"})) | changes
        stamp = object.__new__(SavedWith)
        vars(stamp).update(told)
        monkeypatch.setattr(_estimator, "_this_release", lambda packages: stamp)

    return say


# Formats


@every_way
def test_a_newer_format_is_refused(way, said, trees):
    said(format=FORMAT + 1, skprune="7.8.9")
    data = save(way, trees["pruner"].estimator)
    with pytest.raises(SavedFormatError, match=rf"format {FORMAT + 1} .*skprune 7\.8\.9.*up to"):
        load(way, data)


@every_way
@pytest.mark.parametrize("number", [0, -1, None, "1", 1.5, True])
def test_an_unknown_format_is_refused(way, number, said):
    said(format=number)
    data = save(way, PolynomialCurve(2))
    with pytest.raises(SavedFormatError, match=f"format that skprune does not know, {number!r}"):
        load(way, data)


@every_way
def test_no_format_is_refused(way, monkeypatch, amounts):
    monkeypatch.setattr(SkpruneEstimator, "__getstate__", SkpruneEstimator._state)
    for estimator in (amounts["cubic"].estimator, amounts["logistic"].estimator):
        data = save(way, estimator)
        with pytest.raises(SavedFormatError, match=f"{type(estimator).__name__} .*says no format"):
            load(way, data)


@every_way
def test_a_newer_format_is_refused_before_classes_of_tomorrow_are_missed(way, said, monkeypatch):
    tomorrow = ModuleType("skprune_of_tomorrow")
    later = type("Later", (), {"__module__": tomorrow.__name__})
    tomorrow.Later = later
    monkeypatch.setitem(sys.modules, tomorrow.__name__, tomorrow)
    curve = PolynomialCurve(2)
    curve.news_ = later()
    said(format=FORMAT + 1)
    data = save(way, curve)
    monkeypatch.delitem(sys.modules, tomorrow.__name__)
    with pytest.raises(SavedFormatError, match=f"has format {FORMAT + 1}"):
        load(way, data, trusted=[*SAVED_TYPES, f"{tomorrow.__name__}.Later"])


@every_way
def test_other_versions_are_warned_of_and_named(way, said, trees):
    pruner = trees["pruner"]
    said(packages={"scikit-learn": "0.9.1", "numpy": np.__version__})
    data = save(way, pruner.estimator)
    with pytest.warns(SavedVersionWarning) as caught:
        loaded = load(way, data)
    (warning,) = caught
    message = str(warning.message)
    assert message.startswith("This SOCPEnsemblePruner was saved with scikit-learn 0.9.1 (skprune")
    assert "numpy" not in message
    assert "Install the versions" in message
    np.testing.assert_array_equal(answer(loaded, pruner.X), pruner.answer())
    said(packages={"no-such-package": "1.0"})
    with pytest.warns(SavedVersionWarning, match=r"no-such-package 1\.0.*no-such-package None"):
        load(way, save(way, pruner.estimator))


def test_the_format_comes_first_in_every_state(trees, amounts):
    for saved in {**trees, **amounts}.values():
        assert type(next(iter(saved.estimator.__getstate__().values()))) is SavedWith


def test_a_class_with_a_state_of_its_own():
    """Subclasses of users that add to the state, and those that pass ours over."""
    fitted = PolynomialCurve(1).fit([[0], [1]], [0, 1])
    adding = Adding(1)
    vars(adding).update(vars(fitted))
    assert pickle.loads(pickle.dumps(adding)).added == 5
    with pytest.raises(SavedFormatError, match="of its own that leaves out"):
        pickle.loads(pickle.dumps(PassingOver(1)))


class Adding(PolynomialCurve):
    def __getstate__(self):
        return {**super().__getstate__(), "added": 5}


class PassingOver(PolynomialCurve):
    def __getstate__(self):
        return dict(vars(self))


def test_errors_and_warnings_are_of_their_kinds():
    assert issubclass(SavedFormatError, SkpruneError)
    assert issubclass(SavedFormatError, ValueError)
    assert issubclass(SavedVersionWarning, UserWarning)


def test_copies_and_grids_warn_of_nothing():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(4, max_depth=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SavedVersionWarning)
        search = GridSearchCV(SOCPEnsemblePruner(forest, random_state=0), {"lam": [0.1, 0.2]}, cv=2)
        search.fit(X, y)
        assert joblib.hash(search.best_estimator_) == joblib.hash(search.best_estimator_)


# Files that are cut short


@every_way
def test_a_file_that_is_cut_short_gives_nothing(way, trees):
    data = save(way, trees["pruner_cv"].estimator)
    for share in np.linspace(0, 1, 60, endpoint=False):
        with pytest.raises(Exception):  # noqa: B017, PT011
            load(way, data[: int(share * len(data))])
    with pytest.raises(Exception):  # noqa: B017, PT011
        load(way, data[:-1])


# Paths


class Payload:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@every_way
def test_a_path_in_the_place_of_a_kept_member_is_refused(way, trees, tmp_path):
    path, mark = tmp_path / "member", tmp_path / "mark"
    joblib.dump(Payload(mark), path)
    pruner = pickle.loads(pickle.dumps(trees["pruner"].estimator))
    pruner.estimators_ = [member_file(path)] * pruner.n_members_
    data = save(way, pruner)
    trusted = [*SAVED_TYPES, TREE, MEMBER_FILE]
    with pytest.raises(SavedFormatError, match="SOCPEnsemblePruner holds paths of members"):
        load(way, data, trusted=trusted)
    assert not mark.exists()


def test_a_path_is_not_among_what_is_trusted(trees, tmp_path):
    pruner = SOCPEnsemblePruner([("tree", member_file(tmp_path / "member"))])
    with pytest.raises(sio.exceptions.UntrustedTypesFoundException, match="MemberFile"):
        load("skops", sio.dumps(pruner))


def test_a_name_that_a_module_of_ours_imports_is_not_trusted(tmp_path, monkeypatch):
    """What trusting all of `skprune.` would do, and the list does not."""
    (tmp_path / "evil_of_a_file.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    schema = json.loads(
        zipfile.ZipFile(io.BytesIO(sio.dumps(("evil_of_a_file",)))).read("schema.json")
    )
    call = {
        "__class__": "import_module",
        "__module__": "skprune",
        "__loader__": "ConstructorFromReduceNode",
        "__id__": 1,
        "content": {
            key: schema.pop(key) for key in list(schema) if key[:2] == "__" or key == "content"
        },
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema | call))
    with pytest.raises(
        sio.exceptions.UntrustedTypesFoundException, match=r"skprune\.import_module"
    ):
        load("skops", file.getvalue())
    assert "evil_of_a_file" not in sys.modules
    everything = sio.get_untrusted_types(data=file.getvalue())
    assert all(name.startswith("skprune.") for name in everything)
    load("skops", file.getvalue(), trusted=everything)
    assert sys.modules.pop("evil_of_a_file")


@every_way
def test_what_predicts_elsewhere_writes_to_no_cache(way, tmp_path):
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(4, max_depth=2, random_state=0)
    pruner = SOCPEnsemblePruner(forest, memory=str(tmp_path), random_state=0).fit(X, y)
    loaded, before = load(way, save(way, pruner)), len(list(tmp_path.rglob("*")))
    np.testing.assert_array_equal(answer(loaded, X[:50]), answer(loaded, X)[:50])
    assert len(list(tmp_path.rglob("*"))) == before
    answer(pruner, X)
    assert len(list(tmp_path.rglob("*"))) > before


# Code in networks


@pytest.fixture(scope="module")
def samples():
    X, y = load_iris(return_X_y=True)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def cut(samples):
    """Make a fitted classifier with a layer in its network, as older releases of Keras let one."""
    from skprune.compression._kept_model import KeptModel

    from .networks import classifier, uncut

    cnn = FrozenEstimator(classifier().fit(*samples))
    pruned = PrunedCNNClassifier(cnn, amount=0.5, method=uncut, fine_tune_epochs=0).fit(*samples)

    def with_layer(added):
        other = pickle.loads(pickle.dumps(pruned))
        other._kept = KeptModel(added(pruned.network_))
        return Saved(other, samples[0])

    return with_layer


@pytest.mark.keras
# Keras warns too, of one kind of them.
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
@pytest.mark.parametrize(
    ("added", "layer"),
    [
        ("with_lambda", r"layer 'twice' \(Lambda\)"),
        ("with_a_named_function", r"layer 'twice' \(Lambda\)"),
        ("with_lambda_inside", r"layer 'twice' \(Lambda\)"),
        ("with_activation", r"layer 'twice' \(Dense\)"),
    ],
)
def test_code_in_a_network_is_neither_saved_nor_loaded(added, layer, cut, samples, monkeypatch):
    import keras

    from skprune._keras import _saving

    from . import networks

    pruned = cut(getattr(networks, added)).estimator
    advice = "layer class of your own, registered with keras.saving.register_keras_serializable"
    for way in WAYS:
        with pytest.raises(SavedFormatError, match=rf"cannot be saved: {layer} .*{advice}"):
            save(way, pruned)
    assert pruned.predict(samples[0]).shape == (150,)
    # Someone else may have saved it all the same.
    with monkeypatch.context() as patch:
        patch.setattr(_saving, "_layers_with_code", lambda written: [])
        files = saved_by_all(pruned)
    networks.ran.clear()
    monkeypatch.setattr(keras.models, "load_model", lambda *args, **kwargs: 1 / 0)
    trusted = [*SAVED_TYPES, *_scikeras(files["skops"])]
    for way, data in files.items():
        loaded = load(way, data, trusted=trusted)
        for ask in (loaded.predict, loaded.predict_proba):
            with pytest.raises(SavedFormatError, match=rf"not loaded: {layer} .*check where"):
                ask(samples[0])
    assert not networks.ran


def _scikeras(data):
    """The types of an estimator of scikeras, which a user is to look at."""
    unknown = sio.get_untrusted_types(data=data)
    return [name for name in unknown if name.startswith(("scikeras.", "tests.saved.networks."))]


@pytest.mark.keras
@every_way
def test_a_layer_of_its_own_class_is_what_to_take_instead(way, cut):
    from . import networks

    saved = cut(networks.with_a_class)
    data = save(way, saved.estimator)
    known = _scikeras(data) if way == "skops" else []
    loaded = load(way, data, trusted=[*SAVED_TYPES, *known])
    np.testing.assert_array_equal(loaded.predict_proba(saved.X), saved.answer())


@pytest.mark.keras
def test_a_layer_of_a_class_that_is_not_there_is_named(cut, monkeypatch):
    import keras

    from . import networks

    saved = cut(networks.with_a_class)
    loaded = pickle.loads(pickle.dumps(saved.estimator))
    monkeypatch.delitem(keras.saving.get_custom_objects(), "skprune_tests>Doubled")
    monkeypatch.delattr(networks, "Doubled")
    with pytest.raises(SavedFormatError, match=r"Doubled.*imported before it is loaded"):
        loaded.predict(saved.X)


@pytest.mark.keras
def test_a_network_that_is_no_archive_of_keras():
    from skprune._keras import read_network

    empty, folder = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("else.json", "{}")
    for written in (b"", b"PK\x03\x04", pickle.dumps(3), empty.getvalue()):
        with pytest.raises(SavedFormatError, match="cannot be read"):
            read_network(written)
    layer = {"class_name": "TFSMLayer", "config": {"name": "saved", "filepath": "/elsewhere"}}
    with zipfile.ZipFile(folder, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": [layer]}}))
    with pytest.raises(SavedFormatError, match=r"layer 'saved' \(TFSMLayer\) contains code"):
        read_network(folder.getvalue())
