"""Every public name says what it is, takes and gives, and shows it in an example that is run."""

import ast
import dataclasses
import doctest
import functools
import importlib
import inspect
import re
import sys
import textwrap
import typing
from pathlib import Path
from typing import Any

import pytest

import skprune

# Not installed where only the library is.
docscrape = pytest.importorskip("numpydoc.docscrape")
validate = pytest.importorskip("numpydoc.validate")

PACKAGE = Path(skprune.__file__).parent
# What may be wrong with a docstring, by numpydoc's codes. Its other codes ask for what is a matter
# of taste: an extended summary, "See Also", where quotes close.
HELD = {
    *("GL06", "GL07", "GL08", "GL10"),  # sections have their names and order, directives colons
    *("SS01", "SS02", "SS03"),  # the summary is a sentence
    *("PR04", "PR05", "PR06", "PR07", "PR08", "PR09", "PR10"),  # parameters have type and text
    *("RT01", "RT03", "RT04", "RT05", "YD01"),  # what is returned has text
}
# Formulas, and the place in the paper or the notebook that they come from.
SOURCES = {
    "amount.AccuracyReward": "notebook",
    "amount.DEFAULT_REWARDS": "notebook",
    "amount.LogisticCurve": "notebook",
    "amount.MoreAccuracyLessSizeReward": "notebook",
    "amount.PolynomialCurve": "notebook",
    "amount.PruningAmountOptimizer": "notebook",
    "amount.PruningReward": "notebook",
    "amount.SizeReward": "notebook",
    "amount.TimeReward": "notebook",
    "amount.importance_inverse_amounts": "notebook",
    "amount.normalize_importance": "notebook",
    "ensemble.CNNSpace": "section 3",
    "ensemble.RandomCNNEnsembleClassifier": "section 3",
    "inspection.PruningReport": "Tables 1 and 2",
    "inspection.pruning_report": "Tables 1 and 2",
    "amount.reciprocal_mean_rank": "notebook",
    "multiview.view_importance": "notebook",
    "pruning.SOCPEnsemblePruner": "equations (1)-(8)",
    "pruning.SOCPEnsemblePrunerCV": "equations (1)-(8)",
    "pruning.SOCPEnsemblePrunerRegressor": "equations (1)-(8)",
    "pruning.SOCPEnsemblePrunerRegressorCV": "equations (1)-(8)",
    "socp.EnsembleStatistics": "equation (3)",
    "socp.SOCPProblem": "equations (7) and (8)",
    "socp.SOCPSolution": "(8)",
    "socp.socp_path": "(8)",
    "socp.solve_exact_entropy": "(3)",
    "socp.solve_socp": "equation (8)",
    "socp.solve_subset": "equation (6)",
}


def public():
    """Each public name once, at the subpackage whose file it is in: "subpackage.name" -> object."""
    found = {}
    for subpackage in skprune._SUBPACKAGES:
        module = importlib.import_module(f"skprune.{subpackage}")
        for name in module.__all__:
            value = getattr(module, name)
            home = getattr(value, "__module__", "") or ""
            if not home.startswith("skprune.") or home.split(".")[1] == subpackage:
                found[f"{subpackage}.{name}"] = value
    return found


PUBLIC = public()
CLASSES = {n: v for n, v in PUBLIC.items() if inspect.isclass(v)}
FUNCTIONS = {n: v for n, v in PUBLIC.items() if inspect.isroutine(v)}
CONSTANTS = [n for n in PUBLIC if n not in CLASSES and n not in FUNCTIONS]


def members():
    """Methods and properties that users call and skprune wrote, each once."""
    found = {}
    for name, owner in CLASSES.items():
        for attribute in dir(owner):
            raw = inspect.getattr_static(owner, attribute)
            raw = getattr(raw, "fget", getattr(raw, "func", getattr(raw, "__func__", raw)))
            ours = inspect.isfunction(raw) and raw.__module__.startswith("skprune.")
            if ours and not attribute.startswith("_") and raw not in found.values():
                found[f"{name}.{attribute}"] = raw
    return found


MEMBERS = members()
DOCUMENTED = {**CLASSES, **FUNCTIONS, **MEMBERS}


def wrong(check, names):
    """What is wrong, by name: one test for all names takes a second, one each takes ten."""
    return {name: found for name in names if (found := check(name))}


@functools.cache
def parsed(value):
    # Not what numpydoc adds to a docstring: the methods and properties that it finds.
    return docscrape.get_doc_object(value, config={"show_class_members": False})


def is_property(name):
    owner, _, attribute = name.rpartition(".")
    raw = inspect.getattr_static(CLASSES[owner], attribute) if owner in CLASSES else None
    return isinstance(raw, property | functools.cached_property)


def parameters(value):
    """Those of the signature, by name, but for self and cls."""
    if inspect.isclass(value) and issubclass(value, Exception):
        return {}  # a message, as everywhere
    signature = inspect.signature(value).parameters
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {stars.get(p.kind, "") + n: p for n, p in signature.items() if n not in ("self", "cls")}


def entries(value, *sections):
    """What sections of a docstring say of each name: name -> type."""
    return {
        name.replace("\\", ""): entry.type
        for section in sections
        for entry in parsed(value)[section]
        for name in (entry.name or entry.type).split(", ")
    }


def described(value):
    """The parameters that the docstring knows: name -> type."""
    found = entries(value, "Parameters", "Other Parameters")
    if dataclasses.is_dataclass(value):  # a field is both; it stands in one of the two places
        wanted = parameters(value)
        found |= {n: said for n, said in entries(value, "Attributes").items() if n in wanted}
    return found


def test_docstrings_are_whole():
    # A class of ours says on its own page what it is, a property in its summary.
    classes = {each.__name__ for each in CLASSES.values()}

    def check(name):
        value = DOCUMENTED[name]
        errors = validate.validate(parsed(value))["errors"]
        returned = {entry.type for entry in parsed(value)["Returns"]}
        excused = ["RT01"] * is_property(name) + ["RT03"] * (returned <= classes)
        return [error for error in errors if error[0] in HELD.difference(excused)]

    assert not wrong(check, DOCUMENTED)


def test_parameters_are_those_of_the_signature():
    def check(name):
        said, there = list(described(DOCUMENTED[name])), list(parameters(DOCUMENTED[name]))
        return said != there and f"says {said}, takes {there}"

    assert not wrong(check, DOCUMENTED)


def wrong_default(type_, default):
    """Whether the type of a parameter says another default than the signature; `...` is any."""
    said = re.search(r"default=(.+)", type_)
    if default is inspect.Parameter.empty or said is None:
        return said is not None or default is not inspect.Parameter.empty
    if default is not None and not isinstance(default, bool | int | float | str):
        return False
    try:
        return ast.literal_eval(said[1]) != default
    except (SyntaxError, ValueError):
        return True


def test_defaults_are_those_of_the_signature():
    def check(name):
        there = parameters(DOCUMENTED[name])
        return {
            parameter: (type_, there[parameter].default)
            for parameter, type_ in described(DOCUMENTED[name]).items()
            if wrong_default(type_, there[parameter].default)
        }

    assert not wrong(check, DOCUMENTED)


@pytest.mark.parametrize(
    ("type_", "default", "expected"),
    [
        ("int, default=3", 3, False),
        ("int, default=3", 4, True),
        ("int", 3, True),
        ("int, default=3", inspect.Parameter.empty, True),
        ("str, default=None", None, False),
        ("str, default=somehow", "x", True),
        ("tuple, default=(1, 2, ..., 9)", tuple(range(1, 10)), False),
    ],
)
def test_what_counts_as_a_wrong_default(type_, default, expected):
    assert wrong_default(type_, default) == expected


def test_arrays_have_a_shape():
    def check(name):
        said = entries(DOCUMENTED[name], "Parameters", "Attributes", "Returns", "Yields")
        arrays = [type_ for type_ in said.values() if re.match("(nd)?array", type_)]
        return [type_ for type_ in arrays if "of shape" not in type_]

    assert not wrong(check, DOCUMENTED)


def raised_by(function):
    """Errors that its own lines raise and do not catch; of those that others raise none knows."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))

    def raised(node):
        calls = [each.exc for each in ast.walk(node) if isinstance(each, ast.Raise)]
        return [ast.unparse(call.func) for call in calls if isinstance(call, ast.Call)]

    found = raised(tree)
    for attempt in (node for node in ast.walk(tree) if isinstance(node, ast.Try)):
        caught = " ".join(ast.unparse(each.type) for each in attempt.handlers if each.type)
        for error in (each for line in attempt.body for each in raised(line)):
            if error in caught:
                found.remove(error)
    return {error for error in found if error[0].isupper()}


def test_errors_are_documented():
    def check(name):
        return raised_by(DOCUMENTED[name]) - entries(DOCUMENTED[name], "Raises").keys()

    assert not wrong(check, [*FUNCTIONS, *MEMBERS])


def test_signatures_have_type_hints():
    empty = inspect.Parameter.empty

    def check(name):
        value = DOCUMENTED[name]
        bare = [n for n, p in parameters(value).items() if p.annotation is empty]
        returns = inspect.isclass(value) or inspect.signature(value).return_annotation
        return bare + ["what is returned"] * (returns is empty)

    assert not wrong(check, DOCUMENTED)


def test_type_hints_name_what_there_is():
    # Those of packages that are loaded only where they are asked for.
    later = {"Axes": Any, "DataFrame": Any}
    for value in DOCUMENTED.values():
        typing.get_type_hints(value.__init__ if inspect.isclass(value) else value, localns=later)


@functools.cache
def collected(module):
    """Docstrings with examples as pytest collects them: full name -> examples."""
    tests = doctest.DocTestFinder(exclude_empty=True).find(sys.modules[module])
    return {test.name: test.examples for test in tests}


def test_an_example_is_run():
    def check(name):
        value = PUBLIC[name]
        if not parsed(value)["Examples"]:
            return "no section Examples"
        examples = collected(value.__module__)[f"{value.__module__}.{value.__qualname__}"]
        if any(doctest.SKIP in example.options for example in examples):
            return "an example is skipped"
        return not any(example.want for example in examples) and "nothing is shown"

    assert not wrong(check, [*CLASSES, *FUNCTIONS])


def test_what_pytest_leaves_out_of_the_doctests_is_not_public(pytestconfig):
    options = pytestconfig.getini("addopts")
    assert "--doctest-modules" in options
    assert str(PACKAGE.name) in pytestconfig.getini("testpaths")
    left_out = {o.partition("=")[2] for o in options if o.startswith("--ignore")}
    files = {Path(inspect.getsourcefile(PUBLIC[n])) for n in [*CLASSES, *FUNCTIONS]}
    assert not {PACKAGE.parent / path for path in left_out} & files


# The code sets these by name, in a loop.
IN_A_LOOP = {"compression.PrunedCNNClassifier": {"promised_", "sweep_", "optimizer_"}}
# scikit-learn's validate_data sets these.
BY_SCIKIT_LEARN = {"n_features_in_", "feature_names_in_"}


def set_by_fit(name):
    """Public names with an underscore at the end that a class, or its bases, sets on self."""
    found = set(IN_A_LOOP.get(name, ()))
    for base in CLASSES[name].__mro__:
        if not base.__module__.startswith("skprune."):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
            stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if stored and ast.unparse(node.value) == "self":
                found.add(node.attr)
        found |= {n for n, v in vars(base).items() if isinstance(v, property)}
    return {n for n in found if n.endswith("_") and not n.startswith("_")}


def test_attributes_of_fitted_estimators_are_documented():
    def check(name):
        said = {n for n in entries(CLASSES[name], "Attributes") if n.endswith("_")}
        return (said ^ set_by_fit(name)) - BY_SCIKIT_LEARN

    estimators = [name for name, value in CLASSES.items() if hasattr(value, "fit")]
    assert len(estimators) > 10
    assert not wrong(check, estimators)


def comment_of(name):
    """The lines with `#:` above the one, in a file of its subpackage, that makes a constant."""
    subpackage, _, constant = name.rpartition(".")
    for path in PACKAGE.joinpath(subpackage).rglob("*.py"):
        found = re.search(rf"((?:^#: .*\n)+){constant}\b.* = ", path.read_text(), re.M)
        if found:
            return found[1]
    return ""


def test_constants_are_commented():
    assert not wrong(lambda name: not comment_of(name), CONSTANTS)


def test_formulas_say_where_they_come_from():
    def check(name):
        text = comment_of(name) if name in CONSTANTS else inspect.getdoc(PUBLIC[name])
        return SOURCES[name] not in " ".join(text.split())

    assert not wrong(check, SOURCES)


def test_the_library_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_all_names_are_there():
    """An empty list would pass all of the above."""
    assert {"pruning.SOCPEnsemblePruner", "amount.Goal", "utils.SAVED_TYPES"} <= PUBLIC.keys()
    assert {"amount.Goal.misses", "socp.SOCPProblem.penalty_max"} <= MEMBERS.keys()
    assert "fit" in {name.rpartition(".")[2] for name in MEMBERS}
    assert all(name.rpartition(".")[2].isupper() for name in CONSTANTS)


def badly_documented(X, n=3, *, more=None) -> int:
    """Count something

    Parameters
    ----------
    X : ndarray
        Numbers.
    n : int, default=4
        How many.

    Returns
    -------
    int
    """
    if n > 3:
        raise ValueError("n")
    return len(X)


@pytest.mark.parametrize(
    "test",
    [
        test_docstrings_are_whole,
        test_parameters_are_those_of_the_signature,
        test_defaults_are_those_of_the_signature,
        test_arrays_have_a_shape,
        test_errors_are_documented,
        test_signatures_have_type_hints,
        test_an_example_is_run,
    ],
)
def test_what_is_wrong_is_found(test, monkeypatch):
    for names in (PUBLIC, FUNCTIONS, DOCUMENTED):
        monkeypatch.setitem(names, "nowhere.badly_documented", badly_documented)
    with pytest.raises(AssertionError, match="badly_documented"):
        test()
