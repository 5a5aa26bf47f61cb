"""Predictions of members whose models are elsewhere, in an .npz file or in columns of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pruning import given_predictions
from ..utils import ArrayHeader
from ._errors import Refused, refusing
from ._files import is_table, open_arrays, read_lines, read_table

__all__ = ["PredictionPool", "read_members", "read_predictions"]

_OPTIONAL = ("classes", "names", "costs", "sample_weight")
_WEIGHT = "sample_weight"
_OTHERS = "Leave out columns that are no member, such as an id."


@dataclass(frozen=True, eq=False)
class PredictionPool:
    """What the members of a pool predict, and what the samples are.

    Attributes
    ----------
    P : ndarray of shape (M, N, k)
        Probabilities of k classes, or k targets.
    y : ndarray of shape (N,) or (N, k)
        Positions of the samples' classes along the last axis of P, or targets.
    classes : list of k labels or None
        What these positions are called; None for regression.
    names : list of M str or None
        Names of the members, where they have some.
    costs, sample_weight : ndarray or None
        Costs of the members, and weights of the samples, where they were given.
    others : list of str
        Keys of the file that are not used.
    """

    P: NDArray
    y: NDArray
    classes: list[Any] | None
    names: list[str] | None
    costs: NDArray | None = None
    sample_weight: NDArray | None = None
    others: Sequence[str] = ()


def read_predictions(
    path: str, names_path: str | None, target: str | None, regression: bool
) -> PredictionPool:
    """Read and check a file of predictions.

    Parameters
    ----------
    path : str
        An .npz file with P and y, or a .csv or .parquet file with a column for each member.
    names_path : str or None
        A text file with a name a line, in the place of the key ``names``.
    target : str or None
        The column of a table with the classes or targets; None is "y".
    regression : bool
        Whether y holds targets instead of classes.

    Returns
    -------
    PredictionPool

    Raises
    ------
    Refused
        If something in it cannot be right. Whether probabilities sum to one is checked in fit.
    """
    if not is_table(path):
        if target is not None:
            raise Refused(f"--target {target}: {path} has no columns; it has the key y.")
        return _from_arrays(path, names_path, regression)
    if names_path is not None:
        raise Refused(f"--names is for .npz files; in {path} the columns have names.")
    frame = read_table(path)
    with refusing(path):
        return _from_columns(frame, "y" if target is None else target, regression)


def read_members(path: str, names: Sequence[str] | None, *, by_class: bool) -> NDArray:
    """What members predict for new samples.

    Parameters
    ----------
    path : str
        An .npz file with P, or a .csv or .parquet file with a column for each member.
    names : sequence of str or None
        The members to read, where the file has names; None is all.
    by_class : bool
        Whether they predict probabilities.

    Returns
    -------
    ndarray of shape (M, N) or (M, N, k)
    """
    if is_table(path):
        _check_distinct(names or [])
        frame = read_table(path, names)
        with refusing(path):
            return _members(frame, by_class)
    with open_arrays(path, ("P",), ("names",)) as (file, headers):
        P = file.read("P")
        given = None if "names" not in headers else _names(file.read("names"), None)
        if names is None or given is None:
            return P
        _check_distinct(names)
        _check_length("names", len(given), len(P), "a name for each member of P")
        wrong = [name for name in names if given.count(name) != 1]
        if wrong:
            raise Refused(
                f"names must hold every kept member once; it does not hold {', '.join(wrong[:5])}"
                f"{', ...' if len(wrong) > 5 else ''} once."
            )
        return P[[given.index(name) for name in names]]


def _from_columns(frame: Any, target: str, regression: bool) -> PredictionPool:
    if target not in frame:
        raise ValueError(
            f"it lacks the column {target}, with the true class or target of each sample; its "
            f"columns are {', '.join(frame.columns[:10])}. Name the right one with --target."
        )
    names = [name for name in frame.columns if name not in (target, _WEIGHT)]
    if len(names) < 2:
        raise ValueError(
            f"it has {len(names)} column of members ({', '.join(names)}) beside {target}: there is "
            "nothing to choose from."
        )
    P: Any = _members(frame[names], by_class=not regression)
    if regression:
        y, classes = _numbers(frame[target]), None
    else:
        y, classes = _sorted_classes(_class_labels(frame[target]), P, f"column {target}")
    P = given_predictions(P, None, None, by_class=not regression)[0]
    weight = _numbers(frame[_WEIGHT]) if _WEIGHT in frame else None
    return PredictionPool(P, y, classes, names, None, weight, [])


def _members(frame: Any, by_class: bool) -> NDArray:
    """Columns of numbers as (M, N), of lists as (M, N, k)."""
    columns = {name: _numbers(frame[name], f" {_OTHERS}") for name in frame}
    first = next(iter(columns))
    for name, column in columns.items():
        if column.shape != columns[first].shape:
            held = [
                f"lists of {each.shape[1]}" if each.ndim > 1 else "numbers"
                for each in (columns[first], column)
            ]
            raise ValueError(
                f"column {first} holds {held[0]}, and column {name} {held[1]}; the columns of all "
                "members must be alike."
            )
        if by_class and not ((column >= 0) & (column <= 1)).all():
            wrong = column[~((column >= 0) & (column <= 1))][0]
            raise ValueError(
                f"column {name}: {wrong:g} is not a probability, in [0, 1]. {_OTHERS} Targets of "
                "regression need --regression."
            )
    return np.stack(list(columns.values()))


def _numbers(column: Any, hint: str = "") -> NDArray:
    """A column of numbers (N,), or of lists of them (N, k)."""
    _check_complete(column)
    try:
        array = column.to_numpy()
        if isinstance(array[0], list | np.ndarray):
            array = np.stack(array)
        if array.dtype.kind not in "fMm":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {column.name}: {str(error).rstrip('.')}.{hint}") from None
    if array.dtype.kind != "f":
        raise ValueError(f"column {column.name} holds dates, not numbers.{hint}")
    return array


def _class_labels(column: Any) -> NDArray:
    _check_complete(column)
    array = column.to_numpy()
    return array if array.dtype.kind in "iufb" else array.astype(str)


def _check_complete(column: Any) -> None:
    missing = column.isna().to_numpy()
    if missing.any():
        raise ValueError(f"column {column.name}: row {missing.argmax() + 1} has no value.")


def _sorted_classes(y: NDArray, P: NDArray, where: str) -> tuple[NDArray[np.intp], list[Any]]:
    """Positions of sorted classes, where P is (M, N), of the second of two, or (M, N, C)."""
    n_classes = 2 if P.ndim == 2 else P.shape[2]
    classes, positions = np.unique(y, return_inverse=True)
    if len(classes) == n_classes:
        return positions, classes.tolist()
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        value = y[y != np.floor(y)][0]
        raise ValueError(
            f"{where} looks like a target of regression, such as {value:g}: give --regression. "
            "Classes are whole numbers or text."
        )
    numbers = y.dtype.kind in "iuf"
    if numbers and classes[0] >= 0 and classes[-1] < n_classes:  # some do not occur
        return y.astype(np.intp), list(range(n_classes))
    listed = ", ".join(map(repr, classes.tolist()[:5]))
    found = f"{where} has {len(classes)} class(es), {listed}{', ...' if len(classes) > 5 else ''}"
    if P.ndim == 3 or len(classes) < 2:
        raise ValueError(f"{found}, and there are probabilities of {n_classes}.")
    raise ValueError(
        f"{found}; a single number for a member and a sample is the probability of the second of "
        "two. For more classes give an .npz file with P of shape (members, samples, classes), or "
        "a .parquet file with lists of probabilities."
        + (" If these are targets of regression, give --regression." if numbers else "")
    )


# Arrays


def _from_arrays(path: str, names_path: str | None, regression: bool) -> PredictionPool:
    with open_arrays(path, ("P", "y"), _OPTIONAL) as (file, headers):
        if regression:
            headers.pop("classes", None)
        _check_headers(headers, regression)
        arrays = {key: file.read(key) for key in headers}
        given, y, classes = arrays["P"], arrays["y"], None
        P: Any = given_predictions(given, None, None, by_class=not regression)[0]
        n_members, n_samples, k = P.shape
        if regression:
            y = y.reshape(n_samples, k) if k > 1 else y.ravel()
        elif "classes" in arrays:
            labels = _labels(arrays["classes"], "classes")
            if len(np.unique(labels)) < k:
                raise Refused("classes holds a label more than once; each is one class of P.")
            y, classes = _positions(y, k, labels), labels.tolist()
        elif given.ndim == 2:
            y, classes = _sorted_classes(_finite_labels(y), given, "y")
        else:
            y, classes = _positions(y, k, None), list(range(k))
        names = _names(arrays.get("names"), names_path)
        if names is not None:
            where = "names" if names_path is None else names_path
            _check_length(where, len(names), n_members, "a name for each member of P")
        return PredictionPool(
            P=P,
            y=y,
            classes=classes,
            names=names,
            costs=arrays["costs"].ravel() if "costs" in arrays else None,
            sample_weight=arrays[_WEIGHT].ravel() if _WEIGHT in arrays else None,
            others=[key for key in file.keys if key not in headers],
        )


def _check_headers(headers: dict[str, ArrayHeader], regression: bool) -> None:
    """Refuse arrays that do not match, before they are read."""
    P = headers["P"]
    _check_shapes(P, headers["y"], regression)
    n_members, n_samples = P.shape[:2]
    for key, length, each in (
        ("classes", 2 if P.ndim == 2 else P.shape[2], "a label for each class of P"),
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


def _check_shapes(P: ArrayHeader, y: ArrayHeader, regression: bool) -> None:
    outputs, one = ("targets", "one target") if regression else ("classes", "two classes")
    shape = f"(members, samples, {outputs})"
    if P.dtype.kind not in "fiub":
        holds = "predictions" if regression else "probabilities"
        raise Refused(f"P must hold {holds}, which are numbers; it holds {P.dtype}.")
    if P.ndim not in (2, 3) or 0 in P.shape:
        raise Refused(
            f"P must have shape {shape}, or (members, samples) for {one}, none of them 0; it has "
            f"shape {P.shape}."
        )
    n_members, n_samples = P.shape[:2]
    k = P.shape[2] if P.ndim == 3 else 2 - regression
    if regression and y.dtype.kind not in "fiub":
        raise Refused(f"y must hold targets, which are numbers; it holds {y.dtype}.")
    # A column, as some languages write a vector.
    vector = y.ndim == 1 or (y.ndim == 2 and 1 in y.shape)
    if regression and k > 1:
        if y.ndim != 2 or y.shape[1] != k:
            raise Refused(f"y must have shape ({n_samples}, {k}), the targets of P; got {y.shape}.")
    elif not vector:
        hint = ""
        if y.shape == (n_samples, k):
            hint = (
                " If each row marks a class with a one, give y.argmax(axis=1); if it holds "
                "targets of regression, give --regression."
            )
        what = "target" if regression else "class"
        raise Refused(
            f"y must have one {what} a sample, shape ({n_samples},); got {y.shape}.{hint}"
        )
    n_rows = y.shape[0] if regression and k > 1 else y.size
    if n_rows != n_samples:
        hint = ""
        if n_rows in P.shape:
            axis = P.shape.index(n_rows)
            hint = f" The samples of P seem to be axis {axis}: numpy.moveaxis(P, {axis}, 1)."
        raise Refused(
            f"y has {n_rows} samples where P has {n_samples}; P must have shape {shape}, and has "
            f"{P.shape}.{hint}"
        )
    if n_members < 2:
        raise Refused(f"P has one member, shape {P.shape}: there is nothing to choose from.")
    if k < 2 and not regression:
        raise Refused(
            f"P has one class, shape {P.shape}. For two classes give P[:, :, 0], the probabilities "
            "of the second, or those of both."
        )


def _positions(y: NDArray, n_classes: int, classes: NDArray | None) -> NDArray[np.intp]:
    """The position of each sample's class along the last axis of P."""
    y = _finite_labels(y)
    text = y.dtype.kind == "U"
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
        elif (y != np.floor(y)).any():
            hint = " If y is a target of regression, give --regression."
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


def _finite_labels(y: NDArray) -> NDArray:
    y = _labels(y, "y")
    if y.dtype.kind != "U" and not np.isfinite(y).all():
        raise Refused(f"y has NaN or infinity, at sample {int((~np.isfinite(y)).argmax())}.")
    return y


def _names(given: NDArray | None, path: str | None) -> list[str] | None:
    if path is not None:
        return read_lines(path)
    if given is None:
        return None
    return [str(name) for name in _labels(given, "names").tolist()]


def _check_distinct(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(
            f"several kept members have the name {', '.join(twice[:5])}: give an .npz file without "
            "names, so that members are taken by position."
        )


def _check_length(key: str, found: int, right: int, each: str) -> None:
    if found != right:
        raise Refused(f"{key} must hold {each}, {right} in all; it holds {found}.")
