"""Statistics of parquet files: those of the arrays; parts, jobs and memory; invalid files."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from skprune.socp import EnsembleStatistics

from .pools import dirichlet, regressors

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

of_files = EnsembleStatistics.from_parquet
of_classes, of_targets = EnsembleStatistics.from_predictions, EnsembleStatistics.from_regression
ARRAYS = ("gram", "reference_gram", "agreement", "divergence", "target_power", "reference_mass")


def assert_same(one, other, rtol=1e-12, atol=1e-15):
    for name in ("kind", "n_samples", "n_classes"):
        assert getattr(one, name) == getattr(other, name)
    assert one.total_weight == pytest.approx(other.total_weight, rel=1e-14)
    for name in (*ARRAYS, "center", "scale"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None)
        if b is not None:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)


def columns_of(P, fixed=True):
    """A column a member: of probabilities of the second class, lists of them, or targets."""
    for i, values in enumerate(P):
        column = pa.array(values[:, -1])
        if P.shape[2] > 2:
            column = pa.array(list(values), pa.list_(pa.from_numpy_dtype(P.dtype)))
        if P.shape[2] > 2 and fixed:
            column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), P.shape[2])
        yield f"member {i}", column


def write(path, P, y, weight=None, row_group_size=None, **options):
    columns = dict(columns_of(P, **options))
    columns["y"] = pa.array(y)
    if weight is not None:
        columns["weight"] = pa.array(weight)
    parquet.write_table(pa.table(columns), path, row_group_size=row_group_size)


def write_parts(folder, P, y, weight=None, cuts=(), **options):
    """A file for each part of the rows."""
    for k, (a, b) in enumerate(pairwise([0, *cuts, len(y)])):
        part = None if weight is None else weight[a:b]
        write(folder / f"part-{k}.parquet", P[:, a:b], y[a:b], part, **options)
    return folder


def two_classes(M=6, N=500, dtype=np.float64):
    rng = np.random.default_rng(0)
    p = rng.random((M, N)).astype(dtype)
    p[:, 0], p[:, 1] = 0, 1
    return np.stack([1 - p, p], axis=2), rng.integers(0, 2, N)


def given(kind, dtype=np.float64):
    """Predictions, targets, and statistics of them by weights."""
    if kind == "regression":
        F, y = regressors(M=6, N=500, T=1)
        return F.astype(dtype), y[:, 0], of_targets
    P, y = two_classes() if kind == "two classes" else dirichlet(M=6, N=500)
    return P.astype(dtype), y, of_classes


KINDS = ("two classes", "classes", "regression")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("kind", KINDS)
def test_files_give_the_statistics_of_the_arrays(tmp_path, kind, dtype, rtol, weighted):
    P, y, expected = given(kind, dtype)
    weight = np.random.default_rng(0).exponential(size=len(y)) if weighted else None
    options = {"sample_weight": "weight" if weighted else None, "regression": kind == "regression"}
    write(tmp_path / "all.parquet", P, y, weight)
    whole = expected(P, y, weight)
    assert_same(of_files(tmp_path / "all.parquet", **options), whole, rtol, atol=1e-12)
    parts = tmp_path / "parts"
    parts.mkdir()
    write_parts(parts, P, y, weight, cuts=[7, 8, 310], row_group_size=90)
    for n_jobs in (1, 2, 3):
        found = of_files(str(parts), n_jobs=n_jobs, **options)
        assert_same(found, whole, rtol, atol=1e-12)


@pytest.mark.parametrize("regression", [False, True])
def test_the_number_of_jobs_does_not_matter(tmp_path, regression):
    """Of five blocks and more, in row groups of any size."""
    P, y = two_classes(M=300, N=30_000, dtype=np.float32)
    write_parts(tmp_path, P, y, cuts=[3, 7_000], row_group_size=1_700)
    one = of_files(tmp_path, regression=regression)
    for n_jobs in (2, 3):
        assert_same(of_files(tmp_path, n_jobs=n_jobs, regression=regression), one, rtol=1e-13)


def test_rows_of_many_files_are_those_of_one_block(tmp_path):
    """Bit for bit: neither files nor row groups are blocks."""
    P, y = two_classes(dtype=np.float32)
    write(tmp_path / "all", P, y)
    folder = tmp_path / "parts"
    folder.mkdir()
    write_parts(folder, P, y, cuts=range(50, 500, 50), row_group_size=3)
    one, other, whole = of_files(tmp_path / "all"), of_files(folder, n_jobs=2), of_classes(P, y)
    for name in ARRAYS[:4]:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(whole, name))


def test_lists_may_have_a_variable_type_and_members_be_chosen(tmp_path):
    P, y = dirichlet(N=50)
    write(tmp_path / "a.parquet", P[:, :20], y[:20], fixed=False)
    write(tmp_path / "b.parquet", P[:, 20:], y[20:], np.ones(30))
    files, chosen = [tmp_path / "a.parquet", str(tmp_path / "b.parquet")], [5, 0, 2]
    found = of_files(files, members=[f"member {i}" for i in chosen])
    assert found.names == tuple(f"member {i}" for i in chosen)
    assert_same(found, of_classes(P[chosen], y))


def test_numbers_may_have_any_type(tmp_path):
    votes = {
        "bool": pa.array([True, False, True]),
        "uint8": pa.array([1, 0, 1], pa.uint8()),
        "half": pa.array(np.array([1, 0, 1], np.float16)),
        "float": pa.array([1, 0, 1], pa.float32()),
        "target": pa.array([1, 0, 0], pa.int8()),
    }
    parquet.write_table(pa.table(votes), tmp_path / "v.parquet")
    p = np.tile([1.0, 0, 1], (4, 1))
    expected = of_classes(np.stack([1 - p, p], axis=2), [1, 0, 0])
    assert_same(of_files(tmp_path / "v.parquet", y="target"), expected)


def test_statistics_of_files_add_up(tmp_path):
    P, y = two_classes()
    write_parts(tmp_path, P, y, cuts=[200])
    parts = [of_files(tmp_path / f"part-{k}.parquet") for k in (0, 1)]
    assert_same(sum(parts), of_files(tmp_path))


def test_a_constant_target_is_not_scaled(tmp_path):
    F = np.random.default_rng(0).normal(size=(2, 30, 1))
    write_parts(tmp_path, F, np.full(30, 0.1), cuts=[7])
    assert of_files(tmp_path, regression=True).scale.tolist() == [1]


MEMORY = """
import sys, tracemalloc
import pyarrow
from skprune.socp import EnsembleStatistics

tracemalloc.start()  # of NumPy; Arrow counts on its own
for n_jobs in (1, 2):
    tracemalloc.reset_peak()
    EnsembleStatistics.from_parquet(sys.argv[1], n_jobs=n_jobs)
    print(tracemalloc.get_traced_memory()[1], pyarrow.default_memory_pool().max_memory())
"""


def test_a_job_holds_two_matrices_and_a_block_and_so_does_the_sum_of_jobs(tmp_path):
    M, N, block = 1_100, 6_000, 2**24
    P, y = two_classes(M, N, dtype=np.float32)
    write(tmp_path / "p.parquet", P, y, row_group_size=350)
    arguments = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (one, arrow), (two, _) = (map(int, line.split()) for line in done.stdout.splitlines())
    pair, tile = 2 * 8 * M**2, 4 * 1024**2
    assert one < pair + 2.5 * block + tile  # and what is formed of a block
    assert two < 3 * pair + 2 * (2.5 * block + tile)
    assert arrow < block < 4 * M * N / 1.5  # not the whole file


# Invalid input


def test_pyarrow_is_needed_for_files_only():
    code = """
import sys
sys.modules["pyarrow"] = None
from skprune.socp import EnsembleStatistics
EnsembleStatistics.from_predictions([[[0.5, 0.5]]], [0])
EnsembleStatistics.from_parquet("x.parquet")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (
        "ImportError: Parquet files need pyarrow: run `pip install skprune[parquet]`" in done.stderr
    )


@pytest.mark.parametrize(
    ("paths", "error", "match"),
    [
        (3, TypeError, "'paths' parameter"),
        ([None], TypeError, "'paths' parameter"),
        ([], ValueError, "'paths' parameter"),
        ("absent.parquet", ValueError, r"absent\.parquet' cannot be read as a parquet file"),
        (".", ValueError, r"has no file \*\.parquet"),
    ],
)
def test_paths_that_are_no_files_are_refused(tmp_path, monkeypatch, paths, error, match):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=match):
        of_files(paths)


def test_files_that_are_not_parquet_are_refused(tmp_path):
    write(tmp_path / "good.parquet", *two_classes())
    text = (tmp_path / "good.parquet").read_bytes()
    for bad in (b"", b"a,b\n1,2\n" * 9, text[:-40]):
        (tmp_path / "bad.parquet").write_bytes(bad)
        with pytest.raises(ValueError, match=r"bad\.parquet' cannot be read as a parquet file"):
            of_files([tmp_path / "good.parquet", tmp_path / "bad.parquet"])
    (tmp_path / "bad.parquet").write_bytes(text[:4] + b"\xff" * 2_000 + text[2_004:])
    with pytest.raises(ValueError, match=r"bad\.parquet' "):
        of_files([tmp_path / "good.parquet", tmp_path / "bad.parquet"])
    with pytest.raises(ValueError, match=r"good\.parquet' comes twice"):
        of_files([tmp_path, tmp_path / "good.parquet"])


GOOD = {"a": [0.5, 0.5], "b": [0.1, 0.9], "y": [0, 1]}
LISTS = {"a": [[0.5, 0.5, 0.0]] * 2, "b": [[0.1, 0.2, 0.7]] * 2, "y": [0, 1]}
WEIGHTED = {**GOOD, "w": [1.0, 2.0]}
NAN = float("nan")


@pytest.mark.parametrize(
    ("first", "second", "options", "error", "match"),
    [
        # Names
        (GOOD, {"a": [0.5], "y": [0]}, {}, ValueError, "{file} has no column 'b'; it has 'a', 'y'"),
        (GOOD, {"a": [0.5], "b": [0.5]}, {}, ValueError, "{file} has no column 'y'"),
        (GOOD, WEIGHTED, {}, ValueError, "{file} has columns that the first file has not: 'w'"),
        (GOOD, GOOD, {"members": ["c"]}, ValueError, "has no column 'c'"),
        (GOOD, GOOD, {"y": "z"}, ValueError, "has no column 'z'"),
        (GOOD, GOOD, {"sample_weight": "w"}, ValueError, "has no column 'w'"),
        (GOOD, GOOD, {"sample_weight": "y"}, ValueError, "y and sample_weight must be two columns"),
        (GOOD, GOOD, {"members": ["a", "a"]}, ValueError, "members must name columns once"),
        (GOOD, GOOD, {"members": ["a", "y"]}, ValueError, "without y and sample_weight"),
        (GOOD, GOOD, {"members": []}, ValueError, "'members' parameter"),
        (GOOD, GOOD, {"members": "a"}, TypeError, "'members' parameter"),
        (GOOD, GOOD, {"members": [0]}, TypeError, "'members' parameter"),
        (GOOD, GOOD, {"y": 3}, TypeError, "'y' parameter"),
        (GOOD, GOOD, {"n_jobs": "two"}, TypeError, "'n_jobs' parameter"),
        ({"y": [0]}, {"y": [0]}, {}, ValueError, "has no column of a member"),
        # Types
        (
            GOOD,
            {**GOOD, "b": ["x", "y"]},
            {},
            TypeError,
            "'b' of {file} must hold n.*string",
        ),
        (GOOD, {**GOOD, "b": LISTS["b"]}, {}, TypeError, "'b' of {file} must hold numbers, as"),
        (LISTS, {**LISTS, "b": [0.1, 0.9]}, {}, TypeError, "'b' of {file} must hold lists of 3"),
        (LISTS, LISTS, {"regression": True}, TypeError, "'a' of .* must hold numbers for regr"),
        (GOOD, {**GOOD, "y": [0.0, 1.0]}, {}, TypeError, "'y' of {file} must hold integer classes"),
        (GOOD, {**GOOD, "y": ["a", "b"]}, {}, TypeError, "'y' of {file} must hold integer classes"),
        (GOOD, {**GOOD, "y": ["a", "b"]}, {"regression": True}, TypeError, "must hold the targets"),
        (
            WEIGHTED,
            {**WEIGHTED, "w": ["a", "b"]},
            {"sample_weight": "w"},
            TypeError,
            "'w' of {file} must hold the weights",
        ),
        (GOOD, {name: [] for name in GOOD}, {}, TypeError, "{file} must hold"),  # of type null
        # Values
        (GOOD, {**GOOD, "b": [0.1, None]}, {}, ValueError, "'b' of {file} has nulls"),
        (GOOD, {**GOOD, "b": [0.1, NAN]}, {}, ValueError, "'b' of {file} has NaN"),
        (GOOD, {**GOOD, "b": [0.1, 1.5]}, {}, ValueError, "'b' of {file} must hold prob.*has 1.5"),
        (GOOD, {**GOOD, "b": [-0.1, 0]}, {}, ValueError, "'b' of {file} must hold prob.*has -0.1"),
        (GOOD, {**GOOD, "y": [0, 2]}, {}, ValueError, r"'y' of {file} must be in 0 \.\. 1"),
        (GOOD, {**GOOD, "y": [0, -1]}, {}, ValueError, r"'y' of {file} must be in 0 \.\. 1"),
        (GOOD, {**GOOD, "y": [0, None]}, {}, ValueError, "'y' of {file} has nulls"),
        (LISTS, {**LISTS, "b": [[0.1, 0.9]] * 2}, {}, ValueError, "'b' of {file} .* lists of 3"),
        (LISTS, {**LISTS, "b": [[0.4, 0.6], [0.5, 0.1, 0.2, 0.2]]}, {}, ValueError, "lists of 3"),
        (LISTS, {**LISTS, "b": [[0.1, 0.2, 0.7], None]}, {}, ValueError, "'b' of {file} has nulls"),
        (LISTS, {**LISTS, "b": [[0.1, 0.2, None]] * 2}, {}, ValueError, "'b' of {file} has nulls"),
        (LISTS, {**LISTS, "b": [[0.1, 0.2, NAN]] * 2}, {}, ValueError, "column 'b' of {file}"),
        (LISTS, {**LISTS, "b": [[0.1, 0.2, 0.3]] * 2}, {}, ValueError, "'b' of {file} sum to 0.6"),
        (
            LISTS,
            {**LISTS, "b": [[0.8, -0.5, 0.7]] * 2},
            {},
            ValueError,
            "'b' of {file} has -0.5",
        ),
        (LISTS, {**LISTS, "y": [0, 3]}, {}, ValueError, r"'y' of {file} must be in 0 \.\. 2"),
        (
            GOOD,
            {**GOOD, "b": [0.1, NAN]},
            {"regression": True},
            ValueError,
            "'b' of {file} has NaN or infinite predictions",
        ),
        (
            GOOD,
            {**GOOD, "y": [0.0, NAN]},
            {"regression": True},
            ValueError,
            "'y' of {file} has NaN or infinite targets",
        ),
        (
            WEIGHTED,
            {**WEIGHTED, "w": [1.0, -2.0]},
            {"sample_weight": "w"},
            ValueError,
            "'w' of {file} must be finite and non-negative",
        ),
    ],
)
def test_invalid_columns_are_refused(tmp_path, first, second, options, error, match):
    for name, columns in (("a.parquet", first), ("b.parquet", second)):
        parquet.write_table(pa.table(columns), tmp_path / name)
    for n_jobs in (None, 2):
        with pytest.raises(error, match=match.format(file=r"'.*b\.parquet'")):
            of_files(tmp_path, **{"n_jobs": n_jobs, **options})


def test_other_invalid_files_are_refused(tmp_path):
    schema = pa.schema([("a", pa.float32()), ("y", pa.int64())])
    parquet.write_table(schema.empty_table(), tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match=r"empty\.parquet' has no row: leave it out"):
        of_files(tmp_path)
    twice = pa.Table.from_arrays([pa.array([0.5])] * 2 + [pa.array([0])], names=["a", "a", "y"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(ValueError, match=r"twice\.parquet' has two columns 'a'"):
        of_files(tmp_path / "twice.parquet")
    for size in (0, 4):
        lists = pa.array([[1.0, 0, 0], [0, 1, 0]], pa.list_(pa.float64(), 3))
        other = pa.array([[0.25] * size], pa.list_(pa.float64(), size))
        for name, column, y in (("a", lists, [0, 1]), ("b", other, [0])):
            parquet.write_table(pa.table({"m": column, "y": y}), tmp_path / f"{name}.parquet")
        with pytest.raises(ValueError, match=r"'m' of '.*b\.parquet' must hold lists of 3"):
            of_files([tmp_path / "a.parquet", tmp_path / "b.parquet"])


@pytest.mark.parametrize("regression", [False, True])
def test_weights_must_not_all_be_zero(tmp_path, regression):
    P, y = two_classes()
    write(tmp_path / "p.parquet", P, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match="sample_weight sums to zero"):
        of_files(tmp_path, sample_weight="weight", regression=regression)


def test_columns_of_all_files_are_checked_before_any_is_read(tmp_path):
    """The first file has a wrong value, which is found later than a wrong type."""
    for name, column in (("a", [0.1, NAN]), ("b", ["x", "y"])):
        parquet.write_table(pa.table({**GOOD, "b": column}), tmp_path / f"{name}.parquet")
    with pytest.raises(TypeError, match=r"'b' of '.*b\.parquet' must hold numbers"):
        of_files(tmp_path)
