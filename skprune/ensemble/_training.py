"""Training the members of an ensemble: in worker processes, from a cache where possible.

A worker is an executor with one process, so that it is known which member a process was training
when it ended, and the user's own process pools are not used. Each of joblib's threads uses one
worker, so joblib decides how many run at a time. Workers are spawned, never forked, with one
TensorFlow thread each, so that a member's weights do not depend on how many train at the same time.
They ignore Ctrl-C, which a terminal sends to all processes: the parent process stops them. They are
kept alive between fits.
"""

import gc
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky.process_executor import (
    BrokenProcessPool,
    ProcessPoolExecutor,
    ShutdownExecutorError,
)

from .._keras import load_quietly, without_collector
from ..exceptions import MemberTrainingError
from ..utils import cached_call, check_cache_space, is_cached, streamed
from ._data import SharedSamples
from ._space import MemberPlan

__all__ = ["TRAINING_VERSION", "WorkerDiedError", "run_in_worker", "train_members"]

# Goes into the key of cached members: to be raised when training changes its results.
TRAINING_VERSION = 3

# Worker processes that a member may lose before it is given up.
_MAX_DEATHS = 2


# Weights, in the order of keras.Model.get_weights, and the history of training.
Trained = tuple[list[np.ndarray], dict[str, list[float]]]


def train_members(
    plans: list[MemberPlan],
    params: dict[str, Any],
    data: SharedSamples,
    *,
    sample_shape: tuple[int, int, int],
    keras_backend: str,
    fingerprint: str | None,
    memory: joblib.Memory,
    n_jobs: int | None,
) -> Iterator[tuple[MemberPlan, Trained, float]]:
    """Train a CNNMember for each plan, the most expensive first; yield plan, result and seconds.

    ``params`` are the parameters that all members share; ``fingerprint`` stands for the data in the
    keys of the cache. A result is weights and history: it needs no Keras where it is only passed
    on, as on a cluster.

    A CacheError is raised before any member is trained if the disk of the cache has no room, and a
    MemberTrainingError if a member could not be trained; those trained before it are in the cache.
    """
    # Texts: equal architectures may share objects differently when pickled.
    settings = repr((TRAINING_VERSION, keras_backend, sorted(params.items())))
    keys = [(repr(plan.architecture), plan.seed, settings, fingerprint) for plan in plans]
    shapes = sample_shape, params["n_classes"]
    missing = [
        plan for plan, key in zip(plans, keys, strict=True) if not is_cached(memory, "network", key)
    ]
    n_weights = sum(plan.architecture.n_weights(*shapes) for plan in missing)
    check_cache_space(memory, 4 * n_weights, f"the weights of {len(missing)} members")
    costs = [plan.architecture.multiply_adds(*shapes) for plan in plans]
    # Threads only wait here for the worker processes. The hint is a soft one, so that
    # joblib.parallel_config can still send members to a cluster.
    tasks = (
        joblib.delayed(_train_one)(plans[i], params, data, keras_backend, memory, keys[i])
        for i in sorted(range(len(plans)), key=lambda i: -costs[i])
    )
    n_trained = 0
    try:
        with workers_of(data.folder):
            for trained in streamed(tasks, n_jobs, ordered=False):
                n_trained += 1
                yield trained
    except MemberTrainingError:
        raise
    except (Exception, CancelledError) as error:
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        kept = "are in the cache" if memory.store_backend else "would be kept by memory='folder'"
        raise MemberTrainingError(
            f"Training ended after {n_trained} of {len(plans)} members: joblib's back end "
            f"gave up with {reason}. If it is a cluster, see whether its "
            f"client is still connected. The members trained so far {kept}; fit again to go on."
        ) from error


def _train_one(plan, params, data, keras_backend, memory, key):
    """Train one member in a worker process, or read it from the cache."""
    start = time.perf_counter()
    params = {**params, "architecture": plan.architecture, "random_state": plan.seed}
    train = partial(
        run_in_worker, _train_here, params, data, keras_backend=keras_backend, owner=data.folder
    )
    for n_deaths in range(_MAX_DEATHS):
        try:
            trained = cached_call(memory, "network", key, train)
            break
        except WorkerDiedError as error:
            # Out of memory, mostly: beside others that may have finished when it is tried again.
            if n_deaths + 1 == _MAX_DEATHS:
                what = f"its worker process ended unexpectedly, {_MAX_DEATHS} times"
                raise _failure(plan, what, error) from error
        except Exception as error:
            raise _failure(plan, "training raised an error", error) from error
    return plan, trained, time.perf_counter() - start


def _failure(plan: MemberPlan, what: str, error: Exception) -> MemberTrainingError:
    return MemberTrainingError(
        f"Member {plan.index} could not be trained: {what}. Its architecture is "
        f"{plan.architecture}, its seed {plan.seed}. {type(error).__name__}: {error}"
    )


def _train_here(params: dict[str, Any], data: SharedSamples) -> Trained:
    """Train one member in this process, which is a worker."""
    # What Keras and TensorFlow import where it is there, and do without where it is not. Without
    # these, and the collector, their import takes two thirds of the time.
    others = ["jax"] if os.environ.get("KERAS_BACKEND") != "jax" else []
    with _hidden("matplotlib", "pandas", *others), without_collector():
        import keras

    warnings.simplefilter("ignore")
    member_class = load_quietly("skprune.ensemble._member").CNNMember
    if not gc.get_freeze_count():
        # Clearing the session collects garbage: a third of a second in TensorFlow's modules.
        gc.freeze()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # TensorFlow's rewriting of the graph takes longer (0.12 s) than it saves.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    validation = data.load("validation") or None
    member = member_class(**params).fit(*data.load("training"), validation_data=validation)
    trained = member.model_.get_weights(), member.history_
    del member
    keras.backend.clear_session()
    return trained


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


# Worker processes

# Seconds after which an idle worker ends, and after which it is no longer used: fewer, so that no
# worker is used while it ends.
_IDLE_TIMEOUT = 90
_IDLE_LIMIT = 60

# Tasks of a worker: its memory grows by about 15 MB with each model, whatever is cleared.
_MAX_TASKS = 40

# One thread, by the variable of each back end.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "NPROC": "1",
}
_XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"
# A worker shares the GPU with others, so it must not take all of its memory. The user's settings
# have priority.
_SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}

_lock = threading.Lock()
_starting = threading.Lock()
_idle: list["_Worker"] = []
# Busy workers with their owners, and owners that have ended.
_busy: dict["_Worker", str | None] = {}
_ended: set[str] = set()
_parent_workers: list["_Worker"] = []


class WorkerDiedError(Exception):
    """The process ended before it returned a result; the message is its last output."""


class _WorkerStoppedError(Exception):
    """The process was stopped, or not started, because its owner has ended."""


@contextmanager
def workers_of(owner: str):
    """If the block fails, as by Ctrl-C, stop the workers of a unique owner and start no more."""
    try:
        yield
    except BaseException:
        with _lock:
            _ended.add(owner)
            for worker in [worker for worker, its_owner in _busy.items() if its_owner == owner]:
                worker.stop(kill=True)
        raise


def run_in_worker(
    function: Callable,
    *args: Any,
    keras_backend: str | None = None,
    owner: str | None = None,
) -> Any:
    """Call a function, importable by name, in a worker process and return its result.

    Errors of the function are raised here, and a WorkerDiedError if the process ends. ``owner`` is
    that of :func:`workers_of`.
    """
    with _borrowed_worker(keras_backend, owner) as worker:
        return worker.run(function, *args)


@contextmanager
def _borrowed_worker(keras_backend, owner):
    worker = _take(keras_backend) or _Worker(keras_backend)
    with _lock:
        _busy[worker] = owner
        ended = owner in _ended
    try:
        try:
            if ended:
                raise _WorkerStoppedError
            yield worker
        finally:
            with _lock:
                _busy.pop(worker, None)
    except Exception as error:
        _give_back(worker, usable=not isinstance(error, WorkerDiedError))
        raise
    except BaseException:  # such as Ctrl-C, while the worker is still busy
        worker.stop(kill=True)
        raise
    _give_back(worker)


def _give_back(worker: "_Worker", usable: bool = True) -> None:
    if not usable or worker.stopped or worker.n_tasks >= _MAX_TASKS:
        worker.stop()
        return
    worker.idle_since = time.monotonic()
    with _lock:
        _idle.append(worker)


def _take(keras_backend: str | None) -> "_Worker | None":
    """The idle worker of a back end that was used last; stop those that are idle for long."""
    oldest = time.monotonic() - _IDLE_LIMIT
    with _lock:
        stale = [worker for worker in _idle if worker.idle_since < oldest]
        _idle[:] = [worker for worker in _idle if worker.idle_since >= oldest]
        usable = [worker for worker in _idle if worker.keras_backend == keras_backend]
        worker = usable[-1] if usable else None
        if worker is not None:
            _idle.remove(worker)
    for old in stale:
        old.stop()
    return worker


class _Worker:
    """One process and the file its output goes to."""

    def __init__(self, keras_backend):
        self.keras_backend = keras_backend
        # Open as long as the worker lives.
        self._output = tempfile.NamedTemporaryFile(  # noqa: SIM115
            prefix="skprune_worker_", delete=False
        )
        environment = _ENVIRONMENT | {
            name: os.environ.get(name, value) for name, value in _SHARED_GPU.items()
        }
        environment["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_FLAGS}".strip()
        if keras_backend is not None:
            environment["KERAS_BACKEND"] = keras_backend
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            timeout=_IDLE_TIMEOUT,
            initializer=_start,
            initargs=(os.getpid(), self._output.name),
            env=environment,
        )
        self.n_tasks = 0
        self.stopped = False
        self.idle_since = time.monotonic()
        # A process that multiprocessing started, such as a worker of dask, waits for its children
        # when it ends; an idle one would delay that.
        multiprocessing.util.Finalize(self, _kill, (self._executor,), exitpriority=1)

    def run(self, function, *args):
        self.n_tasks += 1
        try:
            with _allowed_children(), _without_interrupts():
                future = self._executor.submit(function, *args)
            return future.result()
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            if self.stopped:
                raise _WorkerStoppedError from error
            raise WorkerDiedError(f"{error}\n{self._last_output()}".strip()) from error

    def _last_output(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def stop(self, kill: bool = False):
        self.stopped = True
        self._executor.shutdown(wait=False, kill_workers=kill)
        self._output.close()
        _remove(self._output.name)


@contextmanager
def _allowed_children():
    """Let this process start others even if it is daemonic, such as a worker of dask.

    The standard library forbids that because children could outlive it; workers end by themselves.
    """
    config = multiprocessing.current_process()._config
    with _starting:
        daemonic = config.pop("daemon", None)
        try:
            yield
        finally:
            if daemonic is not None:
                config["daemon"] = daemonic


@contextmanager
def _without_interrupts():
    """Block Ctrl-C in this thread, and in processes that it starts until they ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill(executor: ProcessPoolExecutor) -> None:
    executor.shutdown(wait=False, kill_workers=True)


def _remove(path: str) -> None:
    with suppress(OSError):  # the file does not exist, or Windows has it open
        os.remove(path)


def _start(parent: int, output: str) -> None:
    """Start a worker: ignore Ctrl-C, send output to a file, end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    # Both processes have it open; without a name it is deleted when they end.
    _remove(output)
    if sys.platform != "win32":
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # A killed parent cannot stop its workers; the process that inherits them has another number.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _drop_parent_workers() -> None:
    # A forked process must neither use nor stop the workers of its parent.
    global _lock, _starting
    _lock, _starting = threading.Lock(), threading.Lock()
    _parent_workers.extend([*_idle, *_busy])
    _idle.clear()
    _busy.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_parent_workers)
