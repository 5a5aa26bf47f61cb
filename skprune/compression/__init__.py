"""Where the two prunings meet: networks cut to what limits allow, alone or as an ensemble."""

from ._point import OperatingPoint
from ._pruned_cnn import PrunedCNNClassifier
from ._pruned_views import PrunedMultiViewClassifier
from ._view_networks import ViewNetworks

__all__ = ["OperatingPoint", "PrunedCNNClassifier", "PrunedMultiViewClassifier", "ViewNetworks"]
