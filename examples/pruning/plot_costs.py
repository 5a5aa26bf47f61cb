"""
Members that cost something
===========================

A vote of trees of very different sizes. With ``max_cost`` there is a budget, of parameters here;
with ``penalize_costs`` the penalty of a tree is in proportion to its number of nodes, so that small
trees are kept where they do as well as large ones.
"""

# %%
# Trees of five depths
# --------------------
# Ten trees each, splits taken among eight random columns, given as a list.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from skprune import SOCPEnsemblePruner

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

depths = np.repeat([4, 6, 8, 10, 14], 10)
trees = [
    (f"tree {i}", DecisionTreeClassifier(max_depth=int(depth), max_features=8, random_state=i))
    for i, depth in enumerate(depths)
]

# %%
# Equal and proportional penalties
# --------------------------------
# The same program, with the same penalty for each tree, and with one in proportion to its size.

kept = {}
params = {"cv": 5, "costs": "parameters", "random_state": 0}
for name, by_size in (("equal penalties", False), ("penalties by size", True)):
    pruner = SOCPEnsemblePruner(trees, penalize_costs=by_size, lam=0.3, **params).fit(X, y)
    nodes = sum(tree.tree_.node_count for tree in pruner.estimators_)
    kept[name] = pruner
    print(
        f"{name}: {pruner.n_members_} of {pruner.n_members_in_} trees, {nodes} nodes, "
        f"test accuracy {pruner.score(X_test, y_test):.3f}"
    )

# %%
# The weights move to smaller trees.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for ax, (name, pruner) in zip(axes, kept.items(), strict=True):
    shares = [pruner.weights_[depths == depth].sum() for depth in np.unique(depths)]
    bars = ax.bar(np.unique(depths).astype(str), shares, color="C0")
    counts = [int(pruner.support_[depths == depth].sum()) for depth in np.unique(depths)]
    ax.bar_label(bars, [f"{n} trees" for n in counts], padding=2, fontsize=9)
    ax.set(title=name, xlabel="largest depth")
    ax.margins(y=0.15)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("sum of the weights")

# %%
# A budget
# --------
# ``max_cost`` is what the kept trees may cost together, in the same unit: of the sets that fit, the
# one with the least log loss on the calibration rows is kept.

whole = kept["penalties by size"].explain().cost.sum()
spent, accuracy, members = [], [], []
for share in (0.05, 0.1, 0.2, 0.3, 0.5):
    pruner = SOCPEnsemblePruner(trees, max_cost=share * whole, **params).fit(X, y)
    spent.append(pruner.explain().cost[pruner.support_].sum() / whole)
    accuracy.append(pruner.score(X_test, y_test))
    members.append(pruner.n_members_)

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
ax.plot(spent, accuracy, "o-")
for x, z, n in zip(spent, accuracy, members, strict=True):
    ax.annotate(f"{n} trees", (x, z), xytext=(6, -12), textcoords="offset points", fontsize=9)
ax.set(xlabel="cost of the kept trees, of all", ylabel="test accuracy", title="What a budget buys")
ax.margins(0.15)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
