"""What is refused, and what is said where the machine tells little of itself."""

import platform
from pathlib import Path

import pytest

from skprune.amount import reciprocal_mean_rank
from skprune.metrics import _latency


@pytest.mark.parametrize("ranks", [[[0, 1, 2]], [[1, 2, 4]], [[1, 2], [2, 0.5]]])
def test_ranks_begin_at_one_and_end_at_the_number_of_views(ranks):
    with pytest.raises(ValueError, match=r"ranks must lie between 1 and the number of views, \d"):
        reciprocal_mean_rank(ranks)


def test_a_machine_without_a_list_of_processors_is_called_by_its_kind(monkeypatch):
    def nothing(self, *args, **kwargs):
        raise FileNotFoundError(str(self))

    monkeypatch.setattr(Path, "read_text", nothing)
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert _latency._processor() == platform.machine() != ""
    monkeypatch.setattr(platform, "processor", lambda: "an abacus")
    assert _latency._processor() == "an abacus"


def test_the_first_model_name_of_several_is_the_processors(monkeypatch):
    said = "processor : 0\nmodel name : one\nprocessor : 1\nmodel name : other\n"
    monkeypatch.setattr(Path, "read_text", lambda self: said)
    assert _latency._processor() == "one"
