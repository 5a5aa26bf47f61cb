"""Write the files that the tests read for as long as the format is read.

Run once for each format, from the root of the repository, by the release that introduces it:

    python -m tests.saved.write
"""

import json
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import skops.io

from skprune.utils._estimator import FORMAT

from . import models

# What is saved in the format of skops, which takes more room.
IN_SKOPS = ("pruner", "optimizer", "pruner_of_cnns", "pruned_cnn", "views")
N_ASKED = 5


def weights_in(estimator):
    """Checksum of the weights of all networks of an estimator; None without networks."""
    arrays = [array for network in _networks_in(estimator) for array in network.get_weights()]
    return zlib.crc32(b"".join(array.tobytes() for array in arrays)) if arrays else None


def _networks_in(estimator):
    for name in ("network_", "model_"):
        if hasattr(estimator, name):
            yield getattr(estimator, name)
            return
    if hasattr(estimator, "networks_"):
        yield from (tower for tower in estimator.networks_.towers if tower is not None)
        yield estimator.networks_.head
    for member in getattr(estimator, "estimators_", ()):
        yield from _networks_in(member)


def write(folder):
    folder.mkdir()
    known = {}
    groups = {
        "trees": models.of_trees(),
        "amounts": models.of_amounts(),
        "networks": models.of_networks(),
    }
    for group, saved in groups.items():
        estimators = {name: each.estimator for name, each in saved.items()}
        joblib.dump(estimators, folder / f"{group}.joblib", compress=("zlib", 9))
        few = {name: each for name, each in estimators.items() if name in IN_SKOPS}
        skops.io.dump(
            few, folder / f"{group}.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=9
        )
        for name, each in saved.items():
            X = each.X[:N_ASKED]
            known[f"{name}.X"] = X
            known[f"{name}.answer"] = models.answer(each.estimator, X)
            weights = weights_in(each.estimator)
            if weights is not None:
                known[f"{name}.weights"] = np.array(weights)
    np.savez_compressed(folder / "known.npz", **known)
    packages = ("skprune", "scikit-learn", "keras", "numpy", "joblib", "skops")
    versions = {package: version(package) for package in packages}
    (folder / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    write(Path(__file__).parent / f"format_{FORMAT}")
