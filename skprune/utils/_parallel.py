"""Results of joblib's tasks as they come."""

from collections.abc import Iterable, Iterator
from typing import Any

from joblib import Parallel

__all__ = ["streamed"]


def streamed(tasks: Iterable[Any], n_jobs: int | None, *, ordered: bool = True) -> Iterator[Any]:
    """Run tasks in threads, or wherever ``joblib.parallel_config`` says.

    Parameters
    ----------
    tasks : iterable
        Of ``joblib.delayed``.
    n_jobs : int or None
        As in joblib.
    ordered : bool, default=True
        Whether results come in the order of the tasks, or each when it is there.

    Returns
    -------
    iterator
        Of results. Those of a back end that cannot stream, such as Ray's, come after the last.
    """
    return_as = "generator" if ordered else "generator_unordered"
    try:
        parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as=return_as)
    except ValueError:
        parallel = Parallel(n_jobs=n_jobs, prefer="threads")
    return iter(parallel(tasks))
