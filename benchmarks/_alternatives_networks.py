"""Networks: what several packages make of the same one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _alternatives import BATCH, CHANNELS, TUNING, ZEROS, by_turns, installed

WIDTHS = (32, 64, 128)


@dataclass(frozen=True, eq=False)
class Task:
    """Images, and one trained network's weights in the order of Keras."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    weights: list[np.ndarray]


def task(folder: Path, seed: int) -> Task:
    with np.load(folder / "images.npz") as file:
        parts = [file[name] for name in ("X", "y", "X_test", "y_test")]
    with np.load(folder / f"network_{seed}.npz") as file:
        return Task(*parts, [file[f"w{i}"] for i in range(len(file.files))])


def measured(name: str, base: Any, before: Any, after: Any, run: Callable, t: Task, n: int) -> dict:
    """run(net, X) gives a network's answers; speed is against the unpruned one, by turns."""

    def accuracy(net: Any) -> float | None:
        if net is None:
            return None
        found = [run(net, X).argmax(axis=1) for X in np.array_split(t.X_test, 4)]
        return float((np.concatenate(found) == t.y_test).mean())

    times = by_turns([lambda: run(base, t.X[:BATCH]), lambda: run(after, t.X[:BATCH])], 5)
    return {
        "method": name,
        "before": accuracy(before),
        "accuracy": accuracy(after),
        "parameters": n,
        "speed_up": float(np.median(times[:, 0] / times[:, 1])),
    }


def run_keras(net: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(net.predict_on_batch(X))


def few_threads(threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def skprune_networks(folder: Path, seed: int, images: Path | None) -> Iterator[dict]:
    """Where the folder has no network of this seed, it is trained first."""
    from networks import Images, network, of_file, trained, tuned

    from skprune.metrics import model_cost
    from skprune.sparsity import prune_channels, prune_magnitude

    if not (folder / f"network_{seed}.npz").exists():
        if images is None:
            raise SystemExit("The first run needs --images, to train the networks.")
        data = of_file(images)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = (data.X_train, data.y_train, data.X_test, data.y_test)
        names = ("X", "y", "X_test", "y_test")
        np.savez(folder / "images.npz", **dict(zip(names, arrays, strict=True)))
        weights = trained(data, seed, None).get_weights()
        np.savez(folder / f"network_{seed}.npz", **{f"w{i}": w for i, w in enumerate(weights)})
    t = task(folder, seed)
    data = Images("images", t.X, t.y, t.X_test, t.y_test)
    net = network(t.X.shape[1:], WIDTHS, seed)
    net.set_weights(t.weights)
    base = tuned(net, data, TUNING, seed)
    for name, pruned in (
        ("Keras, unpruned", net),
        ("skprune, prune_channels", prune_channels(net, CHANNELS)),
        ("skprune, prune_magnitude", prune_magnitude(net, ZEROS)),
    ):
        after = base if pruned is net else tuned(pruned, data, TUNING, seed)
        own = net if pruned is net else base
        cost = model_cost(after)
        found = measured(name, own, pruned, after, run_keras, t, int(cost.parameters))
        yield found | {"nonzero": int(cost.nonzero)}


def twin(t: Task) -> Any:
    """The network in PyTorch, with the same weights."""
    import torch
    from torch import nn

    stack: list[Any] = []
    channels = t.X.shape[-1]
    for width in WIDTHS:
        for _ in range(2):
            stack += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width, eps=1e-3),
                nn.ReLU(),
            ]
            channels = width
        stack.append(nn.MaxPool2d(2))
    net = nn.Sequential(*stack, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
    left = [torch.tensor(w) for w in t.weights]
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(left.pop(0).permute(3, 2, 0, 1))
            elif isinstance(layer, nn.BatchNorm2d):
                for own in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                    own.copy_(left.pop(0))
            elif isinstance(layer, nn.Linear):
                layer.weight.copy_(left.pop(0).T)
                layer.bias.copy_(left.pop(0))
    return net.eval()


def tuned_torch(net: Any, t: Task, seed: int) -> Any:
    """As fine_tune and reestimate_batch_norm do it: Adam, batches of 64, then one pass."""
    import copy

    import torch

    torch.manual_seed(seed)
    net = copy.deepcopy(net).train()
    X, y = torch.tensor(t.X).permute(0, 3, 1, 2).contiguous(), torch.tensor(t.y).long()
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(TUNING):
        for rows in torch.randperm(len(X)).split(64):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(X[rows]), y[rows]).backward()
            adam.step()
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over batches
    with torch.no_grad():
        for part in X.split(256):
            net(part)
    return net.eval()


def run_torch(net: Any, X: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return net(torch.from_numpy(X).permute(0, 3, 1, 2).contiguous()).numpy()


def cut_by_torch_pruning(net: Any, example: Any) -> Any:
    import torch_pruning as tp

    importance = tp.importance.MagnitudeImportance(p=2)  # its default, over all that goes along
    classifier = [m for m in net.modules() if getattr(m, "out_features", None) == 10]
    options = {"pruning_ratio": CHANNELS, "ignored_layers": classifier, "round_to": 8}
    tp.pruner.MagnitudePruner(net, example, importance=importance, **options).step()
    return net


def cut_by_nni(net: Any, example: Any) -> Any:
    from nni.compression.pruning import L1NormPruner
    from nni.compression.speedup import ModelSpeedup

    pruner = L1NormPruner(net, [{"op_types": ["Conv2d"], "sparse_ratio": CHANNELS}])
    _, masks = pruner.compress()
    pruner.unwrap_model()
    return ModelSpeedup(net, example, masks).speedup_model()


CUTS = {"Torch-Pruning": cut_by_torch_pruning, "NNI": cut_by_nni}


def torch_networks(name: str, folder: Path, seed: int, threads: int) -> Iterator[dict]:
    import torch

    torch.set_num_threads(threads)
    t = task(folder, seed)
    # Unpruned, it has been measured in Keras; its weights do not change its speed.
    net = twin(t)
    pruned = CUTS[name](twin(t), torch.zeros(2, t.X.shape[-1], *t.X.shape[1:3])).eval()
    after = tuned_torch(pruned, t, seed)

    def size(net: Any) -> int:
        # With the statistics of batch normalisations, as Keras counts.
        return sum(w.numel() for w in net.state_dict().values() if w.is_floating_point())

    yield measured(name, net, pruned, after, run_torch, t, size(after))


def legacy_twin(t: Task) -> Any:
    """The network in Keras 2, with the same weights."""
    import tf_keras
    from tf_keras import layers

    stack = [layers.InputLayer(t.X.shape[1:])]
    for width in WIDTHS:
        for _ in range(2):
            stack += [
                layers.Conv2D(width, 3, padding="same", use_bias=False),
                # Two epochs are few steps for its moving averages at the default of 0.99.
                layers.BatchNormalization(momentum=0.9),
                layers.ReLU(),
            ]
        stack.append(layers.MaxPooling2D())
    stack += [layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]
    net = tf_keras.Sequential(stack)
    net.set_weights(t.weights)
    return net


def tfmot_networks(folder: Path, seed: int) -> Iterator[dict]:
    import tensorflow_model_optimization as tfmot
    import tf_keras

    t = task(folder, seed)
    sparsity = tfmot.sparsity.keras

    def tuned(net: Any, *callbacks: Any) -> Any:
        tf_keras.utils.set_random_seed(seed)
        net.compile(tf_keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
        net.fit(t.X, t.y, batch_size=64, epochs=TUNING, verbose=0, callbacks=list(callbacks))
        return net

    steps = -(-len(t.X) // 64)
    # As its guide does it: more zeros from step to step, here over the first of two passes.
    schedule = sparsity.PolynomialDecay(0.0, ZEROS, 0, steps, frequency=5)
    wrapped = sparsity.prune_low_magnitude(legacy_twin(t), pruning_schedule=schedule)
    after = sparsity.strip_pruning(tuned(wrapped, sparsity.UpdatePruningStep()))
    found = measured(
        "tensorflow-model-optimization",
        legacy_twin(t),
        None,
        after,
        run_keras,
        t,
        after.count_params(),
    )
    yield found | {"nonzero": sum(int(np.count_nonzero(w.numpy())) for w in after.weights)}


def networks(
    seeds: int, folder: Path, images: Path | None, threads: int, done: set[tuple]
) -> Iterator[dict]:
    for seed in range(seeds):
        found: dict[str, Iterator[dict]] = {}  # by the last record of each
        if installed("skprune", "keras"):
            found["skprune, prune_magnitude"] = skprune_networks(folder, seed, images)
        for name, module in (("Torch-Pruning", "torch_pruning"), ("NNI", "nni.compression")):
            if installed(module, "torch"):
                found[name] = torch_networks(name, folder, seed, threads)
        if installed("tensorflow_model_optimization", "tf_keras"):
            found["tensorflow-model-optimization"] = tfmot_networks(folder, seed)
        for last, records in found.items():
            if (None, seed, last) in done:
                continue
            for record in records:
                yield {"part": "networks", "seed": seed, **record}
