"""A Keras model on a scikit-learn estimator: in pickles, the bytes of a .keras file."""

import tempfile
from pathlib import Path
from typing import Any

from ..ensemble._quiet import quiet_first_use
from ..metrics import not_compiled

__all__ = ["KeptModel"]


class KeptModel:
    """A network, either live or as the bytes of a ``.keras`` file without an optimiser.

    The file is read with ``safe_mode=True``, so that no code hides in a pickle's network.

    Parameters
    ----------
    model : keras.Model
        The network.
    """

    def __init__(self, model: Any) -> None:
        self._live: Any = model
        self._bytes: bytes | None = None

    def get(self) -> Any:
        """Return the network; where it was read from a file, it is not compiled."""
        if self._live is None:
            assert self._bytes is not None
            with quiet_first_use(), tempfile.TemporaryDirectory() as folder:
                import keras

                path = Path(folder) / "network.keras"
                path.write_bytes(self._bytes)
                self._live = keras.models.load_model(path, compile=False, safe_mode=True)
        return self._live

    def __getstate__(self) -> dict[str, Any]:
        if self._bytes is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "network.keras"
                not_compiled(self._live).save(path)  # the state of Adam is twice the weights
                self._bytes = path.read_bytes()
        return {"_bytes": self._bytes, "_live": None}
