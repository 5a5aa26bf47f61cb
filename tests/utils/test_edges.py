"""Locks that cannot be put anywhere, and disks without room for what is to be written."""

import errno
import os
import shutil

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
from skprune.utils._prediction_store import check_room

from skprune.utils import (
    MemberFile,
    MemberPool,
    PredictionStore,
    RegressorPool,
    _cache_lock,
    cached_call,
    check_cache,
)
from skprune.utils._cache import in_words
from skprune.utils._cache_lock import free_lock, locked, unlock

X, CODES = load_iris(return_X_y=True)


def test_a_folder_that_goes_as_often_as_it_comes_is_given_up(tmp_path, monkeypatch):
    path, asked = tmp_path / "folder" / "entry.lock", []

    def gone(file, *args, **kwargs):
        asked.append(file)
        raise FileNotFoundError(errno.ENOENT, "gone", str(file))

    monkeypatch.setattr(os, "open", gone)
    with pytest.raises(FileNotFoundError, match="No lock can be put there"):
        locked(path)
    assert len(asked) == 100


def test_a_folder_that_goes_once_does_not_keep_a_lock_away(tmp_path, monkeypatch):
    path, opened, asked = tmp_path / "folder" / "entry.lock", os.open, []

    def gone_once(file, *args, **kwargs):
        asked.append(file)
        if len(asked) == 1:
            path.parent.rmdir()  # as whoever clears the cache does
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(os, "open", gone_once)
    handle = locked(path)
    assert len(asked) == 2
    with pytest.raises(BlockingIOError):
        locked(path, wait=False)
    unlock(handle, path)
    assert not path.exists()
    unlock(locked(path, wait=False), path)


def test_where_no_lock_can_be_put_values_are_made_and_stored_all_the_same(tmp_path, monkeypatch):
    from skprune.utils import _cache_entry

    def no_locks(path):
        raise OSError(errno.ENOLCK, "No locks available", str(path))

    monkeypatch.setattr(_cache_entry, "locked", no_locks)
    memory, made = check_cache(joblib.Memory(tmp_path, verbose=0)), []

    def compute():
        made.append(1)
        return "value"

    for _ in range(2):
        assert cached_call(memory, "thing", "key", compute, about="a thing") == "value"
    assert made == [1]


def test_too_little_room_is_said_with_what_can_be_done(tmp_path, monkeypatch):
    class Usage:
        free = 2_000_000_000

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage)
    check_room(str(tmp_path), Usage.free, "9 members", "Take fewer.")
    with pytest.raises(OSError, match=r"9 members take 3 GB, .* has 2 GB free\. Take f") as error:
        check_room(str(tmp_path), 3 * 10**9, "9 members", "Take fewer.")
    assert error.value.errno == errno.ENOSPC


@pytest.mark.parametrize("there", [True, False])
def test_a_lock_of_another_user_counts_as_held_while_its_file_is_there(
    there, tmp_path, monkeypatch
):
    def not_ours(path, wait=True):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "entry.lock"
    if there:
        path.touch()
    monkeypatch.setattr(_cache_lock, "locked", not_ours)
    with free_lock(path) as is_free:
        assert is_free == (not there)
    assert path.exists() == there


def test_a_disk_that_knows_no_locks_has_none_to_respect(tmp_path, monkeypatch):
    def no_locks(path, wait=True):
        raise OSError(errno.ENOLCK, "No locks available", str(path))

    monkeypatch.setattr(_cache_lock, "locked", no_locks)
    with free_lock(tmp_path / "entry.lock") as is_free:
        assert is_free


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_250, "1.25 kB"),
        (3.2e7, "32 MB"),
        (7.5e9, "7.5 GB"),
        (1.2e16, "12,000,000 GB"),
    ],
)
def test_bytes_in_words(n_bytes, said):
    assert in_words(n_bytes) == said


# Members and their predictions


def test_an_ensemble_of_several_outputs_is_refused_whatever_its_members_are():
    class Chosen:
        estimators_ = [DecisionTreeClassifier(max_depth=2).fit(X, CODES)]
        classes_ = [np.arange(3), np.arange(2)]

    with pytest.raises(TypeError, match="Chosen has several outputs; only one is taken"):
        MemberPool.from_fitted(Chosen())


def test_nobody_is_no_ensemble():
    for refused in (MemberPool.from_fitted, lambda m: RegressorPool.from_fitted(m, n_targets=1)):
        with pytest.raises(ValueError, match="at least one member; got an empty list"):
            refused([])


def test_a_member_that_memory_is_too_small_for_is_not_called_broken(tmp_path, monkeypatch):
    tree = DecisionTreeClassifier(max_depth=2).fit(X, CODES)
    path = tmp_path / "member.joblib"
    joblib.dump(tree, path)
    pool = MemberPool.from_fitted([MemberFile(str(path))])

    def no_room(self, *args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(DecisionTreeClassifier, "predict_proba", no_room)
    with pytest.raises(MemoryError):
        pool.outputs(X)
    monkeypatch.setattr(joblib, "load", no_room)
    with pytest.raises(MemoryError):
        MemberFile(str(path)).load()


@pytest.mark.parametrize("how", ["copied when written to", "of two axes", "of integers", "deleted"])
def test_maps_that_a_store_cannot_stand_for_stay_as_they_are(how, tmp_path):
    path = tmp_path / "P.npy"
    P = np.random.default_rng(0).random((2, 4, 3))
    np.save(path, {"of two axes": P[0], "of integers": P.astype(int)}.get(how, P))
    mapped = np.load(path, mmap_mode="c" if how.startswith("copied") else "r")
    if how == "deleted":
        path.unlink()
    assert PredictionStore.over(mapped) is mapped
    np.testing.assert_array_equal(PredictionStore.over(P), P)


def test_a_store_is_told_of_like_an_array(tmp_path):
    P = np.random.default_rng(0).random((2, 4, 3)).astype(np.float32)
    np.save(tmp_path / "P.npy", P)
    store = PredictionStore.open([tmp_path / "P.npy"])
    assert (store.ndim, store.nbytes, len(store)) == (P.ndim, P.nbytes, len(P))
    assert store[:, []].shape == (2, 0, 3)
