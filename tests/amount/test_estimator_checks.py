"""scikit-learn's own checks of what an estimator is.

Their data are any numbers, while amounts lie in [0, 1]. So the checks are run twice: as they
are, where those that fit must fail with the error about amounts, and nothing else; and with
that one check of the domain replaced by a map into it, where they must pass.
"""

import pytest
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

import skprune.amount._answers
import skprune.amount._measurements
from skprune import PruningAmountOptimizer

pytestmark = pytest.mark.filterwarnings("ignore::skprune.exceptions.CurveMisfitWarning")

TOO_FEW = "9 distinct rows of 30 columns do not determine a curve for each column"


def in_the_domain(estimator):
    return {
        "check_positive_only_tag_during_fit": "amounts of any sign are mapped into [0, 1] here",
        "check_sample_weight_equivalence_on_dense_data": TOO_FEW,
    }


@parametrize_with_checks(
    [PruningAmountOptimizer(accuracy_curve="linear", n_restarts=0)],
    expected_failed_checks=in_the_domain,
)
def test_checks_with_amounts_in_the_domain(estimator, check, monkeypatch):
    for module in (skprune.amount._measurements, skprune.amount._answers):
        monkeypatch.setattr(module, "check_amounts", lambda X, name="X": expit(X))
    check(estimator)


DOMAIN = "pruning amounts lie in [0, 1]; the data of this check do not"
OUTSIDE = (
    "check_all_zero_sample_weights_error",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_readonly_memmap_input",
    "check_requires_y_none",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
)


def out_of_the_domain(estimator):
    return dict.fromkeys(OUTSIDE, DOMAIN) | {
        "check_sample_weight_equivalence_on_dense_data": TOO_FEW
    }


@parametrize_with_checks(
    [PruningAmountOptimizer(accuracy_curve="linear", n_restarts=0)],
    expected_failed_checks=out_of_the_domain,
)
def test_checks_as_they_are(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", OUTSIDE)
def test_it_is_the_domain_that_fails(name):
    """Without it, each of them is passed above; here its error is the one about amounts."""
    from sklearn.utils import estimator_checks

    check = getattr(estimator_checks, name)
    given = {"readonly_memmap": True} if name == "check_estimators_pickle" else {}
    estimator = PruningAmountOptimizer(accuracy_curve="linear", n_restarts=0)
    with pytest.raises((ValueError, AssertionError)) as caught:
        check("PruningAmountOptimizer", estimator, **given)
    seen, error = [], caught.value
    while error is not None:
        seen.append(str(error))
        error = error.__cause__ or error.__context__
    said = " ".join(seen)
    assert "must hold pruning amounts in [0, 1]" in said
