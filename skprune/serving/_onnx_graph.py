"""An ONNX graph that grows node by node; what is the same is computed once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._predictor import load_extra

__all__ = ["OPSETS", "OnnxGraph", "Value"]

#: Operators of these versions are run by every onnxruntime from 1.14 on.
OPSETS = {"": 17, "ai.onnx.ml": 3}
_IR_VERSION = 8


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, and the axes that Keras would give it.

    Attributes
    ----------
    name : str
        In the graph.
    shape : tuple of int or None
        Shape of one sample as Keras sees it, channels last; None where a side is free.
    channels_first : bool
        Whether the graph holds (n, c, h, w) where Keras has (n, h, w, c).
    unflattened : Value or None
        An image with its channels first of which this is to be the flat row: it is not made
        before somebody needs it in Keras's order.
    """

    name: str
    shape: tuple[int | None, ...]
    channels_first: bool = False
    unflattened: "Value | None" = None


class OnnxGraph:
    """Nodes and constants that were added so far."""

    def __init__(self) -> None:
        load_extra("onnx", "onnx")
        self._nodes: list[Any] = []
        self._constants: dict[Any, Any] = {}
        self._known: dict[Any, str] = {}
        self._n_names = 0

    def name(self) -> str:
        """A name that nothing else has."""
        self._n_names += 1
        return f"t{self._n_names}"

    def constant(self, array: NDArray) -> str:
        """The name of a constant; equal ones are held once.

        Parameters
        ----------
        array : ndarray
            Its value.

        Returns
        -------
        str
        """
        from onnx import numpy_helper

        array = np.asarray(array, order="C")
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            self._constants[key] = numpy_helper.from_array(array, self.name())
        return self._constants[key].name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The name of an operator's output; the same of the same is computed once.

        Parameters
        ----------
        operator : str
            Of ONNX.
        *inputs : str
            Names of tensors.
        **attributes : object
            Of the operator.

        Returns
        -------
        str
        """
        from onnx import helper

        key = operator, inputs, repr(sorted(attributes.items()))
        if key not in self._known:
            output = self.name()
            self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
            self._known[key] = output
        return self._known[key]

    def include(self, graph: Any, inputs: dict[str, str]) -> list[str]:
        """Take over another graph.

        Parameters
        ----------
        graph : onnx.GraphProto
            Whose names may be the same as some here.
        inputs : dict of str to str
            For each of its inputs, the tensor here that goes in.

        Returns
        -------
        list of str
            What its outputs are called here.
        """
        import onnx

        names = dict(inputs)

        def renamed(name: str) -> str:
            if name and name not in names:
                names[name] = self.name()
            return names.get(name, name)

        for constant in graph.initializer:
            copy = onnx.TensorProto()
            copy.CopyFrom(constant)
            copy.name = renamed(constant.name)
            self._constants[copy.name] = copy
        for node in graph.node:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            _rename(copy, renamed)
            copy.output[:] = [renamed(name) for name in node.output]
            self._nodes.append(copy)
        return [renamed(output.name) for output in graph.output]

    def last_axis(self, value: Value) -> Value:
        """The same tensor as Keras would hold it.

        Parameters
        ----------
        value : Value
            A tensor.

        Returns
        -------
        Value
        """
        if value.unflattened is not None:
            image = self.last_axis(value.unflattened)
            return Value(self.reshaped(image.name, value.shape), value.shape)
        if value.channels_first:
            return Value(self.node("Transpose", value.name, perm=[0, 2, 3, 1]), value.shape)
        return value

    def settled(self, value: Value) -> Value:
        """The same tensor with a name; a flat row is made if it was not yet.

        Parameters
        ----------
        value : Value
            A tensor.

        Returns
        -------
        Value
        """
        return value if value.unflattened is None else self.last_axis(value)

    def first_axis(self, value: Value) -> Value:
        """The same image with its channels first.

        Parameters
        ----------
        value : Value
            Of three axes.

        Returns
        -------
        Value
        """
        if value.channels_first:
            return value
        name = self.last_axis(value).name
        if value.shape[-1] == 1 and None not in value.shape:  # nothing moves in memory
            name = self.reshaped(name, (1, *value.shape[:2]))
        else:
            name = self.node("Transpose", name, perm=[0, 3, 1, 2])
        return Value(name, value.shape, channels_first=True)

    def reshaped(self, name: str, shape: Sequence[int | None]) -> str:
        """Each sample reshaped; one side may be free."""
        sides = [0, *(-1 if side is None else side for side in shape)]
        return self.node("Reshape", name, self.constant(np.array(sides, np.int64)))

    def model(
        self,
        inputs: dict[str, tuple[int, ...]],
        outputs: dict[str, tuple[str, tuple[int, ...]]],
        metadata: dict[str, str],
    ) -> Any:
        """The whole as a model, without unused nodes.

        Parameters
        ----------
        inputs : dict of str to tuple of int
            Names of the inputs and the shapes of one sample.
        outputs : dict of str to (str, tuple of int)
            Names of the outputs, the tensors that they are, and the shapes for one sample.
        metadata : dict of str to str
            What the file says of itself.

        Returns
        -------
        onnx.ModelProto
        """
        from onnx import TensorProto, helper

        named = [
            helper.make_node("Identity", [tensor], [name]) for name, (tensor, _) in outputs.items()
        ]
        needed = {name for node in named for name in node.input}
        nodes: list[Any] = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(_reads(node))
                nodes.append(node)
        graph = helper.make_graph(
            nodes[::-1] + named,
            "skprune",
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
                for name, shape in inputs.items()
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
                for name, (_, shape) in outputs.items()
            ],
            [constant for constant in self._constants.values() if constant.name in needed],
        )
        domains = {node.domain for node in nodes} | {""}
        opsets = [helper.make_opsetid(d, OPSETS[d]) for d in OPSETS if d in domains]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="skprune")
        model.ir_version = _IR_VERSION
        helper.set_model_props(model, metadata)
        return model


def _graphs_in(node: Any) -> Iterator[Any]:
    """Bodies of loops and branches."""
    for attribute in node.attribute:
        yield from [attribute.g] if attribute.HasField("g") else attribute.graphs


def _reads(node: Any) -> Iterator[str]:
    """What a node reads, also inside of loops; some of it may be made in there."""
    yield from node.input
    for graph in _graphs_in(node):
        for inner in graph.node:
            yield from _reads(inner)


def _rename(node: Any, renamed: Callable[[str], str]) -> None:
    """Give what a node reads its new name, also inside of loops, which have names of their own."""
    node.name = ""
    node.input[:] = [renamed(name) for name in node.input]
    for graph in _graphs_in(node):
        own = {value.name for value in [*graph.input, *graph.initializer]}
        own.update(name for inner in graph.node for name in inner.output)

        def inside(name: str, own: set[str] = own) -> str:
            return name if name in own else renamed(name)

        for inner in graph.node:
            _rename(inner, inside)
