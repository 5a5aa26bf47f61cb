"""An exported graph with weights and activations of eight bits, and what that costs."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import GraphFileError
from ..utils import ReprHTML, atomic_write
from ._metadata import KEY, GraphMetadata
from ._predictor import INPUT, OnnxPredictor, as_samples, in_single_precision, load_extra

__all__ = ["QuantizationReport", "quantize_onnx"]

# What eight bits are of use for; a vote and its weights stay as they are.
_OPERATORS = ("Conv", "Gemm")
_CALIBRATION_ROWS = 512


@dataclass(frozen=True)
class QuantizationReport(ReprHTML):
    """What eight bits cost, on the samples that were given.

    Attributes
    ----------
    path : str
        The new file.
    n_samples : int
        Number of samples.
    accuracy, accuracy_int8 : float or None
        Share of right labels of the graph as it was, and of the new one; None without labels.
    agreement : float
        Share of samples to which both give the same label.
    largest_difference : float
        Of a probability.
    n_bytes, n_bytes_int8 : int
        Of the files.

    Examples
    --------
    >>> from skprune.serving import QuantizationReport
    >>> report = QuantizationReport(
    ...     "int8.onnx", 450, accuracy=0.991, accuracy_int8=0.989, agreement=0.998,
    ...     largest_difference=0.04, n_bytes=40_000, n_bytes_int8=16_000,
    ... )
    >>> print(report)
    int8: 16,000 bytes where there were 40,000 (2.5 times smaller)
    same label for 99.80% of 450 samples; probabilities differ by 0.040 at most
    accuracy 98.90% where it was 99.10%
    """

    path: str
    n_samples: int
    accuracy: float | None
    accuracy_int8: float | None
    agreement: float
    largest_difference: float
    n_bytes: int
    n_bytes_int8: int

    def __str__(self) -> str:
        lines = [
            f"int8: {self.n_bytes_int8:,} bytes where there were {self.n_bytes:,} "
            f"({self.n_bytes / self.n_bytes_int8:.1f} times smaller)",
            f"same label for {100 * self.agreement:.2f}% of {self.n_samples} samples; "
            f"probabilities differ by {self.largest_difference:.3f} at most",
        ]
        if self.accuracy is not None and self.accuracy_int8 is not None:
            lines.append(
                f"accuracy {100 * self.accuracy_int8:.2f}% where it was {100 * self.accuracy:.2f}%"
            )
        return "\n".join(lines)


def quantize_onnx(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    verbose: int = 1,
) -> QuantizationReport:
    """Write a graph of networks with weights and activations of eight bits.

    The ranges of the activations are those of up to 512 of the samples; weights have a scale for
    each channel. Weights take a quarter of their bytes, the rest of the file grows. Whether it is
    faster depends on the processor, so measure; the accuracy that it costs is measured here.

    Parameters
    ----------
    source : str or PathLike
        A graph that :func:`export_onnx` wrote, of a classifier whose members are networks.
    path : str or PathLike
        Where to.
    X : array-like of shape (n_samples, ...)
        Samples as they will come, to calibrate and to compare on.
    y : array-like of shape (n_samples,), default=None
        Their labels, to compare accuracies.
    verbose : int, default=1
        With 1 or more, print the report.

    Returns
    -------
    QuantizationReport

    Raises
    ------
    FileNotFoundError, GraphFileError
        If the source is no graph of skprune's, holds no networks, or is quantised already.
    ValueError
        If X or y does not fit it.
    OSError
        If the path cannot be written.
    ImportError
        If onnx or onnxruntime is missing (``pip install "skprune[onnx]"``).

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_digits
    >>> from skprune import CNNSpace, RandomCNNEnsembleClassifier
    >>> from skprune.serving import export_onnx, quantize_onnx
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> space = CNNSpace(n_blocks=[1], filters=[8], dense_units=[20])
    >>> cnns = RandomCNNEnsembleClassifier(2, space=space, image_shape=(8, 8), epochs=3)
    >>> cnns = cnns.set_params(random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = export_onnx(cnns, f"{folder}/cnns.onnx")
    ...     report = quantize_onnx(source, f"{folder}/int8.onnx", X, y, verbose=0)
    >>> report.agreement > 0.95
    True
    """
    load_extra("onnx", "onnx")
    before = OnnxPredictor(source)
    about = before.metadata_
    if about.quantization is not None:
        raise GraphFileError(
            f"{before.path!r} is quantised already; give the graph it was made of."
        )
    if about.labels is None:
        raise GraphFileError(
            f"{before.path!r} was a regressor; only graphs of networks that classify are quantised."
        )
    samples = in_single_precision(as_samples(X, before.sample_shape_))
    if len(samples) == 0:
        raise ValueError("X has no samples; some hundred are needed to calibrate.")
    labels = _checked_labels(y, len(samples), before.classes_)
    n_bytes = os.path.getsize(before.path)
    expected = before.predict_proba(samples)
    written = _quantized(before.path, samples, about)
    with atomic_write(path) as file:
        file.write(written)
        file.flush()
        found = OnnxPredictor(file.name).predict_proba(samples)
    report = _compared(
        os.fspath(path), before.classes_, expected, found, labels, (n_bytes, len(written))
    )
    if verbose:
        print(report)
    return report


def _checked_labels(y: ArrayLike | None, n_samples: int, classes: NDArray) -> NDArray | None:
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"y must hold one label a sample, of shape ({n_samples},); got {labels.shape}."
        )
    if not set(labels.tolist()) & set(classes.tolist()):
        raise ValueError(f"y must hold labels among {classes[:10]}; got {np.unique(labels)[:10]}.")
    return labels


def _quantized(source: str, samples: NDArray[np.float32], about: GraphMetadata) -> bytes:
    import onnx

    quantization: Any = load_extra("onnxruntime.quantization", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        model = onnx.load(source)
        if not any(node.op_type in _OPERATORS for node in model.graph.node):
            raise GraphFileError(
                f"{source!r} holds no network, so there is nothing that eight bits could hold."
            )
        # It would ask for a preparation of the graph, by a log message, that ours does not need.
        onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
        quantization.quantize_static(
            model,
            str(target),
            _Batches(samples[:: -(-len(samples) // _CALIBRATION_ROWS)], about.batch_rows),
            op_types_to_quantize=list(_OPERATORS),
            per_channel=True,
        )
        found = onnx.load(str(target))
    onnx.helper.set_model_props(found, {KEY: replace(about, quantization="int8").to_json()})
    return found.SerializeToString(deterministic=True)


class _Batches:
    """Samples as onnxruntime's calibration asks for them."""

    def __init__(self, samples: NDArray[np.float32], rows: int) -> None:
        starts = range(0, len(samples), rows)
        self._batches: Iterator[NDArray] = (samples[start : start + rows] for start in starts)

    def get_next(self) -> dict[str, NDArray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _compared(
    path: str,
    classes: NDArray,
    expected: NDArray,
    found: NDArray,
    labels: NDArray | None,
    n_bytes: tuple[int, int],
) -> QuantizationReport:
    was, now = expected.argmax(axis=1), found.argmax(axis=1)
    accuracies: list[float | None] = [None, None]
    if labels is not None:
        accuracies = [float((classes[chosen] == labels).mean()) for chosen in (was, now)]
    return QuantizationReport(
        path=path,
        n_samples=len(expected),
        accuracy=accuracies[0],
        accuracy_int8=accuracies[1],
        agreement=float((was == now).mean()),
        largest_difference=float(np.abs(expected - found).max()),
        n_bytes=n_bytes[0],
        n_bytes_int8=n_bytes[1],
    )
