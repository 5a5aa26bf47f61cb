"""Equation (8) as it stands in the paper, for any conic solver that cvxpy knows."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...exceptions import SolverError
from .._problem import SOCPProblem, join_signs, split_signs
from ._base import CONIC_TOLERANCE, RawSolution

__all__ = ["solve_with_cvxpy"]


def solve_with_cvxpy(problem: SOCPProblem, name: str, **options: Any) -> RawSolution:
    """Write (8) as a cone program and solve it; ``options`` are the solver's own."""
    import cvxpy as cp  # slow to load, so only where a conic solver is asked for

    if name not in cp.installed_solvers():
        raise ImportError(
            f"cvxpy does not find {name}: run `pip install --upgrade {name.lower()}`, or use "
            "solver='auto'."
        )
    M = len(problem.linear)
    w, t, u = cp.Variable(M), cp.Variable(), cp.Variable()
    # (8): Q = LL', and `factor` is L'. The cone says w'Qw <= t.
    cone = cp.SOC(1 + t, cp.hstack([2 * (problem.factor @ w), cp.reshape(1 - t, (1,), order="C")]))
    program = cp.Problem(
        cp.Minimize(t + problem.linear @ w + problem.penalty * u),
        [
            cone,
            cp.norm1(cp.multiply(problem.costs, w)) <= u,
            *([w >= 0] if problem.positive else []),
        ],
    )
    try:
        with warnings.catch_warnings():
            # solve_socp checks the accuracy itself, and warns.
            warnings.simplefilter("ignore")
            program.solve(solver=name, **options)
    except (cp.error.SolverError, ArithmeticError, ValueError) as error:
        raise SolverError(f"{name} failed on a program of {M} members: {error}") from error
    if w.value is None or not np.isfinite(w.value).all():
        raise SolverError(f"{name} returned no weights: its status is {program.status!r}.")
    weights = _without_noise(problem, np.asarray(w.value, dtype=np.float64))
    return RawSolution(weights, name.lower(), f"status {program.status}", CONIC_TOLERANCE)


def _without_noise(problem: SOCPProblem, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Set to zero the weights that an interior point leaves slightly off it."""
    if not problem.positive:
        return join_signs(_without_noise(problem.of_halves(), split_signs(weights)))
    # At the optimum either the weight or its gradient is zero: the weight, where it is by far
    # the smaller of the two.
    weights = np.maximum(weights, 0.0)
    gradient = problem.gradient(weights) / max(problem.max_descent_rate, np.finfo(float).tiny)
    noise = (weights < 1e-4 * weights.max(initial=0.0)) & (weights < gradient)
    return np.where(noise, 0.0, weights)
