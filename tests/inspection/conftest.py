"""No windows, and figures closed behind every test."""

import pytest


@pytest.fixture
def plt():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture
def axes(plt):
    return plt.subplots(layout="constrained")[1]
