"""The words of the library's messages, and those of the command line in their place."""

import ast
from pathlib import Path

import pytest

import skprune
from skprune.cli._errors import _SENTENCES, in_words_of_options


def messages():
    """Every text of the subpackages below, what is filled in replaced by a mark."""
    package = Path(skprune.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent != package / "cli":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    texts = (p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
                    yield "".join(texts)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.fixture(scope="module")
def said():
    return "\n".join(messages())


@pytest.mark.parametrize("sentence", _SENTENCES)
def test_what_is_put_in_other_words_is_still_said(sentence, said):
    assert sentence in said


def test_options_stand_for_parameters():
    assert in_words_of_options("max_size=300 is too small") == "--max-size 300 is too small"
    assert in_words_of_options("alpha must be a number") == "--alpha must be a number"
