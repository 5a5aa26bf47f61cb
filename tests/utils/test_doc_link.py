"""Every public estimator links to a page that the reference has."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.tree import DecisionTreeClassifier

import skprune
from skprune import PruningAmountOptimizer, SOCPEnsemblePruner
from skprune.utils import DOCUMENTATION
from skprune.utils._tables import reference_page

ROOT = Path(__file__).parents[2]
SUBPACKAGES = [subpackage for subpackage in skprune._SUBPACKAGES if subpackage != "exceptions"]


def public_classes():
    for subpackage in SUBPACKAGES:
        module = importlib.import_module(f"skprune.{subpackage}")
        for name in module.__all__:
            if inspect.isclass(kind := getattr(module, name)):
                yield pytest.param(f"skprune.{subpackage}", kind, id=f"{subpackage}.{name}")


ESTIMATORS = [p for p in public_classes() if issubclass(p.values[1], BaseEstimator)]


def test_the_address_is_the_project_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["urls"]["Documentation"] == DOCUMENTATION


def test_all_estimators_of_the_top_are_there():
    kinds = {p.values[1] for p in ESTIMATORS}
    top = {getattr(skprune, name) for name in skprune.__all__}
    assert {k for k in top if inspect.isclass(k) and issubclass(k, BaseEstimator)} <= kinds
    assert len(kinds) > 10


@pytest.mark.parametrize(("subpackage", "kind"), ESTIMATORS)
def test_estimators_link_to_their_page(subpackage, kind):
    page = f"{DOCUMENTATION}reference/generated/{subpackage}.{kind.__name__}.html"
    assert reference_page(kind) == page
    if inspect.isabstract(kind) or kind.__name__.startswith("Base"):
        return
    needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    estimator = kind(*[DecisionTreeClassifier() for p in needed if p.kind != p.VAR_KEYWORD])
    assert estimator._get_doc_link() == page
    assert f'href="{page}"' in estimator._repr_html_()


def test_parameters_stay_what_they_were():
    optimizer = PruningAmountOptimizer(min_accuracy=80)
    assert "doc" not in " ".join(optimizer.get_params())
    assert clone(optimizer).get_params() == optimizer.get_params()
    assert not any("doc_link" in key for key in optimizer.__getstate__())


def test_classes_of_others_have_no_link():
    class Mine(SOCPEnsemblePruner):
        pass

    mine = Mine(DecisionTreeClassifier())
    assert mine._get_doc_link() == ""
    assert "skprune.readthedocs" not in mine._repr_html_()


def test_pages_are_named_in_one_place():
    found = [
        path
        for path in (ROOT / "skprune").rglob("*.py")
        if re.search(r"readthedocs\.io", path.read_text(encoding="utf-8"))
    ]
    assert [path.name for path in found] == ["_tables.py"]
