"""Files that were committed with each format are read for as long as it is.

If one of these fails after a change here: the change needs a new format, or must leave the names
and states that the files hold where they were. See CONTRIBUTING.md.
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io

from skprune.exceptions import SavedVersionWarning
from skprune.utils import SAVED_TYPES
from skprune.utils._estimator import FORMAT

from .models import answer
from .ways import TREE
from .write import weights_in

HERE = Path(__file__).parent
FILES = [
    pytest.param(file, id=f"{file.parent.name}-{file.name}", marks=marks)
    for file in sorted([*HERE.glob("format_*/*.joblib"), *HERE.glob("format_*/*.skops")])
    for marks in [[pytest.mark.keras] if file.stem == "networks" else []]
]


def read(file, saved_with):
    """The estimators of a file, which says so if other versions wrote it."""
    packages = ["scikit-learn"] + ["keras"] * (file.stem == "networks")
    other = [package for package in packages if saved_with[package] != version(package)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if file.suffix == ".skops":
            found = skops.io.load(file, trusted=[*SAVED_TYPES, TREE])
        else:
            found = joblib.load(file)
    told = [each for each in caught if issubclass(each.category, SavedVersionWarning)]
    assert bool(told) == bool(other)
    return found


def test_there_are_files_of_every_format():
    folders = {folder.name for folder in HERE.glob("format_*")}
    assert folders == {f"format_{number}" for number in range(1, FORMAT + 1)}
    assert len(FILES) == 6 * FORMAT


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_read_and_predicts_as_it_did(file):
    saved_with = json.loads((file.parent / "versions.json").read_text())
    known = np.load(file.parent / "known.npz")
    try:
        estimators = read(file, saved_with)
    except ValueError:
        if file.stem == "trees" and saved_with["scikit-learn"] != version("scikit-learn"):
            pytest.skip("this scikit-learn does not read the trees of the one that saved them")
        raise
    assert estimators
    for name, estimator in estimators.items():
        found, expected = answer(estimator, known[f"{name}.X"]), known[f"{name}.answer"]
        assert found.dtype == expected.dtype
        # Processors sum in different orders; 1e-5 is what they may differ by.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)
        if hasattr(estimator, "explain"):
            best, M = estimator.explain(1), estimator.n_members_in_
            assert f"1 of {M} members shown; {estimator.n_members_} kept." in str(best)
        if f"{name}.weights" in known:
            assert weights_in(estimator) == int(known[f"{name}.weights"]), name


def test_the_files_are_small():
    for number in range(1, FORMAT + 1):
        folder = HERE / f"format_{number}"
        assert sum(file.stat().st_size for file in folder.iterdir()) < 160_000
