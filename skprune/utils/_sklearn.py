"""scikit-learn's private names, which no other file imports, and frozen estimators."""

from typing import Any

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import get_tags
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    make_constraint,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.parallel import _threadpool_controller_decorator
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

__all__ = [
    "BaseSearchCV",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "check_method_params",
    "check_sample_weight",
    "clone_unfitted",
    "input_tags_of",
    "make_constraint",
    "num_samples",
    "routing_enabled",
    "unfreeze",
    "validate_parameter_constraints",
    "with_one_blas_thread",
]

# Many small products and factorizations run faster on one thread, and by far on a busy
# machine, where threads wait for each other.
with_one_blas_thread = _threadpool_controller_decorator(limits=1, user_api="blas")


def unfreeze(estimator: Any) -> Any:
    """The estimator in a FrozenEstimator; anything else as it is."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def clone_unfitted(estimator: Any) -> Any:
    """The same specification without what was learned; paths in a list stay as they are."""
    if isinstance(estimator, list):
        return [clone_unfitted(member) for member in estimator]
    if isinstance(estimator, tuple):
        name, member = estimator
        return name, clone_unfitted(member)
    if isinstance(estimator, FrozenEstimator):
        return FrozenEstimator(clone_unfitted(estimator.estimator))
    return clone(estimator, safe=False)


def input_tags_of(estimator: Any) -> Any:
    """Tags of the input of an estimator, frozen or not; None where it is no estimator."""
    inner = unfreeze(estimator)  # a frozen estimator copies the tags of what is in it
    if isinstance(inner, type) or not hasattr(inner, "__sklearn_tags__"):
        return None
    return get_tags(inner).input_tags
