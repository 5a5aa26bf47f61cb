"""A pool of members of which nothing is known but what they predict."""

from dataclasses import dataclass
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from ..utils import ArrayHeader
from ._errors import Refused
from ._files import open_arrays, read_lines

__all__ = ["PredictionPool", "StandInEnsemble", "read_predictions"]

_OPTIONAL = ("classes", "names", "costs", "sample_weight")
_SHAPE = "P must have shape (members, samples, classes)"


@dataclass(frozen=True, eq=False)
class PredictionPool:
    """What the members of a pool predict, and what the samples are.

    Attributes
    ----------
    P : ndarray of shape (M, N, C)
        Probabilities.
    y : ndarray of shape (N,)
        Positions of the samples' classes along the last axis of P.
    classes : list of C labels
        What these positions are called.
    names : list of M str or None
        Names of the members, where they have some.
    costs, sample_weight : ndarray or None
        Costs of the members, and weights of the samples, where they were given.
    others : list of str
        Keys of the file that say nothing here.
    """

    P: NDArray
    y: NDArray[np.intp]
    classes: list[Any]
    names: list[str] | None
    costs: NDArray | None
    sample_weight: NDArray | None
    others: list[str]


class StandIn(ClassifierMixin, BaseEstimator):
    """A fitted member that cannot predict, since its model is elsewhere.

    Parameters
    ----------
    n_classes : int
        Number of classes C that it tells apart.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    @property
    def classes_(self) -> NDArray[np.intp]:
        """Positions of the classes."""
        return np.arange(self.n_classes)

    def fit(self, X: Any, y: Any) -> Self:
        """Nothing is to be learnt."""
        return self

    def predict_proba(self, X: ArrayLike) -> NoReturn:
        """Refuse: only what it has predicted is known."""
        raise ValueError("A member that is known by its predictions only cannot predict.")

    def __sklearn_is_fitted__(self) -> bool:
        return True


class StandInEnsemble(StandIn):
    """An ensemble of members that are known by their predictions only.

    Parameters
    ----------
    n_members : int
        Number of members M.
    n_classes : int
        Number of classes C.
    """

    def __init__(self, n_members: int, n_classes: int) -> None:
        super().__init__(n_classes)
        self.n_members = n_members

    @property
    def estimators_(self) -> list[StandIn]:
        """One stand-in a member."""
        return [StandIn(self.n_classes) for _ in range(self.n_members)]


def read_predictions(path: str, names_path: str | None = None) -> PredictionPool:
    """Read and check a file of predictions.

    Parameters
    ----------
    path : str
        An .npz file with P and y.
    names_path : str or None, default=None
        A text file with a name a line, in the place of the key ``names``.

    Returns
    -------
    PredictionPool

    Raises
    ------
    Refused
        If something in it cannot be right. Whether P holds probabilities is seen by who uses it.
    """
    with open_arrays(path, ("P", "y"), _OPTIONAL) as (file, headers):
        _check_headers(headers)
        arrays = {key: file.read(key) for key in headers}
        P, y = arrays["P"], arrays["y"]
        n_members, _, n_classes = P.shape
        classes = _labels(arrays["classes"], "classes") if "classes" in arrays else None
        if classes is not None and len(np.unique(classes)) < len(classes):
            raise Refused("classes holds a label more than once; each is one class of P.")
        names = _names(arrays.get("names"), names_path)
        if names is not None:
            where = "names" if names_path is None else names_path
            _check_length(where, len(names), n_members, "a name for each member of P")
        return PredictionPool(
            P=P,
            y=_positions(y.ravel(), n_classes, classes),
            classes=list(range(n_classes)) if classes is None else classes.tolist(),
            names=names,
            costs=arrays["costs"].ravel() if "costs" in arrays else None,
            sample_weight=arrays["sample_weight"].ravel() if "sample_weight" in arrays else None,
            others=[key for key in file.keys if key not in headers],
        )


def _check_headers(headers: dict[str, ArrayHeader]) -> None:
    """Refuse arrays that do not fit together, before they are read."""
    P = headers["P"]
    _check_shapes(P, headers["y"])
    n_members, n_samples, n_classes = P.shape
    for key, length, each in (
        ("classes", n_classes, "a label for each class of P"),
        ("names", n_members, "a name for each member of P"),
        ("costs", n_members, "a number for each member of P"),
        ("sample_weight", n_samples, "a number for each sample of P"),
    ):
        if key not in headers:
            continue
        header = headers[key]
        if each.startswith("a number") and header.dtype.kind not in "iufb":
            raise Refused(f"{key} must hold numbers; it holds {header.dtype}.")
        _check_length(key, header.size, length, each)


def _check_shapes(P: ArrayHeader, y: ArrayHeader) -> None:
    if P.dtype.kind not in "fiub":
        raise Refused(f"P must hold probabilities, which are numbers; it holds {P.dtype}.")
    if P.ndim == 2:
        raise Refused(
            f"{_SHAPE}; it has shape {P.shape}. For two classes give the probabilities of both: "
            "numpy.stack([1 - P, P], axis=2). Targets of regressors are not taken here; see "
            "SOCPEnsemblePrunerRegressor.fit_predictions."
        )
    if P.ndim != 3 or 0 in P.shape:
        raise Refused(f"{_SHAPE}, none of them 0; it has shape {P.shape}.")
    n_members, n_samples, n_classes = P.shape
    # A column, as some languages write a vector.
    if y.ndim != 1 and not (y.ndim == 2 and 1 in y.shape):
        hint = ""
        if y.shape == (n_samples, n_classes):
            hint = " If each row marks a class with a one, give y.argmax(axis=1)."
        raise Refused(f"y must have one class a sample, shape ({n_samples},); got {y.shape}.{hint}")
    if y.size != n_samples:
        hint = ""
        if y.size in P.shape:
            axis = P.shape.index(y.size)
            hint = f" The samples of P seem to be axis {axis}: numpy.moveaxis(P, {axis}, 1)."
        raise Refused(
            f"y has {y.size} samples where P has {n_samples}; {_SHAPE}, and has {P.shape}.{hint}"
        )
    if n_members < 2:
        raise Refused(f"P has one member, shape {P.shape}: there is nothing to choose from.")
    if n_classes < 2:
        raise Refused(
            f"P has one class, shape {P.shape}. For two classes give the probabilities of both: "
            "numpy.concatenate([1 - P, P], axis=2)."
        )


def _positions(y: NDArray, n_classes: int, classes: NDArray | None) -> NDArray[np.intp]:
    """Where the class of each sample stands along the last axis of P."""
    y = _labels(y, "y")
    text = y.dtype.kind == "U"
    if not text and not np.isfinite(y).all():
        raise Refused(f"y has NaN or infinity, at sample {int((~np.isfinite(y)).argmax())}.")
    if classes is None and text:
        raise Refused(
            f"y holds text, such as {y.tolist()[0]!r}, and there is no key classes to say which "
            f"class of P is which: add classes, {n_classes} labels in the order of P."
        )
    # Numbers where classes are names can only be positions.
    if classes is None or (classes.dtype.kind == "U" and not text):
        return _checked_positions(y, n_classes)
    if text and classes.dtype.kind != "U":
        raise Refused(f"y holds text, and classes numbers, {classes.tolist()[:5]}.")
    order = np.argsort(classes)
    found = np.searchsorted(classes, y, sorter=order).clip(max=n_classes - 1)
    positions = order[found]
    strange = classes[positions] != y
    if strange.any():
        at = int(strange.argmax())
        raise Refused(
            f"y has labels that classes does not list: sample {at} has {y.tolist()[at]!r}; classes "
            f"are {', '.join(map(repr, classes.tolist()[:10]))}."
        )
    return positions


def _checked_positions(y: NDArray, n_classes: int) -> NDArray[np.intp]:
    wrong = (y < 0) | (y >= n_classes) | (y != np.floor(y))
    if wrong.any():
        at = int(wrong.argmax())
        hint = ""
        if y.min() == 1 and y.max() == n_classes and (y == np.floor(y)).all():
            hint = " If they count from one, subtract one."
        raise Refused(
            f"y must hold positions 0 to {n_classes - 1} along the last axis of P, or labels that "
            f"the key classes lists; sample {at} has {y.tolist()[at]!r}.{hint}"
        )
    return y.astype(np.intp)


def _labels(array: NDArray, key: str) -> NDArray:
    """Numbers as they are, text of either kind as text."""
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8").ravel()
        except UnicodeDecodeError as error:
            raise Refused(f"{key} holds bytes that are no text in UTF-8.") from error
    if array.dtype.kind not in "iufbU":
        raise Refused(f"{key} must hold whole numbers or text; it holds {array.dtype}.")
    return array.ravel()


def _names(given: NDArray | None, path: str | None) -> list[str] | None:
    if path is not None:
        return read_lines(path)
    if given is None:
        return None
    return [str(name) for name in _labels(given, "names").tolist()]


def _check_length(key: str, found: int, right: int, each: str) -> None:
    if found != right:
        raise Refused(f"{key} must hold {each}, {right} in all; it holds {found}.")
