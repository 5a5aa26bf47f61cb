"""Networks with fewer weights or channels; importing this imports neither Keras nor TensorFlow."""

from ._channels import prune_channels
from ._fine_tune import classification_loss as classification_loss
from ._fine_tune import fine_tune, reestimate_batch_norm
from ._fine_tune import recover as recover
from ._layer_rules import map_channels as map_channels
from ._magnitude import prune_magnitude
from ._rebuild import copy_model as copy_model
from ._slices import ChannelSlices as ChannelSlices
from ._sweep import SweepResult, pruning_sweep
from ._sweep import TimingPlan as TimingPlan
from ._sweep import Trial as Trial
from ._sweep import check_amounts as check_amounts
from ._sweep import held_out_rows as held_out_rows
from ._sweep import measure_amounts as measure_amounts
from ._sweep import method_named as method_named
from ._sweep import model_accuracy as model_accuracy
from ._sweep import no_retracing_warnings as no_retracing_warnings

# A name that is imported as itself is for other subpackages.
__all__ = [
    "SweepResult",
    "fine_tune",
    "prune_channels",
    "prune_magnitude",
    "pruning_sweep",
    "reestimate_batch_norm",
]
