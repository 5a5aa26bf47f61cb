"""Imports run down the layers of subpackages, and nothing heavy is loaded unless asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skprune

PACKAGE = Path(skprune.__file__).parent
LAYERS = (
    ("utils",),
    ("socp", "datasets", "_keras"),
    ("metrics",),
    ("pruning", "ensemble", "sparsity", "amount"),
    ("compression", "inspection", "serving"),
    ("multiview",),
    ("cli",),
)
LAYER = {subpackage: i for i, layer in enumerate(LAYERS) for subpackage in layer}


def subpackages_imported(path):
    """Subpackages that a file imports, whichever way it writes it."""
    tree = ast.parse(path.read_text())
    here = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            module = ".".join([*base, *((node.module or "").split("."))]).strip(".")
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "skprune" and len(parts) > 1 and parts[1] in LAYER:
                yield parts[1]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_imports_run_down(path):
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return
    subpackage = parts[0]
    assert subpackage in LAYER, f"{subpackage} has no layer: add it to LAYERS"
    for other in subpackages_imported(path):
        runs_down = other == subpackage or LAYER[other] < LAYER[subpackage]
        assert runs_down, f"{path.name}: {subpackage} -> {other}"


def test_the_walk_sees_every_way_to_import(tmp_path, monkeypatch):
    folder = tmp_path / "skprune" / "socp"
    folder.mkdir(parents=True)
    file = folder / "_x.py"
    file.write_text(
        "import skprune.pruning\nfrom ..ensemble import a\nfrom .. import utils\n"
        "from skprune import amount\nfrom ._y import b\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "skprune")
    assert set(subpackages_imported(file)) == {"pruning", "ensemble", "utils", "amount", "socp"}


def loaded_after(code):
    script = code + "\nimport sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


# pandas is not among them: scikit-learn itself imports it where it is installed.
HEAVY = {"tensorflow", "keras", "scikeras", "cvxpy", "matplotlib"}


def test_importing_the_package_loads_almost_nothing():
    assert not loaded_after("import skprune; dir(skprune)") & (HEAVY | {"sklearn", "scipy"})


def test_pruning_a_forest_loads_nothing_heavy():
    code = """
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from skprune import SOCPEnsemblePruner, SOCPEnsemblePrunerCV
from skprune.inspection import pruning_report
X, y = load_iris(return_X_y=True)
forest = RandomForestClassifier(10, random_state=0)
pruner = SOCPEnsemblePruner(forest, costs="parameters", random_state=0).fit(X, y)
pruner.predict(X)
str(pruning_report(pruner)), str(pruner.explain())
SOCPEnsemblePrunerCV(forest, alphas=[0.9], random_state=0).fit(X, y)
"""
    assert not loaded_after(code) & HEAVY


def test_describing_the_cnn_ensemble_loads_no_tensorflow():
    code = """
from sklearn.base import clone
from skprune import CNNSpace, RandomCNNEnsembleClassifier
clone(RandomCNNEnsembleClassifier(space=CNNSpace.paper()))
"""
    assert not loaded_after(code) & HEAVY


def test_describing_classifiers_of_views_loads_nothing_heavy():
    code = """
from sklearn.base import clone
from skprune.multiview import MultiViewCNNClassifier, PrunedMultiViewClassifier
clone(PrunedMultiViewClassifier(MultiViewCNNClassifier()))
"""
    assert not loaded_after(code) & HEAVY


def test_describing_the_amount_loads_nothing_heavy():
    """CMA-ES is loaded by the first fit, and brings matplotlib with it where there is one."""
    code = """
from sklearn.base import clone
from skprune import PruningAmountOptimizer
from skprune.amount import importance_inverse_amounts
clone(PruningAmountOptimizer(min_accuracy=80))
importance_inverse_amounts([3, 2, 1], lambda p: 98 - 30 * p, target=85)
"""
    assert not loaded_after(code) & (HEAVY | {"cma"})


def test_public_names_resolve_and_are_listed():
    for name in skprune.__all__:
        assert getattr(skprune, name) is not None
        assert name in dir(skprune)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        skprune.nothing  # noqa: B018
