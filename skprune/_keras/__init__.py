"""What depends on the internals of Keras; importing this imports neither Keras nor TensorFlow."""

from ._adam import BETA_1 as BETA_1
from ._adam import BETA_2 as BETA_2
from ._adam import EPSILON as EPSILON
from ._adam import keras_adam as keras_adam
from ._joint_prediction import JointNetworks as JointNetworks
from ._joint_prediction import call_padded as call_padded
from ._joint_prediction import get_compiled as get_compiled
from ._joint_prediction import joint_prediction as joint_prediction
from ._joint_prediction import network_output as network_output
from ._joint_prediction import record_eager_time as record_eager_time
from ._joint_prediction import row_groups as row_groups
from ._joint_prediction import seconds_to_compile as seconds_to_compile
from ._joint_prediction import with_both_classes as with_both_classes
from ._layer_graph import LayerCall as LayerCall
from ._layer_graph import LayerGraph as LayerGraph
from ._layer_graph import hides_layers as hides_layers
from ._layer_graph import layer_graph as layer_graph
from ._layer_graph import widest_output as widest_output
from ._saving import network_bytes as network_bytes
from ._saving import not_compiled as not_compiled
from ._saving import read_network as read_network
from ._startup import load_quietly as load_quietly
from ._startup import quiet_first_use as quiet_first_use
from ._startup import without_collector as without_collector
