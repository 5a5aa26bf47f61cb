"""How far a fit has come, said to scikit-learn's callbacks: the one door to them.

They are experimental in scikit-learn 1.9. Whatever changes there is mended here.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from inspect import signature
from typing import Any

from sklearn.callback import CallbackSupportMixin, with_callbacks

__all__ = ["ReportsProgress", "reports_progress"]


class _Progress:
    """The phases of one fit, one after the other, and the steps of each."""

    def __init__(self, estimator: Any, root: Any) -> None:
        self._estimator, self._root = estimator, root
        self._phase: Any = None
        self._n_phases = self._n_steps = 0
        self._most_steps: int | None = 0

    def enter(self, name: str, n_steps: int | None) -> None:
        self.leave()
        if self._n_phases == self._root.max_subtasks:
            return
        self._n_phases += 1
        self._phase = self._root.subcontext(task_name=name, max_subtasks=n_steps)
        self._n_steps, self._most_steps = 0, n_steps
        self._phase.call_on_fit_task_begin(estimator=self._estimator)

    def leave(self) -> None:
        if self._phase is not None:
            self._phase.call_on_fit_task_end(estimator=self._estimator)
            self._phase = None

    def _begun(self, name: str) -> Any:
        """A step of the phase; None where it is one too many, or there is no phase."""
        phase = self._phase
        # Such as members whose files in the cache are broken: they are trained while another
        # phase chooses among them. No fit may fail for what is said about it.
        if phase is None or self._n_steps == self._most_steps:
            return None
        self._n_steps += 1
        return phase.subcontext(task_name=name)

    def step(self, name: str) -> None:
        done = self._begun(name)
        if done is not None:
            done.call_on_fit_task_begin(estimator=self._estimator)
            done.call_on_fit_task_end(estimator=self._estimator)

    @contextmanager
    def into(self, sub_estimator: Any) -> Iterator[None]:
        step = self._begun(f"fit {type(sub_estimator).__name__}")
        if step is None:
            yield
            return
        if not hasattr(sub_estimator, "set_callbacks"):  # most cannot say how far they are
            step.call_on_fit_task_begin(estimator=self._estimator)
            yield
        else:
            with step.propagate_callback_context(sub_estimator):
                step.call_on_fit_task_begin(estimator=self._estimator)
                yield
        step.call_on_fit_task_end(estimator=self._estimator)


class ReportsProgress(CallbackSupportMixin):
    """An estimator that says how far ``fit`` has come: printed, and to callbacks.

    ``estimator.set_callbacks(sklearn.callback.ProgressBar())`` shows a bar for each phase, those
    of an ensemble that is trained within among them.
    """

    verbose: int

    def _report(self, message: str) -> None:
        if self.verbose:
            print(f"[{type(self).__name__}] {message}", flush=True)

    def _phase(self, name: str, n_steps: int | None = 0) -> None:
        """A phase begins, of so many steps (None: unknown), and the one before it is over."""
        progress = _of(self)
        if progress is not None:
            progress.enter(name, n_steps)

    def _step(self, name: Any) -> None:
        """One step of the phase is done."""
        progress = _of(self)
        if progress is not None:
            progress.step(str(name))

    @property
    def _training(self) -> "_Training":
        """Called with another estimator, what goes round its fit: one step of the phase."""
        return _Training(self)


class _Training:
    """Goes round the fit of another estimator; sent to another process it says nothing."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __call__(self, sub_estimator: Any) -> AbstractContextManager[None]:
        progress = _of(self._estimator)
        return nullcontext() if progress is None else progress.into(sub_estimator)

    def __reduce__(self) -> Any:
        return _silent, ()


def _silent() -> Any:
    return nullcontext


def _of(estimator: Any) -> _Progress | None:
    """None outside a fit that is decorated."""
    return vars(estimator).get("_progress")


def reports_progress(n_phases: int | None) -> Callable[[Any], Any]:
    """Decorate the ``fit`` of a :class:`ReportsProgress`.

    Parameters
    ----------
    n_phases : int or None
        How many phases it has at most; None where that is not known.
    """

    def decorated(fit: Any) -> Any:
        names = list(signature(fit).parameters)[1:]

        @wraps(fit)
        def whole(self: Any, *args: Any, **kwargs: Any) -> Any:
            given = dict(zip(names, args, strict=False)) | kwargs
            # Who sees no samples, but blocks or predictions, has none for callbacks to score on.
            data = {name: given.get(name) for name in ("X", "y") if "X" in names}
            root = self._init_callback_context(max_subtasks=n_phases)
            root.call_on_fit_task_begin(estimator=self, **data)
            self._progress = _Progress(self, root)
            try:
                fitted = fit(self, *args, **kwargs)
                self._progress.leave()
            finally:
                del self._progress
            # A copy of the fitted estimator is what callbacks that score it get.
            copied: dict[str, Any] | None = {} if data else None
            root.call_on_fit_task_end(estimator=self, **data, reconstruction_attributes=copied)
            return fitted

        return with_callbacks(whole)

    return decorated
