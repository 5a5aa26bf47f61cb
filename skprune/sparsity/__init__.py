"""Networks with fewer weights or channels; importing this imports neither Keras nor TensorFlow."""

from ._channels import prune_channels
from ._fine_tune import fine_tune, reestimate_batch_norm
from ._magnitude import prune_magnitude
from ._sweep import pruning_sweep
from ._sweep_result import SweepResult

__all__ = [
    "SweepResult",
    "fine_tune",
    "prune_channels",
    "prune_magnitude",
    "pruning_sweep",
    "reestimate_batch_norm",
]
