"""What every estimator of skprune shares: progress, saved state, and the link to its page."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from os import PathLike
from typing import Any, ClassVar

from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from .._version import __version__
from ..exceptions import SavedFormatError, SavedVersionWarning
from ._tables import PAGE, place

__all__ = [
    "FORMAT",
    "SavedWith",
    "SkpruneEstimator",
    "clone_unfitted",
    "input_tags_of",
    "reports_progress",
    "restored",
    "saved",
    "unfreeze",
]

#: The format that is written. A release reads its own and all earlier ones; to be raised, with
#: files of the last one among the tests, when the state of any estimator changes.
FORMAT = 1

_KEY = "_skprune_saved"
# scikit-learn's callbacks, and what it notes of them during a fit.
_CALLBACKS = (
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_callback_fit_ctx",
    "_parent_callback_ctx",
    "_progress",
)


class SkpruneEstimator(CallbackSupportMixin, BaseEstimator):
    """Base class of all estimators.

    ``estimator.set_callbacks(sklearn.callback.ProgressBar())`` shows a bar for each phase of a
    fit, and those of an ensemble that is trained in it.
    """

    #: Constraints of the parameters, for ``_validate_params``.
    _parameter_constraints: ClassVar[dict[str, Any]] = {}
    #: Packages whose version a saved state depends on.
    _saved_packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    # A class of another package that derives from ours has no link.
    _doc_link_module: ClassVar[str] = "skprune"
    _doc_link_template: ClassVar[str] = PAGE

    verbose: int

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        return place(type(self))

    # Progress

    def _report(self, message: str) -> None:
        """Print a message if ``verbose``."""
        if self.verbose:
            print(f"[{type(self).__name__}] {message}", flush=True)

    def _phase(self, name: str, n_steps: int | None = 0) -> None:
        """Begin a phase of so many steps (None: unknown), and end the one before it."""
        if (progress := vars(self).get("_progress")) is not None:
            progress.begin_phase(name, n_steps)

    def _step(self, name: Any) -> None:
        """Report one step of the phase as done."""
        with self._training(None, str(name)):
            pass

    @contextmanager
    def _training(self, sub_estimator: Any, name: str | None = None) -> Iterator[None]:
        """Report the fit of another estimator as one step of the phase."""
        progress = vars(self).get("_progress")
        step = progress and progress.step(name or f"fit {type(sub_estimator).__name__}")
        if not step:
            yield
        elif hasattr(sub_estimator, "set_callbacks"):
            with step.propagate_callback_context(sub_estimator):
                step.call_on_fit_task_begin(estimator=self)
                yield
            step.call_on_fit_task_end(estimator=self)
        else:  # most estimators report no progress
            step.call_on_fit_task_begin(estimator=self)
            yield
            step.call_on_fit_task_end(estimator=self)

    # Saved state: pickle, joblib and skops

    def _state(self) -> dict[str, Any]:
        """What is saved, in a dict of its own."""
        state = dict(super().__getstate__())
        # Callbacks are no part of what was fitted, nor of what a result depends on.
        for name in _CALLBACKS:
            state.pop(name, None)
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        """Set what was saved."""
        super().__setstate__(state)

    def __getstate__(self) -> dict[str, Any]:
        return saved(self._state(), self._saved_packages)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_state(restored(state, type(self).__name__))


class _Progress:
    """The phases of one fit, one after the other, and the steps of each."""

    def __init__(self, estimator: Any, root: Any) -> None:
        self.estimator, self.root = estimator, root
        self.phase: Any = None
        self.n_phases = self.n_steps = 0
        self.max_steps: int | None = 0

    def begin_phase(self, name: str, n_steps: int | None) -> None:
        self.end_phase()
        if self.n_phases == self.root.max_subtasks:
            return
        self.n_phases += 1
        self.phase = self.root.subcontext(task_name=name, max_subtasks=n_steps)
        self.n_steps, self.max_steps = 0, n_steps
        self.phase.call_on_fit_task_begin(estimator=self.estimator)

    def end_phase(self) -> None:
        if self.phase is not None:
            self.phase.call_on_fit_task_end(estimator=self.estimator)
            self.phase = None

    def step(self, name: str) -> Any:
        """The next step of the phase; None without a phase, or after its last step."""
        # An ensemble whose cached members are broken is trained in a later phase, for instance.
        if self.phase is None or self.n_steps == self.max_steps:
            return None
        self.n_steps += 1
        return self.phase.subcontext(task_name=name)


def reports_progress(n_phases: int | None) -> Callable[[Any], Any]:
    """Decorate a ``fit`` that has at most so many phases (None: unknown)."""

    def decorate(fit: Any) -> Any:
        names = list(signature(fit).parameters)[1:]

        @wraps(fit)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
            given = dict(zip(names, args, strict=False)) | kwargs
            # A fit on blocks or predictions sees no samples that callbacks could score.
            data = {name: given.get(name) for name in ("X", "y") if "X" in names}
            root = self._init_callback_context(max_subtasks=n_phases)
            root.call_on_fit_task_begin(estimator=self, **data)
            self._progress = _Progress(self, root)
            try:
                fitted = fit(self, *args, **kwargs)
                self._progress.end_phase()
            finally:
                del self._progress
            # Callbacks that score the estimator get a copy of it.
            copied: dict[str, Any] | None = {} if data else None
            root.call_on_fit_task_end(estimator=self, **data, reconstruction_attributes=copied)
            return fitted

        return with_callbacks(wrapper)

    return decorate


@dataclass(frozen=True)
class SavedWith:
    """The format of a saved state, and the versions of the packages that wrote it.

    It is read first, and refuses an unknown format: the rest may name classes that this release
    does not have.

    Attributes
    ----------
    format : int
        Number of the format, from 1.
    skprune : str
        Version of skprune.
    packages : dict of str to str or None
        Version of each package that the state depends on; None if it was not installed.
    """

    format: int
    skprune: str
    packages: dict[str, str | None]

    def __setstate__(self, state: Any) -> None:
        number = state.get("format") if isinstance(state, dict) else None
        if type(number) is not int or number < 1:
            raise SavedFormatError(
                f"What is to be loaded has a format that skprune does not know, {number!r}: the "
                "file is broken, or was not written by skprune."
            )
        if number > FORMAT:
            raise SavedFormatError(
                f"What is to be loaded has format {number} and was written by skprune "
                f"{state.get('skprune', 'of an unknown version')}; skprune {__version__} reads "
                f"formats up to {FORMAT}. Install that version, or a later one."
            )
        vars(self).update(state)


def saved(state: dict[str, Any], packages: tuple[str, ...]) -> dict[str, Any]:
    """A state with its format and versions, which come first and so are read first."""
    return {_KEY: _this_release(packages), **state}


def restored(state: dict[str, Any], name: str) -> dict[str, Any]:
    """The state that was saved by a class of this name, if its format is known."""
    state = dict(state)
    written = state.pop(_KEY, None)
    if not isinstance(written, SavedWith):
        raise SavedFormatError(
            f"The {name} to be loaded says no format: it was not written by a release of "
            "skprune, or its class has a __getstate__ of its own that leaves out what "
            "super().__getstate__() gives."
        )
    pairs = {package: (v, _installed(package)) for package, v in written.packages.items()}
    other = {package: pair for package, pair in pairs.items() if pair[0] != pair[1]}
    if other:
        then = ", ".join(f"{package} {before}" for package, (before, _) in other.items())
        now = ", ".join(f"{package} {here}" for package, (_, here) in other.items())
        warnings.warn(
            f"This {name} was saved with {then} (skprune {written.skprune}), and is loaded with "
            f"{now}: it may fail, or predict something else. Install the versions it was saved "
            "with, or compare its predictions with known ones and save it again.",
            SavedVersionWarning,
            stacklevel=3,
        )
    return state


@cache
def _this_release(packages: tuple[str, ...]) -> SavedWith:
    # One object for all: a pickle of 300 members holds it once.
    return SavedWith(FORMAT, __version__, {name: _installed(name) for name in packages})


@cache
def _installed(package: str) -> str | None:
    try:
        return version(package)  # without an import
    except PackageNotFoundError:
        return None


# Estimators in estimators


def unfreeze(estimator: Any) -> Any:
    """The estimator in a FrozenEstimator; anything else as it is."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def clone_unfitted(estimator: Any) -> Any:
    """The same specification without what was learned, which is None for what has no parameters.

    Paths in a list stay as they are.
    """
    if isinstance(estimator, Mapping):
        return {name: clone_unfitted(member) for name, member in estimator.items()}
    if isinstance(estimator, list):
        return [clone_unfitted(member) for member in estimator]
    if isinstance(estimator, tuple):
        name, member = estimator
        return name, clone_unfitted(member)
    if isinstance(estimator, FrozenEstimator):
        return FrozenEstimator(clone_unfitted(estimator.estimator))
    if isinstance(estimator, str | PathLike):
        return estimator
    return clone(estimator) if hasattr(estimator, "get_params") else None


def input_tags_of(estimator: Any) -> Any:
    """Tags of the input of an estimator, frozen or not; None where it is no estimator."""
    inner = unfreeze(estimator)  # a frozen estimator copies the tags of what is in it
    if isinstance(inner, type) or not hasattr(inner, "__sklearn_tags__"):
        return None
    return get_tags(inner).input_tags
