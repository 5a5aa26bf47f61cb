"""Serving: latencies, cold start, sizes of files, and the HTTP service.

python benchmarks/serving.py [--cache cnns] [latency] [cold] [size] [http]

The baseline is what scikeras does: each member's ``model.predict``, one after the other.
"""

import argparse
import io
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import joblib
import numpy as np
from _common import machine, table
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skprune import RandomCNNEnsembleClassifier, SOCPEnsemblePruner
from skprune.serving import OnnxPredictor, export_onnx, fuse, quantize_onnx

SECTION = """56 CNNs of the small space (15 passes on 8 x 8 digits), and the ten of them that
`SOCPEnsemblePruner(lam=0, max_members=10, voting="soft")` kept. The baseline is a loop of Keras's
`predict` over the members, as scikeras's classifiers call it; ratios are within one run, ways take
turns. Aim: the estimator's own `predict` 50 times faster for one sample, ONNX 100 times, agreement
1e-5.

{latency}

The floor is the arithmetic: 44 MFLOP a sample for the 56, 0.5 ms of one core at the 90 GFLOP/s that
it reaches in a product of 1,500 x 1,500 matrices. ONNX takes 4 to 5 times that for one sample, and
with both cores twice that for 1,000. The estimator's first calls, before a compiled function
pays, took 0.38 s for 56 members (one network after the other), and the call that compiles it 2.6 s.

Cold start: from the start of a process to its end after one prediction, medians of seven. Aim: ONNX
10 times faster.

{cold}

Files. scikeras pickles each model compiled, with the state of Adam. Accuracies on 450 images that
neither the networks, nor the choice, nor the ranges of eight bits have seen (one is 0.22 points).

{size}

The HTTP service (`examples/serving/service.py`, one process) and its clients on the same two cores,
so each takes the other's time. Images are sent as `.npy`, answers come as JSON.

{http}"""


HERE = Path(__file__).parent
KEPT = 10


class Case:
    """An ensemble of 56 small CNNs on 8 x 8 images, and the pruned one of ten."""

    def __init__(self, cache: Path | None) -> None:
        X, y = load_digits(return_X_y=True)
        X, self.X_test, y, self.y_test = train_test_split(X, y, stratify=y, random_state=0)
        train, select, y_train, y_select = train_test_split(X, y, stratify=y, random_state=0)
        self.select, self.y_select = select, y_select
        self.full = RandomCNNEnsembleClassifier(
            56, image_shape=(8, 8), epochs=15, n_jobs=-1, memory=cache, random_state=0
        ).fit(train, y_train)
        pruner = SOCPEnsemblePruner(
            FrozenEstimator(self.full), lam=0.0, max_members=KEPT, voting="soft"
        )
        self.pruned = pruner.fit(select, y_select)
        self._folder = tempfile.TemporaryDirectory()  # gone with the case

    def estimators(self) -> list[tuple[str, object]]:
        kept = self.pruned.n_members_
        return [
            (f"full, {len(self.full.estimators_)}", self.full),
            (f"pruned, {kept}", self.pruned),
        ]

    def file(self, name: str) -> str:
        return str(Path(self._folder.name) / name)


def scikeras_loop(estimator) -> Callable[[np.ndarray], np.ndarray]:
    """The vote by a loop of ``model.predict``, as scikeras's classifiers call it."""
    vote = estimator.__skprune_vote__()
    models = [(member.weight, member.estimator.network()) for member in vote.members]

    def predict(X: np.ndarray) -> np.ndarray:
        samples = X.reshape(-1, 8, 8, 1).astype(np.float32)
        return sum(weight * model.predict(samples, verbose=0) for weight, model in models)

    return predict


def ways_of(case: Case, name: str, estimator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    path = export_onnx(estimator, case.file(f"{name.partition(',')[0]}.onnx"))
    model = fuse(estimator)
    every, one = OnnxPredictor(path), OnnxPredictor(path, n_threads=1)
    return {
        "loop of scikeras predict": scikeras_loop(estimator),
        "the estimator's own predict": estimator.predict_proba,
        "fused, predict_on_batch": lambda X: model.predict_on_batch(
            X.reshape(-1, 8, 8, 1).astype(np.float32)
        ),
        "ONNX, all cores": every.predict_proba,
        "ONNX, one thread": one.predict_proba,
    }


def timed(ways: dict, X: np.ndarray, rounds: int, calls: int) -> dict[str, np.ndarray]:
    """Seconds of each call; the ways take turns, the loop has one call where others have many."""
    for way in ways.values():  # compiled, traced and warm
        start = time.perf_counter()
        while time.perf_counter() - start < 6:
            way(X)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            for _ in range(1 if name.startswith("loop") else calls):
                start = time.perf_counter()
                way(X)
                times[name].append(time.perf_counter() - start)
    return {name: np.array(seconds) for name, seconds in times.items()}


def latency(case: Case) -> str:
    rows = []
    for label, estimator in case.estimators():
        ways = ways_of(case, label, estimator)
        one, many = case.X_test[:1], np.tile(case.X_test, (3, 1))[:1000]
        expected = ways["loop of scikeras predict"](case.X_test)
        gaps = {name: np.abs(way(case.X_test) - expected).max() for name, way in ways.items()}
        single = timed(ways, one, rounds=12, calls=20)
        batch = timed(ways, many, rounds=5, calls=1)
        base, whole = (np.median(t["loop of scikeras predict"]) for t in (single, batch))
        for name in ways:
            median, p99 = np.percentile(1000 * single[name], [50, 99])
            thousand = 1000 * np.median(batch[name])
            rows.append(
                [label, name, f"{median:.1f}", f"{p99:.1f}", f"{1000 * base / median:.0f}",
                 f"{thousand:.0f}", f"{1000 * whole / thousand:.1f}", f"{gaps[name]:.0e}"]
            )  # fmt: skip
    head = ["members", "way", "one sample, ms", "99th percentile", "times faster",
            "1,000 samples, ms", "times faster", "largest difference"]  # fmt: skip
    return table(head, rows)


_WITH_JOBLIB = """
import joblib, numpy as np
print(joblib.load({path!r}).predict(np.load({sample!r})))
"""
_WITH_ONNX = """
import numpy as np
from skprune.serving import OnnxPredictor
print(OnnxPredictor({path!r}).predict(np.load({sample!r})))
"""


def cold(case: Case, repeats: int = 7) -> str:
    """From the start of a process to its end after one prediction."""
    sample = case.file("sample.npy")
    np.save(sample, case.X_test[:1])
    rows = []
    for label, estimator in case.estimators():
        joblib.dump(estimator, case.file("e.joblib"))
        export_onnx(estimator, case.file("e.onnx"))
        scripts = {
            "joblib, TensorFlow": _WITH_JOBLIB.format(path=case.file("e.joblib"), sample=sample),
            "ONNX": _WITH_ONNX.format(path=case.file("e.onnx"), sample=sample),
            "an empty process": "",
        }
        times: dict[str, list[float]] = {name: [] for name in scripts}
        for _ in range(repeats):
            for name, script in scripts.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
                times[name].append(time.perf_counter() - start)
        medians = {name: float(np.median(seconds)) for name, seconds in times.items()}
        for name, median in medians.items():
            times_faster = medians["joblib, TensorFlow"] / median
            rows.append([label, name, f"{median:.2f}", f"{times_faster:.1f}"])
    return table(["members", "way", "seconds", "times faster"], rows)


def scikeras_bytes(estimator) -> int:
    """Pickled as scikeras does: compiled models with the state of their optimisers."""
    import keras
    from scikeras.wrappers import KerasClassifier

    from skprune.ensemble._builder import compile_cnn, make_training_state

    total = 0
    for member in estimator.estimators_:
        model = member.network()
        compile_cnn(model, keras.optimizers.Adam(member.architecture.learning_rate))
        make_training_state(model)
        wrapped = KerasClassifier(model)
        wrapped.model_ = model
        total += len(pickle.dumps(wrapped.model_))
    return total


def size(case: Case) -> str:
    rows = []
    base = scikeras_bytes(case.full)
    rows.append(["full ensemble, as scikeras pickles its models", f"{base:,}", "1.0"])
    for label, estimator in case.estimators():
        stream = io.BytesIO()
        joblib.dump(estimator, stream)
        path = export_onnx(estimator, case.file("s.onnx"))
        report = quantize_onnx(path, case.file("s8.onnx"), case.select, case.y_select, verbose=0)
        float32 = OnnxPredictor(path).predict(case.X_test) == case.y_test
        int8 = OnnxPredictor(report.path).predict(case.X_test) == case.y_test
        for name, n_bytes, right in (
            ("joblib", stream.tell(), estimator.predict(case.X_test) == case.y_test),
            ("ONNX", report.n_bytes, float32),
            ("ONNX, int8", report.n_bytes_int8, int8),
        ):
            accuracy = f"{100 * right.mean():.2f}"
            rows.append([f"{label}: {name}", f"{n_bytes:,}", f"{base / n_bytes:.1f}", accuracy])
    rows[0].append(f"{100 * (case.full.predict(case.X_test) == case.y_test).mean():.2f}")
    return table(["file", "bytes", "times smaller", "test accuracy, %"], rows)


def http(case: Case) -> str:
    """The service of examples/serving, asked by clients of this machine."""
    sys.path.insert(0, str(HERE.parent / "examples" / "serving"))
    from load import measure

    rows = []
    for label, estimator in case.estimators():
        path = export_onnx(estimator, case.file("h.onnx"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        service = HERE.parent / "examples" / "serving" / "service.py"
        command = [sys.executable, str(service), path, "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(port)
            for clients, images, requests in (
                (1, 1, 500),
                (8, 1, 2000),
                (32, 1, 2000),
                (8, 64, 200),
            ):
                load = measure(url, requests, clients, images)
                median, p99 = 1000 * np.percentile(load.latencies, [50, 99])
                rows.append([label, clients, images, f"{load.rate:.0f}", f"{median:.1f}",
                             f"{p99:.1f}", sum(load.errors.values())])  # fmt: skip
        finally:
            process.terminate()
            process.wait(30)
    head = ["members", "clients", "images a request", "requests/s", "median, ms",
            "99th percentile, ms", "errors"]  # fmt: skip
    return table(head, rows)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the service did not start")


def serving_section(cache: Path | None = None) -> str:
    """The part of the page."""
    case = Case(cache)
    return SECTION.format(latency=latency(case), cold=cold(case), size=size(case), http=http(case))


if __name__ == "__main__":
    parts = {"latency": latency, "cold": cold, "size": size, "http": http}
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=[])
    parser.add_argument("--cache", type=Path, help="folder of trained CNNs, to go on from")
    options = parser.parse_args()
    print(machine(), flush=True)
    case = Case(options.cache)
    print(f"{case.pruned.n_members_} of {case.pruned.n_members_in_} members kept", flush=True)
    for part in options.parts or parts:
        print(f"\n{part}\n\n{parts[part](case)}", flush=True)
