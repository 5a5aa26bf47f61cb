"""
Both prunings together: an ensemble kept small
==============================================

Random CNNs are trained. The cone program keeps the few that matter; those are cut down,
fine-tuned and reweighted, and the whole is measured: full ensemble, kept members, cut members.
It takes about three minutes on two cores; with ``--images mnist.npz``, the file that Keras
downloads, longer. Its page was built with ``--members 6 --quick``, six small networks of fewer
epochs, which leaves less to drop; what sixteen and more networks gain is in :doc:`/benchmarks`.
"""

# sphinx_gallery_thumbnail_number = 2

# %%

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skprune import (
    CNNSpace,
    EnsembleCompressor,
    RandomCNNEnsembleClassifier,
    SOCPEnsemblePruner,
)
from skprune.datasets import load_image_npz
from skprune.inspection import AmountFrontierDisplay


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", help="an .npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="smaller, and trained less")
    return parser.parse_known_args()[0]  # galleries have arguments of their own


def images(path):
    """Images to train on, to choose on and to test on, with their classes."""
    if path is None:
        X, y = load_digits(return_X_y=True)
        X = X.reshape(-1, 8, 8)
    else:
        loaded = load_image_npz(path)
        X, y = loaded.X_train[:12000], loaded.y_train[:12000]
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    X, X_val, y, y_val = train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
    return X, y, X_val, y_val, X_test, y_test


given = options()
X, y, X_val, y_val, X_test, y_test = images(given.images)

# %%
# Many networks
# -------------
# Random architectures, each trained by itself.

ensemble = RandomCNNEnsembleClassifier(
    given.members,
    space=CNNSpace(n_blocks=[1, 2], filters=[8, 16, 32]) if given.quick else None,
    epochs=20 if given.images is None else 6,
    n_jobs=-1,
    random_state=0,
).fit(X, y)
print(f"{given.members} networks, test accuracy {ensemble.score(X_test, y_test):.4f}")

# %%
# Few, and small
# --------------
# Selected, cut and weighted on samples that the networks were not trained on. The limit is the
# accuracy of the full ensemble on these, less 0.2 points.

compressor = EnsembleCompressor(FrozenEstimator(ensemble), random_state=0, verbose=1)
if given.quick:
    few = SOCPEnsemblePruner(None, max_members=3)  # by default one in six
    compressor.set_params(pruner=few, amounts=[0, 0.3, 0.6, 0.9], fine_tune_epochs=4)
compressor.fit(X, y, X_val=X_val, y_val=y_val)
print(compressor.report_)
print("amounts of the kept members:", np.round(compressor.member_amounts_, 2))
print("weights of the cut members:", np.round(compressor.weights_, 2))

# %%
# Promised by the curves, delivered by the cut members, and what samples say that nothing was
# chosen on:

promised, delivered = compressor.promised_, compressor.delivered_
print(f"accuracy promised {promised.accuracy:.4f}, delivered {delivered.accuracy:.4f}")
print(f"size, MB: promised {promised.size:.4f}, delivered {delivered.size:.4f}")
print(
    f"test accuracy: full ensemble {ensemble.score(X_test, y_test):.4f}, "
    f"cut members {compressor.score(X_test, y_test):.4f}"
)

# %%
# The report as a figure.

stages = compressor.report_.stages
names = ["\n".join([*stage.name.split(), f"({stage.n_models})"]) for stage in stages]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for ax, title, values, form in (
    (axes[0], "accuracy, held-out samples", [s.accuracy for s in stages], "{:.2%}"),
    (axes[1], "size, MB", [s.size for s in stages], "{:.3g}"),
    (axes[2], "time of a batch, ms", [1e3 * s.time for s in stages], "{:.3g}"),
):
    bars = ax.bar(names, values, color=["0.75", "0.5", "C0"])
    ax.bar_label(bars, [form.format(value) for value in values])
    ax.set_title(title)
    ax.margins(y=0.12)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylim(0.9 * min(stage.accuracy for stage in stages), 1.0)

# %%
# What the members give up for size when all are pruned alike; the best amount is marked.

AmountFrontierDisplay.from_estimator(compressor.optimizer_)
plt.show()
