"""What is known of a model's channels while its calls are followed, one by one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._keras import LayerCall, LayerGraph
from ._channel_map import Ids, LayerChannels, Unions

__all__ = ["Flow", "Walk"]


@dataclass(eq=False)
class Flow:
    """Channels along one axis of a tensor.

    Attributes
    ----------
    ids : ndarray
        The channels.
    axis : int
        The axis, batch included.
    """

    ids: Ids
    axis: int


class Walk:
    """The channels met so far."""

    def __init__(self, graph: LayerGraph) -> None:
        self.graph = graph
        self.unions = Unions()
        # None: channels of an input, which stay, along whichever axis.
        self.flows: dict[int, Flow | None] = dict.fromkeys(graph.inputs)
        self.layers: dict[int, LayerChannels] = {}
        self.reshaped: dict[int, Ids] = {}
        # Layers that inputs go through before anything is known of their channels.
        self.on_inputs: set[int] = set()

    def fail(self, call: LayerCall, why: str) -> ValueError:
        kind, name = type(call.layer).__name__, call.layer.name
        return ValueError(f"Channels cannot be followed through {name!r} ({kind}): {why}.")

    def shape(self, tensor: int) -> tuple[int | None, ...]:
        return self.graph.shapes[tensor]

    def along(self, call: LayerCall, tensor: int, axis: int) -> Ids:
        """The channels of a tensor along an axis that a layer needs them along."""
        flow = self.flows[tensor]
        if flow is None:
            n = self.shape(tensor)[axis]
            if n is None:
                raise self.fail(call, f"axis {axis} of its input has no fixed length")
            ids = self.unions.new(n)
            self.unions.fix(ids)
            self.flows[tensor] = Flow(ids, axis)
            return ids
        if flow.axis != axis:
            raise self.fail(
                call,
                f"it takes axis {axis} of its input for channels, but they stand along axis "
                f"{flow.axis}",
            )
        return flow.ids

    def note(self, layer: Any, channels: LayerChannels) -> LayerChannels:
        """Note a layer's channels; those of its further calls are the same ones."""
        known = self.layers.setdefault(id(layer), channels)
        for old, new in zip(known.weights, channels.weights, strict=True):
            for axis, ids in new.items():
                self.unions.unite(old[axis], ids)
        return known

    def fix_shared_with_inputs(self) -> None:
        """Keep the channels of layers that inputs go through too: inputs keep theirs."""
        for key in self.on_inputs & set(self.layers):
            for axes in self.layers[key].weights:
                for ids in axes.values():
                    self.unions.fix(ids)
            if key in self.reshaped:
                self.unions.fix(self.reshaped[key])

    def entries(self) -> tuple[tuple[Any, list[tuple[Any, int | None, Ids]]], ...]:
        """For each nested model, what channels come in; those of all its calls are the same."""
        found: dict[int, tuple[Any, list[tuple[Any, int | None, Ids]]]] = {}
        for model, tensors in self.graph.nested:
            flows = [self.flows[tensor] for tensor in tensors]
            if id(model) not in found:
                nothing = np.empty(0, np.intp)
                found[id(model)] = (
                    model,
                    [
                        (self.shape(t), None, nothing)
                        if f is None
                        else (self.shape(t), f.axis, f.ids)
                        for t, f in zip(tensors, flows, strict=True)
                    ],
                )
                continue
            entries = found[id(model)][1]
            for place, flow in enumerate(flows):
                shape, axis, ids = entries[place]
                if flow is None or axis is None:
                    if axis is not None:
                        self.unions.fix(ids)
                    if flow is not None:
                        self.unions.fix(flow.ids)
                    entries[place] = shape, None, ids
                else:
                    self.unions.unite(ids, flow.ids)
        return tuple(found.values())
