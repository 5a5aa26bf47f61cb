"""What was promised, and what was delivered."""

from dataclasses import dataclass

__all__ = ["OperatingPoint"]


@dataclass(frozen=True)
class OperatingPoint:
    """Accuracy, time and size of a network at one pruning amount.

    Attributes
    ----------
    amount : float
        Pruning amount in [0, 1).
    accuracy : float
        On held-out samples, in [0, 1].
    time : float
        Seconds to predict a batch.
    size : float
        Megabytes.
    """

    amount: float
    accuracy: float
    time: float
    size: float

    def misses(self, **limits: float | None) -> dict[str, float]:
        """By how much limits are missed; those that are kept are left out.

        Parameters
        ----------
        **limits : float or None
            ``min_accuracy``, ``max_time``, ``max_size``.

        Returns
        -------
        dict of str to float
        """
        by = {}
        for name, limit in limits.items():
            if limit is not None:
                bound, quantity = name.split("_")
                over = getattr(self, quantity) - limit
                by[name] = over if bound == "max" else -over
        # A limit that is a measured value is kept, whatever its last bit.
        return {name: miss for name, miss in by.items() if miss > 1e-9}
