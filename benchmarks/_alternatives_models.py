"""Which kinds of network each package cuts."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _alternatives import CHANNELS, installed
from _alternatives_networks import CUTS, cut_by_torch_pruning


def torch_models() -> dict[str, tuple[Callable, Any]]:
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, groups: int = 1):
            super().__init__()
            self.first = nn.Conv2d(3, 16, 3, padding=1)
            self.second = nn.Conv2d(16, 16, 3, padding=1, groups=groups)
            self.last = nn.Linear(16, 10)

        def forward(self, x: Any) -> Any:
            x = self.first(x).relu()
            return self.last((x + self.second(x).relu()).mean((2, 3)))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(8, 32)
            self.block = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
            self.last = nn.Linear(32, 10)

        def forward(self, x: Any) -> Any:
            return self.last(self.block(self.first(x)).mean(1))

    picture, words = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 8)
    return {
        "layers that are added": (Residual, picture),
        "depthwise convolution": (lambda: Residual(16), picture),
        "attention": (Transformer, words),
        "a forward of its own": (Residual, picture),
    }


def keras_models() -> dict[str, Callable]:
    import keras
    from keras import layers

    def residual(make: Callable) -> Any:
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
        x = layers.add([x, make(x)])
        return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))

    def attention() -> Any:
        inputs = keras.Input((5, 8))
        x = layers.Dense(32)(inputs)
        x = layers.add([x, layers.MultiHeadAttention(4, 8)(x, x)])
        x = layers.Dense(32)(layers.Dense(64, activation="relu")(x))
        return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.Conv2D(16, 3), layers.Dense(10)

        def call(self, x: Any) -> Any:
            return self.last(keras.ops.mean(self.first(x), (1, 2)))

    def own() -> Any:
        net = Own()
        net(np.zeros((2, 8, 8, 3), "float32"))
        return net

    return {
        "layers that are added": lambda: residual(layers.Conv2D(16, 3, padding="same")),
        "depthwise convolution": lambda: residual(layers.DepthwiseConv2D(3, padding="same")),
        "attention": attention,
        "a forward of its own": own,
    }


def models() -> Iterator[dict]:
    """Which kinds of network each package cuts: parameters before and after, or the refusal."""

    def tried(package: str, kind: str, cut: Callable[[], tuple[int, int]]) -> dict:
        try:
            before, after = cut()
            outcome = f"{before:,} to {after:,}" if after < before else "unchanged"
        except ImportError:
            raise
        except Exception as error:
            lines = str(error).strip().splitlines()
            outcome = f"{type(error).__name__}: {lines[0][:160] if lines else ''}"
        return {"part": "models", "package": package, "kind": kind, "outcome": outcome}

    if installed("skprune", "keras"):
        from skprune.sparsity import prune_channels

        for kind, make in keras_models().items():

            def cut(make: Callable = make) -> tuple[int, int]:
                net = make()
                return net.count_params(), prune_channels(net, CHANNELS).count_params()

            yield tried("skprune", kind, cut)
    for package, by in CUTS.items():
        module = "torch_pruning" if by is cut_by_torch_pruning else "nni.compression"
        if not installed("torch", module):
            continue
        for kind, (make, example) in torch_models().items():

            def cut(make: Callable = make, example: Any = example, by: Any = by) -> tuple[int, int]:
                net = make().eval()
                before = sum(p.numel() for p in net.parameters())
                net = by(net, example)
                if net(example).shape != (2, 10):
                    raise ValueError("The shape of the output changed.")
                return before, sum(p.numel() for p in net.parameters())

            yield tried(package, kind, cut)
    if installed("tensorflow_model_optimization"):
        import keras
        from tensorflow_model_optimization.sparsity.keras import prune_low_magnitude

        def cut() -> tuple[int, int]:
            net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(10)])
            return net.count_params(), prune_low_magnitude(net).count_params()

        yield tried("tensorflow-model-optimization", f"Keras {keras.__version__} Sequential", cut)
