"""Regressors of any ensemble."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ._base_pool import BasePool, describe, features_of, members_of
from ._frozen import unfreeze
from ._member_file import MemberFile

__all__ = ["RegressorPool"]


@dataclass(frozen=True, eq=False)
class RegressorPool(BasePool):
    """Fitted regressors and the number of targets they predict.

    Attributes
    ----------
    estimators : tuple of M regressors or MemberFiles
        Fitted members.
    features : tuple of M ndarrays, or None
        Columns of X that each member sees, where the ensemble draws them.
    n_targets : int
        Number of targets T.
    """

    n_targets: int

    @classmethod
    def from_fitted(cls, fitted: Any, n_targets: int) -> "RegressorPool":
        """Take the members out of a fitted ensemble, or out of a list of regressors.

        Parameters
        ----------
        fitted : ensemble with ``estimators_``, or list
            A list holds regressors or (name, regressor) pairs. FrozenEstimators are looked
            through.
        n_targets : int
            Number of targets T.

        Returns
        -------
        RegressorPool

        Raises
        ------
        TypeError
            If there are no members, or one of them is no regressor.
        """
        fitted = unfreeze(fitted)
        members = members_of(fitted)
        if not members:
            raise ValueError("estimator must have at least one member; got an empty list.")
        for i, member in enumerate(members):
            if not isinstance(member, MemberFile):
                _check_member(i, member)
        features = None if isinstance(fitted, list | tuple) else features_of(fitted)
        return cls(tuple(members), features, n_targets)

    @property
    def n_outputs(self) -> int:
        """Number of targets T."""
        return self.n_targets

    def _check_loaded(self, i: int, member: Any) -> None:
        check_is_fitted(member)
        _check_member(i, member)

    def _one(self, i: int, member: Any, X: Any) -> NDArray:
        return self._placed(i, member, member.predict(X))

    def _placed(self, i: int, member: Any, output: NDArray) -> NDArray:
        output = np.asarray(output)
        if output.ndim == 1:
            output = output[:, None]
        if output.ndim != 2 or output.shape[1] != self.n_targets:
            raise ValueError(
                f"predict of {self._describe(i, member)} must have shape "
                f"(n, {self.n_targets}), one column a target; got {output.shape}."
            )
        return output if output.dtype in (np.float32, np.float64) else output.astype(np.float64)


def _check_member(i: int, member: Any) -> None:
    if not hasattr(member, "predict") or is_classifier(member):
        raise TypeError(f"Members must be regressors; {describe(i, member)} is not.")
