"""A network as the bytes of a ``.keras`` file: no optimiser in it, and no code."""

import json
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from ..ensemble._quiet import quiet_first_use
from ..exceptions import SavedFormatError
from ..metrics import not_compiled

__all__ = ["network_bytes", "read_network"]

# A TFSMLayer names a folder of TensorFlow, which Keras took in safe mode too before 3.14.
_CODE = ("Lambda", "__lambda__", "TFSMLayer")
_REMEDY = (
    "Put what it computes into a layer class of your own, registered with "
    "keras.saving.register_keras_serializable, or export what is fitted to ONNX."
)


def network_bytes(model: Any) -> bytes:
    """Write a network.

    Parameters
    ----------
    model : keras.Model
        The network.

    Returns
    -------
    bytes

    Raises
    ------
    SavedFormatError
        If it holds code, which :func:`read_network` would refuse.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        not_compiled(model).save(path)  # the state of Adam is twice the weights
        written = path.read_bytes()
    codes = _code_in(written)
    if codes:
        raise SavedFormatError(
            f"The network cannot be saved: {codes[0]} brings code with it, which would run "
            f"wherever the file is loaded, and is refused for that. {_REMEDY}"
        )
    return written


def read_network(written: bytes) -> Any:
    """Read a network, in Keras's safe mode; it is not compiled.

    Parameters
    ----------
    written : bytes
        What :func:`network_bytes` wrote; from anywhere.

    Returns
    -------
    keras.Model

    Raises
    ------
    SavedFormatError
        If it holds code, or cannot be read.
    """
    try:
        codes = _code_in(written)
    except MemoryError:
        raise
    except Exception as error:  # no zip file, or one without a configuration
        raise _unreadable(error) from error
    if codes:
        raise SavedFormatError(
            f"The saved network is not loaded: {codes[0]} brings code with it, which loading it "
            "would run. skprune saves no such network, so ask who made the file. If you can make "
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
        except Exception as error:  # Keras fails in any way it likes
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> SavedFormatError:
    return SavedFormatError(
        f"The saved network cannot be read: {type(error).__name__}: {error}. It may be cut short, "
        "or written by another version of Keras; or it has a layer of a class that is to be "
        "imported before it is loaded."
    )


def _code_in(written: bytes) -> list[str]:
    """The layers that bring code, by their names."""
    with ZipFile(BytesIO(written)) as archive:
        config = json.loads(archive.read("config.json"))
    return list(_codes(config, "the network"))


def _codes(config: Any, layer: str) -> Iterator[str]:
    """Walk a configuration, of which ``layer`` is the innermost part that has a name."""
    if isinstance(config, list):
        for part in config:
            yield from _codes(part, layer)
    elif isinstance(config, dict):
        kind, inner = config.get("class_name"), config.get("config")
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            layer = f"layer {inner['name']!r} ({kind})"
        # A Lambda of a named function too: the name may be that of any function there is. An
        # activation that is a lambda loses its mark, and is code, defaults and closure alone.
        bare = config.get("value") if config.keys() == {"value"} else None
        if kind in _CODE or (isinstance(bare, list) and len(bare) == 3):
            yield layer
            return
        for part in config.values():
            yield from _codes(part, layer)
