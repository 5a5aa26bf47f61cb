"""Locks of the cache that cannot be created, and sizes in words."""

import errno
import os

import joblib
import pytest

from skprune.utils import _cache_lock, cached_call, check_cache
from skprune.utils._cache import in_words
from skprune.utils._cache_lock import free_lock, locked, unlock


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
