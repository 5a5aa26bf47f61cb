"""Public names give what they gave when the golden file was written.

A number that changes on purpose is written again by ``python -m tests.golden.write``; the commit
says why.
"""

import json

import numpy as np
import pytest

from .cases import CASES
from .write import PATH, results

GOLDEN = json.loads(PATH.read_text())
pytestmark = pytest.mark.filterwarnings("ignore:The cross-validated score of the selection")


def test_every_case_is_frozen():
    assert list(CASES) == list(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_results_are_those_of_the_golden_file(name):
    found, golden = results(name), GOLDEN[name]
    assert list(found) == list(golden)
    for key, expected in golden.items():
        if name == "errors":  # an error may be of more kinds than before, not of fewer
            assert set(expected) <= set(found[key]), key
            continue
        if np.array(expected).dtype.kind == "U":
            assert found[key] == expected, key
            continue
        # Another BLAS rounds otherwise, and the exact entropy stops at a tolerance.
        np.testing.assert_allclose(found[key], expected, rtol=1e-6, atol=1e-8, err_msg=key)
