"""What printing and notebooks show of reports, tables, curves and solutions."""

import importlib
import inspect
import pickle
import re
import sys
from dataclasses import dataclass, is_dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import skprune
from skprune import CNNSpace, SOCPEnsemblePruner
from skprune.amount import Goal, WeightSensitivity
from skprune.compression import CompressionReport, CompressionStage
from skprune.inspection import pruning_report
from skprune.metrics import ModelCost
from skprune.serving import QuantizationReport
from skprune.sparsity import SweepResult
from skprune.utils import ReprHTML
from skprune.utils._tables import reference_page

# What predicts from a graph imports nothing but NumPy; evidence is a base class.
WITHOUT = {"GraphMetadata", "MemberFile"}


@pytest.fixture(scope="module")
def pruner():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(12, max_depth=2, random_state=0)
    return SOCPEnsemblePruner(forest, random_state=0).fit(X, y)


class Balanced(HTMLParser):
    """Counts what is open."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in {"br", "img", "col"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(thing):
    html = thing._repr_html_()
    seen = Balanced()
    seen.feed(html)
    assert not seen.open
    if type(thing).__module__.startswith("skprune"):
        assert f'href="{reference_page(type(thing))}"' in html
    return seen, html


def test_every_public_dataclass_has_one():
    without = set()
    for subpackage in skprune._SUBPACKAGES:
        module = importlib.import_module(f"skprune.{subpackage}")
        for name in getattr(module, "__all__", ()):
            kind = getattr(module, name)
            if not inspect.isclass(kind) or not is_dataclass(kind) or subpackage == "utils":
                continue
            if not issubclass(kind, ReprHTML | BaseEstimator):
                without.add(name)
    assert without <= WITHOUT


def test_a_table_is_pandas_own(pruner):
    pytest.importorskip("pandas")
    seen, html = parsed(pruner.explain())
    assert "dataframe" in html
    assert {"table", "td", "a"} <= seen.tags
    assert "leave_one_out_increase" in seen.text


def test_a_table_without_pandas_is_text(pruner, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    seen, _ = parsed(pruner.explain())
    assert "pre" in seen.tags
    assert str(pruner.explain()) in seen.text


def test_a_table_where_pandas_shows_no_html(pruner):
    pandas = pytest.importorskip("pandas")
    with pandas.option_context("display.notebook_repr_html", False):
        assert "pre" in parsed(pruner.explain())[0].tags


def test_a_report_is_what_print_shows(pruner):
    report = pruning_report(pruner)
    assert str(report) in parsed(report)[0].text


def test_fields(pruner):
    seen, html = parsed(pruner.frontier_)
    assert "weights" in seen.text
    assert f"float64 of shape {pruner.frontier_.weights.shape}" in html
    assert "n_blocks" in parsed(CNNSpace.small())[0].text


def test_what_others_write_is_escaped():
    @dataclass(frozen=True)
    class Mine(ReprHTML):
        name: str
        values: np.ndarray
        many: tuple

    thing = Mine("<script>", np.array([1.0, 2.0]), tuple(range(1000)))
    seen, html = parsed(thing)
    assert "script" not in seen.tags
    assert "[1., 2.]" in html
    assert len(html) < 1000
    assert "<a " not in html


def read(markdown):
    """Tables, as lists of rows of cells, and sentences of Markdown; and how columns are aligned."""
    tables, sentences, alignments = [], [], []
    for block in markdown.split("\n\n"):
        lines = block.split("\n")
        if not lines[0].startswith("|"):
            sentences.append(block)
            continue
        rows = []
        for line in lines:
            assert line.startswith("| ")
            assert line.endswith(" |")
            cells = re.findall(r"((?:\\.|[^\\|])*)\|", line)[1:]
            rows.append([re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells])
        assert len({len(row) for row in rows}) == 1
        assert len({len(line) for line in lines}) == 1  # it reads well as it is, too
        rule = rows.pop(1)
        assert all(re.fullmatch("-{2,}[-:]", cell) for cell in rule)
        alignments.append(["right" if cell[-1] == ":" else "left" for cell in rule])
        tables.append(rows)
    return tables, sentences, alignments


def numbers(cells):
    """Numbers as they are printed, a dash for NaN and a percent sign for a share."""
    found = []
    for cell in cells:
        share = 0.01 if cell.endswith("%") else 1.0
        plain = cell.rstrip("%").replace(",", "")
        found.append(
            {"-": np.nan, "yes": 1.0, "no": 0.0}.get(plain)
            if plain in ("-", "yes", "no")
            else share * float(plain)
        )
    return found


def test_markdown_of_members(pruner):
    pytest.importorskip("pandas")
    for table in (pruner.explain(), pruner.explain(4)):
        (rows,), sentences, (alignment,) = read(table.to_markdown())
        frame = table.to_frame().reset_index()
        assert rows[0] == list(frame.columns)
        assert set(alignment) == {"right"}
        columns = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
        for name in ("member", "most_similar_member"):
            assert list(columns.pop(name)) == list(frame[name])
        for name, cells in columns.items():
            found = numbers(cells)
            np.testing.assert_allclose(found, frame[name].astype(float), rtol=5e-3, atol=5e-4)
        assert sentences == str(table).splitlines()[len(rows) + 1 :]


def test_markdown_of_a_report(pruner):
    pytest.importorskip("pandas")
    report = pruning_report(pruner)
    (votes, members), sentences, alignments = read(report.to_markdown())
    assert sentences == ["Table 1. Vote of the members", "Table 2. Single members, without voting"]
    assert votes[0] == members[0] == ["", "Full ensemble", "Pruned ensemble"]
    assert alignments == [["left", "right", "right"]] * 2
    assert votes[-1][1] == "N/A"
    votes[-1][1] = "-"
    for rows, frame in ((votes, report.vote_table()), (members, report.member_table())):
        found = np.array([numbers(row[1:]) for row in rows[1:]])
        np.testing.assert_allclose(found, frame.to_numpy(), atol=5.1e-5)
    assert [row[0] for row in votes[1:]] == [
        "Calibration accuracy",
        "Number of models",
        "Threshold",
    ]


def test_markdown_of_a_cost():
    cost = ModelCost(2811, 1405, 11_244, 35_000, 7_300, 40_000)
    (rows,), sentences, (alignment,) = read(cost.to_markdown())
    assert rows[0] == ["", "", ""]  # as ``print``, it has no heading
    assert numbers(row[1] for row in rows[1:]) == list(vars(cost).values())
    assert [row[0] for row in rows[1:3]] == ["Parameters", "Not zero"]
    assert rows[2][2] == "(50.0% of them)"
    assert (sentences, alignment) == ([], ["left", "right", "left"])


def test_markdown_of_a_compression():
    pytest.importorskip("pandas")
    stages = (
        CompressionStage("full ensemble", 20, 0.95, 1_234_567, 4.9, 10_000_000, 0.5),
        CompressionStage("cut | members", 2, 0.95, 12_345, 0.049, 80_000, 0.025),
    )
    report = CompressionReport(stages, batch_size=256, n_samples=400, sample="held-out")
    (rows,), sentences, (alignment,) = read(report.to_markdown())
    frame = report.to_frame()
    assert [row[0] for row in rows[1:]] == list(frame.index)
    found = np.array([numbers(row[1:]) for row in rows[1:]])
    np.testing.assert_allclose(found / [1, 1, 1, 1, 1, 1e3], frame.to_numpy())
    assert alignment == ["left"] + ["right"] * 6
    assert sentences == str(report).splitlines()[-1:]
    assert f"<p>{sentences[0]}</p>" in parsed(report)[1]


def test_markdown_of_a_sensitivity():
    pytest.importorskip("pandas")
    amounts = np.array([[[0.1], [0.25]], [[0.5], [0.75]]])
    table = WeightSensitivity(("accuracy", "size"), np.array([0.5, 2.0]), amounts, np.array([0.2]))
    (rows,), sentences, (alignment,) = read(table.to_markdown())
    frame = table.to_frame()
    assert rows[0] == ["amount", *(f"x{factor:g}" for factor in frame.columns)]
    assert [row[0] for row in rows[1:]] == list(frame.index)
    np.testing.assert_array_equal([numbers(row[1:]) for row in rows[1:]], frame.to_numpy())
    assert (sentences, alignment) == ([], ["left", "right", "right"])
    several = replace(table, amounts=np.repeat(amounts, 2, axis=2))
    assert read(several.to_markdown())[0][0][0][0] == "mean amount"


def test_markdown_of_a_sweep():
    pytest.importorskip("pandas")
    floats = ("amounts", "accuracy_before", "accuracy", "time", "time_q25", "time_q75", "size")
    counts = ("parameters", "nonzero", "dense_bytes", "file_bytes", "compressed_bytes", "macs")
    sweep = SweepResult(
        **{name: np.array([0.0, 0.5, 0.75]) / 7 for name in floats},
        **{name: np.array([123_456, 4_567, 8]) for name in counts},
        method="channels",
        size_kind="parameters",
        batch_size=32,
        n_validation=100,
        fine_tune_epochs=0,
        hardware="one core",
        fingerprint="",
    )
    (rows,), sentences, (alignment,) = read(sweep.to_markdown())
    frame = sweep.to_frame()
    assert rows[0] == list(frame.columns)
    found = [numbers(row) for row in rows[1:]]
    np.testing.assert_allclose(found, frame.to_numpy(), rtol=1e-4)
    assert (sentences, set(alignment)) == ([], {"right"})


def test_markdown_of_fields_and_of_sentences(pruner):
    goal = Goal(min_accuracy=80, largest_size=0.5)
    (rows,), _, _ = read(goal.to_markdown())
    assert rows[0] == ["attribute", "value"]
    assert dict(rows[1:]) == {
        "min_accuracy": "80",
        "max_size": "None",
        "max_time": "None",
        "best_accuracy": "100",
        "largest_size": "0.5",
    }
    (rows,), _, _ = read(pruner.frontier_.to_markdown())
    assert dict(rows[1:])["weights"] == f"float64 of shape {pruner.frontier_.weights.shape}"
    report = QuantizationReport("int8.onnx", 450, 0.991, 0.989, 0.998, 0.04, 40_000, 16_000)
    assert report.to_markdown() == str(report)


@pytest.mark.parametrize("name", ["a|b", "|", "a\\", "a\\|b", "<b>", "*a*", "`a`", "a\nb"])
def test_markdown_of_names_that_it_would_read_as_something_else(pruner, name):
    M = pruner.n_members_in_
    table = replace(pruner.explain(), names=tuple(f"{name}{i}" for i in range(M)))
    markdown = table.to_markdown()
    (rows,), _, _ = read(markdown)
    assert {row[0] for row in rows[1:]} == {" ".join(each.split()) for each in table.names}
    assert not re.search(r"(?<!\\)[<*`]", markdown)
    assert len(rows) == M + 1


def test_nothing_is_saved_of_it(pruner):
    table = pruner.explain()
    assert pickle.loads(pickle.dumps(table)).names == table.names
    assert not hasattr(table, "_repr_html_cache")
