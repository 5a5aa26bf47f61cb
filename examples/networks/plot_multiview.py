"""
Twelve views of solids: prune the views that matter less
========================================================

A multi-view network looks at a solid through twelve cameras. This is the whole way from training
it to a network whose views are pruned by their importance: measure, fit curves, find the best
amount, give each view its own, apply, and compare what was promised with what is delivered. It
takes a quarter of an hour on two cores. Its page was built with ``--quick``, six views of 400
solids of 16 x 16 pixels instead of twelve of 2,000 of 32 x 32, less noise, and fewer measured
amounts, so it shows the way and not what can be reached: at full size the network has 99.2 % on
held-out samples before pruning.
"""

# %%
# Views of solids
# ---------------
# Ten kinds of solid, upright, turned at random, a little tilted and stretched, and noisy.

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import argparse
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from skprune import MultiViewCNNClassifier, PruningAmountOptimizer
from skprune.amount import AccuracyReward, PruningReward, SizeReward, TimeReward
from skprune.datasets import SOLID_NAMES, make_multiview_solids
from skprune.ensemble import CNNArchitecture, ConvBlock
from skprune.exceptions import InfeasibleLimitsWarning
from skprune.inspection import (
    AmountFrontierDisplay,
    ImportanceAmountDisplay,
    RewardDisplay,
    ViewAmountsDisplay,
)
from skprune.multiview import PrunedMultiViewClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--quick", action="store_true", help="less of everything")
quick = parser.parse_known_args()[0].quick

n_views = 6 if quick else 12
if quick:
    X, y = make_multiview_solids(400, n_views, size=16, noise=0.1, random_state=0)
else:
    X, y = make_multiview_solids(2000, n_views, random_state=0)
n_train = len(X) * 3 // 4
X_train, y_train, X_test, y_test = X[:n_train], y[:n_train], X[n_train:], y[n_train:]

figure, axes = plt.subplots(10, n_views, figsize=(0.75 * n_views, 7.5), layout="constrained")
for kind, row in enumerate(axes):
    for view, ax in enumerate(row):
        ax.imshow(X[np.flatnonzero(y == kind)[0], view, :, :, 0], cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(SOLID_NAMES[kind], rotation=0, ha="right", va="center")
figure.suptitle("One solid of each kind, a column a camera")

# %%
# One network for all views
# -------------------------
# One tower looks at every view, the maximum over the views goes to the head. One view alone is
# clearly worse.

architecture = CNNArchitecture(
    blocks=(ConvBlock((16, 16), "max"), ConvBlock((32, 32), "max")),
    dense_units=64,
    dropout=0.2,
    learning_rate=5e-3 if quick else 2e-3,
)
epochs = 16 if quick else 20
cnn = MultiViewCNNClassifier(architecture, epochs=epochs, random_state=0).fit(X_train, y_train)
single = MultiViewCNNClassifier(architecture, epochs=epochs, random_state=0)
single.fit(X_train[:, :1], y_train)
print(f"test accuracy, one view: {single.score(X_test[:, :1], y_test):.3f}")
print(f"test accuracy, {n_views} views: {cnn.score(X_test, y_test):.3f}")

# %%
# How much each view matters is its reciprocal mean rank over five repeats.

print("importance of the views:", np.round(cnn.view_importances_, 2))

# %%
# Measure, and give each view its amount
# --------------------------------------
# The tower is pruned by several amounts, alike for all views, fine-tuned and measured. The curve
# of accuracy and the importance of the views then give each view its own amount, so that the
# weighted mean of the accuracies stays within one point of the unpruned network's. The towers
# are slices of one tower with ranked channels.

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", InfeasibleLimitsWarning)
    pruned = PrunedMultiViewClassifier(
        FrozenEstimator(cnn),
        towers="nested",
        round_to=2,
        amounts=[0, 0.45, 0.9] if quick else [0, 0.2, 0.4, 0.6, 0.8, 0.9],
        random_state=0,
    ).fit(X_train, y_train)
sweep = pruned.sweep_
columns = ["amount", "accuracy_before", "accuracy", "time", "size", "macs"]
print(sweep.to_frame()[columns].to_string(index=False))

# %%
# Curves, rewards and the best amount for all views alike, as in the notebook. Its rewards are
# rescaled to this network's time and size.

optimizer = PruningAmountOptimizer(
    accuracy_curve="pchip",
    time_curve="pchip",
    size_curve="pchip",
    rewards=(
        AccuracyReward(),
        TimeReward(sigma=0.8 * sweep.time[0]),
        SizeReward(sigma_left=sweep.size[0] / 240),
        PruningReward(),
    ),
    min_accuracy=sweep.accuracy[0] - 0.02,
    random_state=0,
).fit(sweep.X, sweep.y)
print(f"best amount for all views alike: {optimizer.best_amount_:.3f}")
figure, axes = plt.subplots(3, 1, figsize=(8, 11), layout="constrained")
for reward, ax in zip(("accuracy", "time", "size"), axes, strict=True):
    RewardDisplay.from_estimator(optimizer, reward=reward, ax=ax)
AmountFrontierDisplay.from_estimator(optimizer)

# %%
# The important views keep more of the tower.

ViewAmountsDisplay.from_result(pruned.view_amounts_)
ImportanceAmountDisplay.from_result(pruned.view_amounts_)

# %%
# Promised and delivered
# ----------------------
# The weighted mean is a promise by the curve, as if each view decided alone. What the network
# really does is measured: a slice for each view, one pooling, one head.

before, after = pruned.unpruned_, pruned.delivered_
print(f"accuracy promised by the weighted mean: {pruned.predicted_accuracy_:.3f}")
print(
    f"accuracy delivered on held-out samples: {after.accuracy:.3f} (unpruned {before.accuracy:.3f})"
)
print(f"multiply-accumulates: {pruned.networks_.cost().macs / sweep.macs[0]:.2f} of the unpruned")
print(f"time: {after.time / before.time:.2f}, size: {after.size / before.size:.2f} of the unpruned")
print(
    f"test accuracy: {pruned.score(X_test, y_test):.3f}, unpruned {cnn.score(X_test, y_test):.3f}"
)
for warning in caught:
    print("warned:", warning.message)

# %%
# A view with amount 1 is dropped altogether, camera and all.

keep = np.argsort(-cnn.view_importances_)[: n_views // 2]
half = PrunedMultiViewClassifier(
    FrozenEstimator(cnn),
    towers="nested",
    round_to=2,
    view_amounts=np.where(np.isin(np.arange(n_views), keep), 0.3, 1.0),
    amounts=[0, 0.3],
    random_state=0,
).fit(X_train, y_train)
print(
    f"the {len(keep)} most important views, pruned by 0.3: "
    f"{half.delivered_.accuracy:.3f} held out, {half.score(X_test, y_test):.3f} on test, "
    f"time {half.delivered_.time / before.time:.2f}"
)
plt.show()
