"""Errors and warnings that a caller may want to catch or filter.

Everything else is a built-in class or one of scikit-learn's: ``ValueError`` or ``TypeError`` for
wrong arguments, ``ImportError`` for missing packages, ``sklearn.exceptions.NotFittedError``.
"""

__all__ = [
    "AmountCorrectedWarning",
    "CacheError",
    "CacheWarning",
    "CurveMisfitWarning",
    "GraphFileError",
    "InfeasibleLimitsWarning",
    "MemberFileError",
    "MemberTrainingError",
    "NoMemberLeftError",
    "SavedFormatError",
    "SavedVersionWarning",
    "SkpruneError",
    "SolverError",
    "UnsupportedMemberError",
]


class SkpruneError(Exception):
    """Base class of every error that is skprune's own.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.exceptions import SkpruneError
    >>> from skprune.socp import EnsembleStatistics, solve_socp
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> try:
    ...     solve_socp(stats, lam=9.0, relative=False)
    ... except SkpruneError as error:
    ...     print(type(error).__name__)
    NoMemberLeftError
    """


class SolverError(SkpruneError, RuntimeError):
    """A solver failed and left no usable weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.exceptions import SolverError
    >>> from skprune.socp import SOCPProblem
    >>> from skprune.socp.backends import BACKENDS
    >>> problem = SOCPProblem(np.eye(1), np.array([-np.inf]), penalty=0.0, constant=0.0)
    >>> BACKENDS["clarabel"](problem)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    skprune.exceptions.SolverError: CLARABEL failed on a program of 1 members: ...
    """


class NoMemberLeftError(SkpruneError, ValueError):
    """The penalty is so large that every weight is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.socp import EnsembleStatistics, solve_socp
    >>> P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.5, 0.5]]])
    >>> stats = EnsembleStatistics.from_predictions(P, [0, 1])
    >>> solve_socp(stats, lam=9.0, relative=False)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    skprune.exceptions.NoMemberLeftError: lam=9 leaves no member: ...
    """


class MemberFileError(SkpruneError, ValueError):
    """A file of a fitted member is missing, or cannot be used; the message names it.

    Attributes
    ----------
    path : str or None
        The file, so that a caller can leave it out.

    Examples
    --------
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.exceptions import MemberFileError
    >>> pruner = SOCPEnsemblePruner(["no-such-tree.joblib", "nor-this.joblib"], cv="prefit")
    >>> try:
    ...     pruner.fit([[0.0], [1.0]], [0, 1])
    ... except MemberFileError as error:
    ...     print(error.path)
    no-such-tree.joblib
    """

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class MemberTrainingError(SkpruneError, RuntimeError):
    """A member could not be trained; the message names it and its architecture.

    Examples
    --------
    >>> from skprune.exceptions import MemberTrainingError, SkpruneError
    >>> issubclass(MemberTrainingError, SkpruneError), issubclass(MemberTrainingError, RuntimeError)
    (True, True)
    """


class SavedFormatError(SkpruneError, ValueError):
    """What was saved has an unknown format, is broken, or holds what cannot be loaded safely.

    Examples
    --------
    >>> from skprune.amount import PolynomialCurve
    >>> PolynomialCurve().__setstate__({"degree": 1})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    skprune.exceptions.SavedFormatError: The PolynomialCurve to be loaded says no format: ...
    """


class SavedVersionWarning(UserWarning):
    """What was saved was saved with other versions of the packages that it depends on.

    Examples
    --------
    >>> import pickle, warnings
    >>> from skprune.amount import PolynomialCurve
    >>> from skprune.exceptions import SavedVersionWarning
    >>> saved = pickle.dumps(PolynomialCurve(degree=2))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", SavedVersionWarning)  # refuse rather than warn
    ...     print(pickle.loads(saved))
    PolynomialCurve(degree=2)
    """


class CacheError(SkpruneError, OSError):
    """The disk of the cache has no room for what is to be stored; raised before it is computed.

    Examples
    --------
    >>> from skprune.exceptions import CacheError, SkpruneError
    >>> issubclass(CacheError, SkpruneError), issubclass(CacheError, OSError)
    (True, True)
    """


class UnsupportedMemberError(SkpruneError, TypeError):
    """A member cannot go into one graph; the message names it and what to use instead.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.serving import fuse
    >>> pruner = SOCPEnsemblePruner(RandomForestClassifier(5, random_state=0), random_state=0)
    >>> fuse(pruner.fit(*load_iris(return_X_y=True)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    skprune.exceptions.UnsupportedMemberError: member_... is not a neural network, ...
    """


class GraphFileError(SkpruneError, ValueError):
    """A file is no graph that skprune wrote, or cannot be written as one; the message says why.

    Examples
    --------
    >>> import os, tempfile
    >>> from skprune.serving import OnnxPredictor
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
    ...     path = os.path.join(folder, "notes.onnx")
    ...     with open(path, "w") as file:
    ...         _ = file.write("no graph")
    ...     OnnxPredictor(path)
    Traceback (most recent call last):
        ...
    skprune.exceptions.GraphFileError: ...
    """


class CacheWarning(UserWarning):
    """The cache holds something broken or of another version, or could not take something.

    Examples
    --------
    >>> import tempfile, warnings
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as cache, warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     pruner = SOCPEnsemblePruner(forest, memory=cache, random_state=0).fit(X, y)
    ...     for path in Path(cache).rglob("*.pkl"):
    ...         _ = path.write_bytes(b"broken")
    ...     again = pruner.fit(X, y)  # trains what it cannot read
    >>> {warning.category.__name__ for warning in caught}
    {'CacheWarning'}
    """


class InfeasibleLimitsWarning(UserWarning):
    """The limits cannot all be met; the message names the nearest amount and what it misses.

    Examples
    --------
    >>> import warnings
    >>> from skprune.amount import importance_inverse_amounts
    >>> def accuracy(amount):
    ...     return 90 - 30 * amount
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     found = importance_inverse_amounts([3, 1, 0], accuracy, target=95)
    >>> caught[0].category.__name__, found.reachable
    ('InfeasibleLimitsWarning', False)
    """


class CurveMisfitWarning(UserWarning):
    """A curve does not follow its measurements; the message names it and what to take instead.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> from skprune import PruningAmountOptimizer
    >>> amount = np.linspace(0, 1, 11)
    >>> accuracy = np.where(amount < 0.7, 98.0, 20.0)  # falls in one step
    >>> optimizer = PruningAmountOptimizer(accuracy_curve="linear", random_state=0)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     optimizer = optimizer.fit(amount[:, None], accuracy)
    >>> caught[0].category.__name__, optimizer.fits_["accuracy"].misfit is None
    ('CurveMisfitWarning', False)
    """


class AmountCorrectedWarning(UserWarning):
    """What was pruned fell short of a limit that its curve promised; the message says what now.

    Examples
    --------
    >>> import warnings
    >>> from skprune.exceptions import AmountCorrectedWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", AmountCorrectedWarning)  # refuse rather than correct
    ...     # PrunedCNNClassifier(...).fit(X, y)
    >>> issubclass(AmountCorrectedWarning, UserWarning)
    True
    """
