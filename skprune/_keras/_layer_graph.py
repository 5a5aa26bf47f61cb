"""The layer calls of a Keras model; the only file that reads Keras's own graph."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LayerCall", "LayerGraph", "hides_layers", "layer_graph", "widest_output"]


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of a layer (or of an operation of ``keras.ops``); a shared layer has several.

    ``inputs`` and ``outputs`` are tensors, as keys of the graph's ``shapes``; ``constants`` are
    the arguments that are not tensors.
    """

    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class LayerGraph:
    """All calls of a model in the order of computation, including those of nested models.

    ``shapes`` has the shape of each tensor, batch axis first, None where a length is free.
    ``nested`` has each call of a nested model with its input tensors.
    """

    calls: tuple[LayerCall, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: dict[int, tuple[int | None, ...]]
    nested: tuple[tuple[Any, tuple[int, ...]], ...]


def layer_graph(model: Any) -> LayerGraph:
    """Layer calls of a built Sequential or Functional model; other models raise an error."""
    _check(model)
    walk = _Walk()
    inputs = tuple(walk.new(tensor) for tensor in model.inputs)
    outputs = walk.follow(model, inputs)
    return LayerGraph(tuple(walk.calls), inputs, outputs, walk.shapes, tuple(walk.nested))


class _Walk:
    """Collects calls; each call of a nested model has tensors of its own."""

    def __init__(self) -> None:
        self.calls: list[LayerCall] = []
        self.shapes: dict[int, tuple[int | None, ...]] = {}
        self.nested: list[tuple[Any, tuple[int, ...]]] = []

    def new(self, tensor: Any) -> int:
        self.shapes[len(self.shapes)] = tuple(tensor.shape)
        return len(self.shapes) - 1

    def follow(self, model: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
        import keras

        # A Sequential model calls a functional one with the same layers.
        graph = model._functional if isinstance(model, keras.Sequential) else model
        keys = {id(tensor): key for tensor, key in zip(graph.inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                given = tuple(keys[id(tensor)] for tensor in node.arguments.keras_tensors)
                if isinstance(node.operation, keras.Model):
                    _check(node.operation)
                    self.nested.append((node.operation, given))
                    made = self.follow(node.operation, given)
                else:
                    made = tuple(self.new(tensor) for tensor in node.outputs)
                    self.calls.append(LayerCall(node.operation, given, made, _constants(node)))
                keys.update(zip((id(tensor) for tensor in node.outputs), made, strict=True))
        return tuple(keys[id(tensor)] for tensor in graph.outputs)


def _constants(node: Any) -> tuple[Any, ...]:
    import keras

    leaves = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return tuple(leaf for leaf in leaves if not hasattr(leaf, "_keras_history"))


def hides_layers(model: Any) -> bool:
    """Whether a Keras model has its own ``call``, which hides how its layers are connected."""
    import keras

    made_of_layers = isinstance(model, keras.Sequential) or hasattr(model, "_nodes_by_depth")
    return not made_of_layers or type(model).call.__module__.split(".")[0] != "keras"


def widest_output(model: Any) -> int:
    """Most numbers that a layer of a built model outputs for one sample."""
    try:
        shapes = list(layer_graph(model).shapes.values())
    except TypeError:  # the model hides its layers
        shapes = [model.inputs[0].shape, model.outputs[0].shape]
    return max(int(np.prod([side or 1 for side in shape[1:]])) for shape in shapes)


def _check(model: Any) -> None:
    import keras

    name = type(model).__name__
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a Keras model; got {name}.")
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} is not built: the shape of its input is unknown. Call "
            "it on a batch, or give it a keras.Input first."
        )
    if hides_layers(model):
        raise TypeError(
            f"The model {model.name!r} ({name}) has its own call method, which hides how its "
            "layers are connected. Write it as a Functional or Sequential model."
        )
