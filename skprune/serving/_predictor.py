"""Predicting with an exported graph, with nothing but NumPy and onnxruntime."""

import os
from importlib import import_module
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import GraphFileError
from ._metadata import KEY, GraphMetadata

__all__ = ["OnnxPredictor", "as_samples", "in_single_precision", "load_extra"]

#: Input and outputs of every graph.
INPUT, VOTE, MEMBERS = "X", "vote", "members"


class OnnxPredictor:
    """A graph that :func:`~skprune.serving.export_onnx` wrote, as a fitted estimator.

    Needs NumPy and onnxruntime (``pip install "skprune[serve]"``); neither scikit-learn nor
    TensorFlow is imported. An ONNX file holds numbers and names of operations, no code.

    Parameters
    ----------
    path : str or PathLike
        The file.
    n_threads : int, default=None
        Threads of one prediction. None is one for each core.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; not there for a regressor.
    metadata_ : GraphMetadata
        What the graph says of itself: its members and weights, voting, the release that wrote it.
    sample_shape_ : tuple of int
        Shape of one sample.
    n_features_in_ : int
        Its first side.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X that ``fit`` saw; only where it had some.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    GraphFileError
        If the file is truncated or damaged, was not written by skprune, or by a newer release.
        Predicting raises it too, where the damage shows only when the graph runs.
    ImportError
        If onnxruntime is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.serving import OnnxPredictor, export_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     predictor = OnnxPredictor(export_onnx(pruner, f"{folder}/iris.onnx"))
    >>> bool((predictor.predict(X) == pruner.predict(X)).all())
    True
    """

    def __init__(self, path: str | os.PathLike[str], *, n_threads: int | None = None) -> None:
        number = isinstance(n_threads, Integral) and not isinstance(n_threads, bool)
        if n_threads is not None and not (number and n_threads > 0):
            raise ValueError(f"n_threads must be a positive integer or None; got {n_threads!r}.")
        runtime = load_extra("onnxruntime", "serve")
        self.path = os.fspath(path)
        self.n_threads = n_threads
        if not os.path.isfile(self.path):
            raise FileNotFoundError(f"There is no graph at {self.path!r}.")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised, so nothing needs to be printed
        if n_threads is not None:
            options.intra_op_num_threads = int(n_threads)
        try:
            self._session = runtime.InferenceSession(
                # What fails would otherwise be printed, and tried again in the same way.
                self.path, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )  # fmt: skip
            text = self._session.get_modelmeta().custom_metadata_map.get(KEY)
            inputs, outputs = (
                {value.name: (value.type, value.shape[1:]) for value in values}
                for values in (self._session.get_inputs(), self._session.get_outputs())
            )
        except Exception as error:  # a file that is cut or strange fails in any way it likes
            raise GraphFileError(
                f"{self.path!r} cannot be read as an ONNX graph: {_first_line(error)} It may be "
                "cut short, or no ONNX file, or written for a newer onnxruntime than "
                f"{runtime.__version__}. Copy or export it again."
            ) from error
        if text is None:
            raise GraphFileError(
                f"{self.path!r} is an ONNX graph, but not one that skprune.serving.export_onnx "
                "wrote: it says nothing of labels and weights. Run it with onnxruntime itself."
            )
        self.metadata_ = GraphMetadata.from_json(text, self.path)
        self.sample_shape_ = tuple(self.metadata_.sample_shape)
        self.n_features_in_ = self.sample_shape_[0]
        if self.metadata_.feature_names is not None:
            self.feature_names_in_ = np.array(self.metadata_.feature_names, dtype=object)
        classes = self.metadata_.classes
        if classes is not None:
            self.classes_ = classes
        self._check_graph(inputs, outputs)

    def predict_proba(self, X: ArrayLike, return_members: bool = False) -> Any:
        """Weighted vote of the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Finite numbers of any type; flat rows of as many numbers, and images without their one
            channel, will do.
        return_members : bool, default=False
            Return what :meth:`member_predict_proba` does, too, at no more cost.

        Returns
        -------
        vote : ndarray of shape (n_samples, n_classes), float32
            Classes in the order of ``classes_``.
        members : ndarray of shape (n_members, n_samples, n_classes), float32
            Only with ``return_members``.

        Raises
        ------
        ValueError
            If the samples are of another shape or hold NaN or infinity.
        TypeError
            If they are not numbers.
        AttributeError
            If the graph was a regressor.
        """
        self._check_classifier("predict_proba")
        if not return_members:
            return self._run([VOTE], X)[0]
        return self._vote_and_members(X)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Logarithms of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float32
            Minus infinity where a probability is zero.
        """
        self._check_classifier("predict_log_proba")
        with np.errstate(divide="ignore"):
            return np.log(self._run([VOTE], X)[0])

    def member_predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Probabilities of each member.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_members, n_samples, n_classes), float32
            Members in the order of ``metadata_.members``.
        """
        self._check_classifier("member_predict_proba")
        return np.moveaxis(self._run([MEMBERS], X)[0], 1, 0)

    def predict(self, X: ArrayLike) -> NDArray:
        """The label with the highest probability, the first among equals; or the predicted values.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            As for :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Labels, or the weighted sums of regressors.
        """
        (vote,) = self._run([VOTE], X)
        if self.metadata_.labels is not None:
            return np.asarray(self.classes_[vote.argmax(axis=1)])
        return vote[:, 0] if self.metadata_.flat else vote

    def __repr__(self) -> str:
        about = self.metadata_
        return f"OnnxPredictor({self.path!r}): {len(about.members)} members of {about.estimator}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.path, self.n_threads)

    def _check_classifier(self, method: str) -> None:
        if self.metadata_.labels is None:
            raise AttributeError(
                f"{self.path!r} was a regressor, {self.metadata_.estimator}, and has no {method}; "
                "use predict."
            )

    def _vote_and_members(self, X: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        vote, members = self._run([VOTE, MEMBERS], X)
        return vote, np.moveaxis(members, 1, 0)

    def _check_graph(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Whether types and shapes of the graph are those that its metadata say."""
        about, real = self.metadata_, "tensor(float)"
        wanted = {INPUT: (real, about.sample_shape)}
        if inputs != wanted:
            raise GraphFileError(
                f"{self.path!r} has inputs {inputs}, which are not those of its samples, {wanted}. "
                "Export the graph again."
            )
        if about.labels is not None:
            k = len(about.labels)
        else:
            k = next(iter(outputs.get(VOTE, (real, []))[1]), 0)
        if outputs != {VOTE: (real, [k]), MEMBERS: (real, [len(about.members), k])}:
            raise GraphFileError(
                f"{self.path!r} has outputs {outputs}, which are not those of its {k} labels "
                f"and {len(about.members)} members. Export the graph again."
            )
        self._output_shapes = {name: tuple(shape) for name, (_, shape) in outputs.items()}

    def _run(self, outputs: list[str], X: ArrayLike) -> list[NDArray[np.float32]]:
        self._check_names(X)
        samples = as_samples(X, self.sample_shape_)
        rows = self.metadata_.batch_rows
        # At least one batch, so that no samples give no predictions of the right shape.
        starts = range(0, max(1, len(samples)), rows)
        batches = (in_single_precision(samples[start : start + rows]) for start in starts)
        parts = [self._run_batch(outputs, batch) for batch in batches]
        return [np.concatenate(of_one) for of_one in zip(*parts, strict=True)]

    def _run_batch(self, outputs: list[str], batch: NDArray[np.float32]) -> list[NDArray]:
        try:
            found: list[NDArray] = self._session.run(outputs, {INPUT: batch})
        except Exception as error:
            raise GraphFileError(
                f"{self.path!r} cannot be run: {_first_line(error)} Copy or export it again."
            ) from error
        for name, values in zip(outputs, found, strict=True):
            if values.shape != (len(batch), *self._output_shapes[name]):
                raise GraphFileError(
                    f"{self.path!r} gives {name} of shape {values.shape} for {len(batch)} samples, "
                    "which its metadata do not allow. Copy or export it again."
                )
        return found

    def _check_names(self, X: Any) -> None:
        """Columns of a data frame, which scikit-learn's estimators compare too."""
        known, given = self.metadata_.feature_names, getattr(X, "columns", None)
        if known is not None and given is not None and list(given) != known:
            raise ValueError(
                f"The columns of X must be those of fit, in their order: {known[:10]}; got "
                f"{list(given)[:10]}."
            )


def as_samples(X: ArrayLike, shape: tuple[int, ...]) -> NDArray:
    """X as samples of a shape, of whatever numbers it holds.

    Parameters
    ----------
    X : array-like of shape (n, *shape)
        Flat rows of as many numbers, and images without their one channel, will do.
    shape : tuple of int
        The shape.

    Returns
    -------
    ndarray of shape (n, *shape)

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    ValueError
        If it has another shape.
    """
    samples = np.asarray(X)
    if samples.dtype.kind not in "biufO":
        raise TypeError(f"X must hold real numbers; got {samples.dtype}.")
    if samples.dtype.kind == "O":
        try:
            samples = samples.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise TypeError(f"X must hold real numbers; got {error}.") from error
    if samples.shape[1:] == shape:
        return samples
    size = int(np.prod(shape))
    flat = samples.ndim == 2 and samples.shape[1] == size
    without_channel = (*samples.shape[1:], 1) == shape
    if not flat and not without_channel:
        one = " Give X[None] for a single sample." if samples.shape == shape else ""
        raise ValueError(
            f"X must have shape (n, {', '.join(map(str, shape))}), or rows of {size} numbers; got "
            f"{samples.shape}.{one}"
        )
    return samples.reshape(len(samples), *shape)


def in_single_precision(samples: NDArray) -> NDArray[np.float32]:
    """Finite numbers as graphs take them.

    Parameters
    ----------
    samples : ndarray
        Of any number type.

    Returns
    -------
    ndarray of the same shape, float32

    Raises
    ------
    ValueError
        If they hold NaN, infinity, or numbers beyond single precision.
    """
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(samples, dtype=np.float32)
    if not np.isfinite(single).all():
        if samples.dtype.kind == "f" and np.isfinite(samples).all():
            raise ValueError(
                "X holds numbers beyond single precision, which the graph computes in."
            )
        raise ValueError("X holds NaN or infinity; the graph takes finite numbers only.")
    return single


def _opened(path: str, n_threads: int | None) -> OnnxPredictor:
    return OnnxPredictor(path, n_threads=n_threads)


def load_extra(module: str, extra: str) -> Any:
    """Import a module of an extra of skprune, or say what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise ImportError(
            f"{package} cannot be imported ({error}). Install it with skprune's extra: "
            f'pip install "skprune[{extra}]"'
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."
