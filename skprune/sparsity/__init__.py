"""Networks with fewer weights or channels; importing this imports neither Keras nor TensorFlow."""

from ._channels import prune_channels
from ._magnitude import prune_magnitude

__all__ = ["prune_channels", "prune_magnitude"]
