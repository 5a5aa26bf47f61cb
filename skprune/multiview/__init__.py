"""Networks of several views of each sample; importing this imports neither Keras nor TensorFlow."""

from ._classifier import MultiViewCNNClassifier
from ._importance import ViewImportance, view_importance
from ._pruned import PrunedMultiViewClassifier
from ._towers import ViewNetworks

__all__ = [
    "MultiViewCNNClassifier",
    "PrunedMultiViewClassifier",
    "ViewImportance",
    "ViewNetworks",
    "view_importance",
]
