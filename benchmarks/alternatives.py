"""Other packages on the same members and the same networks.

python benchmarks/alternatives.py --results alternatives.jsonl [--parts members networks models]
    [--seeds 5] [--images mnist.npz] [--networks FOLDER] [--threads 1] [--report tables.md]

DESlib, PyPruning, Torch-Pruning, NNI and tensorflow-model-optimization do not fit into one
environment. Each run does what is installed where it runs, and adds to the same file of results;
--report writes the tables from all of it.

members: forests and a bag, trained from the same seeds everywhere (their answers on the test rows
are compared between environments). networks: a first run, with skprune and --images, trains
the networks and leaves them in the folder with the images; all others prune those same networks.
"""

import argparse
import json
import os
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from _alternatives import BATCH, TUNING, installed
from _alternatives_members import POOLS, members
from _alternatives_models import models
from _alternatives_networks import few_threads, networks
from _common import table

PACKAGES = (
    "numpy",
    "scikit-learn",
    "DESlib",
    "PyPruning",
    "torch",
    "torch-pruning",
    "nni",
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow-model-optimization",
)


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def those_done(results: Path) -> set[tuple]:
    """Pool, seed and method of what is there, and is not run again."""
    lines = results.read_text().splitlines() if results.exists() else []
    records = map(json.loads, lines)
    return {(r.get("pool"), r["seed"], r["method"]) for r in records if r["part"] != "models"}


def spread(values: list[float], scale: float = 1, digits: int = 2) -> str:
    values = [scale * v for v in values if v is not None]
    if not values:
        return ""
    error = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{error}"


def by_method(records: list[dict]) -> dict[str, list[dict]]:
    found: dict[str, dict[int, dict]] = {}
    for record in records:  # of several runs the last counts
        found.setdefault(record["method"], {})[record["seed"]] = record
    return {name: list(of.values()) for name, of in found.items()}


def of_members(records: list[dict], key: str) -> str:
    head = ["method", "accuracy, %", "log loss", "members asked", "seconds to choose"]
    head += ["ms for 1,000 predictions", "times the full ensemble's time"]
    rows: list[list[object]] = []
    for name, of in by_method([r for r in records if r["pool"] == key]).items():
        if not rows:
            first = [f"full ensemble, {of[0]['n_members']} members"]
            first += [spread([r["full"] for r in of], 100)]
            first += [spread([r["full_log_loss"] for r in of], digits=3)]
            first += [str(of[0]["n_members"]), ""]
            rows.append([*first, f"{1e3 * np.median([r['full_seconds'] for r in of]):.0f}", "1"])
        rows.append(
            [
                name,
                spread([r["accuracy"] for r in of], 100),
                spread([r["log_loss"] for r in of], digits=3),
                f"{np.mean([r['members'] for r in of]):.0f}",
                f"{np.median([r['fit_seconds'] for r in of]):.2f}",
                f"{1e3 * np.median([r['seconds'] for r in of]):.0f}",
                f"{np.median([r['ratio'] for r in of]):.2f}",
            ]
        )
    return table(head, rows)


def of_networks(records: list[dict]) -> str:
    head = ["network", "accuracy before, %", f"after {TUNING} passes, %", "parameters"]
    head += ["not zero", f"times faster, {BATCH:,} samples"]
    rows: list[list[object]] = []
    for name, of in by_method(records).items():
        speed = [r["speed_up"] for r in of]
        rows.append(
            [
                name,
                spread([r["before"] for r in of], 100),
                spread([r["accuracy"] for r in of], 100),
                f"{np.mean([r['parameters'] for r in of]):,.0f}",
                f"{np.mean([r['nonzero'] for r in of]):,.0f}" if "nonzero" in of[0] else "all",
                f"{np.median(speed):.2f} ({min(speed):.2f} to {max(speed):.2f})",
            ]
        )
    return table(head, rows)


def report(records: list[dict]) -> str:
    parts = []
    chosen = [r for r in records if r["part"] == "members"]
    for key, (_, words) in POOLS.items():
        of_pool = [r for r in chosen if r["pool"] == key]
        if not of_pool:
            continue
        seeds = sorted({r["seed"] for r in of_pool})
        apart = max(
            np.ptp([r["same"] for r in of_pool if r["seed"] == seed])
            / max(r["same"] for r in of_pool if r["seed"] == seed)
            for seed in seeds
        )
        parts.append(
            f"### {words[0].upper()}{words[1:]}\n\n{len(seeds)} seeds. The full ensembles of the "
            f"environments differ by {apart:.0e} in the sum of squared probabilities.\n\n"
            f"{of_members(chosen, key)}"
        )
    if nets := [r for r in records if r["part"] == "networks"]:
        parts.append(f"### Networks\n\n{of_networks(nets)}")
    if kinds := [r for r in records if r["part"] == "models"]:
        last = {(r["package"], r["kind"]): r["outcome"] for r in kinds}
        rows = [[package, kind, outcome] for (package, kind), outcome in last.items()]
        parts.append("### Models\n\n" + table(["package", "model", "parameters"], rows))
    found = {json.dumps(r["versions"]): None for r in records}
    parts.append("### Versions\n\n" + "\n".join(found))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, required=True, help="lines of JSON, added to")
    parts = ("members", "networks", "models")
    parser.add_argument("--parts", nargs="*", choices=parts, default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=Path, help="an .npz of images, for the first run")
    parser.add_argument("--networks", type=Path, default=Path("networks"), help="folder of them")
    parser.add_argument("--rounds", type=int, default=7, help="of timing members by turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write the tables here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    # tensorflow-model-optimization needs Keras 2, and TensorFlow asks for it once, when imported.
    if installed("tensorflow_model_optimization"):
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    if {"networks", "models"} & set(options.parts) and installed("tensorflow"):
        few_threads(options.threads)
    done = those_done(options.results)
    runs = {
        "members": lambda: members(options.seeds, options.rounds, done),
        "networks": lambda: networks(
            options.seeds, options.networks, options.images, options.threads, done
        ),
        "models": models,
    }
    for part in options.parts:
        for record in runs[part]():
            record["versions"] = versions()
            with options.results.open("a") as file:
                file.write(json.dumps(record) + "\n")
            shown = {k: v for k, v in record.items() if k != "versions"}
            print(shown, flush=True)
    if options.report is not None:
        lines = options.results.read_text().splitlines()
        options.report.write_text(report([json.loads(line) for line in lines]))
