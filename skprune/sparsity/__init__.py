"""Networks with fewer weights or channels; importing this imports neither Keras nor TensorFlow."""

from ._channels import map_channels, prune_channels
from ._fine_tune import fine_tune, reestimate_batch_norm
from ._magnitude import prune_magnitude
from ._measure import (
    SIZES,
    TimingPlan,
    Trial,
    check_amounts,
    measure_amounts,
    no_retracing_warnings,
)
from ._recipe import classification_loss, held_out_rows, method_named, model_accuracy, recover
from ._slices import ChannelSlices
from ._sweep import pruning_sweep
from ._sweep_result import SweepResult

__all__ = [
    "SIZES",
    "ChannelSlices",
    "SweepResult",
    "TimingPlan",
    "Trial",
    "check_amounts",
    "classification_loss",
    "fine_tune",
    "held_out_rows",
    "map_channels",
    "measure_amounts",
    "method_named",
    "model_accuracy",
    "no_retracing_warnings",
    "prune_channels",
    "prune_magnitude",
    "pruning_sweep",
    "recover",
    "reestimate_batch_norm",
]
