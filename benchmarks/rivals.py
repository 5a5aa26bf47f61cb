"""What a user would pick instead, all from the predictions of a pool.

Each takes probabilities (M, N, C), classes (N,) and the most members allowed (None: any number),
and returns the members' weights, which sum to one; stacking returns a model of predictions.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

# scikit-learn's log loss, which AutoGluon's calls, clips float64 here.
EPS = np.finfo(np.float64).eps


class Missing(Exception):
    """A method that is not installed."""


def true_class(P: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Probability that each member gives to the true class, (M, N)."""
    return P[:, np.arange(len(y)), y].astype(np.float64)


def member_accuracy(P: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (P.argmax(axis=2) == y).mean(axis=1)


def member_log_loss(P: np.ndarray, y: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(true_class(P, y), EPS)).mean(axis=1)


def equal_weights(members: np.ndarray, M: int) -> np.ndarray:
    weights = np.zeros(M)
    weights[members] = 1 / len(members)
    return weights


# Simple ones


def full(P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> np.ndarray:
    return np.full(len(P), 1 / len(P))


def _by_accuracy(P: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.lexsort((member_log_loss(P, y), -member_accuracy(P, y)))


def best_single(P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> np.ndarray:
    return equal_weights(_by_accuracy(P, y)[:1], len(P))


def top_k(P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> np.ndarray:
    """The most accurate members, votes equal; without a limit, as many as vote best."""
    order = _by_accuracy(P, y)
    if max_members is None:
        votes = np.zeros(P.shape[1:])
        rows = np.arange(len(y))
        scores = []
        for k, i in enumerate(order, start=1):
            votes += P[i]
            log_loss = -np.log(np.maximum(votes[rows, y] / k, EPS)).mean()
            scores.append(((votes.argmax(axis=1) == y).mean(), -log_loss))
        max_members = 1 + max(range(len(scores)), key=scores.__getitem__)
    return equal_weights(order[:max_members], len(P))


# Greedy selection (Caruana et al. 2004)


def cut(order: list, errors: list, M: int, max_members: int | None) -> np.ndarray:
    """Weights after the best round of those with at most so many distinct members.

    Greedy selection has no limit of its own. This is the rule by which AutoGluon picks among its
    rounds (the first with the smallest error), on the longest prefix that obeys the limit.
    """
    allowed, seen = 0, set()
    for member in order:
        seen.add(int(member))
        if max_members is not None and len(seen) > max_members:
            break
        allowed += 1
    last = int(np.argmin(errors[:allowed]))
    return np.bincount(order[: last + 1], minlength=M) / (last + 1)


@dataclass(frozen=True)
class AutoGluon:
    """AutoGluon's EnsembleSelection: one run of all rounds serves every limit."""

    metric: str
    rounds: int
    # Its weighted ensembles leave this at "random"; "second_metric" breaks ties by log loss.
    tie_breaker: str = "random"

    def order(self, P: np.ndarray, y: np.ndarray) -> tuple[list, list]:
        try:
            from autogluon.core.metrics import get_metric
            from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
        except ImportError as error:
            raise Missing(f"AutoGluon: {error}; run `pip install autogluon.core`.") from error
        problem = "multiclass" if P.shape[2] > 2 else "binary"
        selection = EnsembleSelection(
            self.rounds, problem, get_metric(self.metric, problem), tie_breaker=self.tie_breaker
        )
        selection.use_best = False
        # For two classes it wants the probability of the second alone.
        selection.fit(list(P if problem == "multiclass" else P[:, :, 1]), y)
        return list(selection.indices_), list(selection.trajectory_)

    def __call__(self, P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> np.ndarray:
        return cut(*self.order(P, y), len(P), max_members)


class _LogLosses:
    """Log loss of a running sum of members with each one added, for all of them at once.

    The logarithm is taken of products of 16 probabilities, which float64 holds: 16 times fewer
    logarithms. Kept 16 apart, (16, M, N / 16), so that each product runs in the cache.
    """

    GROUP = 16

    def __init__(self, P: np.ndarray, y: np.ndarray):
        p = np.maximum(true_class(P, y), EPS)
        M, self.N = p.shape
        width = -(-self.N // self.GROUP)
        # Filled up with ones at the end: in round s they add log s, taken off again in `after`.
        padded = np.ones((M, width * self.GROUP))
        padded[:, : self.N] = p
        self.p = np.ascontiguousarray(padded.reshape(M, self.GROUP, width).transpose(1, 0, 2))
        self.total = np.zeros((self.GROUP, width))
        self.n = 0
        self._product, self._term = np.empty((M, width)), np.empty((M, width))

    def after(self) -> np.ndarray:
        np.add(self.p[0], self.total[0], out=self._product)
        for part, total in zip(self.p[1:], self.total[1:], strict=True):
            np.add(part, total, out=self._term)
            np.multiply(self._product, self._term, out=self._product)
        logs = np.log(self._product, out=self._product).sum(axis=1)
        return (self.p[0].shape[1] * self.GROUP * np.log(self.n + 1) - logs) / self.N

    def add(self, member: int) -> None:
        self.total += self.p[:, member]
        self.n += 1


class _Hits:
    """Accuracy of a running sum of members with each one added, for all of them at once.

    One more member moves a margin between two classes by at most one, so samples whose margin is
    larger than that are settled, and only the others are looked at.
    """

    def __init__(self, P: np.ndarray, y: np.ndarray):
        M, N, C = P.shape
        self.y, self.rows = y, np.arange(N)
        self.P = P
        self.total = np.zeros((N, C))
        self.M = M

    def after(self) -> np.ndarray:
        others = self.total.copy()
        others[self.rows, self.y] = -np.inf
        margin = self.total[self.rows, self.y] - others.max(axis=1)
        # A hair more than one, for the rounding of the sums.
        open_ = np.flatnonzero(np.abs(margin) <= 1 + 1e-6)
        hits = np.full(self.M, (margin > 1 + 1e-6).sum())
        y, total = self.y[open_], self.total[open_]
        # In blocks that stay in the cache.
        step = max(1, 2**18 // (self.M * self.P.shape[2]))
        for start in range(0, len(open_), step):
            part = slice(start, start + step)
            votes = total[part] + self.P[:, open_[part]]
            hits += (votes.argmax(axis=2) == y[part]).sum(axis=1)
        return 1 - hits / len(self.y)

    def add(self, member: int) -> None:
        self.total += self.P[member]


def _greedy(P, y, max_members, rounds, metric) -> np.ndarray:
    """AutoGluon's rounds and rules, errors of all candidates in one vectorised pass."""
    losses = _LogLosses(P, y)
    first = _Hits(P, y) if metric == "accuracy" else losses
    order: list[int] = []
    errors: list[float] = []
    used = np.zeros(len(P), bool)
    for _ in range(rounds):
        after = first.after()
        # As AutoGluon: to 6 decimals after the first round, ties to members that are in already.
        error = after.round(6) if order else after
        best = np.isclose(error, error.min(), atol=0, rtol=1e-12)
        if (best & used).any():
            best &= used
        tied = np.flatnonzero(best)
        if len(tied) > 1:
            by_loss = after if first is losses else losses.after()
            tied = tied[[by_loss[tied].argmin()]]
        chosen = int(tied[0])
        if max_members is not None and not used[chosen] and used.sum() == max_members:
            break  # all rounds from here on break the limit
        order.append(chosen)
        errors.append(float(error[chosen].round(6)))
        used[chosen] = True
        losses.add(chosen)
        if first is not losses:
            first.add(chosen)
    return cut(order, errors, len(P), max_members)


@dataclass(frozen=True)
class Greedy:
    """Greedy selection as fast as NumPy allows."""

    metric: str
    rounds: int

    def __call__(self, P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> np.ndarray:
        return _greedy(P, y, max_members, self.rounds, self.metric)


# Proximal method with hard L0 (as PyPruning's ProxPruningClassifier)


def project(v: np.ndarray, k: int | None = None) -> np.ndarray:
    """The nearest point of the simplex with at most k positive entries (exact: Kyrillidis 2013)."""
    kept = np.arange(len(v)) if k is None or k >= len(v) else np.argpartition(-v, k - 1)[:k]
    u = np.sort(v[kept])[::-1]
    shift = (np.cumsum(u) - 1) / np.arange(1, len(u) + 1)
    shift = shift[np.flatnonzero(u > shift)[-1]]
    w = np.zeros(len(v))
    w[kept] = np.maximum(v[kept] - shift, 0)
    return w


def _squared_loss(G, b, w) -> float:
    return float(w @ G @ w - 2 * b @ w)


def on_simplex(G: np.ndarray, b: np.ndarray, steps: int = 5000) -> np.ndarray:
    """Minimum of w'Gw - 2b'w on the simplex: accelerated projected gradient with restarts."""
    step = 1 / max(np.linalg.eigvalsh(G)[-1], 1e-12)
    w = v = np.full(len(b), 1 / len(b))
    t = 1.0
    for _ in range(steps):
        new = project(v - step * (G @ v - b))
        moved = new - w
        if (v - new) @ moved > 0:  # uphill: start the momentum anew
            t, v = 1.0, new
        else:
            t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
            v = new + (t - 1) / t_new * moved
            t = t_new
        w = new
        if np.abs(moved).max() < 1e-9:
            break
    return w


def _hard_l0(G, b, k, start, steps, shrinking) -> np.ndarray:
    """Projected gradient onto k members; `shrinking` comes down to k over the first half."""
    step = 1 / max(np.linalg.eigvalsh(G)[-1], 1e-12)
    w, M = start, len(b)
    for i in range(steps):
        share = min(1.0, 2 * i / steps) if shrinking else 1.0
        size = round(M * (k / M) ** share)
        new = project(w - step * (G @ w - b), size)
        if size == k and np.abs(new - w).max() < 1e-9:
            w = new
            break
        w = new
    return w


def proximal(
    P: np.ndarray, y: np.ndarray, max_members: int | None = None, steps: int = 500
) -> np.ndarray:
    """min |Pw - Y|^2 over weights on the simplex, at most so many of them positive.

    Hard thresholding finds a local minimum, so it is given its best chance: three starts, the
    weights solved again on each support, the smallest loss kept.
    """
    M, N, C = P.shape
    flat = P.reshape(M, N * C)
    # In float32, but averaged over blocks in float64.
    G = np.zeros((M, M))
    for start in range(0, N * C, 2**14):
        block = flat[:, start : start + 2**14]
        G += block @ block.T
    G /= N
    b = true_class(P, y).mean(axis=1)
    relaxed = on_simplex(G, b)
    if max_members is None or (relaxed > 0).sum() <= max_members:
        return relaxed / relaxed.sum()
    uniform = np.full(M, 1 / M)
    candidates = []
    for first, shrinking in ((uniform, False), (relaxed, False), (relaxed, True)):
        support = np.flatnonzero(_hard_l0(G, b, max_members, first, steps, shrinking))
        w = np.zeros(M)
        w[support] = on_simplex(G[np.ix_(support, support)], b[support])
        candidates.append(w)
    best = min(candidates, key=lambda w: _squared_loss(G, b, w))
    return best / best.sum()


# Stacking


class Stacking:
    """What StackingClassifier(cv="prefit") fits, from predictions in place of members.

    It puts the members' probabilities side by side (the second column alone for two classes) and
    fits its default final estimator, LogisticRegression(), on them; so does this, which spares
    a wrapper round every member and changes nothing else.
    """

    @staticmethod
    def _columns(P: np.ndarray) -> np.ndarray:
        if P.shape[2] == 2:
            P = P[:, :, 1:]
        # In float64, as most classifiers answer: float32 stops the solver earlier.
        return np.hstack(list(P.astype(np.float64)))

    def fit(self, P: np.ndarray, y: np.ndarray) -> "Stacking":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.final_ = LogisticRegression().fit(self._columns(P), y)
        return self

    def predict_proba(self, P: np.ndarray) -> np.ndarray:
        proba = np.zeros(P.shape[1:])
        proba[:, self.final_.classes_] = self.final_.predict_proba(self._columns(P))
        return proba


def stacking(P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> Stacking:
    return Stacking().fit(P, y)


RIVALS: dict[str, Callable] = {
    "full": full,
    "best single": best_single,
    "top-k": top_k,
    "greedy log loss 25": Greedy("log_loss", 25),
    "greedy log loss 100": Greedy("log_loss", 100),
    "greedy accuracy 25": Greedy("accuracy", 25),
    "greedy accuracy 100": Greedy("accuracy", 100),
    "proximal L0": proximal,
    "stacking": stacking,
    "AutoGluon log loss 25": AutoGluon("log_loss", 25),
    "AutoGluon log loss 100": AutoGluon("log_loss", 100),
    "AutoGluon accuracy 25": AutoGluon("accuracy", 25),
    "AutoGluon accuracy 100": AutoGluon("accuracy", 100),
}
# No limit applies to these.
UNLIMITED = ("full", "best single", "stacking")
