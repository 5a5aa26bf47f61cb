"""A Keras model on a scikit-learn estimator: in pickles, the bytes of a .keras file."""

from typing import Any

import joblib

from .._keras import network_bytes, read_network

__all__ = ["KeptModel"]


class KeptModel:
    """A network, either live or as the bytes of a ``.keras`` file without an optimiser.

    The file is read with ``safe_mode=True``, so that no code hides in a pickle's network.

    Parameters
    ----------
    model : keras.Model
        The network.
    """

    # What the weights were when `_bytes` were written or read.
    _weights_then: str | None = None

    def __init__(self, model: Any) -> None:
        self._live: Any = model
        self._bytes: bytes | None = None

    def get(self) -> Any:
        """Return the network; where it was read from a file, it is not compiled."""
        if self._live is None:
            assert self._bytes is not None
            live = read_network(self._bytes)
            self._weights_then = joblib.hash(live.get_weights())
            self._live = live
        return self._live

    def __getstate__(self) -> dict[str, Any]:
        if self._live is not None:
            # Who holds the network may have trained it since. If not, the same bytes again: they
            # have the time of day in them, and caches know an estimator by its pickle.
            weights = joblib.hash(self._live.get_weights())
            if self._bytes is None or weights != self._weights_then:
                self._bytes, self._weights_then = network_bytes(self._live), weights
        return {"_bytes": self._bytes, "_live": None}
