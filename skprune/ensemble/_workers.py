"""Worker processes that networks are trained in, kept alive between fits.

A worker is a process executor of one process, so that when a process dies it is known whose
member it was training, and so that the user's own pool of processes is left alone. How many
run at a time is joblib's business: each of its threads takes one worker. Workers are started
afresh (never forked), with one TensorFlow thread each, so that a member's weights do not
depend on how many train beside it.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

from joblib.externals.loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

__all__ = ["WorkerDiedError", "run_in_worker"]

# Seconds after which an idle worker goes away, and after which it is no longer handed out:
# apart, so that none is handed out as it leaves.
_IDLE_TIMEOUT = 90
_IDLE_LIMIT = 60

# A process grows by some 15 MB with each model, whatever is cleared.
_MAX_TASKS = 40

_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}

_lock = threading.Lock()
_idle: list["_Worker"] = []
_of_the_parent: list["_Worker"] = []


class WorkerDiedError(Exception):
    """The process ended before it gave a result; the message is what it wrote last."""


def run_in_worker(function: Callable, *args: Any) -> Any:
    """Call a function in a worker process and wait for what it returns.

    Parameters
    ----------
    function : callable
        Importable by name.
    *args
        Its arguments, to be pickled.

    Returns
    -------
    object
        What the function returned.

    Raises
    ------
    WorkerDiedError
        If the process ended. What the function itself raises is raised here.
    """
    with _borrowed_worker() as worker:
        return worker.run(function, *args)


@contextmanager
def _borrowed_worker():
    worker = _take() or _Worker()
    try:
        yield worker
    except Exception as error:
        _give_back(worker, usable=not isinstance(error, WorkerDiedError))
        raise
    except BaseException:  # such as Ctrl-C, while the worker is still busy
        worker.stop(kill=True)
        raise
    _give_back(worker)


def _give_back(worker: "_Worker", usable: bool = True) -> None:
    if not usable or worker.n_tasks >= _MAX_TASKS:
        worker.stop()
        return
    worker.idle_since = time.monotonic()
    with _lock:
        _idle.append(worker)


def _take() -> "_Worker | None":
    """The idle worker used last, after letting go of those idle for long."""
    oldest = time.monotonic() - _IDLE_LIMIT
    with _lock:
        stale = [worker for worker in _idle if worker.idle_since < oldest]
        _idle[:] = [worker for worker in _idle if worker.idle_since >= oldest]
        worker = _idle.pop() if _idle else None
    for old in stale:
        old.stop()
    return worker


class _Worker:
    """One process and the file its output goes to."""

    def __init__(self):
        # Open as long as the worker lives.
        self._output = tempfile.NamedTemporaryFile(  # noqa: SIM115
            prefix="skprune_worker_", delete=False
        )
        # A worker shares the GPU with the others, so it must not take all of its memory.
        growth = {"TF_FORCE_GPU_ALLOW_GROWTH": os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH", "true")}
        self._executor = ProcessPoolExecutor(
            max_workers=1,
            timeout=_IDLE_TIMEOUT,
            initializer=_start,
            initargs=(os.getpid(), self._output.name),
            env={**_ENVIRONMENT, **growth},
        )
        self.n_tasks = 0
        self.idle_since = time.monotonic()

    def run(self, function, *args):
        self.n_tasks += 1
        try:
            return self._executor.submit(function, *args).result()
        except BrokenProcessPool as error:
            raise WorkerDiedError(f"{error}\n{self._last_words()}".strip()) from error

    def _last_words(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def stop(self, kill: bool = False):
        self._executor.shutdown(wait=False, kill_workers=kill)
        self._output.close()
        _remove(self._output.name)


def _remove(path: str) -> None:
    with suppress(OSError):  # it is gone, or Windows has it open
        os.remove(path)


def _start(parent: int, output: str) -> None:
    """Run first in a worker: send its output to a file, and end it when the parent ends."""
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
    global _lock
    _lock = threading.Lock()
    _of_the_parent.extend(_idle)
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
