"""Worker processes that networks are trained in, kept alive between fits.

A worker is a process executor of one process, so that when a process dies it is known whose
member it was training, and so that the user's own pool of processes is left alone. How many
run at a time is joblib's business: each of its threads takes one worker. Workers are started
afresh (never forked), with one TensorFlow thread each, so that a member's weights do not
depend on how many train beside it. They ignore Ctrl-C, which a terminal sends to all processes:
the one that trains stops them.
"""

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from joblib.externals.loky.process_executor import (
    BrokenProcessPool,
    ProcessPoolExecutor,
    ShutdownExecutorError,
)

__all__ = ["WorkerDiedError", "run_in_worker", "workers_of"]

# Seconds after which an idle worker goes away, and after which it is no longer handed out:
# apart, so that none is handed out as it leaves.
_IDLE_TIMEOUT = 90
_IDLE_LIMIT = 60

# A process grows by some 15 MB with each model, whatever is cleared.
_MAX_TASKS = 40

# One thread, for each back end in its own words.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "NPROC": "1",
}
_XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"
# A worker shares the GPU with the others, so it must not take all of its memory. What the
# user has set stays.
_SHARED_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}

_lock = threading.Lock()
_starting = threading.Lock()
_idle: list["_Worker"] = []
# For whom they work, and for whom none does any more.
_busy: dict["_Worker", str | None] = {}
_ended: set[str] = set()
_of_the_parent: list["_Worker"] = []


class WorkerDiedError(Exception):
    """The process ended before it gave a result; the message is what it wrote last."""


class _WorkerStoppedError(Exception):
    """The process was stopped, or not started, as what it works for has ended."""


@contextmanager
def workers_of(owner: str):
    """Stop the workers of an owner if the block fails, as by Ctrl-C, and start no more of them.

    Parameters
    ----------
    owner : str
        A name that nothing else has.
    """
    try:
        yield
    except BaseException:
        with _lock:
            _ended.add(owner)
            for worker in [worker for worker, of in _busy.items() if of == owner]:
                worker.stop(kill=True)
        raise


def run_in_worker(
    function: Callable,
    *args: Any,
    keras_backend: str | None = None,
    owner: str | None = None,
) -> Any:
    """Call a function in a worker process and wait for what it returns.

    Parameters
    ----------
    function : callable
        Importable by name.
    *args
        Its arguments, to be pickled.
    keras_backend : str, default=None
        Keras's back end in the worker, whatever the machine it runs on is set to.
    owner : str, default=None
        For whom it works, see :func:`workers_of`.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    WorkerDiedError
        If the process ended. What the function itself raises is raised here.
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
    """The idle worker of a back end used last, after letting go of those idle for long."""
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
        # A process that multiprocessing started, such as a worker of dask, ends by waiting for
        # its children; an idle one would let it wait for long.
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
            raise WorkerDiedError(f"{error}\n{self._last_words()}".strip()) from error

    def _last_words(self) -> str:
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
    """Let this process start one even if it is a daemonic one, such as a worker of dask.

    The standard library forbids them children lest these outlive them; ours end by themselves.
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
    resource_tracker.ensure_running()  # its start would unblock it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill(executor: ProcessPoolExecutor) -> None:
    executor.shutdown(wait=False, kill_workers=True)


def _remove(path: str) -> None:
    with suppress(OSError):  # it is gone, or Windows has it open
        os.remove(path)


def _start(parent: int, output: str) -> None:
    """Run first in a worker: ignore Ctrl-C, send output to a file, end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    # Both sides have it open; without a name it goes away with them, however they end.
    _remove(output)
    if sys.platform != "win32":
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # A killed parent cannot tell its workers; the one who inherits them has another number.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _forget() -> None:
    # The workers of a process are not those of its forks, which must not stop them either.
    global _lock, _starting
    _lock, _starting = threading.Lock(), threading.Lock()
    _of_the_parent.extend([*_idle, *_busy])
    _idle.clear()
    _busy.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
