"""Tasks on back ends that stream results, and on one that does not."""

import pytest
from joblib import delayed, parallel_config, register_parallel_backend
from joblib.parallel import ThreadingBackend

from skprune.utils import streamed


class AtOnce(ThreadingBackend):
    """As Ray's back end: all results after the last task."""

    supports_return_generator = False


register_parallel_backend("at once", AtOnce)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("backend", ["threading", "loky", "at once"])
def test_every_result_comes_once(backend, ordered):
    with parallel_config(backend=backend):
        found = list(streamed((delayed(divmod)(i, 3) for i in range(9)), 2, ordered=ordered))
    assert (found if ordered else sorted(found)) == [divmod(i, 3) for i in range(9)]


@pytest.mark.parametrize("backend", ["threading", "at once"])
def test_what_a_task_raises_is_raised(backend):
    with parallel_config(backend=backend), pytest.raises(ZeroDivisionError):
        list(streamed((delayed(divmod)(1, i) for i in (1, 0)), 2))
