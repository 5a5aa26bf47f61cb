"""What an exported graph says of itself; needs NumPy only."""

import json
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
    voting : {"soft", "hard"} or None
        What the members' votes were; None for a regressor.
    members : list of str
        Names of the members.
    weights : list of float
        Their weights.
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
    ([0, 1, 2], 'soft', [4])
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
            If they are of another kind.
        """
        labels = classes.tolist()
        texts = classes.dtype.kind == "O" and all(isinstance(label, str) for label in labels)
        if classes.dtype.kind not in "biufU" and not texts:
            raise GraphFileError(
                f"Labels of type {classes.dtype} ({labels[0]!r}, ...) cannot be written into a "
                "graph; use integers, floats, booleans or strings."
            )
        return replace(self, labels=labels, label_type="O" if texts else classes.dtype.str)

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
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise GraphFileError(
                f"{path!r} has metadata that skprune did not write ({type(error).__name__}: "
                f"{error}). Export the graph again."
            ) from error
        raise GraphFileError(
            f"{path!r} is of format {number}, written by skprune {found.get('version', '?')}; this "
            f"release reads format {FORMAT}. Install that release, or export the graph again."
        )

    def _check(self) -> None:
        """Refuse what no release writes, before anybody predicts with it."""
        if type(self.batch_rows) is not int or self.batch_rows < 1:
            raise ValueError(f"batches have {self.batch_rows!r} rows")
        if len(self.members) != len(self.weights):
            raise ValueError(f"{len(self.members)} members have {len(self.weights)} weights")
        classes = self.classes
        if classes is not None and classes.ndim != 1:
            raise ValueError(f"labels have shape {classes.shape}")
        sides = [type(side) is int and side >= 0 for side in self.sample_shape]
        if not sides or not all(sides):
            raise ValueError(f"samples have shape {self.sample_shape!r}")
