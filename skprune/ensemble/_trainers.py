"""Training the members of an ensemble: in worker processes, from a cache where possible."""

import gc
import sys
import time
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import partial

import joblib
import numpy as np

from .._keras import load_quietly, without_collector
from ..exceptions import MemberTrainingError
from ..utils import cached_call, check_cache_space, is_cached, streamed
from ._data import SharedArrays
from ._space import MemberPlan
from ._workers import WorkerDiedError, run_in_worker, workers_of

__all__ = ["TRAINING_VERSION", "TrainedMember", "TrainingSettings", "train_members"]

# Goes into the key of cached members: to be raised when training changes its results.
TRAINING_VERSION = 3

# Worker processes that a member may lose before it is given up.
_MAX_DEATHS = 2


@dataclass(frozen=True)
class TrainingSettings:
    """What all members of one ensemble share.

    Parameters
    ----------
    input_shape : tuple of (int, int, int)
        Height, width and channels of a sample.
    n_classes : int
        Number of classes.
    offset, scale : float
        Mean and standard deviation of the training pixels.
    epochs, batch_size : int
        As in Keras.
    n_iter_no_change : int or None
        Patience of early stopping; None trains all epochs.
    backend : str
        Keras's back end.
    """

    input_shape: tuple[int, int, int]
    n_classes: int
    offset: float
    scale: float
    epochs: int
    batch_size: int
    n_iter_no_change: int | None
    backend: str

    def member_params(self, plan: MemberPlan) -> dict:
        """Parameters of the member that a plan describes."""
        return {
            "architecture": plan.architecture,
            "n_classes": self.n_classes,
            "offset": self.offset,
            "scale": self.scale,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "n_iter_no_change": self.n_iter_no_change,
            "random_state": plan.seed,
        }


@dataclass(frozen=True)
class TrainedMember:
    """What training leaves of a member.

    Parameters
    ----------
    weights : list of ndarray
        In the order of ``keras.Model.get_weights``.
    history : dict of str to list of float
        Loss and accuracy after each epoch.
    """

    weights: list[np.ndarray]
    history: dict[str, list[float]]


@dataclass(frozen=True)
class _Job:
    """All that a worker needs to train one member."""

    plan: MemberPlan
    settings: TrainingSettings
    data: SharedArrays

    def key(self, fingerprint: str | None) -> tuple:
        """What the member depends on, for the cache."""
        settings = (TRAINING_VERSION, *astuple(self.settings))
        # Their text, for equal architectures that share objects differently when pickled would
        # have different keys.
        return repr(self.plan.architecture), self.plan.seed, repr(settings), fingerprint


def train_members(
    plans: list[MemberPlan],
    settings: TrainingSettings,
    data: SharedArrays,
    *,
    fingerprint: str | None,
    memory: joblib.Memory,
    n_jobs: int | None,
    report: Callable[[MemberPlan, TrainedMember, float], None],
) -> list[TrainedMember]:
    """Train members, the most expensive first, and return them in the order of ``plans``.

    Parameters
    ----------
    plans : list of MemberPlan
        The members.
    settings : TrainingSettings
        What they share.
    data : SharedArrays
        ``X``, ``y`` and, where there are any, ``sample_weight``, and the three with
        ``validation_`` before their names.
    fingerprint : str or None
        Stands for the data in the key of cached members; None if ``memory`` stores nothing.
    memory : joblib.Memory
        Cache of trained members.
    n_jobs : int or None
        How many train at a time, as in joblib.
    report : callable
        Called after each member with its plan, what came out and the seconds it took.

    Returns
    -------
    list of TrainedMember
        One for each plan.

    Raises
    ------
    CacheError
        If the cache's disk has no room for the members, before any is trained.
    MemberTrainingError
        If a member could not be trained; those trained before it are in the cache.
    """
    jobs = {plan.index: _Job(plan, settings, data) for plan in plans}
    _check_room(list(jobs.values()), memory, fingerprint)
    cost = {
        plan.index: plan.architecture.multiply_adds(settings.input_shape, settings.n_classes)
        for plan in plans
    }
    # Threads only wait here for the worker processes. The hint is a soft one, so that
    # joblib.parallel_config can still send members to a cluster.
    tasks = (
        joblib.delayed(_train_timed)(jobs[plan.index], memory, fingerprint)
        for plan in sorted(plans, key=lambda plan: -cost[plan.index])
    )
    members: dict[int, TrainedMember] = {}
    try:
        with workers_of(data.folder):
            for plan, member, seconds in streamed(tasks, n_jobs, ordered=False):
                members[plan.index] = member
                report(plan, member, seconds)
    except MemberTrainingError:
        raise
    except (Exception, CancelledError) as error:
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        kept = "are in the cache" if memory.store_backend else "would be kept by memory='folder'"
        raise MemberTrainingError(
            f"Training ended after {len(members)} of {len(plans)} members: joblib's back end "
            f"gave up with {reason}. If it is a cluster, see whether its "
            f"client is still connected. The members trained so far {kept}; fit again to go on."
        ) from error
    return [members[plan.index] for plan in plans]


def _check_room(jobs: list[_Job], memory: joblib.Memory, fingerprint: str | None) -> None:
    """Refuse to begin what the cache's disk cannot take."""
    if memory.store_backend is None:
        return
    missing = [job for job in jobs if not is_cached(memory, "network", job.key(fingerprint))]
    n_weights = sum(
        job.plan.architecture.n_weights(job.settings.input_shape, job.settings.n_classes)
        for job in missing
    )
    check_cache_space(memory, 4 * n_weights, f"the weights of {len(missing)} members")


def _train_timed(job: _Job, memory: joblib.Memory, fingerprint: str | None):
    start = time.perf_counter()
    plan = job.plan
    for n_deaths in range(_MAX_DEATHS):
        try:
            train = partial(
                run_in_worker,
                _train_here,
                job,
                keras_backend=job.settings.backend,
                owner=job.data.folder,
            )
            member = cached_call(memory, "network", job.key(fingerprint), train)
            break
        except WorkerDiedError as error:
            # Out of memory, mostly: beside others that may have finished when it is tried again.
            if n_deaths + 1 == _MAX_DEATHS:
                what = f"its worker process ended unexpectedly, {_MAX_DEATHS} times"
                raise _failure(plan, what, error) from error
        except Exception as error:
            raise _failure(plan, "training raised an error", error) from error
    return plan, TrainedMember(*member), time.perf_counter() - start


def _failure(plan: MemberPlan, what: str, error: Exception) -> MemberTrainingError:
    return MemberTrainingError(
        f"Member {plan.index} could not be trained: {what}. Its architecture is "
        f"{plan.architecture}, its seed {plan.seed}. {type(error).__name__}: {error}"
    )


@contextmanager
def _hidden(*modules: str) -> Iterator[None]:
    """Some modules cannot be imported, unless they already are."""
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _train_here(job: _Job) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Train one member in this process, which is a worker."""
    # What Keras and TensorFlow import where it is there, and do without where it is not. Without
    # these, and the collector, their import takes two thirds of the time.
    others = ["jax"] if job.settings.backend != "jax" else []
    with _hidden("matplotlib", "pandas", *others), without_collector():
        import keras

    warnings.simplefilter("ignore")
    load = job.data.load
    member_class = load_quietly("skprune.ensemble._member").CNNMember
    if not gc.get_freeze_count():
        # Clearing the session collects garbage: a third of a second in TensorFlow's modules.
        gc.freeze()
    if job.settings.backend == "tensorflow":
        import tensorflow as tf

        # TensorFlow's rewriting of the graph takes longer (0.12 s) than it saves.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    member = member_class(**job.settings.member_params(job.plan))
    validation = {}
    if load("validation_X") is not None:
        parts = (load(f"validation_{name}") for name in ("X", "y", "sample_weight"))
        images, *rest = (part for part in parts if part is not None)
        validation["validation_data"] = (np.asarray(images, dtype=np.float32), *rest)
    member.fit(load("X"), load("y"), sample_weight=load("sample_weight"), **validation)
    trained = member.model_.get_weights(), member.history_
    del member
    keras.backend.clear_session()
    return trained
