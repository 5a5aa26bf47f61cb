"""What is released: the wheel holds the package and nothing else, and says what it is."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import skprune

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools leaves a folder behind where it builds.
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "skprune"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in [*tracked, "pyproject.toml", "README.md", "LICENSE"]:
        if (ROOT / name).exists():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_room_its_types_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if ".dist-info/" not in name}
    rooms = {f"skprune/{p.parent.name}/__init__.py" for p in ROOT.glob("skprune/*/__init__.py")}
    assert rooms <= inside
    assert "skprune/py.typed" in inside
    assert all(name.startswith("skprune/") for name in inside)


def test_the_wheel_says_what_it_is(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    said = Parser().parsestr(archive.read(metadata).decode())
    assert said["Version"] == skprune.__version__ == "0.1.0"
    assert said["License-Expression"] == "BSD-3-Clause"
    assert "Documentation" in said["Project-URL"]
    assert said.get_payload().startswith("# skprune")
    (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "skprune = skprune.cli:main" in archive.read(entry).decode()


def test_the_package_works_out_of_the_wheel(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import skprune\n"
        "from sklearn.datasets import load_iris\n"
        "from sklearn.ensemble import RandomForestClassifier\n"
        "X, y = load_iris(return_X_y=True)\n"
        "forest = RandomForestClassifier(10, random_state=0)\n"
        "print(skprune.__file__)\n"
        "print(skprune.SOCPEnsemblePruner(forest, random_state=0).fit(X, y).score(X, y) > 0.9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    where, right = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert right == "True"


def test_the_citation_and_the_changelog_are_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(skprune.__version__)}$", citation, re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(skprune.__version__)} \(\d{{4}}-", changes, re.MULTILINE)


def test_every_dependency_is_one_that_was_agreed_on():
    agreed = {"scikit-learn", "scikeras", "tensorflow", "cvxpy", "ecos", "cma", "numpy", "joblib"}
    agreed |= {"filelock"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.split(r"[>=\[]", each)[0] for each in project["dependencies"]}
    # SciPy and Clarabel come with scikit-learn and cvxpy, and are imported by name.
    assert named == agreed | {"scipy", "clarabel"}
