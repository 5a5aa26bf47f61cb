import multiprocessing
import os
import shutil
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

from skprune.ensemble import _training
from skprune.ensemble._training import WorkerDiedError, run_in_worker
from skprune.exceptions import CacheError, CacheWarning, MemberTrainingError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def light_workers():
    """Workers that have trained nothing: they start in a second, for they load no TensorFlow."""
    workers = []
    yield workers
    for worker in workers:
        worker.stop(kill=True)


@pytest.fixture
def new_workers(light_workers, monkeypatch):
    """Those that train are put aside and come back; none is left that is due to be replaced."""
    monkeypatch.setattr(_training, "_idle", light_workers)


@pytest.fixture(scope="module")
def kept(tiny, digits, tmp_path_factory):
    """An ensemble of one network, and the folder it is kept in; not to be changed."""
    folder = tmp_path_factory.mktemp("kept") / "cache"
    return tiny(1, memory=str(folder)).fit(*digits), folder


@pytest.fixture
def cache(kept, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(kept[1], tmp_path / "cache")


def entries(folder):
    """When each member in the cache was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in Path(folder).rglob("output.pkl")}


def assert_same_bits(one, other):
    assert one.architectures_ == other.architectures_
    assert one.history_ == other.history_
    for a, b in zip(one.estimators_, other.estimators_, strict=True):
        for left, right in zip(a.model_.get_weights(), b.model_.get_weights(), strict=True):
            np.testing.assert_array_equal(left, right)


def test_same_bits_for_every_n_jobs(fitted, tiny, digits):
    assert fitted.n_jobs is None
    two = tiny(2, n_jobs=2).fit(*digits)
    with joblib.parallel_config(n_jobs=2):
        three = tiny(2).fit(*digits)
    assert_same_bits(fitted, two)
    assert_same_bits(fitted, three)


def test_more_members_train_only_the_new_ones(fitted, kept, tiny, digits, cache):
    small, _ = kept
    before = entries(cache)
    assert len(before) == 1
    large = tiny(2, memory=str(cache)).fit(*digits)
    after = entries(cache)
    assert len(after) == 2
    assert before.items() <= after.items()
    assert large.architectures_[:1] == small.architectures_
    assert_same_bits(large, fitted)


def test_the_cache_knows_what_matters(kept, tiny, digits, tmp_path, monkeypatch):
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
    # What each comes to is all the same here, and takes time.
    trained, n_trained = (kept[0].estimators_[0].model_.get_weights(), kept[0].history_[0]), []
    monkeypatch.setattr(
        _training, "run_in_worker", lambda *args, **kwargs: n_trained.append(1) or trained
    )
    for ensemble, data in variants:
        ensemble.set_params(memory=str(tmp_path)).fit(*data)
    assert len(entries(tmp_path)) == len(n_trained) == len(variants)
    # None of these changes a member.
    memory = joblib.Memory(str(tmp_path), verbose=0)  # of a Path, joblib makes another folder
    for params in ({"n_jobs": 2}, {"voting": "hard"}, {"verbose": 1}):
        tiny(1, memory=memory, **params).fit(X, y)
    assert len(entries(tmp_path)) == len(n_trained) == len(variants)


def test_a_disk_without_room_is_refused_before_anything_is_trained(tiny, digits, small_disk):
    large = tiny(200, memory=str(small_disk), verbose=1)
    with pytest.raises(CacheError, match=r"weights of 200 members will take about .* free"):
        large.fit(*digits)
    assert entries(small_disk) == {}
    # What is in the cache already needs no room.
    few = tiny(1, memory=str(small_disk)).fit(*digits)
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb") as file:
        file.write(b"0" * 300_000)
    assert_same_bits(few, tiny(1, memory=str(small_disk)).fit(*digits))


def test_a_broken_member_is_trained_again(kept, tiny, digits, cache):
    (output,) = cache.rglob("output.pkl")
    whole = output.read_bytes()
    output.write_bytes(whole[:-100])
    with pytest.warns(CacheWarning, match="'network' .* is broken"):
        found = tiny(1, memory=str(cache)).fit(*digits)
    assert_same_bits(kept[0], found)
    assert len(output.read_bytes()) == len(whole)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")

INTERRUPTED = """
import signal
import sys
import joblib

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may ignore it
    ensemble, X, y = joblib.load(sys.argv[1])
    ensemble.fit(X, y)
"""


@needs_proc
def test_a_killed_run_goes_on_where_it_was(fitted, tiny, digits, tmp_path):
    script, given, cache = tmp_path / "run.py", tmp_path / "given", tmp_path / "cache"
    script.write_text(INTERRUPTED)
    joblib.dump((tiny(2, memory=str(cache)), *digits), given)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run = subprocess.Popen(
        [sys.executable, script, given],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        deadline = time.monotonic() + 120
        while not entries(cache):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    before = entries(cache)
    assert len(before) == 1
    assert children
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.1)
    assert list(temporary.glob("skprune*")) == []

    resumed = tiny(2, memory=str(cache)).fit(*digits)
    after = entries(cache)
    assert len(after) == 2
    assert before.items() <= after.items()
    assert_same_bits(resumed, fitted)


@needs_proc
@pytest.mark.parametrize(
    ("n_jobs", "loaded"),
    [(1, b"numpy"), (2, b"numpy"), (2, b"tensorflow")],
    ids=["one that starts", "two that start", "two that train"],
)
def test_ctrl_c_gives_one_traceback(fitted, tiny, digits, cache, tmp_path, n_jobs, loaded):
    """A terminal sends it to all processes; the workers are stopped, and the cache goes on."""
    script, given, before = tmp_path / "run.py", tmp_path / "given", entries(cache)
    script.write_text(INTERRUPTED)
    joblib.dump((tiny(4, memory=str(cache), n_jobs=n_jobs), *digits), given)
    run = subprocess.Popen(
        [sys.executable, script, given],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        deadline = time.monotonic() + 120
        reached = 0
        while reached < n_jobs:
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
            workers = worker_pids(run.pid)
            reached = sum(loaded in read_proc(worker, "maps") for worker in workers)
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert said.count("Traceback") == 1, said
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "popen_loky" not in said
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline, "workers outlive the fit that was interrupted"
        time.sleep(0.1)
    assert before.items() <= entries(cache).items()
    if n_jobs == 2:
        assert_same_bits(tiny(2, memory=str(cache)).fit(*digits), fitted)


def shout_and_die():
    os.write(2, b"my last words")
    os._exit(3)


def test_a_worker_that_dies_is_quoted_and_replaced(new_workers):
    with pytest.raises(WorkerDiedError, match="my last words"):
        run_in_worker(shout_and_die)
    assert run_in_worker(os.getpid) != os.getpid()


def test_workers_stay_and_do_not_share_threads_or_output(new_workers, capfd):
    assert run_in_worker(os.getpid) == run_in_worker(os.getpid)
    assert run_in_worker(os.getenv, "TF_NUM_INTRAOP_THREADS") == "1"
    assert run_in_worker(os.getenv, "KERAS_BACKEND", keras_backend="jax") == "jax"
    run_in_worker(os.system, "echo said; echo said >&2")
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
    run_in_worker(os.getpid)
    n_tasks = _training._idle[-1].n_tasks
    assert n_tasks + 2 < _training._MAX_TASKS
    monkeypatch.setattr(_training, "_MAX_TASKS", n_tasks + 2)
    pids = [run_in_worker(os.getpid) for _ in range(3)]
    assert pids[0] == pids[1] != pids[2]


def worker_pids(parent=None):
    """Process ids of the workers of a process, by default this one."""
    children = Path(f"/proc/{parent or os.getpid()}/task").glob("*/children")
    pids = {int(pid) for file in children for pid in file.read_text().split()}
    return {pid for pid in pids if b"popen_loky" in read_proc(pid, "cmdline")}


def read_proc(pid, name):
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has just ended
        return b""


class KillsWorkers(threading.Thread):
    """Kills the next workers that are started, each once it has begun to train."""

    def __init__(self, n_deaths):
        super().__init__(daemon=True)
        self.n_deaths, self.killed, self.known = n_deaths, [], worker_pids()
        self.start()

    def run(self):
        deadline = time.monotonic() + 100
        while len(self.killed) < self.n_deaths and time.monotonic() < deadline:
            for pid in worker_pids() - self.known:
                # It loads TensorFlow within the function that trains.
                if b"tensorflow" in read_proc(pid, "maps"):
                    os.kill(pid, signal.SIGKILL)
                    self.killed.append(pid)
                    self.known.add(pid)
            time.sleep(0.02)


@needs_proc
def test_a_killed_worker_costs_its_member_only_a_second_try(kept, tiny, digits, new_workers):
    _drop_idle_workers()
    killer = KillsWorkers(1)
    found = tiny(1).fit(*digits)
    killer.join(5)
    assert len(killer.killed) == 1
    assert_same_bits(kept[0], found)


@needs_proc
@pytest.mark.timeout(180)
def test_the_member_that_loses_two_workers_is_named(tiny, digits, tmp_path, new_workers):
    _drop_idle_workers()
    killer = KillsWorkers(2)
    ensemble = tiny(1, memory=str(tmp_path))
    with pytest.raises(MemberTrainingError) as caught:
        ensemble.fit(*digits)
    killer.join(5)
    assert len(killer.killed) == 2
    assert "Member 0" in str(caught.value)
    assert "2 times" in str(caught.value)
    assert "CNNArchitecture(blocks=" in str(caught.value)
    assert entries(tmp_path) == {}
    assert run_in_worker(os.getpid) not in killer.killed


def _drop_idle_workers():
    while _training._idle:
        _training._idle.pop().stop(kill=True)


def test_temporary_files_are_removed(tiny, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    tiny(1).fit(*digits)
    assert list(tmp_path.iterdir()) == []
