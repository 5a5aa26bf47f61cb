import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import joblib
import numpy as np
import pytest

from skprune.ensemble import _workers
from skprune.ensemble._workers import WorkerDiedError, run_in_worker
from skprune.exceptions import CacheError, CacheWarning, MemberTrainingError
from skprune.utils import cache_contents

pytestmark = pytest.mark.keras


@pytest.fixture
def new_workers():
    """No worker is left that is due to be replaced."""
    while _workers._idle:
        _workers._idle.pop().stop(kill=True)


def entries(folder):
    """When each member in the cache was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in Path(folder).rglob("output.pkl")}


def assert_same_bits(one, other):
    assert one.architectures_ == other.architectures_
    assert one.history_ == other.history_
    for a, b in zip(one.estimators_, other.estimators_, strict=True):
        for left, right in zip(a.model_.get_weights(), b.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


def test_same_bits_for_every_n_jobs(tiny, digits):
    one = tiny(3, epochs=2, n_jobs=1).fit(*digits)
    two = tiny(3, epochs=2, n_jobs=2).fit(*digits)
    with joblib.parallel_config(n_jobs=2):
        three = tiny(3, epochs=2).fit(*digits)
    assert_same_bits(one, two)
    assert_same_bits(one, three)


def test_more_members_train_only_the_new_ones(tiny, digits, tmp_path):
    small = tiny(2, memory=str(tmp_path)).fit(*digits)
    before = entries(tmp_path)
    assert len(before) == 2
    large = tiny(3, memory=str(tmp_path)).fit(*digits)
    after = entries(tmp_path)
    assert len(after) == 3
    assert before.items() <= after.items()
    assert large.architectures_[:2] == small.architectures_
    assert_same_bits(large, tiny(3).fit(*digits))


def test_the_cache_knows_what_matters(tiny, digits, tmp_path):
    X, y = digits
    variants = [
        (tiny(1), (X, y)),
        (tiny(1), (X[::-1].copy(), y)),
        (tiny(1), (X, y[::-1].copy())),
        (tiny(1), (X, y, np.linspace(1, 2, 90))),
        (tiny(1, epochs=2), (X, y)),
        (tiny(1, batch_size=16), (X, y)),
        (tiny(1, validation_fraction=0.2), (X, y)),
        (tiny(1, random_state=1), (X, y)),
    ]
    for ensemble, data in variants:
        ensemble.set_params(memory=str(tmp_path)).fit(*data)
    assert len(entries(tmp_path)) == len(variants)
    # None of these changes a member.
    for params in ({"n_jobs": 2}, {"voting": "hard"}, {"verbose": 1}):
        tiny(1, memory=joblib.Memory(tmp_path, verbose=0), **params).fit(X, y)
    assert len(entries(tmp_path)) == len(variants)


def test_a_disk_without_room_is_refused_before_anything_is_trained(tiny, digits, small_disk):
    large = tiny(200, memory=str(small_disk), verbose=1)
    with pytest.raises(CacheError, match=r"weights of 200 members will take about .* free"):
        large.fit(*digits)
    assert entries(small_disk) == {}
    # What is in the cache already needs no room.
    few = tiny(3, memory=str(small_disk)).fit(*digits)
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb") as file:
        file.write(b"0" * 300_000)
    assert_same_bits(few, tiny(3, memory=str(small_disk)).fit(*digits))


def test_a_broken_member_is_trained_again(tiny, digits, tmp_path):
    expected = tiny(2, memory=str(tmp_path)).fit(*digits)
    first, _ = sorted(tmp_path.rglob("output.pkl"))
    whole = first.read_bytes()
    first.write_bytes(whole[:-100])
    with pytest.warns(CacheWarning, match="broken.*a network of seed"):
        found = tiny(2, memory=str(tmp_path)).fit(*digits)
    assert_same_bits(expected, found)
    assert len(first.read_bytes()) == len(whole)


def test_the_cache_says_what_it_holds(tiny, digits, tmp_path):
    fitted = tiny(2, memory=str(tmp_path)).fit(*digits)
    contents = cache_contents(str(tmp_path))
    assert len(contents.entries) == 2
    for member in fitted.estimators_:
        assert str(member.architecture) in "".join(entry.about for entry in contents.entries)
    contents.clear()
    assert entries(tmp_path) == {}


INTERRUPTED = """
import sys
import numpy as np
from skprune.ensemble import CNNSpace, RandomCNNEnsembleClassifier

data = np.load(sys.argv[1])
space = CNNSpace(n_blocks=[1], filters=[2], dense_units=[10], learning_rate=(1e-2, 1e-2))
ensemble = RandomCNNEnsembleClassifier(
    4, space=space, epochs=2, random_state=0, memory=sys.argv[2]
)
if __name__ == "__main__":
    ensemble.fit(data["X"], data["y"])
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
def test_a_killed_run_goes_on_where_it_was(digits, tmp_path):
    X, y = digits
    script, data, cache = tmp_path / "run.py", tmp_path / "data.npz", tmp_path / "cache"
    script.write_text(INTERRUPTED)
    np.savez(data, X=X, y=y)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run = subprocess.Popen(
        [sys.executable, script, data, cache],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        deadline = time.monotonic() + 120
        while len(entries(cache)) < 2:
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    before = entries(cache)
    assert 2 <= len(before) < 4
    assert children
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.1)
    assert list(temporary.glob("skprune*")) == []

    scope = {"__name__": "again"}
    sys.argv, kept = ["run.py", str(data), str(cache)], sys.argv
    try:
        exec(compile(INTERRUPTED, "run.py", "exec"), scope)
    finally:
        sys.argv = kept
    resumed = scope["ensemble"].fit(X, y)
    after = entries(cache)
    assert len(after) == 4
    assert before.items() <= after.items()
    assert_same_bits(resumed, scope["ensemble"].set_params(memory=None).fit(X, y))


def shout_and_die():
    os.write(2, b"my last words")
    os._exit(3)


def test_a_worker_that_dies_is_quoted_and_replaced():
    with pytest.raises(WorkerDiedError, match="my last words"):
        run_in_worker(shout_and_die)
    assert run_in_worker(os.getpid) != os.getpid()


def test_workers_stay_and_do_not_share_threads_or_output(new_workers, capfd):
    assert run_in_worker(os.getpid) == run_in_worker(os.getpid)
    assert run_in_worker(os.getenv, "TF_NUM_INTRAOP_THREADS") == "1"
    assert run_in_worker(os.getenv, "KERAS_BACKEND", keras_backend="jax") == "jax"
    run_in_worker(os.system, "echo heard; echo heard >&2")
    assert capfd.readouterr() == ("", "")


def test_what_a_function_raises_comes_through_and_the_worker_stays(new_workers):
    pid = run_in_worker(os.getpid)
    with pytest.raises(ZeroDivisionError):
        run_in_worker(divmod, 1, 0)
    assert run_in_worker(os.getpid) == pid


def use_a_worker():
    assert run_in_worker(os.getpid) != os.getpid()


def test_a_child_process_does_not_wait_for_its_idle_worker():
    child = multiprocessing.get_context("spawn").Process(target=use_a_worker)
    child.start()
    child.join(timeout=60)  # the worker stays for 90 s
    assert child.exitcode == 0


def test_workers_are_replaced_before_they_grow_too_large(new_workers, monkeypatch):
    assert _workers._MAX_TASKS > 2
    monkeypatch.setattr(_workers, "_MAX_TASKS", 2)
    pids = [run_in_worker(os.getpid) for _ in range(3)]
    assert pids[0] == pids[1] != pids[2]


def worker_pids():
    """Process ids of the workers of this process."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = {int(pid) for file in children for pid in file.read_text().split()}
    return {p for p in pids if b"popen_loky" in Path(f"/proc/{p}/cmdline").read_bytes()}


class KillsWorkers(threading.Thread):
    """Kills the next workers that are started, each a while after its start."""

    def __init__(self, n_deaths):
        super().__init__(daemon=True)
        self.n_deaths, self.killed, self.known = n_deaths, [], worker_pids()
        self.start()

    def run(self):
        deadline = time.monotonic() + 100
        while len(self.killed) < self.n_deaths and time.monotonic() < deadline:
            for pid in worker_pids() - self.known:
                time.sleep(1)
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)
                self.known.add(pid)
            time.sleep(0.05)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")


@needs_proc
def test_a_killed_worker_costs_its_member_only_a_second_try(tiny, digits, new_workers):
    params = {"epochs": 300, "validation_fraction": None}
    expected = tiny(1, **params).fit(*digits)
    _workers._idle.pop().stop(kill=True)
    killer = KillsWorkers(1)
    found = tiny(1, **params).fit(*digits)
    killer.join(5)
    assert len(killer.killed) == 1
    assert_same_bits(expected, found)


@needs_proc
@pytest.mark.timeout(180)
def test_the_member_that_loses_two_workers_is_named(tiny, digits, tmp_path, new_workers):
    killer = KillsWorkers(2)
    ensemble = tiny(1, epochs=1_000_000, validation_fraction=None, memory=str(tmp_path))
    with pytest.raises(MemberTrainingError) as caught:
        ensemble.fit(*digits)
    killer.join(5)
    assert len(killer.killed) == 2
    assert "Member 0" in str(caught.value)
    assert "2 times" in str(caught.value)
    assert "CNNArchitecture(blocks=" in str(caught.value)
    assert entries(tmp_path) == {}
    tiny(1).fit(*digits)


def test_temporary_files_are_removed(tiny, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    tiny(1).fit(*digits)
    assert list(tmp_path.iterdir()) == []
