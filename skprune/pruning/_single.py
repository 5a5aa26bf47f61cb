"""The half of a pruner that takes alpha and lambda as they are given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils import check_alpha, check_lam
from ._calibration import Calibration
from ._checks import check_reweight, check_threshold
from ._evidence import Evidence
from ._program import Relaxation, shrinkage
from ._socp_base import BaseSOCPPruner

__all__ = ["SingleProgram"]


class SingleProgram(BaseSOCPPruner):
    """One alpha, one lambda, one threshold, one reweighting."""

    alpha: float
    lam: float
    threshold: float
    reweight: Any

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_alpha(self.alpha)
        check_lam(self.lam)
        check_threshold(self.threshold)
        check_reweight(self.reweight)

    def _select(self, evidence: Evidence, calibration: Calibration) -> NDArray[np.float64]:
        program, every = self._program(calibration), np.arange(evidence.n_rows)
        # They do not depend on alpha, lambda and threshold, over which grids search.
        stats = calibration.cached(
            "statistics", type(evidence).__name__, lambda: evidence.statistics(every)
        )
        relaxation = Relaxation(program, evidence, every, stats, self.alpha)
        solution = relaxation.solve(self.lam)
        base, share = solution.weights, shrinkage(self.reweight)
        weights = relaxation.weights(base, self.threshold, [share])[0]
        self.threshold_ = float(self.threshold)
        self._note(evidence, relaxation, solution, weights)
        return weights
