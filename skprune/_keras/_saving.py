"""A network as the bytes of a ``.keras`` file, without optimizer and without code."""

import json
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from ..exceptions import SavedFormatError
from ._startup import quiet_first_use

__all__ = ["network_bytes", "not_compiled", "read_network"]

# A TFSMLayer names a folder of TensorFlow; before 3.14 Keras read it in safe mode too.
_CODE = ("Lambda", "__lambda__", "TFSMLayer")
_REMEDY = (
    "Put what it computes into a layer class of your own, registered with "
    "keras.saving.register_keras_serializable, or export the fitted estimator to ONNX."
)


def not_compiled(model: Any) -> Any:
    """The model as it was before ``compile``; it shares all layers with ``model``.

    Keras has no switch that leaves the optimizer out of a ``.keras`` file, and a clone by way of
    the configuration would need every custom object in it.
    """
    if not model.compiled:
        return model
    twin = object.__new__(type(model))
    vars(twin).update(vars(model))
    left_out = ("optimizer", "loss", "_compile_loss", "_compile_metrics", "_loss_tracker")
    vars(twin).update(dict.fromkeys(left_out), compiled=False)
    return twin


def network_bytes(model: Any) -> bytes:
    """Write a network; a SavedFormatError if it holds code, which read_network would refuse."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        not_compiled(model).save(path)  # the state of Adam is twice the weights
        written = path.read_bytes()
    layers = _layers_with_code(written)
    if layers:
        raise SavedFormatError(
            f"The network cannot be saved: {layers[0]} contains code, which loading the file "
            f"would run. {_REMEDY}"
        )
    return written


def read_network(written: bytes) -> Any:
    """Read a network in Keras's safe mode, not compiled; a SavedFormatError if it holds code."""
    try:
        layers = _layers_with_code(written)
    except MemoryError:
        raise
    except Exception as error:  # not a zip file, or one without a configuration
        raise _unreadable(error) from error
    if layers:
        raise SavedFormatError(
            f"The saved network is not loaded: {layers[0]} contains code, which loading it would "
            "run. skprune saves no such network: check where the file comes from. If you can make "
            f"it again: {_REMEDY[0].lower()}{_REMEDY[1:]}"
        )
    with quiet_first_use(), tempfile.TemporaryDirectory() as folder:
        import keras

        path = Path(folder) / "network.keras"
        path.write_bytes(written)
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except MemoryError:
            raise
        except Exception as error:  # Keras raises errors of any type
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> SavedFormatError:
    return SavedFormatError(
        f"The saved network cannot be read: {type(error).__name__}: {error}. It may be cut short, "
        "or written by another version of Keras, or have a layer of a class that must be imported "
        "before it is loaded."
    )


def _layers_with_code(written: bytes) -> list[str]:
    """Names of the layers that contain code."""
    with ZipFile(BytesIO(written)) as archive:
        config = json.loads(archive.read("config.json"))
    return list(_code_in(config, "the network"))


def _code_in(config: Any, layer: str) -> Iterator[str]:
    """Search a configuration; ``layer`` is the innermost named part that it belongs to."""
    if isinstance(config, list):
        for part in config:
            yield from _code_in(part, layer)
    elif isinstance(config, dict):
        kind, inner = config.get("class_name"), config.get("config")
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            layer = f"layer {inner['name']!r} ({kind})"
        # A Lambda of a named function too: it may name any function. A lambda as activation has no
        # class name: it is a list of code, defaults and closure.
        bare = config.get("value") if config.keys() == {"value"} else None
        if kind in _CODE or (isinstance(bare, list) and len(bare) == 3):
            yield layer
            return
        for part in config.values():
            yield from _code_in(part, layer)
