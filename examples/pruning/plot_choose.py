"""
What alpha and lambda do
========================

``alpha`` weighs accuracy against diversity, ``lam`` how few members are kept. Here
:class:`~skprune.SOCPEnsemblePrunerCV` tries a grid of both on the predictions of one forest, which
is trained once, and figures show what changes.
"""

# %%
# A grid on one forest
# --------------------
# The paper's grid ends at alpha 0.5; this one goes from there to 1. Scores are log losses, with
# their sign changed, since the accuracies of so few rows are too coarse to tell candidates apart.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import train_test_split

from skprune import SOCPEnsemblePrunerCV
from skprune.inspection import ScoreGridDisplay, SelectionFrequencyDisplay, WeightPathDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)

pruner = SOCPEnsemblePrunerCV(
    ExtraTreesClassifier(120, max_depth=8, random_state=0),
    alphas=(0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0),
    lams=(0.01, 0.03, 0.1, 0.2, 0.3, 0.45, 0.6),
    scoring="neg_log_loss",
    random_state=0,
).fit(X, y)
print("chosen:", pruner.best_params_)
print(f"{pruner.n_members_} of {pruner.n_members_in_} trees kept")
print(f"cross-validated {pruner.best_score_:.3f}, honestly {pruner.nested_score_:.3f}")

# %%
# ``nested_score_`` is the score of the whole procedure, choosing included, on rows that the choice
# had not seen; ``best_score_`` is the best of many, and flatters.
#
# Scores over the grid
# --------------------
# Each cell is the mean over five folds, at the threshold and reweighting that were chosen.

ScoreGridDisplay.from_estimator(pruner)

# %%
# Weights along lambda
# --------------------
# The path at the chosen alpha: exact, and linear between its knots. From the right, where no
# member is left, trees come in one after the other.

WeightPathDisplay.from_estimator(pruner, n_named=5)

# %%
# How sure the choice of a tree is
# --------------------------------
# The program is solved for six random halves of the calibration rows. A tree that has a weight in
# all of them is wanted whatever the rows; many a tree is one of several that would do.

SelectionFrequencyDisplay.from_estimator(pruner, max_members=30)

# %%
plt.show()
