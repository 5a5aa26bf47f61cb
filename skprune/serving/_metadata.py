"""What an exported graph says of itself; needs NumPy only."""

import json
import math
import re
import reprlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import GraphFileError

__all__ = ["FORMAT", "KEY", "GraphMetadata"]

#: Number of the format: what the inputs, outputs and metadata of a graph are.
FORMAT = 1

#: Under what name the metadata stands in the file.
KEY = "skprune"

# Types of labels that are written. Text has at most 999 characters, and all labels together have
# at most so many bytes, for a type in the file says how much memory they take.
_LABEL_TYPE = re.compile(r"[<>|][biuf]\d{1,2}|[<>]U\d{1,3}|O")
_MOST_LABEL_BYTES = 2**26
_LABEL_KINDS = {"b": bool, "i": int, "u": int, "f": float, "U": str, "O": str}


@dataclass(frozen=True)
class GraphMetadata:
    """What is to be known of a graph besides its arithmetic.

    Attributes
    ----------
    version : str
        Release of skprune that exported it.
    estimator : str
        Class of the estimator it was.
    labels : list or None
        The labels of the columns; None for a regressor.
    label_type : str or None
        Their NumPy type.
    voting : {"soft", "hard", "log"} or None
        What the members' votes were; None for a regressor.
    members : list of str
        Names of the members.
    weights : list of float
        Their weights, summing to one for soft and hard votes; exponents with ``voting="log"``.
    sample_shape : list of int
        Shape of one sample.
    batch_rows : int
        Most samples that are computed at once.
    feature_names : list of str or None, default=None
        Names of the columns of X that ``fit`` saw, where it had some.
    flat : bool, default=False
        Whether a regressor has one target, given as a vector.
    quantization : {"int8"} or None, default=None
        What the numbers were rounded to.
    temperature : float, default=1.0
        Of a soft vote, and part of its graph: probabilities are to the power ``1 / temperature``.
    intercept : list of float or None, default=None
        The bias of each class of a logarithmic pool, part of its graph; None for other votes.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> from skprune.serving import OnnxPredictor, export_onnx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     predictor = OnnxPredictor(export_onnx(pruner, f"{folder}/iris.onnx"))
    >>> predictor.metadata_.labels, predictor.metadata_.voting, predictor.metadata_.sample_shape
    ([0, 1, 2], 'log', [4])
    """

    version: str
    estimator: str
    labels: list[Any] | None
    label_type: str | None
    voting: str | None
    members: list[str]
    weights: list[float]
    sample_shape: list[int]
    batch_rows: int
    feature_names: list[str] | None = None
    flat: bool = False
    quantization: str | None = None
    temperature: float = 1.0
    intercept: list[float] | None = None

    @property
    def classes(self) -> NDArray | None:
        """The labels as an array of shape (C,), of their own type; None for a regressor."""
        return None if self.labels is None else np.array(self.labels, dtype=self.label_type)

    def with_classes(self, classes: NDArray) -> "GraphMetadata":
        """The same with labels.

        Parameters
        ----------
        classes : ndarray of shape (C,)
            Integers, floats, booleans or strings.

        Returns
        -------
        GraphMetadata

        Raises
        ------
        GraphFileError
            If they are of another kind, or too long.
        """
        labels = classes.tolist()
        label_type = "O" if classes.dtype.kind == "O" else classes.dtype.str
        try:
            _check_labels(labels, label_type)
        except ValueError as error:
            raise GraphFileError(
                f"Labels of type {classes.dtype} ({reprlib.repr(labels[0])}, ...) cannot be "
                f"written into a graph: {error}. Use integers, floats, booleans or strings; long "
                "strings as objects (dtype=object)."
            ) from error
        return replace(self, labels=labels, label_type=label_type)

    def to_json(self) -> str:
        """As text, which :meth:`from_json` reads.

        Returns
        -------
        str
            JSON, with the number of the format.
        """
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str, path: str) -> "GraphMetadata":
        """From text that was found in a file.

        Parameters
        ----------
        text : str
            The text.
        path : str
            The file, for messages.

        Returns
        -------
        GraphMetadata

        Raises
        ------
        GraphFileError
            If it was written by a newer release, or is not what any release writes.
        """
        try:
            found = json.loads(text)
            number = found.pop("format")
            if type(number) is not int:
                raise TypeError(f"the format is {number!r}")
            if number == FORMAT:
                about = cls(**found)
                about._check()
                return about
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise GraphFileError(
                f"{path!r} has metadata that skprune did not write ({type(error).__name__}: "
                f"{error}). Export the graph again."
            ) from error
        raise GraphFileError(
            f"{path!r} is of format {number}, written by skprune {found.get('version', '?')}; this "
            f"release reads format {FORMAT}. Install that release, or export the graph again."
        )

    def _check(self) -> None:
        """Refuse what no release writes, before it is used."""
        shape, names = self.sample_shape, self.feature_names
        labels, intercept, temperature = self.labels, self.intercept, self.temperature
        right = {
            "version": isinstance(self.version, str),
            "estimator": isinstance(self.estimator, str),
            "labels": labels is None or isinstance(labels, list),
            "voting": self.voting in ([None] if labels is None else ["soft", "hard", "log"]),
            "members": _is_list_of(str, self.members),
            "weights": _is_list_of_numbers(self.weights),
            "sample_shape": _is_list_of(int, shape) and shape and min(shape) >= 0,
            "batch_rows": type(self.batch_rows) is int and self.batch_rows >= 1,
            "feature_names": names is None or _is_list_of(str, names),
            "flat": isinstance(self.flat, bool),
            "quantization": self.quantization in ("int8", None),
            "temperature": type(temperature) is float
            and (temperature == 1 or (self.voting == "soft" and 0 < temperature < math.inf)),
            "intercept": intercept is None
            or (_is_list_of_numbers(intercept) and self.voting == "log"),
        }
        for name in (name for name, is_right in right.items() if not is_right):
            raise ValueError(f"{name} is {reprlib.repr(getattr(self, name))}")
        if len(self.members) != len(self.weights):
            raise ValueError(f"{len(self.members)} members have {len(self.weights)} weights")
        if intercept is not None and len(intercept) != len(labels or ()):
            raise ValueError(f"{len(labels or ())} labels have an intercept of {len(intercept)}")
        if labels is not None:
            _check_labels(labels, self.label_type)


def _is_list_of(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _is_list_of_numbers(values: Any) -> bool:
    return _is_list_of(float, values) and all(map(math.isfinite, values))


def _check_labels(labels: list[Any], label_type: Any) -> None:
    """Refuse labels that are not of their type, before an array is made that they do not need."""
    if not isinstance(label_type, str) or not _LABEL_TYPE.fullmatch(label_type):
        raise ValueError(f"the label type is {reprlib.repr(label_type)}")
    dtype = np.dtype(label_type)
    if dtype.itemsize * len(labels) > _MOST_LABEL_BYTES:
        raise ValueError(f"{len(labels)} labels of type {label_type} take too much memory")
    right = _is_list_of(_LABEL_KINDS[dtype.kind], labels)
    if right and dtype.kind != "O":
        try:
            with np.errstate(over="ignore"):
                right = np.array(labels, dtype).tolist() == labels
        except OverflowError:
            right = False
    if not right:
        raise ValueError(f"the labels are not all of type {label_type}: {reprlib.repr(labels)}")
