"""A fitted member that lies in a file, and is in memory only while it is used."""

import os
from dataclasses import dataclass
from typing import Any

import joblib

from ..exceptions import MemberFileError
from ._frozen import unfreeze
from ._whole_file import whole_file

__all__ = ["MemberFile"]


@dataclass(frozen=True)
class MemberFile:
    """A joblib file of a fitted estimator, as light as its path; itself a path too.

    Attributes
    ----------
    path : str
        Where the file lies. As any pickle, it runs code when it is loaded: take files from
        people you trust.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skprune.utils import MemberFile
    >>> tree = DecisionTreeClassifier().fit([[0], [1]], [0, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = MemberFile.save(tree, f"{folder}/tree.joblib")
    ...     file.load().predict([[1]])
    array([1])
    """

    path: str

    @classmethod
    def save(cls, estimator: Any, path: str | os.PathLike[str]) -> "MemberFile":
        """Write a fitted estimator; the file is whole or not there, whatever happens.

        Parameters
        ----------
        estimator : fitted estimator
            What to write. A FrozenEstimator is looked through.
        path : str or PathLike
            Where to. A file of that name is replaced.

        Returns
        -------
        MemberFile
        """
        with whole_file(path) as file:
            joblib.dump(unfreeze(estimator), file)
        return cls(os.fspath(path))

    def load(self) -> Any:
        """Read the estimator; a FrozenEstimator is looked through.

        Returns
        -------
        fitted estimator

        Raises
        ------
        MemberFileError
            If there is no such file, it cannot be read, or it holds no estimator; the message
            names the path.
        """
        self.check_exists()
        try:
            member = unfreeze(joblib.load(self.path))
        except MemoryError:
            raise
        except Exception as error:  # a pickle that is cut or strange fails in any way it likes
            raise MemberFileError(
                f"{self.path!r} cannot be read as a joblib file of a fitted estimator: "
                f"{type(error).__name__}: {error}. It may be cut short, or written by something "
                "else than joblib.dump, or where other packages are installed."
            ) from error
        if not hasattr(member, "predict"):
            raise MemberFileError(
                f"{self.path!r} holds no estimator but {type(member).__name__} {member!r:.60}; "
                "write a fitted estimator there, with joblib.dump."
            )
        return member

    def check_exists(self) -> None:
        """Refuse a path that leads to no file, without opening it."""
        if not os.path.isfile(self.path):
            what = "is a folder" if os.path.isdir(self.path) else "does not exist"
            raise MemberFileError(
                f"{self.path!r} {what}; it must be the joblib file of a fitted estimator."
            )

    def stamp(self) -> tuple[str, int, int, int]:
        """Absolute path, bytes and times of the last change: what a cache knows the file by."""
        status = os.stat(self.path)
        # The second time is the system's own, which no copy brings along.
        times = status.st_mtime_ns, status.st_ctime_ns
        return os.path.abspath(self.path), status.st_size, *times

    def __fspath__(self) -> str:
        return self.path
