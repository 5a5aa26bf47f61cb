"""The calls of layers inside a Keras model; the one door to Keras's own graph."""

from dataclasses import dataclass
from typing import Any

__all__ = ["LayerCall", "LayerGraph", "hides_layers", "layer_graph"]


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of one layer (or of an operation of ``keras.ops``).

    Attributes
    ----------
    layer : keras.Layer or keras.Operation
        What is called; a shared layer is called more than once.
    inputs, outputs : tuple of int
        Tensors that go in and come out, as keys of the graph's ``shapes``.
    constants : tuple of object
        Arguments of the call that are not tensors.
    """

    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class LayerGraph:
    """All calls of a model in the order of computation, those of nested models among them.

    Attributes
    ----------
    calls : tuple of LayerCall
        Every call after those that it needs.
    inputs, outputs : tuple of int
        Tensors of the model.
    shapes : dict of int to tuple of int or None
        Shape of each tensor, the batch first; None where a side is free.
    nested : tuple of (keras.Model, tuple of int)
        Each call of a nested model, and the tensors that go in.
    """

    calls: tuple[LayerCall, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: dict[int, tuple[int | None, ...]]
    nested: tuple[tuple[Any, tuple[int, ...]], ...]


def layer_graph(model: Any) -> LayerGraph:
    """Take a Sequential or Functional model apart into the calls of its layers.

    Parameters
    ----------
    model : keras.Model
        Built, and made of layers: a subclass of ``keras.Model`` with a ``call`` of its own
        hides them.

    Returns
    -------
    LayerGraph

    Raises
    ------
    TypeError
        If the model is not a Keras model, or hides its layers.
    ValueError
        If the model is not built.

    Examples
    --------
    >>> import keras
    >>> from skprune.utils import layer_graph
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.ReLU()])
    >>> graph = layer_graph(model)
    >>> [(type(c.layer).__name__, graph.shapes[c.outputs[0]]) for c in graph.calls]
    [('Dense', (None, 3)), ('ReLU', (None, 3))]
    """
    _check(model)
    walk = _Walk()
    inputs = tuple(walk.new(tensor) for tensor in model.inputs)
    outputs = walk.follow(model, inputs)
    return LayerGraph(tuple(walk.calls), inputs, outputs, walk.shapes, tuple(walk.nested))


class _Walk:
    """Collects calls; every call of a nested model gives its tensors numbers of their own."""

    def __init__(self) -> None:
        self.calls: list[LayerCall] = []
        self.shapes: dict[int, tuple[int | None, ...]] = {}
        self.nested: list[tuple[Any, tuple[int, ...]]] = []

    def new(self, tensor: Any) -> int:
        self.shapes[len(self.shapes)] = tuple(tensor.shape)
        return len(self.shapes) - 1

    def follow(self, model: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
        import keras

        # A Sequential model calls a functional one, of the same layers.
        graph = model._functional if isinstance(model, keras.Sequential) else model
        number = {id(tensor): key for tensor, key in zip(graph.inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                given = tuple(number[id(tensor)] for tensor in node.arguments.keras_tensors)
                if isinstance(node.operation, keras.Model):
                    _check(node.operation)
                    self.nested.append((node.operation, given))
                    made = self.follow(node.operation, given)
                else:
                    made = tuple(self.new(tensor) for tensor in node.outputs)
                    self.calls.append(LayerCall(node.operation, given, made, _constants(node)))
                number.update(zip((id(tensor) for tensor in node.outputs), made, strict=True))
        return tuple(number[id(tensor)] for tensor in graph.outputs)


def _constants(node: Any) -> tuple[Any, ...]:
    import keras

    leaves = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    return tuple(leaf for leaf in leaves if not hasattr(leaf, "_keras_history"))


def hides_layers(model: Any) -> bool:
    """Whether a Keras model has a call of its own, which hides how its layers are connected."""
    import keras

    made_of_layers = isinstance(model, keras.Sequential) or hasattr(model, "_nodes_by_depth")
    return not made_of_layers or type(model).call.__module__.split(".")[0] != "keras"


def _check(model: Any) -> None:
    import keras

    name = type(model).__name__
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a Keras model; got {name}.")
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} is not built: it does not know the shape of its input. Call "
            "it on a batch, or give it a keras.Input first."
        )
    if hides_layers(model):
        raise TypeError(
            f"The model {model.name!r} ({name}) has a call of its own, which hides how its layers "
            "are connected. Write it as a Functional or Sequential model."
        )
