"""Networks with fewer weights or channels; importing this imports neither Keras nor TensorFlow."""

from ._channels import prune_channels
from ._fine_tune import classification_loss as classification_loss
from ._fine_tune import fine_tune, reestimate_batch_norm
from ._fine_tune import recover as recover
from ._layer_rules import map_channels as map_channels
from ._magnitude import prune_magnitude
from ._measure import SIZES as SIZES
from ._measure import TimingPlan as TimingPlan
from ._measure import Trial as Trial
from ._measure import check_amounts as check_amounts
from ._measure import measure_amounts as measure_amounts
from ._measure import no_retracing_warnings as no_retracing_warnings
from ._rebuild import copy_model as copy_model
from ._recipe import held_out_rows as held_out_rows
from ._recipe import method_named as method_named
from ._recipe import model_accuracy as model_accuracy
from ._slices import ChannelSlices as ChannelSlices
from ._sweep import pruning_sweep
from ._sweep_result import SweepResult

# A name that is imported as itself is for other subpackages.
__all__ = [
    "SweepResult",
    "fine_tune",
    "prune_channels",
    "prune_magnitude",
    "pruning_sweep",
    "reestimate_batch_norm",
]
