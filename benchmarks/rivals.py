"""What a user would pick instead, all from the predictions of a pool.

Each takes probabilities (M, N, C), classes (N,) and the most members allowed (None: any number).
It returns the members' weights, which sum to one, or a model of predictions. AutoGluon and
hillclimbers know no limit: one run gives an order of members, which is cut.
"""

import contextlib
import io
import re
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls
from scipy.special import softmax
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


def floored(P: np.ndarray) -> np.ndarray:
    """Logarithms as skprune takes them."""
    return np.log(np.maximum(P, min(1e-3, 0.01 / P.shape[-1])))


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


class Order(NamedTuple):
    """One run of a method without a limit of its own: its weights for a limit, and its time."""

    name: str
    weights: Callable[[int | None], np.ndarray]
    seconds: float
    cpu_seconds: float


def autogluon(P: np.ndarray, y: np.ndarray) -> list[Order]:
    """AutoGluon's EnsembleSelection on log loss: 100 rounds, of which the first are 25 rounds."""
    try:
        from autogluon.core.metrics import get_metric
        from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection
    except ImportError as error:
        raise Missing(f"{error}; run `pip install autogluon.core`.") from error

    class Timed(EnsembleSelection):
        def _calculate_regret(self, *args, **kwargs):
            try:
                return super()._calculate_regret(*args, **kwargs)
            finally:
                ticks.append((time.perf_counter(), time.process_time()))

    problem = "multiclass" if P.shape[2] > 2 else "binary"
    selection = Timed(100, problem, get_metric("log_loss", problem))
    # All rounds are wanted, not only those up to the best.
    selection.use_best = False
    ticks = [(time.perf_counter(), time.process_time())]
    # For two classes it wants the probability of the second alone.
    selection.fit(list(P if problem == "multiclass" else P[:, :, 1]), y)
    order, errors = selection.indices_, selection.trajectory_
    runs = []
    for rounds in (25, 100):
        weights = partial(cut, order[:rounds], errors[:rounds], len(P))
        # A round is one score for each member.
        taken = np.subtract(ticks[rounds * len(P)], ticks[0])
        runs.append(Order(f"AutoGluon, {rounds} rounds", weights, *map(float, taken)))
    return runs


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


def greedy(
    P: np.ndarray, y: np.ndarray, max_members: int | None = None, rounds: int = 100
) -> np.ndarray:
    """AutoGluon's rounds and rules on log loss, all candidates of a round at once."""
    losses = _LogLosses(P, y)
    order: list[int] = []
    errors: list[float] = []
    used = np.zeros(len(P), bool)
    for _ in range(rounds):
        after = losses.after()
        # As AutoGluon: to 6 decimals after the first round, ties to members that are in already.
        error = after.round(6) if order else after
        best = np.isclose(error, error.min(), atol=0, rtol=1e-12)
        if (best & used).any():
            best &= used
        tied = np.flatnonzero(best)
        chosen = int(tied[after[tied].argmin()])
        if max_members is not None and not used[chosen] and used.sum() == max_members:
            break  # all rounds from here on break the limit
        order.append(chosen)
        errors.append(float(error[chosen].round(6)))
        used[chosen] = True
        losses.add(chosen)
    return cut(order, errors, len(P), max_members)


# Hill climbing (hillclimbers)


def _log_loss_of(y, p) -> float:
    return float(-np.log(np.maximum(p.to_numpy(), EPS)).mean())


def climb(values: np.ndarray, y, metric: Callable, objective: str, **options):
    """Weights of `hillclimbers.climb_hill`, what it printed, and its two times.

    ``values`` are what each member predicts, (M, n), and ``metric`` scores the truth and a
    weighted mean. With unit vectors as "test predictions" the package's weighted mean is the
    weights.
    """
    try:
        import pandas as pd
        from hillclimbers import climb_hill
    except ImportError as error:
        raise Missing(f"{error}; run `pip install hillclimbers`.") from error
    names = [f"m{i}" for i in range(len(values))]
    printed = io.StringIO()
    start, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(printed):
        weights = climb_hill(
            train=pd.DataFrame({"y": y}),
            oof_pred_df=pd.DataFrame(values.T, columns=names),
            test_pred_df=pd.DataFrame(np.eye(len(values)), columns=names),
            target="y",
            objective=objective,
            eval_metric=partial(metric),
            plot_hill=False,
            **options,
        )
    taken = time.perf_counter() - start, time.process_time() - cpu
    return weights, printed.getvalue(), *taken


def hillclimbers(P: np.ndarray, y: np.ndarray) -> list[Order]:
    """`hillclimbers.climb_hill` on log loss, with its defaults.

    The log loss of a weighted mean needs no more than the probabilities of the true classes.
    """
    M = len(P)
    final, printed, *taken = climb(true_class(P, y), y, _log_loss_of, "minimize")
    # What it prints is the only place that says in which order the members came.
    steps = re.findall(r"Model added: m(\d+) \| Best weight: ([\d.]+)", printed)
    weights = np.zeros((len(steps) + 1, M))
    weights[0, member_log_loss(P, y).argmin()] = 1
    for i, (member, share) in enumerate(steps, start=1):
        weights[i] = (1 - float(share)) * weights[i - 1]
        weights[i, int(member)] += float(share)
    np.testing.assert_allclose(weights[-1], final, atol=1e-9)
    # A step adds a member and lowers the error, so the last that is allowed is the best.
    return [Order("hillclimbers", lambda k: weights[: k or M][-1], *taken)]


# Squared error: proximal method with hard L0 (as PyPruning's ProxPruningClassifier), and
# non-negative least squares


def _squared(P: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """G and b of the squared error w'Gw - 2b'w."""
    M, N, C = P.shape
    flat = P.reshape(M, N * C)
    # In float64, as members may be almost alike; in blocks, to save memory.
    G = np.zeros((M, M))
    for start in range(0, N * C, 2**14):
        block = flat[:, start : start + 2**14].astype(np.float64)
        G += block @ block.T
    return G / N, true_class(P, y).mean(axis=1)


def project(v: np.ndarray, k: int | None = None) -> np.ndarray:
    """The nearest point of the simplex with at most k positive entries (exact: Kyrillidis 2013)."""
    kept = np.arange(len(v)) if k is None or k >= len(v) else np.argpartition(-v, k - 1)[:k]
    u = np.sort(v[kept])[::-1]
    shift = (np.cumsum(u) - 1) / np.arange(1, len(u) + 1)
    shift = shift[np.flatnonzero(u > shift)[-1]]
    w = np.zeros(len(v))
    w[kept] = np.maximum(v[kept] - shift, 0)
    return w


def on_simplex(G: np.ndarray, b: np.ndarray, steps: int = 5000) -> np.ndarray:
    """Minimum of w'Gw - 2b'w on the simplex: accelerated projected gradient with restarts."""
    step = 1 / max(np.linalg.eigvalsh(G)[-1], 1e-12)
    w = v = np.full(len(b), 1 / len(b))
    t = 1.0
    for _ in range(steps):
        new = project(v - step * (G @ v - b))
        moved = new - w
        if (v - new) @ moved > 0:  # uphill: start the momentum again
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
    M = len(P)
    G, b = _squared(P, y)
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
    best = min(candidates, key=lambda w: w @ G @ w - 2 * b @ w)
    return best / best.sum()


def shrunk_nnls(P: np.ndarray, y: np.ndarray, max_members: int | None = None) -> np.ndarray:
    """Non-negative least squares, a quarter of the way towards equal weights, as TabFM does.

    Equal weights are those of all members. Under a limit they are those of the members with the
    largest weights, which are solved again.
    """
    G, b = _squared(P, y)

    def solve(members: np.ndarray) -> np.ndarray:
        # With G = V diag(e) V' and A = diag(e^0.5) V', |Aw - diag(e^-0.5) V'b|^2 is the error.
        e, V = np.linalg.eigh(G[np.ix_(members, members)])
        e, V = e[e > 1e-12 * e[-1]], V[:, e > 1e-12 * e[-1]]
        w = nnls(np.sqrt(e)[:, None] * V.T, V.T @ b[members] / np.sqrt(e))[0]
        return w / w.sum()

    members = np.arange(len(P))
    w = solve(members)
    if max_members is not None and max_members < len(P):
        members = np.sort(np.argsort(-w, kind="stable")[:max_members])
        w = solve(members)
    weights = np.zeros(len(P))
    weights[members] = 0.75 * w + 0.25 / len(members)
    return weights


# Models of all predictions


class Stacking:
    """What StackingClassifier(cv="prefit") fits, from predictions in place of members.

    It puts the members' probabilities, or their logarithms, side by side (the second column alone
    for two classes) and fits its default final estimator, LogisticRegression(), on them.
    """

    def __init__(self, P: np.ndarray, y: np.ndarray, max_members: None = None, logs: bool = False):
        self.logs = logs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.final_ = LogisticRegression().fit(self._columns(P), y)

    def _columns(self, P: np.ndarray) -> np.ndarray:
        if self.logs:
            P = floored(P)
            P = P - P.mean(axis=2, keepdims=True)
        if P.shape[2] == 2:
            P = P[:, :, 1:]
        # In float64, as most classifiers answer: float32 stops the solver earlier.
        return np.hstack(list(P.astype(np.float64)))

    def predict_proba(self, P: np.ndarray) -> np.ndarray:
        proba = np.zeros(P.shape[1:])
        proba[:, self.final_.classes_] = self.final_.predict_proba(self._columns(P))
        return proba


class CMAES:
    """PHEM's CMA-ES with its defaults, on log loss (Purucker and Beel 2023).

    The release on the package index (0.0.0.2) does not have it, so these are its steps on the
    package `cma`: from the best single member, step 0.2, 50 evaluations for each member, weights
    without limits. A vote with a negative weight goes through softmax, others are divided by their
    sum. Sparse weights, against overfitting, are its "CMA-ES-ExplicitGES".
    """

    def __init__(
        self, P: np.ndarray, y: np.ndarray, max_members: None = None, sparse: bool = False
    ):
        try:
            import cma
        except ImportError as error:
            raise Missing(f"{error}; run `pip install cma`.") from error
        M, N, C = P.shape
        flat = P.reshape(M, N * C)
        rows = np.arange(N)

        def losses(found: list[np.ndarray]) -> list[float]:
            weights = np.array([rounded(x) if sparse else x for x in found])
            votes = (np.float32(weights) @ flat).reshape(-1, N, C)
            probas = (self._normalized(w, vote) for w, vote in zip(weights, votes, strict=True))
            return [-float(np.log(np.clip(p[rows, y], EPS, 1)).mean()) for p in probas]

        alone = losses(list(np.eye(M)))
        best = np.eye(M)[np.argmin(alone)]
        rng, popsize = np.random.default_rng(0), int(4 + 3 * np.log(M))
        options = {
            "popsize": popsize,
            # NaN leaves NumPy's global generator alone.
            "seed": np.nan,
            "randn": lambda *shape: rng.standard_normal(shape),
            "verbose": -9,
            "verb_log": 0,
            "signals_filename": "",
        }
        search = cma.CMAEvolutionStrategy(best, 0.2, options)
        # The members' own losses count as evaluations.
        for _ in range(49 * M // popsize):
            found = search.ask()
            search.tell(found, losses(found))
        if search.result.fbest < min(alone):
            best = search.result.xbest
        self.weights_ = rounded(best) if sparse else best

    @staticmethod
    def _normalized(weights: np.ndarray, vote: np.ndarray) -> np.ndarray:
        vote = vote.astype(np.float64)
        return softmax(vote, axis=1) if (weights < 0).any() else vote / vote.sum(1, keepdims=True)

    def predict_proba(self, P: np.ndarray) -> np.ndarray:
        return self._normalized(self.weights_, np.tensordot(self.weights_, P, 1))


def rounded(x: np.ndarray, n: int = 50) -> np.ndarray:
    """Softmax of what is not zero, rounded to multiples of 1 / n, as greedy selection has them."""
    share = np.exp(x) * (x != 0)
    share /= share.sum()
    share[share <= 0.5 / n] = 0
    if not share.any():
        return np.full(len(x), 1 / len(x))
    counts = np.rint(share * n).astype(int)
    kept = np.argsort(counts, kind="stable")[(counts == 0).sum() :]
    excess = int(counts.sum()) - n
    if excess > 0:
        counts[kept[:excess]] -= 1
    else:
        each, rest = divmod(-excess, len(kept))
        counts[kept] += each
        counts[kept[len(kept) - rest :]] += 1
    return counts / n


# By name; those that take a limit, those that have none, and those whose run is cut.
LIMITED: dict[str, Callable] = {
    "best single": best_single,
    "top-k": top_k,
    "greedy, 25 rounds": partial(greedy, rounds=25),
    "greedy, 100 rounds": greedy,
    "proximal L0": proximal,
    "non-negative least squares": shrunk_nnls,
}
UNLIMITED: dict[str, Callable] = {
    "full": full,
    "stacking": Stacking,
    "stacking on logarithms": partial(Stacking, logs=True),
    "CMA-ES": CMAES,
    "CMA-ES, sparse": partial(CMAES, sparse=True),
}
CUT: dict[str, Callable] = {"hillclimbers": hillclimbers, "AutoGluon": autogluon}
