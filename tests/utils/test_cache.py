"""The cache: broken entries, killed processes, full disks, two at once, other versions."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections import namedtuple
from contextlib import suppress
from pathlib import Path

import joblib
import numpy as np
import pytest

from skprune.exceptions import CacheError, CacheWarning
from skprune.utils import (
    cached_call,
    check_cache,
    check_cache_space,
    data_hash,
    is_cached,
)

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")


@pytest.fixture
def memory(tmp_path):
    return check_cache(tmp_path / "cache")


def array(seed):
    return np.random.default_rng(seed).normal(size=500)


def fetch(memory, seed, calls=None, kind="arrays"):
    """An array through the cache; `calls` takes down what was computed."""

    def compute():
        if calls is not None:
            calls.append(seed)
        return array(seed)

    return cached_call(memory, kind, ("array", seed), compute)


def stored(folder):
    """Files of the values in a cache."""
    return list(Path(folder).rglob("output.pkl"))


def test_a_value_is_computed_once(memory):
    calls = []
    for _ in range(3):
        np.testing.assert_array_equal(fetch(memory, 0, calls), array(0))
    fetch(memory, 1, calls)
    assert calls == [0, 1]


def test_without_a_folder_everything_is_computed():
    calls = []
    for _ in range(2):
        fetch(check_cache(None), 0, calls)
    assert calls == [0, 0]


@pytest.mark.parametrize("compress", [False, 3])
def test_joblibs_memory_gives_the_place_and_the_compression(tmp_path, compress, capsys):
    memory = check_cache(joblib.Memory(tmp_path, verbose=1, compress=compress))
    zeros = np.zeros(10_000)
    for _ in range(2):
        np.testing.assert_array_equal(cached_call(memory, "arrays", 0, lambda: zeros), zeros)
    (file,) = stored(tmp_path)
    assert file.stat().st_size < 1000 if compress else file.stat().st_size > 80_000
    memory.reduce_size(items_limit=0)
    assert stored(tmp_path) == []
    assert capsys.readouterr() == ("", "")


def test_what_fails_is_computed_again(memory):
    with pytest.raises(ZeroDivisionError):
        cached_call(memory, "numbers", 0, lambda: 1 / 0)
    assert cached_call(memory, "numbers", 0, lambda: 3) == 3


def test_none_is_a_value(memory):
    calls = []
    for _ in range(2):
        assert cached_call(memory, "things", 0, lambda: calls.append(1)) is None
    assert calls == [1]


def test_what_is_cached_is_known(memory):
    assert not is_cached(memory, "arrays", ("array", 0))
    fetch(memory, 0)
    assert is_cached(memory, "arrays", ("array", 0))
    assert not is_cached(memory, "others", ("array", 0))
    assert not is_cached(check_cache(None), "arrays", ("array", 0))


def test_entries_say_what_they_are(memory, tmp_path):
    fetch(memory, 0)
    (file,) = stored(tmp_path)
    said = json.loads(file.with_name("metadata.json").read_text())["input_args"]
    assert said["kind"] == "'arrays'"


def test_a_cleared_cache_is_filled_again(memory, tmp_path):
    fetch(memory, 0)
    memory.clear(warn=False)
    assert stored(tmp_path) == []
    calls = []
    for _ in range(2):
        fetch(memory, 0, calls)
    assert calls == [0]


def test_equal_data_have_one_hash_mapped_or_not(tmp_path):
    np.save(tmp_path / "x.npy", array(0))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert data_hash(mapped, "a") == data_hash(array(0), "a") != data_hash(array(0), "b")


def test_equal_data_have_one_hash_however_they_lie_in_memory():
    X = np.arange(60.0).reshape(10, 6)
    assert data_hash(X[::2]) == data_hash(X[[0, 2, 4, 6, 8]]) != data_hash(X[1::2])
    assert data_hash(np.asfortranarray(X)) == data_hash(X) != data_hash(X.T)


# Broken entries


def cut(length):
    def breaks(path):
        os.truncate(path, length if length >= 0 else path.stat().st_size + length)

    return breaks


def zero(path):
    path.write_bytes(b"\0" * path.stat().st_size)


def folder_instead(path):
    path.unlink()
    path.mkdir()
    (path / "something").write_text("here")


@pytest.mark.parametrize("kind", ["array", "object"])
@pytest.mark.parametrize("breaks", [*(cut(n) for n in (0, 1, 100, 2000, -1)), zero, folder_instead])
def test_a_broken_entry_is_made_again_with_one_warning(memory, tmp_path, breaks, kind, caplog):
    calls = []

    def get():
        def compute():
            calls.append(1)
            return array(0) if kind == "array" else {"array": array(0)}

        found = cached_call(memory, "arrays", 0, compute)
        np.testing.assert_array_equal(found if kind == "array" else found["array"], array(0))

    get()
    breaks(*stored(tmp_path))
    with pytest.warns(CacheWarning, match=r"'arrays' in .* is broken .*computed again") as caught:
        get()
    assert len(caught) == 1
    assert caplog.text == ""  # where joblib would say it, too
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get()
    assert len(calls) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_disk_without_locks_is_used_without_them(memory, tmp_path, monkeypatch):
    """A file in the place of a lock would stay if its process were killed, and block the others."""
    import fcntl

    def flock(handle, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        np.testing.assert_array_equal(fetch(memory, 3), array(3))


def test_what_cannot_be_pickled_is_returned_all_the_same(memory, tmp_path):
    with pytest.warns(CacheWarning, match="could not be stored .*[Pp]ickle"):
        value = cached_call(memory, "arrays", 0, lambda: lambda: 3)
    assert value() == 3
    assert stored(tmp_path) == []


class Refuses:
    """Pickles as a class does that has a lock, or a property that fails."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error("cannot be taken along")


@pytest.mark.parametrize(
    "part", [threading.Lock(), Refuses(TypeError), Refuses(AttributeError), lambda: 3]
)
def test_what_no_key_can_be_made_of_is_refused_with_what_to_do(part):
    with pytest.raises(TypeError, match=r"memory: what is fitted cannot be pickled.*memory=None"):
        data_hash(3, {"part": part})


# Killed processes

KILLED = """
import os, random, signal, sys, time
import numpy as np
from skprune.utils import cached_call, check_cache

memory = check_cache(sys.argv[1])
rng = random.Random(0)

def fill(first):
    for seed in range(first, first + 200):
        cached_call(
            memory, "arrays", ("array", seed),
            lambda: np.random.default_rng(seed).normal(size=500),
        )

for attempt in range(60):
    # all the same entries, so that what was left half-done is met again
    child = os.fork()
    if child == 0:
        fill(20 * attempt)
        os._exit(0)
    time.sleep(rng.uniform(0, 0.08))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print("done")
"""


@POSIX
def test_a_cache_filled_by_killed_processes_reads_right(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, timeout=300
    )
    assert run.stdout == "done\n", run.stderr
    assert run.stderr == ""  # no warning: nothing half-written was taken for an entry
    memory = check_cache(tmp_path)
    whole = [s for s in range(1400) if is_cached(memory, "arrays", ("array", s))]
    assert 100 < len(whole) < 1400
    calls = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(1400):
            np.testing.assert_array_equal(fetch(memory, seed, calls), array(seed))
    assert len(calls) == 1400 - len(whole)


# Two at once

SHARED = """
import os, sys, time
from pathlib import Path
from skprune.utils import cached_call, check_cache

memory, log = check_cache(sys.argv[1]), Path(sys.argv[2])

def compute(i):
    with log.open("a") as file:
        file.write(f"{i}\\n")
    time.sleep(0.05)
    return i

print("ready", flush=True)
sys.stdin.readline()
for i in range(10):
    assert cached_call(memory, "numbers", i, lambda: compute(i)) == i
"""


def test_processes_that_want_the_same_entries_make_them_once(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", SHARED, tmp_path / "cache", log]
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    for run in runs:
        run.communicate(timeout=60)
        assert run.returncode == 0
    assert sorted(map(int, log.read_text().split())) == list(range(10))


def test_threads_that_want_the_same_entry_make_it_once(memory):
    calls, values = [], []

    def compute():
        calls.append(threading.get_ident())
        time.sleep(0.2)
        return 3

    def work():
        values.append(cached_call(memory, "numbers", 0, compute))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert values == [3] * 8
    assert len(calls) == 1


HOLDER = """
import sys, time
from skprune.utils import cached_call, check_cache

def compute():
    print("holding", flush=True)
    time.sleep(600)

cached_call(check_cache(sys.argv[1]), "numbers", 0, compute)
"""


def test_a_killed_holder_lets_go(memory, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "cache"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout.readline() == "holding\n"
        values = []
        thread = threading.Thread(
            target=lambda: values.append(cached_call(memory, "numbers", 0, lambda: 7))
        )
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "the entry is not locked while another process makes it"
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
    thread.join(30)
    assert values == [7]


# Wrong places


def test_a_file_or_below_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, str(file), file / "below"):
        with pytest.raises(ValueError, match=r"memory=.*file.* cannot be used as a cache"):
            check_cache(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_a_place_that_takes_no_files_is_refused():
    for path in ("/proc/here", joblib.Memory):
        with pytest.raises(ValueError, match="memory"):
            check_cache(path)


@pytest.mark.parametrize("memory", [3, object(), ["a"], ""])
def test_what_is_no_memory_is_refused(memory):
    with pytest.raises(ValueError, match="memory must be None, the path of a folder or a joblib"):
        check_cache(memory)


def test_a_memory_of_nothing_stores_nothing():
    memory = check_cache(joblib.Memory(None))
    assert fetch(memory, 0) is not None
    check_cache_space(memory, 1e30, "everything")


# Full disks


def test_too_little_room_is_said_before_anything_is_done(memory, tmp_path, monkeypatch):
    free = namedtuple("Usage", "free")(2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    check_cache_space(memory, 1_999_999, "2 members")
    with pytest.raises(CacheError, match=r"memory: 3 members .* 3 MB .* has 2 MB free"):
        check_cache_space(memory, 3_000_000, "3 members")


def fetch_all(memory, calls):
    for seed in range(100):
        np.testing.assert_array_equal(fetch(memory, seed, calls), array(seed))


def test_a_disk_that_becomes_full_is_told_of_once(small_disk):
    memory, calls = check_cache(small_disk), []
    with pytest.warns(CacheWarning, match=r"could not be stored .* has .* MB free") as caught:
        fetch_all(memory, calls)
    assert len(caught) == 1
    assert calls == list(range(100))
    n_stored = len(stored(small_disk))
    assert 5 < n_stored < 60
    # Of what could not be stored, nothing is left.
    names = {path.name for path in small_disk.rglob("*") if path.is_file()}
    assert {name for name in names if "output" in name} == {"output.pkl"}
    # What is there is read, in a fit that begins with a full disk, too.
    calls.clear()
    (small_disk / "filler").write_bytes(b"x" * os.statvfs(small_disk).f_bavail * 4096)
    memory = check_cache(small_disk)
    with pytest.warns(CacheWarning, match="could not be stored") as caught:
        fetch_all(memory, calls)
    assert len(caught) == 1
    assert len(calls) == 100 - n_stored


def test_a_full_disk_without_a_folder_for_entries_is_told_of_once(small_disk):
    memory = joblib.Memory(str(small_disk), verbose=0)
    with suppress(OSError), (small_disk / "filler").open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    for number in range(1000):  # nor for the name of one more file
        try:
            (small_disk / str(number)).mkdir()
        except OSError:
            break
    checked = check_cache(memory)
    check_cache_space(checked, 0, "nothing much")
    calls = []
    with pytest.warns(CacheWarning, match="could not be stored") as caught:
        fetch_all(checked, calls)
    assert len(caught) == 1
    assert calls == list(range(100))


# Versions


def test_entries_of_another_version_are_not_used(tmp_path):
    """Each in a process that takes itself for another version."""
    for version in ("0.0.9", "0.0.10", "0.0.9"):
        subprocess.run([sys.executable, "-c", OF_A_VERSION, tmp_path, version], check=True)
    assert (tmp_path / "log").read_text().split() == ["0.0.9", "0.0.10"]


OF_A_VERSION = """
import sys
from skprune import _version

folder, _version.__version__ = sys.argv[1:]
from skprune.utils import cached_call, check_cache

def compute():
    with open(f"{folder}/log", "a") as file:
        file.write(f"{_version.__version__}\\n")
    return 3

assert cached_call(check_cache(f"{folder}/cache"), "numbers", 0, compute) == 3
"""
