"""The cache: broken entries, killed processes, full disks, two at once, other versions."""

import errno
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from datetime import timedelta
from pathlib import Path

import joblib
import numpy as np
import pytest

from skprune.exceptions import CacheError, CacheWarning
from skprune.utils import (
    _cache,
    _cache_entry,
    _checked_file,
    cache_contents,
    cache_entry,
    cached_call,
    check_cache,
    check_cache_space,
    data_hash,
)

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")


@pytest.fixture(autouse=True)
def nothing_told():
    _cache_entry.told.clear()


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

    return cached_call(memory, kind, ("array", seed), compute, about=f"array {seed}")


def file_of(memory, seed=0):
    return cache_entry(memory, "arrays", ("array", seed), "").file


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
def test_joblibs_memory_gives_the_place_and_the_compression(tmp_path, compress):
    memory = check_cache(joblib.Memory(tmp_path, verbose=0, compress=compress))
    zeros = np.zeros(10_000)
    for _ in range(2):
        np.testing.assert_array_equal(
            cached_call(memory, "arrays", 0, lambda: zeros, about=""), zeros
        )
    size = cache_entry(memory, "arrays", 0, "").file.stat().st_size
    assert size < 1000 if compress else size > 80_000
    # joblib's own housekeeping knows our entries
    memory.reduce_size(items_limit=0)
    assert cache_contents(memory).entries == ()


def test_a_hit_takes_no_lock_and_leaves_no_file_changed(memory, monkeypatch):
    fetch(memory, 0)
    monkeypatch.setattr(_cache_entry.CacheEntry, "lock", None)
    fetch(memory, 0)  # Linux notes by itself when a new file is read, and once a day after that
    before = file_of(memory).stat()
    time.sleep(0.05)
    np.testing.assert_array_equal(fetch(memory, 0), array(0))
    after = file_of(memory).stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert after.st_atime > before.st_atime


def test_no_lock_is_left(memory, tmp_path):
    for seed in range(5):
        fetch(memory, seed)
    with pytest.raises(ZeroDivisionError):
        cached_call(memory, "arrays", "wrong", lambda: 1 / 0, about="")
    assert list(tmp_path.rglob("*.lock")) == []
    assert list(tmp_path.rglob("*.tmp")) == []


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


def flip(position):
    def breaks(path):
        content = bytearray(path.read_bytes())
        content[position] ^= 0x10
        path.write_bytes(content)

    return breaks


def zero(path):
    path.write_bytes(b"\0" * path.stat().st_size)


def folder_instead(path):
    path.unlink()
    path.mkdir()
    (path / "something").write_text("here")


def entry_is_a_file(path):
    import shutil

    shutil.rmtree(path.parent)
    path.parent.write_text("a file")


@pytest.mark.parametrize(
    "breaks",
    [
        *(cut(n) for n in (0, 1, 11, 12, 13, 100, 2000, -1)),
        *(flip(n) for n in (0, 9, 60, 2000, -1)),
        zero,
        folder_instead,
    ],
)
def test_a_broken_entry_is_made_again_with_one_warning(memory, breaks):
    fetch(memory, 0)
    breaks(file_of(memory))
    assert len(cache_contents(memory).entries) == 1
    calls = []
    with pytest.warns(CacheWarning, match=r"output\.pkl is broken .* array 0 is made") as caught:
        np.testing.assert_array_equal(fetch(memory, 0, calls), array(0))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(fetch(memory, 0, calls), array(0))
    assert calls == [0]


def test_a_file_where_the_entry_should_be_is_replaced(memory):
    fetch(memory, 0)
    entry_is_a_file(file_of(memory))
    calls = []
    with pytest.warns(CacheWarning, match="is broken"):
        fetch(memory, 0, calls)
    fetch(memory, 0, calls)
    assert calls == [0]


def test_flipped_bytes_are_seen_where_unpickling_sees_nothing(memory):
    """The flip above is inside an array: without the checksum it would come out wrong."""
    fetch(memory, 0)
    flip(2000)(file_of(memory))
    with file_of(memory).open("rb") as file:
        file.seek(_checked_file.HEAD)
        assert not np.array_equal(pickle.load(file), array(0))


def test_what_cannot_be_pickled_is_returned_all_the_same(memory):
    with pytest.warns(CacheWarning, match="could not be stored .*[Pp]ickle"):
        value = cached_call(memory, "arrays", 0, lambda: lambda: 3, about="a lambda")
    assert value() == 3
    assert cache_contents(memory).entries == ()


def test_memory_that_runs_out_breaks_no_entry(memory, monkeypatch):
    fetch(memory, 0)
    before, calls = file_of(memory).stat(), []

    def load(file):
        raise MemoryError

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(pickle, "load", load)
        with pytest.raises(MemoryError):
            fetch(memory, 0, calls)
        with pytest.raises(MemoryError):
            cache_entry(memory, "arrays", ("array", 0), "").read_part("output.pkl", None)
    assert calls == []
    assert file_of(memory).stat().st_ino == before.st_ino


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


# A value and its parts


def parts(*names):
    return [(name, array(len(name))) for name in names]


NAMES = ("a", "bb", "ccc", "dddd")


@pytest.fixture
def entry(memory):
    made = cache_entry(memory, "ensemble", 0, "an ensemble")
    assert made.write("frame", 1.0, parts(*NAMES))
    return made


def identities(entry):
    # Both, as the inode of a deleted file may be given to the next one.
    stats = {path.name: path.stat() for path in entry.folder.iterdir()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def fail_at(monkeypatch, *names):
    plain = _cache_entry.write_checked

    def write(path, value, compress):
        if path.name in names:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(path, value, compress)

    monkeypatch.setattr(_cache_entry, "write_checked", write)


@pytest.mark.parametrize("breaks", [flip(60), cut(20), Path.unlink, folder_instead])
def test_only_broken_parts_are_written_again(entry, breaks):
    before = identities(entry)
    breaks(entry.folder / "bb")
    assert entry.write("frame", 1.0, parts(*NAMES))
    np.testing.assert_array_equal(entry.read_part("bb", None), array(2))
    after = identities(entry)
    assert {name for name in before if after[name] == before[name]} == set(before) - {"bb"}


def test_a_disk_that_is_full_costs_no_part_that_is_whole(entry, monkeypatch):
    flip(60)(entry.folder / "bb")
    before = identities(entry)
    fail_at(monkeypatch, *NAMES)
    with pytest.warns(CacheWarning, match="the disk is full"):
        assert not entry.write("frame", 1.0, parts(*NAMES))
    after = identities(entry)
    assert {name for name in before if after.get(name) == before[name]} >= set(before) - {"bb"}
    assert entry.read() == "frame"
    for name, part in parts("a", "ccc", "dddd"):
        np.testing.assert_array_equal(entry.read_part(name, None), part)


def test_parts_of_one_value_are_not_left_to_another(entry):
    before = identities(entry)
    assert entry.write("another", 1.0, parts(*NAMES))
    after = identities(entry)
    assert all(after[name] != before[name] for name in NAMES)
    assert entry.read() == "another"


def test_without_a_value_a_full_disk_keeps_nothing(memory, monkeypatch):
    entry = cache_entry(memory, "ensemble", 0, "an ensemble")
    fail_at(monkeypatch, "ccc")
    with pytest.warns(CacheWarning, match="the disk is full"):
        assert not entry.write("frame", 1.0, parts(*NAMES))
    assert not entry.folder.exists()


def test_a_value_that_cannot_be_replaced_stays_with_its_note(memory, monkeypatch):
    entry = cache_entry(memory, "outputs", 0, "some outputs")
    assert entry.write({0: 1}, 1.0)
    fail_at(monkeypatch, "output.pkl")
    with pytest.warns(CacheWarning, match="the disk is full"):
        assert not entry.write({0: 1, 1: 2}, 1.0)
    assert entry.read() == {0: 1}
    assert [e.about for e in cache_contents(memory).entries] == ["some outputs"]


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
            lambda: np.random.default_rng(seed).normal(size=500), about=f"array {seed}",
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
    whole = [s for s in range(1400) if cache_entry(memory, "arrays", ("array", s), "").exists()]
    assert 100 < len(whole) < 1400
    calls = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(1400):
            np.testing.assert_array_equal(fetch(memory, seed, calls), array(seed))
    assert len(calls) == 1400 - len(whole)
    # what killed writers left of the entries that they were writing is gone
    assert list(tmp_path.rglob("*.tmp")) == []


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
    assert cached_call(memory, "numbers", i, lambda: compute(i), about="") == i
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
        values.append(cached_call(memory, "numbers", 0, compute, about=""))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert values == [3] * 8
    assert len(calls) == 1


def test_one_holder_at_a_time_though_lock_files_come_and_go(memory):
    entry = cache_entry(memory, "numbers", 0, "")
    inside, most = [], []

    def work():
        for _ in range(40):
            with entry.lock():
                inside.append(1)
                time.sleep(0.0005)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1] * 240


HOLDER = """
import sys, time
from skprune.utils import cached_call, check_cache

def compute():
    print("holding", flush=True)
    time.sleep(600)

cached_call(check_cache(sys.argv[1]), "numbers", 0, compute, about="")
"""


def test_a_killed_holder_lets_go(memory, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "cache"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert run.stdout.readline() == "holding\n"
        values = []
        thread = threading.Thread(
            target=lambda: values.append(cached_call(memory, "numbers", 0, lambda: 7, about=""))
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


def test_a_folder_that_became_read_only_is_refused(tmp_path, monkeypatch):
    memory = check_cache(tmp_path)

    def refuse(self, data):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(ValueError, match=r"memory=.*Permission denied.*or memory=None"):
        check_cache(memory)


@pytest.mark.parametrize("memory", [3, object(), ["a"]])
def test_what_is_no_memory_is_refused(memory):
    with pytest.raises(ValueError, match="memory must be None, the path of a folder or a joblib"):
        check_cache(memory)


def test_a_memory_of_nothing_stores_nothing():
    memory = check_cache(joblib.Memory(None))
    assert fetch(memory, 0) is not None
    check_cache_space(memory, 1e30, "everything")
    with pytest.raises(ValueError, match="memory must be the folder of a cache"):
        cache_contents(memory)


# Full disks


def test_too_little_room_is_said_before_anything_is_done(memory, tmp_path, monkeypatch):
    free = _cache.shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(_cache.shutil, "disk_usage", lambda folder: free)
    check_cache_space(memory, 1_999_999, "2 members")
    with pytest.raises(CacheError, match=r"memory: 3 members .* 3 MB .* has 2 MB free"):
        check_cache_space(memory, 3_000_000, "3 members")


def fetch_all(memory, calls):
    for seed in range(100):
        np.testing.assert_array_equal(fetch(memory, seed, calls), array(seed))


def test_a_disk_that_becomes_full_is_told_of_once(small_disk):
    memory, calls = check_cache(small_disk), []
    with pytest.warns(CacheWarning, match="the disk is full") as caught:
        fetch_all(memory, calls)
    assert len(caught) == 1
    assert calls == list(range(100))
    stored = cache_contents(memory).entries
    assert 5 < len(stored) < 60
    assert all(entry.about.startswith("array") for entry in stored)
    assert list(small_disk.rglob("*.tmp")) == []
    # what is there is read, in a fit that begins with a full disk, too
    calls.clear()
    (small_disk / "filler").write_bytes(b"x" * os.statvfs(small_disk).f_bavail * 4096)
    memory = check_cache(small_disk)
    with pytest.warns(CacheWarning, match="the disk is full") as caught:
        fetch_all(memory, calls)
    assert len(caught) == 1
    assert len(calls) == 100 - len(stored)


def test_a_full_disk_without_a_folder_for_entries_is_told_of_once(tmp_path, monkeypatch):
    memory = joblib.Memory(tmp_path, verbose=0)
    plain = Path.mkdir

    def mkdir(self, *args, **options):
        if "skprune" in self.relative_to(tmp_path).parts:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        plain(self, *args, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    checked = check_cache(memory)
    check_cache_space(checked, 1, "nothing much")
    assert cache_contents(memory).entries == ()
    calls = []
    with pytest.warns(CacheWarning, match="the disk is full") as caught:
        fetch_all(checked, calls)
    assert len(caught) == 1
    assert calls == list(range(100))


# Versions


def test_entries_of_another_version_are_not_used_and_told_of_once(tmp_path, monkeypatch):
    for module in (_cache, _cache_entry):
        monkeypatch.setattr(module, "__version__", "0.0.9")
    old = check_cache(tmp_path)
    for seed in range(3):
        fetch(old, seed)
    monkeypatch.undo()
    _cache_entry.told.clear()
    with pytest.warns(CacheWarning, match=r"0\.0\.9 \(3 entries\).*other_versions=True"):
        memory = check_cache(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_cache(tmp_path)
    calls = []
    fetch(memory, 0, calls)
    assert calls == [0]
    contents = cache_contents(memory)
    assert sorted(entry.version for entry in contents.entries)[:3] == ["0.0.9"] * 3
    assert "(version 0.0.9)" in str(contents)
    assert contents.clear(other_versions=True) == 3
    fetch(memory, 0, calls)
    assert calls == [0]
    _cache_entry.told.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_cache(tmp_path)


def test_entries_from_before_there_were_versions_are_told_of(tmp_path):
    entry = tmp_path / "joblib" / "skprune" / "ensemble" / "_trainers" / "_train" / ("0" * 32)
    entry.mkdir(parents=True)
    (entry / "output.pkl").write_bytes(b"old")
    with pytest.warns(CacheWarning, match=r"before 0\.1\.0 \(1 entries\)"):
        check_cache(tmp_path)


# Looking in


def test_contents_name_what_is_there(memory):
    fetch(memory, 0)
    fetch(memory, 1, kind="others")
    contents = cache_contents(memory)
    assert {(e.kind, e.about) for e in contents.entries} == {
        ("arrays", "array 0"),
        ("others", "array 1"),
    }
    assert contents.n_bytes == sum(e.n_bytes for e in contents.entries)
    assert 8000 < contents.n_bytes < 10_000
    text = str(contents)
    assert text.startswith("2 entries, ")
    assert "array 0" in text
    assert all(e.seconds is not None and 0 <= e.seconds < 10 for e in contents.entries)


def test_contents_of_a_broken_cache(memory):
    for seed in range(3):
        fetch(memory, seed)
    file_of(memory, 0).unlink()
    (file_of(memory, 1).parent / "metadata.json").write_bytes(b"\xff{")
    (file_of(memory, 2).parent / "metadata.json").write_text("[3]")
    contents = cache_contents(memory)
    assert sorted(e.about for e in contents.entries) == ["?", "?", "unfinished or broken"]
    assert str(contents)
    assert contents.clear() == 3
    assert cache_contents(memory).entries == ()


def test_clear_only_what_was_not_used_for_long(memory):
    for seed in range(3):
        fetch(memory, seed)
    long_ago = time.time() - 10 * 86_400
    for seed in (0, 1):
        for path in file_of(memory, seed).parent.iterdir():
            os.utime(path, (long_ago, long_ago))
    fetch(memory, 1)
    contents = cache_contents(memory)
    with pytest.raises(TypeError, match=r"unused_for must be a datetime\.timedelta"):
        contents.clear(unused_for=3)
    assert contents.clear(unused_for=timedelta(days=5)) == 1
    calls = []
    for seed in range(3):
        fetch(memory, seed, calls)
    assert calls == [0]


# Clearing what is in use


def test_an_entry_that_is_being_made_is_not_cleared(memory):
    fetch(memory, 0)
    fetch(memory, 1)
    in_use = file_of(memory, 0).parent
    contents = cache_contents(memory)
    with cache_entry(memory, "arrays", ("array", 0), "").lock():
        (in_use / "predictions.npy.part").write_text("a long fit")
        with pytest.warns(CacheWarning, match=r"1 entry .* in use"):
            assert contents.clear() == 1
        assert (in_use / "predictions.npy.part").read_text() == "a long fit"
        assert file_of(memory, 0).exists()
        assert not file_of(memory, 1).parent.exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cache_contents(memory).clear() == 1


def test_an_entry_of_another_process_is_not_cleared(memory, tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "cache"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout.readline() == "holding\n"
        folder = cache_entry(memory, "numbers", 0, "").folder
        folder.mkdir(parents=True)
        with pytest.warns(CacheWarning, match="in use"):
            assert cache_contents(memory).clear() == 0
        assert folder.with_suffix(".lock").exists()
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
    assert cache_contents(memory).clear() == 1
    assert list((tmp_path / "cache").rglob("*.lock")) == []


@pytest.mark.parametrize("conditions", [{}, {"other_versions": True}])
def test_locks_of_killed_processes_go_and_their_folders(memory, tmp_path, conditions):
    abandoned = cache_entry(memory, "numbers", 0, "").folder.with_suffix(".lock")
    abandoned.parent.mkdir(parents=True)
    abandoned.touch()
    foreign = abandoned.with_name("notes.lock")
    foreign.touch()
    assert cache_contents(memory).clear(**conditions) == 0
    assert not abandoned.exists()
    assert foreign.exists()
    foreign.unlink()
    abandoned.touch()
    cache_contents(memory).clear(**conditions)
    assert list((tmp_path / "cache" / "joblib" / "skprune").iterdir()) == []


def test_an_entry_that_is_gone_brings_no_folder_back(memory, tmp_path):
    import shutil

    fetch(memory, 0)
    contents = cache_contents(memory)
    shutil.rmtree(tmp_path / "cache")
    assert contents.clear() == 1
    assert not (tmp_path / "cache").exists()


def test_one_holder_at_a_time_while_the_cache_is_cleared(memory):
    inside, most, n_clears, stop = [], [], [], threading.Event()
    entry = cache_entry(memory, "numbers", 0, "a number")

    def work():
        for _ in range(40):
            with entry.lock():
                inside.append(1)
                entry.write(3, 0.0)
                time.sleep(0.0005)
                most.append((len(inside), entry.read()))
                inside.pop()

    def clear():
        while not stop.is_set():
            cache_contents(memory).clear()
            n_clears.append(1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)  # which are in use
        threads = [threading.Thread(target=work) for _ in range(5)]
        sweepers = [threading.Thread(target=clear) for _ in range(2)]
        for thread in (*threads, *sweepers):
            thread.start()
        for thread in threads:
            thread.join(60)
        stop.set()
        for thread in sweepers:
            thread.join(60)
    assert most == [(1, 3)] * 200
    assert len(n_clears) > 2
