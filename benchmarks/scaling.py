"""What 300 members of the paper's space on ImageNet would take, from rates that were measured.

python benchmarks/scaling.py

Prints the table of docs/scaling.md. Nothing of it is measured here; the rates are those of
docs/benchmarks.md, and the architectures are drawn as an ensemble draws them.
"""

import os

import numpy as np
from _common import table

from skprune import CNNSpace
from skprune.ensemble._space import sample_members

MEMBERS, PASSES = 300, 30
TRAINING, CALIBRATION, CLASSES = 1_281_167, 50_000, 1000

# Operations a second in training and in predicting: one core of an AMD EPYC (TensorFlow, one
# thread), and an H200 (JAX, TF32, deterministic kernels, batches of 64 images of 28 x 28).
RATES = {"core": 100e9, "H200": 70e12}
# Seconds of `fit` on 300 members x 50,000 x 100 predictions that lie on disk, and the bytes
# that it read in them.
CHOICE_SECONDS, CHOICE_CLASSES = 54, 100


def in_words(seconds: float) -> str:
    for unit, size in (("years", 365 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def column(side: int) -> list[str]:
    architectures = [plan.architecture for plan in sample_members(CNNSpace.paper(), MEMBERS, 0)]
    shape = (side, side, 3)
    macs = np.mean([each.multiply_adds(shape, CLASSES) for each in architectures])
    weights = 4 * np.sum([each.n_weights(shape, CLASSES) for each in architectures])
    pixels = TRAINING * side * side * 3
    outputs = MEMBERS * CALIBRATION * CLASSES
    a_pass = {name: 6 * macs * TRAINING / rate for name, rate in RATES.items()}
    a_forward = {name: 2 * macs * CALIBRATION / rate for name, rate in RATES.items()}
    return [
        f"{macs / 1e9:.1f} G",
        f"{weights / 1e9:.1f} GB",
        f"{pixels / 1e9:.0f} GB",
        f"{2 * 4 * pixels / 1e9:.0f} GB",
        f"{in_words(a_pass['core'])}; {in_words(a_pass['H200'])}",
        in_words(MEMBERS * PASSES * a_pass["core"] / 1000),
        in_words(MEMBERS * PASSES * a_pass["H200"] / 8),
        f"{in_words(a_forward['core'])}; {in_words(a_forward['H200'])}",
        f"{4 * outputs / 1e9:.0f} GB; {2 * outputs / 1e9:.0f} GB",
        in_words(CHOICE_SECONDS * CLASSES / CHOICE_CLASSES),
    ]


NAMES = [
    "multiply-adds of an image, mean",
    "weights of all members: memory, cache, traffic back",
    "training pixels, uint8: one file, read by every machine",
    "memory of a worker: the pixels as float32, twice while they are handed over",
    "one pass of one member: one core; one H200",
    f"{MEMBERS} members, {PASSES} passes: 1,000 cores",
    f"{MEMBERS} members, {PASSES} passes: 8 H200",
    "predictions of one member: one core; one H200",
    "predictions of all members on disk: float32; float16",
    "choosing among them, on one core",
]


def scaling() -> str:
    """The table in Markdown."""
    sides = (64, 224)
    columns = [column(side) for side in sides]
    rows = [[name, *values] for name, *values in zip(NAMES, *columns, strict=True)]
    return table(["", *(f"{side} x {side}" for side in sides)], rows)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(scaling())
