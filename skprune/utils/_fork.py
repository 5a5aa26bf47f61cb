"""Whether networks can run here: their back ends do not survive a fork."""

import os
import sys

__all__ = ["check_not_forked"]

# Back ends whose threads were not copied by a fork: their operations would hang here.
_lost: set[str] = set()


def check_not_forked() -> None:
    """Raise RuntimeError where networks would hang, as their back end ran before the fork."""
    if not _lost:
        return
    import keras

    backend = keras.backend.backend()
    if backend in _lost:
        raise RuntimeError(
            f"Networks cannot run in this process: it is a fork of one in which {backend} had run, "
            f"and {backend} does not survive a fork. Load the estimator in each worker process "
            "rather than before they are forked: with gunicorn leave out --preload, with "
            'multiprocessing take the start method "spawn". Or serve the ONNX graph, which '
            "survives a fork: skprune.serving.export_onnx and OnnxPredictor."
        )


def _note_lost() -> None:
    """Remember, in the child, what had run in the parent; imports alone are harmless."""
    tensorflow = sys.modules.get("tensorflow.python.eager.context")
    if getattr(getattr(tensorflow, "_context", None), "_initialized", False):
        _lost.add("tensorflow")
    jax = sys.modules.get("jax._src.xla_bridge")
    if getattr(jax, "_backends", None):
        _lost.add("jax")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_lost)
