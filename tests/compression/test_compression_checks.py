import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skprune import EnsembleCompressor, PrunedCNNClassifier, SOCPEnsemblePruner

from .networks import RandomFeatureNetwork

pytestmark = [
    pytest.mark.keras,
    pytest.mark.usefixtures("untimed", "unsaved"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# Without fine-tuning nothing is traced, and zero weights are possible for any number of columns.
SETTINGS = {"method": "magnitude", "fine_tune_epochs": 0, "amounts": [0, 0.25], "random_state": 0}
CHECKED = [
    PrunedCNNClassifier(RandomFeatureNetwork(), min_accuracy=0.1, **SETTINGS),
    EnsembleCompressor(
        [("first", RandomFeatureNetwork()), ("second", RandomFeatureNetwork(units=8))],
        pruner=SOCPEnsemblePruner(None, lam=0.0),
        rule="inverse",
        min_accuracy=0.1,
        **SETTINGS,
    ),
]

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A row of weight 2 is held out as one sample, a row that stands twice as two. Rows of "
        "weight 0 are as if absent, and tested elsewhere."
    ),
}


# On the handful of rows of some checks no network is right as often as is asked for.
@pytest.mark.filterwarnings("ignore:min_accuracy=.* cannot be met:UserWarning")
@parametrize_with_checks(CHECKED, expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
def test_estimator_checks(estimator, check):
    check(estimator)
