"""Smaller networks: channels against zeros, and what round widths are worth.

python benchmarks/networks.py [--seeds 5] [--images mnist.npz] [--cache cnns]

Without --images, the images are scikit-learn's digits, enlarged to 16 x 16; --cache keeps the
trained networks.
"""

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import machine, table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skprune.datasets import load_image_npz
from skprune.metrics import ModelCost, latency_ratio, model_cost
from skprune.metrics._timing import time_rounds
from skprune.sparsity import fine_tune, prune_channels, prune_magnitude, reestimate_batch_norm

WIDTHS = (32, 64, 128)
WIDE = (64, 128, 256)
EPOCHS, FINE_TUNING = 8, 2
CHANNELS, ZEROS = 0.5, 0.8
BATCH = 1000
ROUND_TO = (1, 4, 8, 16)
AMOUNTS = (0.45, 0.6)


@dataclass(frozen=True, eq=False)
class Images:
    """Images of shape (n, height, width, channels) in [0, 1], with classes."""

    name: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def __str__(self) -> str:
        return (
            f"{self.name}: {len(self.X_train):,} images of {' x '.join(map(str, self.shape))} to "
            f"train on, {len(self.X_test):,} to test on"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.X_train.shape[1:]


def digits() -> Images:
    """scikit-learn's digits, every pixel four times."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8, 1).repeat(2, axis=1).repeat(2, axis=2).astype(np.float32) / 16
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
    return Images("digits", X, y, X_test, y_test)


def of_file(path: Path, train: int = 3000, test: int = 2000) -> Images:
    """Some of a file's training images, and some of its test images."""
    data = load_image_npz(path)
    parts: list[np.ndarray] = []
    for X, y, n in ((data.X_train, data.y_train, train), (data.X_test, data.y_test, test)):
        X, _, y, _ = train_test_split(X, y, train_size=n, stratify=y, random_state=0)
        X = X.astype(np.float32) / 255
        parts += [X[..., None] if X.ndim == 3 else X, y]
    return Images(path.stem, *parts)


def network(shape: tuple[int, ...], widths: Sequence[int], seed: int) -> Any:
    """Three blocks of two convolutions with batch normalisation, each halved by pooling."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    stack = [keras.Input(shape)]
    for width in widths:
        for _ in range(2):
            stack += [
                layers.Conv2D(width, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
            ]
        stack.append(layers.MaxPooling2D())
    stack += [layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]
    return keras.Sequential(stack)


def trained(images: Images, seed: int, cache: Path | None) -> Any:
    """A network of random weights, trained; or the one that the cache holds."""
    import keras

    file = None if cache is None else cache / f"vgg_{images.name}_{seed}.keras"
    if file is not None and file.exists():
        return keras.models.load_model(file)
    net = tuned(network(images.shape, WIDTHS, seed), images, EPOCHS, seed)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        net.save(file)
    return net


def tuned(net: Any, images: Images, epochs: int, seed: int) -> Any:
    X, y = images.X_train, images.y_train
    return reestimate_batch_norm(fine_tune(net, X, y, epochs=epochs, random_state=seed), X)


def accuracy(net: Any, images: Images) -> float:
    found = net.predict(images.X_test, batch_size=500, verbose=0).argmax(axis=1)
    return float((found == images.y_test).mean())


# Channels against zeros


@dataclass(frozen=True, eq=False)
class Measured:
    """One network of one seed; speed-ups are against that seed's unpruned network."""

    before: float
    after: float
    many: float
    one: float
    cost: ModelCost


def measured(images: Images, seed: int, cache: Path | None) -> dict[str, Measured]:
    net = trained(images, seed, cache)
    ways = {
        "unpruned": net,
        f"{CHANNELS:.0%} of the channels": prune_channels(net, CHANNELS, round_to=8),
        f"{ZEROS:.0%} of the weights zero": prune_magnitude(net, ZEROS),
    }
    base, found = None, {}
    for name, pruned in ways.items():
        after = tuned(pruned, images, FINE_TUNING, seed)
        base = after if base is None else base

        def speed_up(X: np.ndarray, repeats: int, other: Any = after, base: Any = base) -> float:
            own = net if other is base else base  # the unpruned one against its like: the noise
            return latency_ratio(
                own.predict_on_batch, other.predict_on_batch, X, repeats=repeats
            ).ratio

        found[name] = Measured(
            accuracy(pruned, images),
            accuracy(after, images),
            speed_up(images.X_train[:BATCH], 8),
            speed_up(images.X_train[:1], 200),
            model_cost(after),
        )
    return found


def percent(values: list[float]) -> str:
    return f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}"


def times(values: list[float]) -> str:
    return f"{np.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def kilobytes(values: list[int]) -> str:
    return f"{np.mean(values) / 1e3:,.0f}"


def channels_against_zeros(
    n_seeds: int = 5, images: Images | None = None, cache: Path | None = None
) -> str:
    images = digits() if images is None else images
    runs = [measured(images, seed, cache) for seed in range(n_seeds)]
    rows = []
    for name in runs[0]:
        of = [run[name] for run in runs]
        rows.append(
            [
                name,
                percent([m.before for m in of]),
                percent([m.after for m in of]),
                times([m.many for m in of]),
                times([m.one for m in of]),
                f"{np.mean([m.cost.macs for m in of]) / 1e6:.2f}",
                f"{np.mean([m.cost.parameters for m in of]):,.0f}",
                f"{np.mean([m.cost.nonzero for m in of]):,.0f}",
                kilobytes([m.cost.file_bytes for m in of]),
                kilobytes([m.cost.compressed_bytes for m in of]),
            ]
        )
    head = [
        "network",
        "accuracy before, %",
        f"after {FINE_TUNING} epochs, %",
        f"times faster, {BATCH:,} samples",
        "times faster, one sample",
        "million MACs",
        "parameters",
        "not zero",
        "file, kB",
        "compressed, kB",
    ]
    return CHANNELS_AGAINST_ZEROS.format(
        images=images,
        seeds=n_seeds,
        epochs=EPOCHS,
        widths=words(WIDTHS),
        zeros=f"{ZEROS:.0%}",
        table=table(head, rows),
    )


# Round widths


def words(numbers: Sequence[int]) -> str:
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}"


def widths_of(net: Any) -> list[int]:
    """Filters of each block."""
    return [layer.filters for layer in net.layers if hasattr(layer, "filters")][::2]


def quartiles(a: np.ndarray, b: np.ndarray) -> str:
    """The ratio of two networks' times, round by round."""
    low, middle, high = np.exp(np.quantile(np.log(a / b), [0.25, 0.5, 0.75]))
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def rounding(images: Images | None = None) -> str:
    images = digits() if images is None else images
    wide = network(images.shape, WIDE, 0)
    rows: list[list[object]] = []
    clear: list[str] = []
    for amount in AMOUNTS:
        nets = [wide, *(prune_channels(wide, amount, round_to=n) for n in ROUND_TO)]
        timed = [
            time_rounds(
                [partial(net.predict_on_batch, X) for net in nets],
                repeats=repeats,
                warm_up=3,
                there_and_back=True,
            ).T
            for X, repeats in ((images.X_train[:BATCH], 14), (images.X_train[:1], 400))
        ]
        macs = [model_cost(net).macs for net in nets]
        eight = 1 + ROUND_TO.index(8)
        for i, n in enumerate(ROUND_TO, 1):
            row: list[object] = [amount, n, ", ".join(map(str, widths_of(nets[i])))]
            row.append(f"{macs[i] / macs[0]:.3f}")
            many = np.quantile(timed[0][i] / timed[0][eight], [0.25, 0.5, 0.75])
            if many[0] > 1 or many[2] < 1:
                clear.append(f"`round_to={n}` at amount {amount} ({many[1] - 1:+.0%})")
            for found in timed:
                row += [quartiles(found[i], found[0]), quartiles(found[i], found[eight])]
            rows.append(row)
    head = [
        "amount",
        "round_to",
        "channels",
        "MACs to unpruned",
        f"time of {BATCH:,} samples, to unpruned",
        "to round_to=8",
        "time of one sample, to unpruned",
        "to round_to=8",
    ]
    return ROUNDING.format(
        widths=words(WIDE), table=table(head, rows), batch=BATCH, clear=", ".join(clear) or "none"
    )


CHANNELS_AGAINST_ZEROS = """{images}. Networks of three blocks of two convolutions with batch
normalisation ({widths} filters), trained for {epochs} epochs, {seeds} seeds. Accuracies are means
and standard deviations over the seeds; speed-ups are medians (and ranges) over the seeds of
`latency_ratio`: `predict_on_batch` by turns with the unpruned network, which itself is timed
against its like to show the noise. All three are fine-tuned alike.

{table}

Only what is gone is saved: with half of the channels a network does a quarter of the arithmetic.
Zeros are multiplied like any other weight, so that a network of {zeros} zeros is **no faster** than
the unpruned one, and its file no smaller; it only compresses better. Neither predicts anything
useful before it is fine-tuned. One sample gains less than many: much of its time is the overhead
of a call."""

ROUNDING = """A network of the same kind, of {widths} filters and the same images, pruned by one
amount with four values of `round_to`. Times are ratios, medians (and quartiles) over rounds in
which all networks take their turn.

{table}

Rounding up adds arithmetic, and pays only where a kernel for a round width is faster by more than
that. Times of {batch:,} samples that differ from those of `round_to=8` with both quartiles on one
side of 1: {clear}."""


def networks_section(
    n_seeds: int = 5, path: Path | None = None, cache: Path | None = None
) -> tuple[str, str]:
    """Both tables with their words."""
    images = digits() if path is None else of_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return channels_against_zeros(n_seeds, images, cache), rounding(images)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=Path, help="an .npz file of images; digits without it")
    parser.add_argument("--cache", type=Path, help="folder of trained networks, to go on from")
    options = parser.parse_args()
    print(f"Machine: {machine()}.")
    for section in networks_section(options.seeds, options.images, options.cache):
        print(f"\n{section}")
