"""Wrong files of predictions are refused, with file, key, what came, and what would be right."""

import io
import pickle
import sys
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
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
        (
            {"P": lambda P: P[:, :, 1]},
            "y has 4 class(es), 0, 1, 2, 3; a single number for a member",
        ),
        ({"P": lambda P: 3 * P[:, :, 1]}, "second of two classes, in [0, 1]; member 0 has "),
        ({"P": lambda P: P[0, 0]}, "P must have shape (members, samples, classes), or (members, "),
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
        ({"y": lambda y: y + 0.5}, "If y is a target of regression, give --regression."),
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
        ({"P": lambda P: np.where(P > 0.9, np.nan, P)}, "P has NaN or infinite predictions"),
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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"P": lambda P: P[:, :, 0].astype(str)}, "P must hold predictions, which are numbers"),
        ({"P": lambda P: P[0, 0]}, "(members, samples, targets), or (members, samples) for one"),
        ({"y": lambda y: y.astype(str)}, "y must hold targets, which are numbers; it holds <U"),
        ({"y": lambda y: y}, ", 4), the targets of P; got ("),
        ({"P": lambda P: P[:, :, 0], "y": lambda y: np.eye(4)[y]}, "y must have one target a sam"),
        ({"P": lambda P: P[:, 1:, 0]}, "samples where P has"),
        ({"P": lambda P: P[:, :, 0], "y": lambda y: y * np.nan}, "y contains NaN"),
        (
            {"P": lambda P: np.full_like(P[:, :, 0], np.inf), "y": lambda y: y},
            "has NaN or infinite predictions: member 0",
        ),
    ],
)
def test_targets(changes, reason, skprune, pool, P, digits):
    made = {key: change(P if key == "P" else digits[2]) for key, change in changes.items()}
    path = pool(**made)
    why = skprune("select", path, "--regression").refused("select")
    assert f"error: {path}: " in why
    assert reason in why


TABLE = "a,b,y\n0.1,0.2,0\n0.7,0.4,1\n0.9,0.8,1\n0.3,0.1,0\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a .csv file: it is empty."),
        ("a,b,y\n", "there is a heading, and no row under it."),
        (TABLE.replace(",", ";"), "there are semicolons between its columns; there must be commas"),
        ("\x93NUMPY", "not a .csv file: it is an .npy file of one array."),
        (b"a,b,y\n1,0,\xff\n", "it is no text in UTF-8"),
        (
            TABLE.replace("y", "truth"),
            "it lacks the column y, with the true class or target",
        ),
        (TABLE.replace("a,b", "a,a"), "there is more than one column a."),
        (TABLE.replace("a,b", ",b"), "column 1 has no name. If it numbers the rows, leave it out"),
        (TABLE.replace("a,b,y", "b,y"), "its rows have more cells than the heading, which has 2."),
        (TABLE + "0.1,0.2,1,3\n", "Expected 3 fields in line 6, saw 4."),
        (TABLE + "0.1,0.2\n", "column y: row 5 has no value."),
        (TABLE + ",0.2,1\n", "column a: row 5 has no value."),
        (TABLE + "x,0.2,1\n", "column a: could not convert string to float: 'x'. Leave out "),
        (TABLE + "1.5,0.2,1\n", "column a: 1.5 is not a probability, in [0, 1]. Leave out "),
        (TABLE + "nan,0.2,1\n", "column a: nan is not a probability, in [0, 1]. Leave out "),
        ("b,y\n0.1,0\n0.2,1\n", "it has 1 column of members (b) beside y"),
        (TABLE + "0.1,0.2,2\n", "column y has 3 class(es), 0, 1, 2; a single number for a member"),
        (
            TABLE + "0.1,0.2,2\n",
            "more classes give an .npz file with P of shape (members, samples, ",
        ),
        (TABLE + "0.1,0.2,2\n", "or a .parquet file with lists"),
        (
            TABLE + "0.1,0.2,2.5\n",
            "column y looks like a target of regression, such as 2.5: give --r",
        ),
        ("a,b,y\n0.1,0.2,no\n0.2,0.1,no\n", "column y has 1 class(es), 'no', and there are"),
        (TABLE.replace("a,", "sample_weight,"), "it has 1 column of members"),
    ],
)
def test_tables(content, reason, skprune, tmp_path):
    path = tmp_path / "oof.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("latin1"))
    why = skprune("select", path).refused("select")
    assert f"error: {path}: " in why
    assert reason in why


@pytest.mark.parametrize(
    ("columns", "options", "reason"),
    [
        ({"a": [[0.1], [1.0]]}, [], "column a holds lists of 1, and column b numbers; the columns"),
        ({"a": [[0.1, 0.9], [1.0]]}, [], "column a: all input arrays must have the same shape"),
        ({"a": pd.to_datetime(["2020", "2021"])}, [], "column a holds dates, not numbers"),
        ({"a": ["x", "y"]}, ["--regression"], "column a: could not convert string to float: 'x'"),
        ({"y": ["x", "y"]}, ["--regression"], "column y: could not convert string to float: 'x'"),
        ({"y": [0.2, None]}, ["--regression"], "column y: row 2 has no value"),
        (
            {"a": [[0.1, 0.2, 0.7]] * 2, "b": [[0.5, 0.2, 0.3]] * 2, "y": ["n", "j"]},
            [],
            "column y has 2 class(es), 'j', 'n', and there are probabilities of 3.",
        ),
        ({"a": [[0.1, 0.7]] * 2, "b": [[0.5, 0.5]] * 2}, [], "must sum to one: those of member 0"),
    ],
)
def test_tables_in_parquet(columns, options, reason, skprune, tmp_path):
    path = tmp_path / "oof.parquet"
    pd.DataFrame({"a": [0.1, 0.2], "b": [0.3, 0.4], "y": [0, 1], **columns}).to_parquet(path)
    why = skprune("select", path, *options).refused("select")
    assert f"error: {path}: " in why
    assert reason in why


def test_files_that_are_no_parquet(skprune, tmp_path):
    path = tmp_path / "oof.parquet"
    path.write_bytes(b"PAR1 cut short")
    assert "Parquet magic bytes not found" in skprune("select", path).refused("select")
    path.write_bytes(b"PK")
    assert "not a .parquet file: it is a zip" in skprune("select", path).refused("select")
    path.write_text(TABLE)
    assert str(path) in skprune("select", path).refused("select")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("oof.csv", "pandas", "report"),
        ("oof.parquet", "pandas", "report"),
        ("oof.parquet", "pyarrow", "parquet"),
    ],
)
def test_packages_that_are_missing(name, package, extra, skprune, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    why = skprune("select", tmp_path / name).refused("select", code=1)
    assert f"reading it needs {package}: run `pip install skprune[{extra}]`, or give an .npz" in why


def test_options_of_tables(skprune, pool, tmp_path):
    path = tmp_path / "oof.csv"
    path.write_text(TABLE)
    why = skprune("select", pool(), "--target", "truth").refused("select")
    assert "has no columns; it has the key y" in why
    assert "--names is for .npz" in skprune("select", path, "--names", path).refused("select")
    why = skprune("select", path, "--max-cost", 3).refused("select")
    assert "one number a member; only an .npz file has keys." in why


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
        (["--regression", "--voting", "log"], "--voting log: regressors do not vote; leave it out"),
        (["--regression", "--no-intercept"], "--no-intercept: regressors do not vote"),
        (["--regression", "--calibrate", "temperature"], "--calibrate temperature: regressors"),
        (["--tune", "--scoring", "roc_acu"], "no scorer of that name. Similar ones are roc_auc"),
        (["--tune", "--scoring", "xyz"], "no scorer of that name. See get_scorer_names()."),
    ],
)
def test_options_that_do_not_fit_together(options, reason, skprune, tmp_path):
    """Before a file is read: this one does not exist."""
    assert reason in skprune("select", tmp_path / "none.npz", *options).refused("select")


def test_a_scorer_of_something_else(skprune, pool, digits):
    options = ["--regression", "--tune", "--scoring", "accuracy"]
    path = pool(P=np.eye(3)[:, [0, 1, 2] * 9], y=np.arange(27.0))
    why = skprune("select", path, *options).refused("select")
    assert f"{path}: --scoring 'accuracy' cannot be computed from what the members give" in why


def test_too_few_samples_to_tune(skprune, pool, P, digits):
    rows = np.flatnonzero(np.arange(len(digits[2])) < 14)
    path = pool(P=P[:, rows], y=digits[2][rows])
    why = skprune("select", path, "--tune").refused("select")
    assert "Give more samples, or no --tune." in why


def test_a_budget_that_no_member_fits_into(skprune, pool):
    path = pool(costs=np.arange(5, 25))
    why = skprune("select", path, "--max-cost", 4).refused("select", code=3)
    assert f"--max-cost 4 is less than the cheapest member of {path} costs, 5." in why
