"""A trained ensemble in the cache, a file a member, and what its members predict."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from ..exceptions import CacheError
from ..utils import (
    BasePool,
    CacheEntry,
    MemberFile,
    cache_entry,
    data_hash,
    num_samples,
    store_of,
)

__all__ = ["CachedEnsemble", "PredictionShelf"]

# Sets of rows for which a fitted pruner keeps predictions: a search scores on test rows and,
# where it is asked to, on training rows. What is predicted after that is nobody's second time.
_MOST_ROW_SETS = 2


class CachedEnsemble:
    """The members of an ensemble, trained when first asked for, or read from the cache.

    In the cache each member has a file of its own, beside a frame that holds the rest, so that
    a pruner reads the few that it keeps and not all of them.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    key : object
        All that the trained ensemble depends on.
    fit : callable
        Trains it. To be sent to other processes it has to be importable, or a partial.
    about : str
        The ensemble in words.
    """

    def __init__(
        self, memory: joblib.Memory, key: Any, fit: Callable[[], BasePool], about: str
    ) -> None:
        self._entry = cache_entry(memory, "ensemble", key, about)
        self._fit = fit
        self._pool: BasePool | None = None
        self._trained: BasePool | None = None
        self.about = about

    @property
    def key(self) -> str | None:
        """What stands for the ensemble in other keys; None where nothing is cached."""
        return None if self._entry is None else self._entry.folder.name

    def pool(self) -> BasePool:
        """The members: in memory where there is no cache or none that takes them, else files.

        Returns
        -------
        BasePool
        """
        if self._pool is None:
            self._pool = self._fit() if self._entry is None else self._from(self._entry)
        return self._pool

    def member(self, i: int) -> Any:
        """Read a member; where its file is broken, the ensemble is trained again.

        Parameters
        ----------
        i : int
            Its position.

        Returns
        -------
        fitted estimator
        """
        assert self._entry is not None
        found = self._entry.read_part(_name(i), None)
        if found is None:
            with self._entry.lock():
                found = self._entry.read_part(_name(i), None, warn=True)
                if found is None and self._trained is None:
                    self._trained, _ = self._train(self._entry)
        return self._trained.estimators[i] if found is None and self._trained else found

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None}  # members elsewhere: read from the cache again

    def sent(self, i: int) -> "_SentMember | None":
        """What a process that has no means to train takes for a member; None if it is broken.

        Parameters
        ----------
        i : int
            Its position.

        Returns
        -------
        _SentMember or None
        """
        assert self._entry is not None
        if not self._entry.has_part(_name(i)):
            return None
        return _SentMember(str(self._entry.folder / _name(i)), self._entry, i)

    def _from(self, entry: CacheEntry) -> BasePool:
        frame = entry.read(None)
        if frame is None:
            with entry.lock():
                frame = entry.read(None, warn=True)
                if frame is None:
                    pool, stored = self._train(entry)
                    if not stored:
                        return pool
                    frame = pool
        files = (_CachedMember(str(entry.folder / _name(i)), self, i) for i in range(len(frame)))
        return replace(frame, estimators=tuple(files))

    def _train(self, entry: CacheEntry) -> tuple[BasePool, bool]:
        start = time.perf_counter()
        pool = self._fit()
        frame = replace(pool, estimators=(None,) * len(pool))
        members = ((_name(i), member) for i, member in enumerate(pool.estimators))
        return pool, entry.write(frame, time.perf_counter() - start, members)


@dataclass(frozen=True, eq=False)
class _CachedMember(MemberFile):
    """A member's file in the cache, which is checked when it is read."""

    ensemble: CachedEnsemble
    position: int

    def load(self) -> Any:
        """Read the member, or make it again."""
        return self.ensemble.member(self.position)

    def __reduce__(self):
        # The ensemble holds the training data, and a task is sent for each member. A broken file
        # is the exception: then the ensemble goes along, and is trained again over there.
        sent = self.ensemble.sent(self.position)
        if sent is not None:
            return _SentMember, (sent.path, sent.entry, sent.position)
        return _CachedMember, (self.path, self.ensemble, self.position)


@dataclass(frozen=True, eq=False)
class _SentMember(MemberFile):
    """A member's file in the cache, for a process that cannot make it again."""

    entry: CacheEntry
    position: int

    def load(self) -> Any:
        """Read the member, or say that it is not there."""
        found = self.entry.read_part(_name(self.position), None)
        if found is None:
            raise CacheError(
                f"memory: {self.path} is missing or broken in the process that was to read it, "
                "which cannot train it again. Give memory a folder that all processes see; if "
                "it is one, fit again, and what is missing is trained again."
            )
        return found


def _name(i: int) -> str:
    return f"member_{i:05d}.pkl"


class PredictionShelf:
    """What members of a cached ensemble predict on the rows that a search scores on.

    The candidates of a search keep different members of one ensemble, and all are scored on the
    same rows: each member predicts them once. One entry holds all members that were asked about
    one set of rows, so that there are as many files as there are sets of rows.

    Parameters
    ----------
    memory : joblib.Memory
        The cache.
    key : str
        Stands for the ensemble.
    about : str
        The ensemble in words.
    """

    def __init__(self, memory: joblib.Memory, key: str, about: str) -> None:
        self._memory, self._key, self._about = memory, key, about
        self._row_sets: list[str] = []
        self._is_closed = False

    def outputs(
        self, kept: BasePool, members: NDArray[np.intp], X: Any, n_jobs: int | None
    ) -> Iterator[NDArray]:
        """Predictions of the kept members, as from :meth:`BasePool.member_outputs`.

        Parameters
        ----------
        kept : BasePool
            The kept members.
        members : ndarray of int
            Their positions in the ensemble.
        X : array-like of shape (n, ...)
            Rows.
        n_jobs : int or None
            Threads, for members that have not yet been asked.

        Returns
        -------
        iterator of ndarrays of shape (n, k)
        """
        if self._is_closed or not store_of(self._memory).is_dir():
            return kept.member_outputs(X, n_jobs)
        rows = data_hash(X)
        if rows not in self._row_sets:
            if len(self._row_sets) == _MOST_ROW_SETS:
                self._is_closed = True  # the search is over
                return kept.member_outputs(X, n_jobs)
            self._row_sets.append(rows)
        about = f"members of {self._about}, on {num_samples(X)} rows"
        entry = cache_entry(self._memory, "outputs", (self._key, rows), about)
        assert entry is not None
        known = entry.read({})
        if not all(i in known for i in members.tolist()):
            with entry.lock():
                # Others may have added members meanwhile; and they wait for ours.
                known = dict(entry.read({}, warn=True))
                start = time.perf_counter()
                new = np.array([i not in known for i in members.tolist()])
                if new.any():
                    outputs = kept.subset(new).member_outputs(X, n_jobs)
                    known.update(zip(members[new].tolist(), outputs, strict=True))
                    entry.write(known, time.perf_counter() - start)
        return iter([known[i] for i in members.tolist()])
