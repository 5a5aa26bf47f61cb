import pytest

from . import models


@pytest.fixture(scope="session")
def trees():
    """Pruners of trees; not to be changed."""
    return models.of_trees()


@pytest.fixture(scope="session")
def amounts():
    """The optimizer of amounts and its curves; not to be changed."""
    return models.of_amounts()


@pytest.fixture(scope="session")
def networks():
    """All that holds Keras networks; not to be changed."""
    return models.of_networks()
