"""Wrong files of predictions are refused, with file, key, what came, and what would be right."""

import io
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest


def test_files_that_are_none(skprune, tmp_path, pool):
    whole = pool().read_bytes()
    folder, empty, text = tmp_path / "folder", tmp_path / "empty.npz", tmp_path / "text.npz"
    folder.mkdir()
    empty.write_bytes(b"")
    text.write_text("0.1,0.9\n")
    np.save(tmp_path / "one.npy", np.eye(3))
    (tmp_path / "pickled.npz").write_bytes(pickle.dumps({"P": 1}))
    (tmp_path / "short.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "table.npz").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for path, reason in [
        (tmp_path / "none.npz", "there is no such file"),
        (folder, "that is a folder"),
        (empty, "not an .npz file: it is empty"),
        (text, "not an .npz file. Write it with numpy.savez(..., P=P, y=y)"),
        (tmp_path / "one.npy", "it is an .npy file of one array"),
        (tmp_path / "pickled.npz", "it is a pickle"),
        (tmp_path / "short.npz", "it is damaged or cut short"),
        (tmp_path / "table.npz", "it is an HDF5 file"),
    ]:
        why = skprune("select", path).refused("select")
        assert str(path) in why
        assert reason in why


def test_a_damaged_array(skprune, pool):
    path = pool()
    whole = bytearray(path.read_bytes())
    whole[1000:1100] = bytes(255 - byte for byte in whole[1000:1100])  # within P
    path.write_bytes(whole)
    assert "Bad CRC-32" in skprune("select", path).refused("select")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P.npy", b"no array")
        archive.writestr("y.npy", b"")
    assert "P is no array of NumPy" in skprune("select", path).refused("select")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8',")
        archive.writestr("y.npy", b"")
    assert "P is no array of NumPy" in skprune("select", path).refused("select")


def test_sizes_are_checked_before_memory_is_taken(skprune, tmp_path, pool):
    path = tmp_path / "huge.npz"
    header = io.BytesIO()
    claims = {"descr": "<f8", "fortran_order": False, "shape": (98, 10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, claims)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("P.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    why = skprune("select", path).refused("select")
    assert "need 784,000,000,000,000 bytes; the file has 0 at most" in why
    huge = np.zeros((20, 10**5, 4))
    np.savez_compressed(path, P=huge, y=np.zeros(7, int))
    tracemalloc.start()
    why = skprune("select", path).refused("select")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "y has 7 samples where P has 100000" in why
    assert peak < huge.nbytes / 2


class Bomb:
    def __reduce__(self):
        return print, ("this file ran code",)


def test_objects_are_not_unpickled(skprune, pool, P):
    for changes in ({"P": np.array([Bomb()] * 3)}, {"names": np.array([Bomb()] * 20)}):
        why = skprune("select", pool(**changes)).refused("select")
        assert f"{next(iter(changes))} holds Python objects, which are not read" in why


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"y": None}, "it lacks the key y; it has P. Needed are P, y."),
        ({"P": None, "y": None, "p": 1}, "it lacks the key P and y; it has p."),
        ({"P": lambda P: P.astype(str)}, "P must hold probabilities, which are numbers"),
        ({"P": lambda P: P + 1j}, "P must hold probabilities, which are numbers"),
        ({"P": lambda P: P[:, :, 1]}, "numpy.stack([1 - P, P], axis=2)"),
        ({"P": lambda P: P[0, 0]}, "P must have shape (members, samples, classes), none of them 0"),
        ({"P": lambda P: P[:, :0]}, "none of them 0; it has shape (20, 0, 4)"),
        ({"P": lambda P: P[:1]}, "P has one member, shape (1, "),
        ({"P": lambda P: P[:, :, :1]}, "P has one class"),
        ({"P": lambda P: P.swapaxes(0, 1)}, "The samples of P seem to be axis 0"),
        ({"P": lambda P: P[:, 1:]}, "samples where P has"),
        ({"y": lambda y: y[1:]}, "samples where P has"),
        ({"y": lambda y: np.eye(4)[y]}, "give y.argmax(axis=1)"),
        ({"y": lambda y: y[:, None, None]}, "y must have one class a sample"),
        ({"y": lambda y: y + 1}, "has 4. If they count from one, subtract one."),
        ({"y": lambda y: y - 1}, "y must hold positions 0 to 3 along the last axis of P"),
        ({"y": lambda y: y + 0.5}, "y must hold positions 0 to 3 along the last axis of P"),
        ({"y": lambda y: np.where(y == 2, np.nan, y)}, "y has NaN or infinity, at sample "),
        ({"y": lambda y: y.astype(str)}, "there is no key classes to say which"),
        ({"y": lambda y: y * 1j}, "y must hold whole numbers or text"),
        ({"y": lambda y: 0 * y}, "y has one class only"),
        ({"classes": list("abc")}, "a label for each class of P, 4 in all; it holds 3"),
        ({"classes": list("abca")}, "classes holds a label more than once"),
        ({"y": lambda y: y.astype(str), "classes": [0, 1, 2, 3]}, "y holds text, and classes num"),
        ({"y": lambda y: y + 7, "classes": [7, 8, 9, 11]}, "classes does not list: sample "),
        (
            {"names": list("abc")},
            "a name for each member of P, 20 in all; it holds 3",
        ),
        ({"names": [b"\xff"] * 20}, "names holds bytes that are no text in UTF-8"),
        (
            {"costs": [1.0, 2.0]},
            "a number for each member of P, 20 in all; it holds 2",
        ),
        ({"costs": ["dear"] * 20}, "costs must hold numbers"),
        ({"costs": [-1.0] * 20}, "costs must be finite and positive"),
        ({"sample_weight": [1.0]}, "sample_weight must hold a number for each sample of P, "),
        ({"sample_weight": lambda y: -1.0 - y}, "Negative values in data passed to `sample_weight"),
        ({"sample_weight": lambda y: 0.0 * y}, "sample_weight"),
        ({"P": lambda P: np.where(P > 0.9, np.nan, P)}, "P has NaN or infinite probabilities"),
        ({"P": lambda P: P * 2}, "must sum to one: those of member 0 sum to 2"),
        ({"P": lambda P: 2 * P - 0.25}, "P has negative probabilities: member 0"),
        ({"P": lambda P: np.log(P + 1e-9)}, "P has negative probabilities"),
    ],
)
def test_what_is_in_them(changes, reason, skprune, pool, P, digits):
    made = {
        key: change(P if key == "P" else digits[2]) if callable(change) else change
        for key, change in changes.items()
    }
    path = pool(**made)
    why = skprune("select", path).refused("select")
    assert f"error: {path}: " in why
    assert reason in why


def test_options_that_the_file_or_other_options_do_not_allow(skprune, pool):
    assert "needs the key costs" in skprune("select", pool(), "--max-cost", 3).refused("select")
    why = skprune("select", pool(), "--scoring", "accuracy").refused("select")
    assert "give --tune too" in why


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ["--voting", "hard", "--calibrate", "temperature"],
            "--calibrate temperature is for --voting soft; got --voting hard. ",
        ),
        (["--voting", "log", "--calibrate", "temperature"], "; got --voting log. "),
        (["--no-intercept"], "--no-intercept is for --voting log; got --voting soft. "),
    ],
)
def test_options_that_do_not_fit_together(options, reason, skprune, tmp_path):
    """Before a file is read: this one does not exist."""
    assert reason in skprune("select", tmp_path / "none.npz", *options).refused("select")


def test_too_few_samples_to_tune(skprune, pool, P, digits):
    rows = np.flatnonzero(np.arange(len(digits[2])) < 14)
    path = pool(P=P[:, rows], y=digits[2][rows])
    why = skprune("select", path, "--tune").refused("select")
    assert "Give more samples, or no --tune." in why


def test_a_budget_that_no_member_fits_into(skprune, pool):
    path = pool(costs=np.arange(5, 25))
    why = skprune("select", path, "--max-cost", 4).refused("select", code=3)
    assert f"--max-cost 4 is less than the cheapest member of {path} costs, 5." in why
