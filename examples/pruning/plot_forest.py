"""
Prune a forest
==============

A forest of 200 shallow trees on scikit-learn's digits. The cone program keeps the trees that
matter, and figures show what that costs, and which trees they are. Nothing here is about trees:
any ensemble with ``predict_proba`` is pruned alike.
"""

# %%
# Train and prune
# ---------------
# The forest is trained once, on all rows, and each tree is judged on the rows that it did not draw.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from skprune import SOCPEnsemblePruner
from skprune.inspection import AccuracyDiversityDisplay, PruningPathDisplay, pruning_report

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

forest = RandomForestClassifier(200, max_depth=5, random_state=0)
pruner = SOCPEnsemblePruner(forest, max_members=40, random_state=0)
pruner.fit(X, y)

# %%
# The pruner trains the forest, and lets go of the trees that it drops.

print(f"{pruner.n_members_} of {pruner.n_members_in_} trees kept")
print(f"test accuracy of those: {pruner.score(X_test, y_test):.3f}")

# %%
# The paper's tables
# ------------------
# The full ensemble has to be given again, since the pruner holds the trees that it kept, and no
# other.

print(pruning_report(pruner, X_test, y_test, ensemble=forest.fit(X, y)))

# %%
# Accuracy against the number of trees
# ------------------------------------
# All penalties are solved at once, from many trees (small lambda) to one. The line is the
# accuracy of what each of them keeps, here on the calibration rows, where the choice was made,
# so it flatters: the star is what was kept.

display = PruningPathDisplay.from_estimator(pruner)
display.ax_.set_title("Trees kept, and accuracy on calibration rows")

# %%
# Which trees are kept
# --------------------
# Each point is a tree: its own accuracy, and how far its votes stand from the mean of all. The
# program takes accurate trees, and among them those that differ.

display = AccuracyDiversityDisplay.from_estimator(pruner, annotate=False)
display.ax_.set_title("Accuracy and diversity of the trees")

# %%
# Why
# ---
# The eight trees that matter most, without which the objective would rise most
# (``leave_one_out_increase``). ``most_similar_member`` is the kept tree whose errors are most
# similar to its own.

pruner.explain(8)

# %%
# The pruner itself is an estimator like any other; its name links to its page.

pruner

# %%
plt.show()
