"""Start of Keras's back end: silent, faster, and refused in a forked process."""

import gc
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

__all__ = ["check_not_forked", "load_quietly", "quiet_first_use", "without_collector"]

_lock = threading.RLock()
_used = False
# Back ends that had run before this process was forked: their threads are missing here, so their
# operations would never return.
_lost_backends: set[str] = set()


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard what is written to file descriptor 2, unless the block fails.

    TensorFlow writes from C++ before its log level is read, so no setting silences it.
    """
    try:
        real = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            written.seek(0)
            os.write(real, written.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


@contextmanager
def without_collector() -> Iterator[None]:
    """Turn the garbage collector off: it is a fifth of the time of Keras's import."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_quietly(module: str) -> ModuleType:
    """Import a module that imports Keras, by its full name, without output."""
    with _lock:
        if module in sys.modules:
            return import_module(module)
        with _silent_stderr(), without_collector():
            return import_module(module)


@contextmanager
def quiet_first_use() -> Iterator[None]:
    """Run operations of the back end, the first ones without output; not in a forked process."""
    global _used
    check_not_forked()
    if _used:
        yield
        return
    with _lock, _silent_stderr():
        yield
        _used = True


def check_not_forked() -> None:
    """Raise if the back end had run before this process was forked."""
    if not _lost_backends:
        return
    import keras

    backend = keras.backend.backend()
    if backend in _lost_backends:
        raise RuntimeError(
            f"Networks cannot run in this process: it was forked from one in which {backend} had "
            f"run, and {backend} does not support that. Load the estimator in each worker process "
            "instead of before the fork: with gunicorn leave out --preload, with "
            'multiprocessing use the start method "spawn". Or serve the ONNX graph, which '
            "works after a fork: skprune.serving.export_onnx and OnnxPredictor."
        )


def _record_lost_backends() -> None:
    """In a forked process, record the back ends that had run; imports alone are harmless."""
    tensorflow = sys.modules.get("tensorflow.python.eager.context")
    if getattr(getattr(tensorflow, "_context", None), "_initialized", False):
        _lost_backends.add("tensorflow")
    jax = sys.modules.get("jax._src.xla_bridge")
    if getattr(jax, "_backends", None):
        _lost_backends.add("jax")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_record_lost_backends)
