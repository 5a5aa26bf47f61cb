"""Predictions in files: every block is what the array would give, and files come and go."""

import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

from skprune.utils import (
    PredictionSelection,
    PredictionStore,
    ScratchFolder,
    as_predictions,
    check_room,
    file_checksum,
    narrowed,
    select,
    write_predictions,
)
from skprune.utils import _prediction_store as module

P = np.random.default_rng(0).random((7, 40, 3)).astype(np.float32)


def in_parts(folder, sizes=(40,), array=P):
    paths, start = [], 0
    for i, size in enumerate(sizes):
        paths.append(folder / f"{i}.npy")
        np.save(paths[-1], array[:, start : start + size])
        start += size
    return PredictionStore.open(paths)


BLOCKS = [
    (slice(None), slice(None)),
    (slice(None), slice(5, 12)),
    (slice(2, 5), slice(11, 33)),
    (slice(None), np.array([0, 3, 4, 39])),
    (slice(None), np.array([39, 2, 2, 17])),
    (np.array([1, 2, 3]), slice(8, 9)),
    (np.array([6, 0, 3]), slice(8, 30)),
    (np.array([6, 0, 3]), np.array([20, 1, 13])),
    (slice(None), np.array([], dtype=int)),
    (slice(None), slice(7, 7)),
    (slice(None), np.arange(40) % 3 == 0),
]


@pytest.mark.parametrize("mapped", [1, 200, 2**25])
@pytest.mark.parametrize("sizes", [(40,), (1, 20, 0, 19), (13, 13, 14)])
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_is_that_of_the_array(block, sizes, mapped, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MAPPED_BYTES", mapped)
    monkeypatch.setattr(module, "_LEAST_TOUCHED", 1)
    store = in_parts(tmp_path, sizes)
    assert (store.shape, store.dtype, len(store), store.nbytes) == (P.shape, P.dtype, 7, P.nbytes)
    members, rows = block
    found = store[members, rows]
    np.testing.assert_array_equal(found, P[members][:, rows])
    assert type(found) is np.ndarray
    assert found.flags.c_contiguous


@pytest.mark.parametrize("of_store", [False, True])
@pytest.mark.parametrize("rows", [np.arange(10, 30), np.array([3, 1, 20, 21, 22, 39])])
@pytest.mark.parametrize("members", [None, np.array([5, 2, 3]), np.arange(2, 6)])
def test_a_selection_is_that_of_the_array(members, rows, of_store, tmp_path):
    source = in_parts(tmp_path, (13, 27)) if of_store else P
    expected = P[:, rows] if members is None else P[members][:, rows]
    chosen = select(source, rows, members)
    assert chosen.shape == expected.shape
    assert chosen.dtype == P.dtype
    for part in (slice(None), slice(2, 5), slice(4, 99)):
        np.testing.assert_array_equal(chosen[:, part], expected[:, part])
    np.testing.assert_array_equal(chosen[np.array([2, 0]), 1:3], expected[[2, 0], 1:3])
    again = select(chosen, np.array([4, 0, 1]), np.array([1, 2]))
    np.testing.assert_array_equal(again[:, :], expected[1:3][:, [4, 0, 1]])


def test_runs_of_an_array_are_views():
    assert np.shares_memory(select(P, np.arange(3, 20)), P)
    assert isinstance(select(P, np.array([1, 3])), PredictionSelection)


def test_a_whole_memory_map_is_read_as_a_store(tmp_path):
    np.save(tmp_path / "P.npy", P)
    mapped = np.load(tmp_path / "P.npy", mmap_mode="r")
    store = PredictionStore.over(mapped)
    assert isinstance(store, PredictionStore)
    np.testing.assert_array_equal(store[:, :], P)
    # what is a part of a map, or was changed in memory only, stands elsewhere in the file
    for other in (mapped[:, 3:], P, np.load(tmp_path / "P.npy", mmap_mode="c"), mapped.T):
        assert PredictionStore.over(other) is other
    assert as_predictions(store) is store
    assert as_predictions([[1.0]]).shape == (1, 1)


@pytest.mark.parametrize("position", [[-1], [40], [[1]]])
def test_positions_that_there_are_not(position, tmp_path):
    with pytest.raises(IndexError, match=r"Positions must lie in 0 .. 39|1-d positions"):
        in_parts(tmp_path)[:, np.array(position)]


def test_files_that_do_not_fit(tmp_path):
    for name, array in {"a": P, "b": P[:, :, :2], "c": P[:, 0], "d": P.astype(int)}.items():
        np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(ValueError, match=r"b.npy' holds members, classes and dtype \(7, 2"):
        PredictionStore.open([tmp_path / "a.npy", tmp_path / "b.npy"])
    for name in "cd":
        with pytest.raises(ValueError, match=rf"{name}.npy' must hold floats of shape"):
            PredictionStore.open([tmp_path / f"{name}.npy"])
    with pytest.raises(ValueError, match="at least one"):
        PredictionStore.open([])
    with pytest.raises(TypeError, match=r"a list of paths; got the one path '.*a.npy'"):
        PredictionStore.open(str(tmp_path / "a.npy"))
    whole = (tmp_path / "a.npy").read_bytes()
    for name, content in {"cut": whole[:3000], "empty": b"", "text": b"text" * 100}.items():
        (tmp_path / f"{name}.npy").write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}.npy' cannot be read as an .npy file"):
            PredictionStore.open([tmp_path / f"{name}.npy"])
    with pytest.raises(ValueError, match=r"none.npy' cannot be read"):
        PredictionStore.open([tmp_path / "none.npy"])
    np.savez(tmp_path / "many.npz", P=P)
    with pytest.raises(ValueError, match=r"many.npz' holds NpzFile, not one array"):
        PredictionStore.open([tmp_path / "many.npz"])


class TestWriting:
    def write(self, folder, outputs, dtype=np.float32, check=lambda n: None):
        path = str(folder / "P.npy")
        store, checksum = write_predictions(path, P.shape, np.dtype(dtype), outputs, check)
        assert checksum == zlib.crc32((folder / "P.npy").read_bytes()) == file_checksum(path)
        return store

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_it_is_an_array_in_a_file(self, dtype, tmp_path):
        asked = []
        store = self.write(tmp_path, lambda first: iter(P[first:]), dtype, asked.append)
        np.testing.assert_array_equal(store[:, :], P.astype(dtype))
        np.testing.assert_array_equal(np.load(tmp_path / "P.npy"), P.astype(dtype))
        assert asked == [P.size * np.dtype(dtype).itemsize]
        assert os.listdir(tmp_path) == ["P.npy"]

    @pytest.mark.parametrize("spare", [0, 5])
    def test_a_broken_attempt_is_gone_on_with(self, spare, tmp_path):
        def broken(first):
            yield from P[first:4]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.write(tmp_path, broken)
        assert os.listdir(tmp_path) == ["P.npy.part"]
        with (tmp_path / "P.npy.part").open("ab") as file:
            file.write(b"x" * spare)  # a member of which a part was written
        asked, firsts = [], []

        def rest(first):
            firsts.append(first)
            yield from P[first:]

        store = self.write(tmp_path, rest, check=asked.append)
        assert firsts == [4]
        assert asked == [3 * P[0].nbytes]
        np.testing.assert_array_equal(store[:, :], P)

    def test_of_another_shape_or_precision_nothing_is_used(self, tmp_path):
        with (tmp_path / "P.npy.part").open("wb") as file:
            np.save(file, P.astype(np.float16))
        store = self.write(tmp_path, lambda first: iter(P[first:]))
        np.testing.assert_array_equal(store[:, :], P)

    def test_no_room_is_said_before_anything_is_made(self, tmp_path):
        def never(first):
            raise AssertionError("asked for predictions")

        def check(n_bytes):
            check_room(str(tmp_path), 10**18, "7 members", "Get a disk.")

        with pytest.raises(OSError, match=r"predictions of 7 members take 1e\+09 GB.*Get a disk"):
            self.write(tmp_path, never, check=check)
        assert os.listdir(tmp_path) == []

    def test_numbers_that_are_too_large_are_named(self):
        with pytest.raises(ValueError, match=r"Member 3 predicts 1e\+05, which float16 cannot"):
            narrowed(np.array([[1e5]]), np.dtype(np.float16), 3)
        assert np.isnan(narrowed(np.array([[np.nan]]), np.dtype(np.float16), 3)).all()


class TestScratch:
    def test_it_is_made_when_it_is_asked_for_and_goes_with_its_files(self, tmp_path, monkeypatch):
        monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
        with ScratchFolder() as scratch:
            assert os.listdir(tmp_path) == []
            (tmp_path / scratch.path / "file").write_text("x")
            assert scratch.path == scratch.path
            assert len(os.listdir(tmp_path)) == 1
        assert os.listdir(tmp_path) == []

    def fail(self):
        with ScratchFolder() as scratch:
            assert scratch.path
            raise ZeroDivisionError

    def test_so_it_does_after_errors(self, tmp_path, monkeypatch):
        monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
        with pytest.raises(ZeroDivisionError):
            self.fail()
        assert os.listdir(tmp_path) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
    def test_and_where_the_process_is_killed(self, tmp_path):
        script = (
            "import os, signal; from skprune.utils import ScratchFolder\n"
            "with ScratchFolder() as scratch:\n"
            "    open(scratch.path + '/P.npy', 'w').close()\n"
            "    assert os.path.isdir(scratch.path)\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        env = os.environ | {"JOBLIB_TEMP_FOLDER": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", script], env=env, check=False)
        assert done.returncode == -signal.SIGKILL
        stop = time.monotonic() + 20
        while os.listdir(tmp_path) and time.monotonic() < stop:
            time.sleep(0.1)
        assert os.listdir(tmp_path) == []
