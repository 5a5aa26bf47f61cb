"""Commands as a user gives them, and the files that they are given."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from skprune.cli import main
from tests.amount import notebook


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    def refused(self, command, code=2):
        """The one line that says why."""
        assert self.code == code, self.err
        assert self.out == ""
        assert self.err.startswith(f"skprune {command}: error: "), self.err
        assert self.err.count("\n") == 1, "more than a line"
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def skprune(capsys):
    """Run a command in this process."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def digits():
    """A forest, and digits that it was not trained on."""
    X, y = load_digits(n_class=4, return_X_y=True)
    forest = RandomForestClassifier(20, max_depth=3, random_state=0).fit(X[:300], y[:300])
    return forest, X[300:], y[300:]


@pytest.fixture(scope="session")
def P(digits):
    """What its trees predict, (20, n, 4)."""
    forest, X, _ = digits
    return np.stack([tree.predict_proba(X) for tree in forest.estimators_])


@pytest.fixture
def pool(tmp_path, P, digits):
    """Path of a file of predictions, after changes to what it holds."""

    def write(**changes):
        arrays = {"P": P, "y": digits[2], **changes}
        path = tmp_path / "predictions.npz"
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return path

    return write


@pytest.fixture
def measured(tmp_path):
    """Path of a .csv file with what the notebook's curves say of eleven amounts."""
    p = np.linspace(0, 1, 11)
    rows = np.column_stack([p, notebook.measured(p)])
    path = tmp_path / "measurements.csv"
    lines = ["amount,accuracy,time,size", *(",".join(map(repr, row)) for row in rows.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path
