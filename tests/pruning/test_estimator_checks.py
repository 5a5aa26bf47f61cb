"""scikit-learn's own checks of what an estimator is."""

import pytest
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skprune import (
    SOCPEnsemblePruner,
    SOCPEnsemblePrunerCV,
    SOCPEnsemblePrunerRegressor,
    SOCPEnsemblePrunerRegressorCV,
)

pytestmark = pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")

TREES = [(f"tree{depth}", DecisionTreeClassifier(max_depth=depth)) for depth in (1, 2, 3)]
BAG = BaggingClassifier(DecisionTreeClassifier(max_depth=2), 5)
# Of the few rows that some checks have, each is out of bag for some member.
LARGER_BAG = BaggingClassifier(DecisionTreeClassifier(max_depth=2), 20)
NUMBER_TREES = [(f"tree{depth}", DecisionTreeRegressor(max_depth=depth)) for depth in (1, 2, 3)]
NUMBER_BAG = BaggingRegressor(DecisionTreeRegressor(max_depth=2), 5)
# Some checks have twenty rows of three classes: a quarter of them is too few for three folds.
SMALL = {"alphas": [0.8, 1.0], "lams": [0.1, 0.5], "reweights": [0.5], "inner_cv": 3}
SMALL |= {"n_resamples": 2, "cv": 2}
REASON = "The bag draws rows, and the search folds, so a row of weight two is not two rows."


def expected_failures(estimator):
    if not isinstance(estimator.estimator, BaggingClassifier | BaggingRegressor):
        return {}
    checks = "check_sample_weight_equivalence_on"
    return {f"{checks}_dense_data": REASON, f"{checks}_sparse_data": REASON}


@parametrize_with_checks(
    [
        SOCPEnsemblePruner(TREES),
        SOCPEnsemblePruner(BAG, cv=2, random_state=0),
        SOCPEnsemblePruner(LARGER_BAG, cv="oob", random_state=0),
        SOCPEnsemblePruner(TREES, voting="soft"),
        SOCPEnsemblePruner(TREES, fit_intercept=False),
        SOCPEnsemblePrunerCV(TREES, **SMALL),
        SOCPEnsemblePrunerCV(TREES, voting="soft", calibrate="temperature", **SMALL),
        SOCPEnsemblePrunerRegressor(NUMBER_TREES, random_state=0),
        SOCPEnsemblePrunerRegressor(NUMBER_BAG, cv=2, random_state=0),
        SOCPEnsemblePrunerRegressor(NUMBER_BAG, cv="oob", random_state=0),
        SOCPEnsemblePrunerRegressorCV(NUMBER_TREES, **SMALL),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
