"""scikit-learn's own checks of what an estimator is."""

from sklearn.ensemble import BaggingClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skprune import SOCPEnsemblePruner

TREES = [(f"tree{depth}", DecisionTreeClassifier(max_depth=depth)) for depth in (1, 2, 3)]

WEIGHT_IS_NO_REPETITION = (
    "Rows are drawn (for the folds, and by the bag), so a row of weight two is not two rows."
)


def expected_failures(estimator):
    if isinstance(estimator.estimator, BaggingClassifier):
        return {
            "check_sample_weight_equivalence_on_dense_data": WEIGHT_IS_NO_REPETITION,
            "check_sample_weight_equivalence_on_sparse_data": WEIGHT_IS_NO_REPETITION,
        }
    return {}


@parametrize_with_checks(
    [
        SOCPEnsemblePruner(TREES),
        SOCPEnsemblePruner(BaggingClassifier(DecisionTreeClassifier(max_depth=2), 5), cv=2),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
