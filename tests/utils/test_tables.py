"""What printing and notebooks show of reports, tables, curves and solutions."""

import importlib
import inspect
import pickle
import sys
from dataclasses import dataclass, is_dataclass
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import skprune
from skprune import CNNSpace, SOCPEnsemblePruner
from skprune.inspection import pruning_report
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


def test_nothing_is_saved_of_it(pruner):
    table = pruner.explain()
    assert pickle.loads(pickle.dumps(table)).names == table.names
    assert not hasattr(table, "_repr_html_cache")
