"""Measurements of the notebook's published curves."""

import numpy as np
import pytest

from . import notebook


@pytest.fixture(scope="session")
def amounts():
    return np.linspace(0, 1, 21)[:, None]


@pytest.fixture(scope="session")
def measured(amounts):
    return notebook.measured(amounts[:, 0])
