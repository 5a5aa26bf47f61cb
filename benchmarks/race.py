"""Selectors raced on the same predictions: the pruners against what a user would pick instead.

python benchmarks/race.py --cache pools --data data --results race.jsonl
    [--pools digits dna] [--methods ours rivals "top-k"] [--redo]
python benchmarks/race.py --results race.jsonl --report docs

`pools.py` says where the data come from. Results are lines of a file, and what is there is not run
again (--redo runs it again, and the last line counts). --report writes race.csv and the section
"The race" of benchmarks.md. Methods that are not installed are left out with a note.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from _common import table
from pools import NAMES, NEW, SEEDS, Pool, load
from rivals import CUT, LIMITED, UNLIMITED, Missing, floored
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from skprune.socp import fit_temperature, refit_log_pool

SIZES = (5, 10, 20, 50, None)
DEFAULT = "skprune, default"
OURS: dict[str, tuple[type, dict]] = {
    DEFAULT: (SOCPEnsemblePruner, {}),
    "skprune, soft": (SOCPEnsemblePruner, {"voting": "soft", "calibrate": None}),
    "skprune, soft, temperature": (
        SOCPEnsemblePruner,
        {"voting": "soft", "calibrate": "temperature"},
    ),
    "skprune, without biases": (SOCPEnsemblePruner, {"fit_intercept": False}),
    # Folds that are not by class: some classes have fewer than five calibration rows.
    "skprune CV, log loss": (
        SOCPEnsemblePrunerCV,
        {"scoring": "neg_log_loss", "inner_cv": KFold(5, shuffle=True, random_state=0)},
    ),
}
RIVALS = (*LIMITED, *UNLIMITED, *CUT)
# Rivals that choose members well: given our weights, they say what choosing is worth.
REFITTED = ("top-k", "greedy, 100 rounds")
TEMPERATURE, REFIT = ", temperature", ", log refit"

# Votes


class Recalled(ClassifierMixin, BaseEstimator):
    """A fitted member that looks its predictions up: X holds the numbers of rows."""

    def __init__(self, P):
        self.P = P

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    @property
    def classes_(self):
        return np.arange(self.P.shape[1])

    @property
    def n_features_in_(self):
        return 1

    def predict_proba(self, X):
        return self.P[np.asarray(X)[:, 0].astype(np.intp)]

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


def given(P: np.ndarray) -> list[tuple[str, FrozenEstimator]]:
    """Members that were fitted beforehand, as a pruner takes them."""
    return [(f"m{i}", FrozenEstimator(Recalled(p))) for i, p in enumerate(P)]


def timed(function: Callable, *args) -> tuple:
    """What comes out, the seconds of the clock, and those of the processor.

    Other work on the machine lengthens the first more than the second.
    """
    start, cpu = time.perf_counter(), time.process_time()
    result = function(*args)
    return result, time.perf_counter() - start, time.process_time() - cpu


def pruned(pool: Pool, pruner) -> tuple[np.ndarray, int, float, float]:
    """Test probabilities of a pruner, its members, and the seconds of its fit."""
    n_cal = len(pool.y_cal)
    P = np.concatenate([pool.P_cal, pool.P_test], axis=1)
    X = np.arange(P.shape[1])[:, None]
    pruner.set_params(estimator=given(P), cv="prefit")
    _, wall, cpu = timed(pruner.fit, X[:n_cal], pool.y_cal)
    return pruner.predict_proba(X[n_cal:]), pruner.n_members_, wall, cpu


def vote(found, P: np.ndarray) -> np.ndarray:
    """Probabilities of a model, or the weighted mean of the members, in float64."""
    if not isinstance(found, np.ndarray):
        return found.predict_proba(P)
    total = np.zeros(P.shape[1:])
    for i in np.flatnonzero(found):
        total += found[i] * P[i]
    return total / total.sum(axis=1, keepdims=True)


def tempered(found, P: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The vote to the power that fits these rows."""
    b = fit_temperature(vote(found, P), y)
    return lambda P: softmax(b * floored(vote(found, P)), axis=1)


def refitted(weights, P: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The logarithmic pool of the members that have a weight."""
    kept = weights > 0
    exponents = refit_log_pool(P[kept], y)
    return lambda P: softmax(np.tensordot(exponents, floored(P[kept]), 1), axis=1)


# Scores


def calibration_error(proba: np.ndarray, y: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top label, bins of equal width."""
    sure, right = proba.max(axis=1), proba.argmax(axis=1) == y
    which = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(which, right, bins) - np.bincount(which, sure, bins)
    return float(np.abs(gap).sum() / len(y))


def scores(proba: np.ndarray, y: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": float((proba.argmax(axis=1) == y).mean()),
        "log_loss": float(log_loss(y, proba, labels=np.arange(proba.shape[1]))),
        "calibration_error": calibration_error(proba, y),
    }


# Running


def run_ours(name: str, pool: Pool, seed: int) -> Iterator[dict]:
    pruner, params = OURS[name]
    for size in SIZES:
        found = pruned(pool, pruner([], max_members=size, random_state=seed, **params))
        yield record(name, size, scores(found[0], pool.y_test), *found[1:])


def run_rival(name: str, pool: Pool, seed: int) -> Iterator[dict]:
    P, y = pool.P_cal, pool.y_cal
    if name in CUT:
        runs = [
            (run.name, size, run.weights(size), run.seconds, run.cpu_seconds)
            for run in CUT[name](P, y)
            for size in SIZES
        ]
    elif name in UNLIMITED:
        runs = [(name, None, *timed(UNLIMITED[name], P, y))]
    else:
        runs = [(name, size, *timed(LIMITED[name], P, y, size)) for size in SIZES]
    for method, size, found, *seconds in runs:
        weights = found if isinstance(found, np.ndarray) else getattr(found, "weights_", None)
        members = len(P) if weights is None else np.count_nonzero(weights)
        plain = scores(vote(found, pool.P_test), pool.y_test)
        yield record(method, size, plain, members, *seconds)
        for what, fit in ((TEMPERATURE, tempered), (REFIT, refitted)):
            if fit is tempered or method in REFITTED:
                model, *more = timed(fit, found, P, y)
                better = scores(model(pool.P_test), pool.y_test)
                if fit is tempered:
                    # A temperature changes no class; the floor of the logarithm could tie some.
                    better["accuracy"] = plain["accuracy"]
                yield record(method + what, size, better, members, *np.add(seconds, more))


def record(method: str, size: int | None, found: dict, members, wall, cpu) -> dict:
    numbers = {"members": int(members), "seconds": float(wall), "cpu_seconds": float(cpu)}
    return {"method": method, "size": size, **found, **numbers}


def read(path: Path) -> list[dict]:
    """Results, of several for the same the last."""
    records = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        r = json.loads(line)
        records[r["pool"], r["seed"], r["method"], r["size"]] = r
    return list(records.values())


def race(results: Path, names, keys, redo: bool, cache: Path, data: Path | None) -> None:
    done = set() if redo else {(r["pool"], r["seed"], r["run"]) for r in read(results)}
    missing: set[str] = set()
    for key in keys:
        for seed in SEEDS[key]:
            left = [n for n in names if n not in missing and (key, seed, n) not in done]
            pool = load(key, seed, cache, data) if left else None
            for name in left:
                start = time.perf_counter()
                try:
                    found = list((run_ours if name in OURS else run_rival)(name, pool, seed))
                except Missing as error:
                    missing.add(name)
                    print(f"{name} left out: {error}", flush=True)
                    continue
                # All at once: what was interrupted is run again.
                at = {"pool": key, "seed": seed, "run": name}
                with results.open("a") as file:
                    file.write("".join(json.dumps(at | r) + "\n" for r in found))
                print(f"{key} {seed} {name}: {time.perf_counter() - start:.1f} s", flush=True)


# Report

AT = ["pool", "seed", "size"]
MEASURES = ["log_loss", "calibration_error", "accuracy", "members", "seconds", "cpu_seconds"]
# For tables: no limit is a size of its own.
NO_LIMIT = 0


def summary(records: list[dict]) -> pd.DataFrame:
    """Means over pools, and paired differences of the default, by group, method and limit.

    A mean over seeds comes first. Methods that lack a pool or a seed have no line.
    """
    frame = pd.DataFrame(records).astype({"size": object})
    frame["size"] = [NO_LIMIT if pd.isna(s) else int(s) for s in frame["size"]]
    default = frame[frame["method"] == DEFAULT]
    rows = []
    for group, keys in (("new", set(NEW)), ("old", set(NAMES) - set(NEW))):
        expected = sum(len(SEEDS[key]) for key in keys)
        part = frame[frame["pool"].isin(keys)]
        for (method, size), found in part.groupby(["method", "size"], sort=False):
            if len(found) < expected:
                continue
            row = {"pools": group, "method": method, "max_members": size}
            row |= found.groupby("pool")[MEASURES].mean().mean().to_dict()
            both = found.merge(default, on=AT, suffixes=("", "_default"))
            if len(both) == expected:
                for measure in ("log_loss", "accuracy"):
                    both["d"] = both[f"{measure}_default"] - both[measure]
                    row |= {f"{measure}_{k}": v for k, v in paired(both, measure).items()}
            rows.append(row)
    return pd.DataFrame(rows).set_index(["pools", "method", "max_members"])


def paired(both: pd.DataFrame, measure: str) -> dict:
    """Mean of the default less the other, its standard errors, and the default's wins."""
    by_pool, sign = both.groupby("pool")["d"].mean(), 1 if measure == "accuracy" else -1
    return {
        "difference": by_pool.mean(),
        "error_over_pools": by_pool.std() / np.sqrt(len(by_pool)),
        "error_over_runs": both["d"].std() / np.sqrt(len(both)),
        # Accuracies are counts over the same rows: what differs by less is the same count.
        "wins": int((sign * both["d"] > 1e-9).sum()),
        "losses": int((sign * both["d"] < -1e-9).sum()),
    }


RACE = """## The race

All selectors get the same calibration predictions of a pool and are judged on test rows. Settings
of skprune were chosen on {n_old} old pools; below are means over {n_new} new ones, three seeds
each, on which nothing was tried before. `benchmarks/pools.py` makes them from data that
scikit-learn and Debian ship. All numbers, those of the old pools, and paired differences with their
standard errors are in [race.csv](race.csv). The new pools:

{pools}

"skprune, default" is `SOCPEnsemblePruner` with a limit only. Every rival has one temperature,
fitted on its calibration vote; models of all predictions (stacking, CMA-ES) fit these rows too well
for that. "log refit" are members that a rival chose, with skprune's weights. AutoGluon's selection
is that of `autogluon.core`; "greedy" is the same rule, vectorized. `hillclimbers` has its defaults.
AutoGluon, `hillclimbers` and greedy selection know no limit: the rounds that obey one are taken.
CMA-ES, and its sparse weights ("ExplicitGES"), are those of PHEM, whose release lacks them, on the
package `cma`. Non-negative least squares is moved a quarter of the way towards equal weights, as in
TabFM.

Columns 5 to "all": log loss with at most so many members, the best of each in bold. The others are
without a limit: "plain" is the log loss without the temperature, "error" the calibration error (15
bins of equal width), "won" the pools and seeds in which the default has the lower log loss, and the
higher.

{table}

{aims}
"""


def of(frame: pd.DataFrame, method: str, size: int, column: str) -> float:
    """A number of the new pools; NaN where there is none."""
    at = ("new", method, size)
    return frame.at[at, column] if at in frame.index and column in frame else np.nan


def shown(frame: pd.DataFrame) -> list[str]:
    """Methods of the table: ours, rivals with their temperature, and rivals with our weights."""
    methods = frame.loc["new"].index.unique("method")
    rivals = [m for m in methods if m not in OURS]
    return [
        *(m for m in OURS if m in methods),
        *(m for m in rivals if m.endswith(TEMPERATURE)),
        *(m for m in rivals if m.endswith(REFIT)),
    ]


def race_table(frame: pd.DataFrame) -> str:
    methods, sizes = shown(frame), [s or NO_LIMIT for s in SIZES]
    heads = ["plain", "error, %", "accuracy, %", "members", "seconds", "won"]
    head = ["method", *(str(s or "all") for s in sizes), *heads]
    best = {s: np.nanmin([of(frame, m, s, "log_loss") for m in methods]) for s in sizes}
    rows = []
    for method in methods:
        plain = method if method in OURS else method.removesuffix(TEMPERATURE)
        row = [plain]
        for s in sizes:
            value = of(frame, method, s, "log_loss")
            row.append(f"**{value:.3f}**" if value == best[s] else number(value, ".3f"))
        untempered = of(frame, plain, NO_LIMIT, "log_loss") if plain != method else np.nan
        row.append(number(untempered, ".3f"))
        for what, form in (("calibration_error", ".1f"), ("accuracy", ".1f")):
            row.append(number(100 * of(frame, method, NO_LIMIT, what), form))
        row.append(number(of(frame, method, NO_LIMIT, "members"), ".0f"))
        row.append(number(of(frame, method, NO_LIMIT, "seconds"), ".2g"))
        won, lost = (of(frame, method, NO_LIMIT, f"log_loss_{w}") for w in ("wins", "losses"))
        known = method != DEFAULT and not np.isnan(won)
        row.append(f"{won:.0f}-{lost:.0f}" if known else "")
        rows.append(row)
    return table(head, rows)


def words(size: int) -> str:
    return f"at most {size}" if size else "no limit"


def number(value: float, form: str) -> str:
    return "" if np.isnan(value) else format(value, form)


def aims(frame: pd.DataFrame) -> str:
    """What was aimed at for the default, and what came out."""
    rivals = [m for m in shown(frame) if m not in OURS and m.endswith(TEMPERATURE)]
    sizes = [s or NO_LIMIT for s in SIZES]

    def aim(text: str, met: bool, found: str) -> str:
        return f"- {text}: {'met' if met else 'missed'}. {found}."

    def against_best(text, measure, scale, form, part, slack) -> str:
        """How far the default is ahead of the best rival; slack is in standard errors."""
        sign, met, cells = (1 if measure == "accuracy" else -1), True, []
        for s in part:
            values = pd.Series({m: sign * of(frame, m, s, measure) for m in rivals})
            top = values.idxmax()
            ahead = sign * scale * of(frame, top, s, f"{measure}_difference")
            error = scale * of(frame, top, s, f"{measure}_error_over_pools")
            met &= bool(ahead >= -slack * error if slack else ahead > 0)
            name = top.removesuffix(TEMPERATURE)
            cells.append(f"{words(s)} {ahead:+{form}} ± {error:{form}} ({name})")
        return aim(text, met, f"Ahead of the best rival: {'; '.join(cells)}")

    errors = [100 * of(frame, DEFAULT, s, "calibration_error") for s in sizes]
    taken = of(frame, DEFAULT, NO_LIMIT, "seconds")
    one_round = of(frame, "AutoGluon, 100 rounds", NO_LIMIT, "seconds") / 100
    return "\n".join(
        [
            "Aims for the default, with standard errors over pools of the paired differences:",
            "",
            against_best("log loss below every rival", "log_loss", 1, ".3f", sizes[:3], 0),
            against_best(
                "log loss at most one standard error above the best rival",
                *("log_loss", 1, ".3f", sizes[3:], 1),
            ),
            against_best(
                "accuracy, in points, at most one standard error below the best rival",
                *("accuracy", 100, ".2f", sizes, 1),
            ),
            aim(
                "calibration error of at most 4 %",
                max(errors) <= 4,
                f"It is {min(errors):.1f} to {max(errors):.1f} %",
            ),
            aim(
                "time of at most one round of AutoGluon",
                taken <= one_round,
                f"{taken:.3f} s against {one_round:.3f} s",
            ),
        ]
    )


def section(frame: pd.DataFrame) -> str:
    """The section of benchmarks.md."""
    return RACE.format(
        n_new=len(NEW),
        n_old=len(NAMES) - len(NEW),
        pools="\n".join(f"- {key}: {text}" for key, text in NEW.items()),
        table=race_table(frame),
        aims=aims(frame),
    )


def write_csv(frame: pd.DataFrame, docs: Path) -> None:
    frame = frame.reset_index()
    frame["max_members"] = frame["max_members"].replace(NO_LIMIT, "none")
    frame.to_csv(docs / "race.csv", index=False, float_format="%.5g")


def write_report(records: list[dict], docs: Path) -> None:
    """race.csv, and the section of benchmarks.md in place of the one that is there."""
    frame = summary(records)
    write_csv(frame, docs)
    page = docs / "benchmarks.md"
    text = page.read_text()
    start = text.index("## The race\n")
    end = text.index("\n## ", start)
    page.write_text(text[:start] + section(frame) + text[end:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, required=True, help="file of lines of JSON")
    parser.add_argument("--report", type=Path, help="write into this folder, and run nothing")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=[*OURS, *RIVALS, "ours", "rivals"],
        default=["ours", "rivals"],
    )
    parser.add_argument("--pools", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--redo", action="store_true", help="run again what is there")
    parser.add_argument("--cache", type=Path, default=Path("pools"), help="folder of pools")
    parser.add_argument("--data", type=Path, help="folder of the extracted packages")
    options = parser.parse_args()
    if options.report is not None:
        write_report(read(options.results), options.report)
    else:
        # scikit-learn's note on rows whose float32 sum is not one, thousands of times.
        warnings.filterwarnings("ignore", "The y_prob values do not sum to one")
        groups = {"ours": list(OURS), "rivals": list(RIVALS)}
        names = [n for name in options.methods for n in groups.get(name, [name])]
        race(options.results, names, options.pools, options.redo, options.cache, options.data)
