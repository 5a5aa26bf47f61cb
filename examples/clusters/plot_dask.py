"""
Train and prune on a cluster
============================

joblib sends each network of an ensemble to a worker of a cluster; nothing in the code changes
but the line that names the cluster. Here the cluster is two processes of this machine; with the
address of a scheduler, ``Client("tcp://...")``, it is as many machines as there are. The result
is the same as on one machine, to the last bit of the weights.

What a cluster needs:

- skprune and the same Keras back end on every machine;
- ``JOBLIB_TEMP_FOLDER``, a folder that all machines share: the training data is written there
  once, and each worker maps it into memory;
- ``memory=``, a folder that they share too, if what was trained shall outlive a fit that fails.
  A worker that dies costs only the members it was training, which others train again.

With Ray it is the same, through Ray's own joblib back end::

    import ray
    from ray.util.joblib import register_ray

    ray.init()
    register_ray()
    with joblib.parallel_config(backend="ray"):
        pruner.fit(X_train, y_train)

What to expect of 300 members on a large data set is computed in :doc:`/scaling`. The pages do not
run this example. It prints::

    one process:  kept 2 of 6 networks, test accuracy 0.969
    two machines: kept 2 of 6 networks, test accuracy 0.969
    largest difference of a weight: 0.0e+00
"""

import tempfile

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skprune import CNNSpace, RandomCNNEnsembleClassifier, SOCPEnsemblePruner


def main() -> None:
    from dask.distributed import Client, LocalCluster

    X, y = load_digits(return_X_y=True)
    X = X.astype("uint8")
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

    # %%
    # An ensemble, and the pruner that trains it and keeps the members that matter.
    space = CNNSpace(n_blocks=[1, 2], filters=[4, 8], learning_rate=(3e-3, 1e-2))
    ensemble = RandomCNNEnsembleClassifier(6, space=space, image_shape=(8, 8), epochs=8)
    pruner = SOCPEnsemblePruner(ensemble, lam=0.2, random_state=0)

    # %%
    # On this machine, one member after the other.
    alone = pruner.fit(X_train, y_train)
    weights = alone.weights_
    print(f"one process:  kept {alone.n_members_} of {alone.n_members_in_} networks, "
          f"test accuracy {alone.score(X_test, y_test):.3f}")  # fmt: skip

    # %%
    # On the cluster. One thread a worker: each trains in a process of its own.
    with (
        tempfile.TemporaryDirectory() as shared,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        pruner.set_params(memory=shared).fit(X_train, y_train)
        accuracy = pruner.score(X_test, y_test)
    print(f"two machines: kept {pruner.n_members_} of {pruner.n_members_in_} networks, "
          f"test accuracy {accuracy:.3f}")  # fmt: skip
    print(f"largest difference of a weight: {np.abs(weights - pruner.weights_).max():.1e}")


if __name__ == "__main__":  # the cluster's processes import this file
    main()
