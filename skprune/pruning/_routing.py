"""Which metadata goes to the members' fit, and which to the splitter."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import has_fit_parameter

from ..utils import MemberFile, routing_enabled, unfreeze
from ._estimator import named_members

__all__ = ["routed_params", "router_of"]


def router_of(pruner: Any) -> MetadataRouter:
    """The router of a pruner: its own request, its members' fit, its splitter."""
    to_fit = MethodMapping().add(caller="fit", callee="fit")
    to_split = MethodMapping().add(caller="fit", callee="split")
    router = MetadataRouter(owner=pruner).add_self_request(pruner)
    members = {"estimator": pruner.estimator}
    if isinstance(pruner.estimator, list):  # files are not trained
        named = named_members(pruner.estimator)
        members = {name: m for name, m in named if not isinstance(m, MemberFile)}
    router.add(**members, method_mapping=to_fit)
    return router.add(splitter=pruner.cv, method_mapping=to_split)


def routed_params(
    pruner: Any, sample_weight: NDArray[np.float64] | None, fit_params: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each member's ``fit`` (by name, for a list) and the splitter are given."""
    many = isinstance(pruner.estimator, list)
    members = dict(pruner.estimator) if many else {"estimator": pruner.estimator}
    if routing_enabled():
        routed = process_routing(pruner, "fit", sample_weight=sample_weight, **fit_params)
        given = {name: dict(routed[name].fit) for name in members}
        split_params = dict(routed.splitter.split)
    else:
        given = {name: dict(fit_params) for name in members}
        split_params = {}
        for name, member in members.items():
            if sample_weight is None:
                continue
            if has_fit_parameter(unfreeze(member), "sample_weight"):
                given[name]["sample_weight"] = sample_weight
            else:
                warnings.warn(
                    f"{type(member).__name__} takes no sample_weight: the weights are used "
                    "in calibration only.",
                    UserWarning,
                    stacklevel=6,
                )
    return (given if many else given["estimator"]), split_params
