"""Training an ensemble, against a plain loop of Keras's `fit` over the same architectures.

python benchmarks/training.py [--seeds 5] [--memory]
python benchmarks/training.py --images mnist.npz --rows 20000 --n-jobs 1 4 8

Each arm runs in a process of its own, with as many threads as its ensemble trains members at a
time. With KERAS_BACKEND=torch, and PyTorch installed, a loop of raw PyTorch in channels_last is
there too, as the floor. Where there is a GPU, all of them use it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median

import joblib
import numpy as np
from _common import machine, table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# Space, members, most passes.
SIZES = {"small": (6, 10), "paper": (3, 3)}
BATCH, FRACTION = 64, 0.1
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


@dataclass(frozen=True)
class Arm:
    """One way to train one ensemble: digits, or as many rows of a file of images."""

    name: str
    space: str
    n_jobs: int
    seed: int
    n_members: int
    epochs: int
    images: str | None = None
    rows: int | None = None

    def data(self) -> list[np.ndarray]:
        """X, X_test, y, y_test."""
        if self.images is None:
            X, y = load_digits(return_X_y=True)
            X = X.reshape(-1, 8, 8, 1).astype(np.uint8)
            return train_test_split(X, y, test_size=1 / 3, stratify=y, random_state=0)
        from skprune.datasets import load_image_npz

        data = load_image_npz(self.images)
        X, X_test = (X if X.ndim == 4 else X[..., None] for X in (data.X_train, data.X_test))
        n_test = 2000  # at once, so no more
        X, y = X[: self.rows], data.y_train[: self.rows]
        return [X, X_test[:n_test], y, data.y_test[:n_test]]

    def run(self) -> dict:
        """Run in a process of its own: seconds, accuracies, memory."""
        threads = {thread: str(self.n_jobs) for thread in THREADS} if self.name != "ours" else {}
        run = subprocess.run(
            [sys.executable, __file__, "--child", json.dumps(asdict(self))],
            env={**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(run.stderr[-2000:])
        return json.loads(run.stdout.splitlines()[-1])


def child(arm: Arm) -> None:
    import resource

    X, X_test, y, y_test = arm.data()
    resident: list[float] = []
    train = {"ours": ours, "fit": keras_fit, "raw": raw_pytorch}[arm.name]
    seconds, outputs, *digest = train(arm, X, y, X_test, resident)
    outputs = np.asarray(outputs)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "member": float((outputs.argmax(axis=2) == y_test).mean()),
                "vote": float((outputs.mean(axis=0).argmax(axis=1) == y_test).mean()),
                "digest": digest,
                "resident": resident,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
            }
        )
    )


def resident_mib() -> float:
    line = next(r for r in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in r)
    return int(line.split()[1]) / 2**10


def ours(arm, X, y, X_test, resident):
    from skprune import CNNSpace, RandomCNNEnsembleClassifier

    def ensemble(n_members, space, **params):
        return RandomCNNEnsembleClassifier(
            n_members,
            space=space,
            batch_size=BATCH,
            validation_fraction=FRACTION,
            n_iter_no_change=None,
            n_jobs=arm.n_jobs,
            **params,
        )

    # Worker processes stay between fits; their start is not part of a member's training.
    tiny = CNNSpace(n_blocks=[1], filters=[2], dense_units=[4])
    ensemble(arm.n_jobs, tiny, epochs=1, random_state=12345).fit(X[:200], y[:200])
    space = getattr(CNNSpace, arm.space)()
    start = time.perf_counter()
    fitted = ensemble(arm.n_members, space, epochs=arm.epochs, random_state=arm.seed).fit(X, y)
    seconds = time.perf_counter() - start
    weights = [weight for member in fitted.estimators_ for weight in member.model_.get_weights()]
    return seconds, fitted.member_predict_proba(X_test), joblib.hash(weights)


def plans(arm, X, y) -> Iterator:
    """Architectures and networks as the ensemble has them, and the same validation rows."""
    from skprune.ensemble import CNNSpace
    from skprune.ensemble._data import pixel_statistics, validation_rows
    from skprune.ensemble._space import sample_members

    held_out = validation_rows(y, FRACTION, arm.seed)
    offset, scale = pixel_statistics(X[~held_out])
    for plan in sample_members(getattr(CNNSpace, arm.space)(), arm.n_members, arm.seed):
        yield plan, held_out, offset, scale


def keras_fit(arm, X, y, X_test, resident):
    import keras

    from skprune.ensemble._builder import build_cnn

    X, X_test = X.astype(np.float32), X_test.astype(np.float32)
    outputs, start, seconds = [], time.perf_counter(), 0.0
    for plan, held_out, offset, scale in plans(arm, X, y):
        if seconds == 0.0:  # importing and the first operation are not part of the training
            keras.ops.convert_to_numpy(keras.ops.ones(1) + 1)
            start = time.perf_counter()
        model = build_cnn(
            plan.architecture, X.shape[1:], 10, offset=offset, scale=scale, seed=plan.seed
        )
        model.compile(
            keras.optimizers.Adam(plan.architecture.learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        model.fit(
            X[~held_out],
            y[~held_out],
            validation_data=(X[held_out], y[held_out]),
            epochs=arm.epochs,
            batch_size=BATCH,
            verbose=0,
        )
        seconds = time.perf_counter() - start
        outputs.append(keras.ops.convert_to_numpy(model(X_test)))
        start = time.perf_counter() - seconds
        del model
        keras.backend.clear_session()
        resident.append(resident_mib())
    return seconds, outputs


def raw_pytorch(arm, X, y, X_test, resident):
    """What PyTorch takes without Keras: no shared code with what is measured."""
    import torch
    from torch import nn

    torch.set_num_threads(arm.n_jobs)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.zeros(1, device=device) + 1  # starting is not part of the training

    def tensor(images):
        images = torch.from_numpy(images.astype(np.float32)).to(device).permute(0, 3, 1, 2)
        return images.contiguous(memory_format=torch.channels_last)

    outputs, seconds = [], 0.0
    for plan, held_out, offset, scale in plans(arm, X, y):
        torch.manual_seed(plan.seed)
        start = time.perf_counter()
        layers, channels, side = [], X.shape[3], X.shape[1]
        for block in plan.architecture.blocks:
            for filters in block.filters:
                layers.append(nn.Conv2d(channels, filters, 3, padding=1))
                channels = filters
            layers += [nn.BatchNorm2d(channels), nn.ReLU()]
            if side > 1:
                layers.append({"max": nn.MaxPool2d, "average": nn.AvgPool2d}[block.pooling](2))
                side //= 2
        layers += [nn.Flatten(), nn.Linear(channels * side**2, plan.architecture.dense_units)]
        layers += [nn.ReLU(), nn.Dropout(plan.architecture.dropout)]
        layers.append(nn.Linear(plan.architecture.dense_units, 10))
        network = nn.Sequential(*layers).to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(network.parameters(), plan.architecture.learning_rate)
        loss_of = nn.CrossEntropyLoss()
        halves = (~held_out, held_out)
        images, validation = ((tensor(X[half]) - offset) / scale for half in halves)
        labels, expected = (torch.from_numpy(y[half]).long().to(device) for half in halves)
        for _ in range(arm.epochs):
            network.train()
            for rows in torch.randperm(len(images), device=device).split(BATCH):
                optimizer.zero_grad()
                loss_of(network(images[rows]), labels[rows]).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                loss_of(network(validation), expected).item()
        seconds += time.perf_counter() - start
        with torch.no_grad():
            test = (tensor(X_test) - offset) / scale
            outputs.append(network(test).softmax(1).cpu().numpy())
    return seconds, outputs


def training(
    seeds: int,
    n_jobs: tuple[int, ...] = (1, 2),
    sizes: dict[str, tuple[int, int]] = SIZES,
    images: str | None = None,
    rows: int | None = None,
) -> str:
    """Seconds a member, how many times as long `fit` takes, and the accuracies."""
    names = ["ours", "fit", *(["raw"] if BACKEND == "torch" else [])]
    lines = []
    for space, (n_members, epochs) in sizes.items():
        for jobs in n_jobs:
            # The arms take turns, so that a busy minute is everybody's.
            found = [
                {
                    name: Arm(name, space, jobs, seed, n_members, epochs, images, rows).run()
                    for name in names
                }
                for seed in range(seeds)
            ]
            for name in names:
                ratio = median(each["fit"]["seconds"] / each[name]["seconds"] for each in found)
                lines.append(
                    [
                        space,
                        jobs,
                        {"ours": "ensemble", "fit": "Keras `fit`", "raw": "raw PyTorch"}[name],
                        f"{median(each[name]['seconds'] for each in found) / n_members:.2f}",
                        f"{ratio:.2f}",
                        f"{100 * mean(each[name]['member'] for each in found):.2f}",
                        f"{100 * mean(each[name]['vote'] for each in found):.2f}",
                    ]
                )
                print(lines[-1], file=sys.stderr, flush=True)
    spread = "Spaces: " + "; ".join(
        f"{space}, {n_members} members, {epochs} passes"
        for space, (n_members, epochs) in sizes.items()
    )
    head = ["space", "n_jobs", BACKEND, "s a member", "`fit` takes times", "member, %", "vote, %"]
    return f"{spread}.\n\n{table(head, lines)}"


def memory(n_members: int = 100) -> str:
    """Resident memory of one process that trains member after member."""
    from skprune.ensemble import _training

    _training._MAX_TASKS = n_members + 1
    rows = []
    found = [
        _training.run_in_worker(_grow, seed, keras_backend=BACKEND) for seed in range(n_members)
    ]
    rows.append(["worker of an ensemble", *(f"{found[i]:.0f}" for i in (0, 39, n_members - 1))])
    fit = Arm("fit", "small", 1, 0, n_members, SIZES["small"][1]).run()["resident"]
    rows.append(["Keras `fit`, cleared", *(f"{fit[i]:.0f}" for i in (0, 39, n_members - 1))])
    head = ["resident memory, MiB, after", "1 member", "40 members", f"{n_members} members"]
    return table(head, rows)


def _grow(seed: int) -> float:
    """Train one small member in this process, as an ensemble's worker does."""
    from skprune.ensemble import CNNSpace
    from skprune.ensemble._data import SharedSamples
    from skprune.ensemble._space import sample_members
    from skprune.ensemble._training import _train_here

    X, y = load_digits(return_X_y=True)
    X = X[:300].reshape(-1, 8, 8, 1).astype(np.uint8)
    plan = sample_members(CNNSpace.small(), seed + 1, 0)[seed]
    params = {"n_classes": 10, "offset": 5.0, "scale": 6.0, "epochs": 2, "batch_size": BATCH}
    with tempfile.TemporaryDirectory() as folder:
        data = SharedSamples.write(folder, [X, y[:300], None], np.zeros(300, bool))
        _train_here({**params, "architecture": plan.architecture, "random_state": plan.seed}, data)
    return resident_mib()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="memory through 100 members too")
    parser.add_argument("--images", help="an .npz such as Keras's mnist.npz, instead of digits")
    parser.add_argument("--rows", type=int, help="how many of its training images")
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--space", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--members", type=int, help="of each ensemble")
    parser.add_argument("--epochs", type=int, help="of each member")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(Arm(**json.loads(given.child)))
    else:
        sizes = {
            space: (given.members or SIZES[space][0], given.epochs or SIZES[space][1])
            for space in given.space
        }
        print(machine())
        if given.seeds:
            print(
                "\n" + training(given.seeds, tuple(given.n_jobs), sizes, given.images, given.rows)
            )
        if given.memory:
            print(f"\n{memory()}")
