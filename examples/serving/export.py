"""
Export an ensemble for the service
==================================

Train six small CNNs on images of digits, prune, and export the vote as one graph::

    pip install "skprune[onnx]"
    python examples/serving/export.py pruner.onnx

About a minute, for something that ``service.py`` can serve. A digit that no network has seen is
written beside the graph, as ``digit.png``.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.serving import OnnxPredictor, export_onnx


def main() -> None:
    parser = argparse.ArgumentParser(description="Train, prune and export a small ensemble.")
    parser.add_argument("path", type=Path, help="where the graph goes")
    parser.add_argument("--members", type=int, default=6, help="CNNs to train")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    digits = load_digits()
    # From 0 ... 16 to 0 ... 255, as image files have it: the service then needs no --pixel-scale.
    X = np.round(digits.images * (255 / 16)).astype(np.uint8)
    X, X_test, y, y_test = train_test_split(
        X, digits.target, test_size=0.25, stratify=digits.target, random_state=options.seed
    )
    space = CNNSpace(n_blocks=[1, 2], filters=[8, 16], learning_rate=(3e-3, 1e-2))
    ensemble = RandomCNNEnsembleClassifier(
        options.members, space=space, epochs=options.epochs, random_state=options.seed
    )
    pruner = SOCPEnsemblePruner(ensemble, random_state=options.seed).fit(X, y)
    export_onnx(pruner, options.path)
    Image.fromarray(X_test[0]).save(options.path.with_name("digit.png"))

    right = (OnnxPredictor(options.path).predict(X_test) == y_test).mean()
    print(f"{options.path}: {pruner.n_members_} of {options.members} networks, "
          f"test accuracy {right:.3f}. Now try:")  # fmt: skip
    print(f"    python examples/serving/service.py {options.path}")


if __name__ == "__main__":
    main()
