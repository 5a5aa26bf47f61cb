"""Ways to save an estimator, and what has to hold for what comes back."""

import copy
import io
import json
import os
import pickle
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
import skops.io as sio
from sklearn.base import clone

from skprune.utils import SAVED_TYPES

from .models import answer

__all__ = [
    "MEMBER_FILE",
    "TREE",
    "WAYS",
    "check_again_and_again",
    "check_in_a_new_process",
    "load",
    "member_file",
    "save",
    "saved_by_all",
]

TREE = "sklearn.tree._tree.Tree"

# The class of paths of members, which docs/persistence.md warns of.
PAGE = Path(__file__).parents[2] / "docs" / "persistence.md"
(MEMBER_FILE,) = re.findall(r"`(skprune[\w.]+\.MemberFile)`", PAGE.read_text(encoding="utf-8"))


def member_file(path):
    """A path of a member, as a file that somebody made may hold it."""
    module, _, name = MEMBER_FILE.rpartition(".")
    return getattr(import_module(module), name)(str(path))


# Everything is loaded before anything predicts, and what has no member that is a CNN before
# what has one, whose class brings Keras along.
FRESH = """
import gc, json, pickle, sys, warnings
from pathlib import Path
import joblib, numpy as np, skops.io

warnings.simplefilter("error")
sys.modules["tests"] = None  # only what is installed may be needed
folder, free_of_keras, all_names = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
from skprune.utils import SAVED_TYPES


def loaded(name):
    yield "joblib", joblib.load(folder / f"{name}.joblib")
    yield "pickle", pickle.loads((folder / f"{name}.pickle").read_bytes())
    trusted = [*SAVED_TYPES, "sklearn.tree._tree.Tree"]
    yield "skops", skops.io.load(folder / f"{name}.skops", trusted=trusted)


heavy = {"keras", "scikeras", "tensorflow", "cvxpy", "matplotlib"}
found = {name: dict(loaded(name)) for name in free_of_keras}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
found |= {name: dict(loaded(name)) for name in all_names if name not in found}
if "keras" in sys.modules:
    import keras
    assert not any(isinstance(each, keras.Model) for each in gc.get_objects())
X, answers = np.load(folder / "X.npz"), {}
for name, ways in found.items():
    for way, estimator in ways.items():
        method = next(m for m in ("predict_proba", "predict", "transform") if hasattr(estimator, m))
        answers[f"{name}/{way}"] = getattr(estimator, method)(X[name])
np.savez(folder / "answers.npz", **answers)
"""


WAYS = ("joblib", "pickle", "skops")


def save(way, estimator):
    if way == "joblib":
        file = io.BytesIO()
        joblib.dump(estimator, file)
        return file.getvalue()
    return pickle.dumps(estimator) if way == "pickle" else sio.dumps(estimator)


def saved_by_all(estimator):
    return {way: save(way, estimator) for way in WAYS}


def load(way, data, trusted=(*SAVED_TYPES, TREE)):
    if way == "joblib":
        return joblib.load(io.BytesIO(data))
    return pickle.loads(data) if way == "pickle" else sio.loads(data, trusted=trusted)


def check_in_a_new_process(models, free_of_keras, tmp_path):
    files, elsewhere = tmp_path / "files", tmp_path / "elsewhere"
    files.mkdir()
    elsewhere.mkdir()
    for name, saved in models.items():
        for way, data in saved_by_all(saved.estimator).items():
            (files / f"{name}.{way}").write_bytes(data)
    np.savez(files / "X.npz", **{name: saved.X for name, saved in models.items()})
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    names = [json.dumps(sorted(n)) for n in (free_of_keras, models)]
    run = subprocess.run(
        [sys.executable, "-c", FRESH, files, *names],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert not list(elsewhere.iterdir())
    answers = np.load(files / "answers.npz")
    assert len(answers.files) == 3 * len(models)
    for key in answers.files:
        expected = models[key.split("/")[0]].answer()
        assert answers[key].dtype == expected.dtype
        np.testing.assert_array_equal(answers[key], expected, err_msg=key)


def check_again_and_again(models):
    """What was loaded can be saved, cloned and copied as well as what was fitted."""
    for name, saved in models.items():
        expected = saved.answer()
        for way, data in saved_by_all(saved.estimator).items():
            estimator = load(way, data)
            again = load(way, save(way, estimator))
            copies = [again]
            if way == "pickle":  # what is copied is the same however it was saved
                copies += [copy.copy(again), copy.deepcopy(again)]
            for each in copies:
                np.testing.assert_array_equal(answer(each, saved.X), expected, err_msg=name)
                assert _kept(each) == _kept(estimator)
            used = load(way, save(way, again))  # now that it has predicted
            np.testing.assert_array_equal(answer(used, saved.X), expected, err_msg=name)
            assert _kept(used) == _kept(estimator)
            clone(used)


def _kept(estimator):
    """Names of public attributes."""
    return {name for name in vars(estimator) if not name.startswith("_")}
