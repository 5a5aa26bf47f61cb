import gc

import pytest

from skprune._keras import without_collector


def fails_to_import():
    with without_collector():
        assert not gc.isenabled()
        raise ImportError


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_restored(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ImportError):
            fails_to_import()
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
