"""TensorFlow's start: nothing on the user's terminal, no looking for garbage in its modules."""

import gc
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from importlib import import_module

from ..utils import check_not_forked

__all__ = ["load_member_class", "load_quietly", "quiet_first_use", "without_collector"]

_lock = threading.RLock()
_used = False


@contextmanager
def _silent_stderr():
    """Send file descriptor 2 elsewhere; what it said comes out only if the block fails.

    TensorFlow writes from C++ before its log level is read, so that no setting silences it.
    """
    try:
        real = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(real, said.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


@contextmanager
def without_collector():
    """Do not look for garbage among modules: a fifth of the time that Keras's import takes."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_quietly(module: str):
    """Import and return a module of this subpackage that imports Keras, silently."""
    with _lock:
        if f"{__package__}.{module}" in sys.modules:
            return import_module(f".{module}", __package__)
        with _silent_stderr(), without_collector():
            return import_module(f".{module}", __package__)


def load_member_class():
    """Import and return :class:`CNNMember`, and with it scikeras and Keras, silently."""
    return load_quietly("_member").CNNMember


@contextmanager
def quiet_first_use():
    """Run operations of the back end: not in a fork of it, and the first one silently."""
    global _used
    check_not_forked()
    if _used:
        yield
        return
    with _lock, _silent_stderr():
        yield
        _used = True
