"""How far a fit has come, said to scikit-learn's callbacks: the one door to them.

They are experimental in scikit-learn 1.9. Whatever changes there is mended here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from sklearn.callback import CallbackSupportMixin, with_callbacks

__all__ = ["ReportsProgress", "reports_progress"]


class _Progress:
    """The phases of one fit, one after the other, and the steps of each."""

    def __init__(self, estimator: Any, root: Any) -> None:
        self._estimator, self._root = estimator, root
        self._phase: Any = None

    def enter(self, name: str, n_steps: int | None) -> None:
        self.leave()
        self._phase = self._root.subcontext(task_name=name, max_subtasks=n_steps)
        self._phase.call_on_fit_task_begin(estimator=self._estimator)

    def leave(self) -> None:
        if self._phase is not None:
            self._phase.call_on_fit_task_end(estimator=self._estimator)
            self._phase = None

    def step(self, name: str) -> None:
        done = self._phase.subcontext(task_name=name)
        done.call_on_fit_task_begin(estimator=self._estimator)
        done.call_on_fit_task_end(estimator=self._estimator)

    @contextmanager
    def into(self, sub_estimator: Any) -> Iterator[None]:
        step = self._phase.subcontext(task_name=f"fit {type(sub_estimator).__name__}")
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

    @contextmanager
    def _training(self, sub_estimator: Any) -> Iterator[None]:
        """Around the fit of another estimator, which is one step of the phase."""
        progress = _of(self)
        if progress is None:
            yield
        else:
            with progress.into(sub_estimator):
                yield


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
        @wraps(fit)
        def whole(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
            root = self._init_callback_context(max_subtasks=n_phases)
            root.call_on_fit_task_begin(estimator=self, X=X)
            self._progress = _Progress(self, root)
            try:
                fitted = fit(self, X, *args, **kwargs)
                self._progress.leave()
            finally:
                del self._progress
            root.call_on_fit_task_end(estimator=self, X=X)
            return fitted

        return with_callbacks(whole)

    return decorated
