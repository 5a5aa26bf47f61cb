"""scikit-learn's private names, which no other file imports."""

from sklearn.model_selection._search import BaseSearchCV
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
    "make_constraint",
    "num_samples",
    "routing_enabled",
    "validate_parameter_constraints",
    "with_one_blas_thread",
]

# Many small products and factorizations run faster on one thread, and by far on a busy
# machine, where threads wait for each other.
with_one_blas_thread = _threadpool_controller_decorator(limits=1, user_api="blas")
