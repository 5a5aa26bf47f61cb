"""What was promised, and what was delivered."""

from dataclasses import dataclass

from ..utils import ReprHTML

__all__ = ["OperatingPoint"]


@dataclass(frozen=True)
class OperatingPoint(ReprHTML):
    """Accuracy, time and size of a network at one pruning amount.

    Attributes
    ----------
    amount : float
        Pruning amount in [0, 1).
    accuracy : float
        Share of held-out samples that are predicted right, in [0, 1].
    time : float
        Seconds to predict a batch.
    size : float
        Megabytes (of 1e6 bytes).

    Examples
    --------
    >>> from skprune.compression import OperatingPoint
    >>> point = OperatingPoint(amount=0.5, accuracy=0.75, time=0.02, size=1.5)
    >>> point.misses(min_accuracy=0.5, max_size=1.25)
    {'max_size': 0.25}
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
            ``min_accuracy`` as a share, ``max_time`` in seconds, ``max_size`` in megabytes; None
            is no limit.

        Returns
        -------
        dict of str to float
            The name of each missed limit, and by how much it is missed, in its unit.
        """
        by = {}
        for name, limit in limits.items():
            if limit is not None:
                bound, quantity = name.split("_")
                over = getattr(self, quantity) - limit
                by[name] = over if bound == "max" else -over
        # A limit that is a measured value is kept, whatever its last bit.
        return {name: miss for name, miss in by.items() if miss > 1e-9}
