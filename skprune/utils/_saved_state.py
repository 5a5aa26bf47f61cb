"""What a saved estimator says of itself: the format of its state, and what wrote it.

The state that pickle, joblib and skops are given begins with a :class:`SavedWith`. It is read
before all else and refuses a format that this release does not know: what follows it may name
classes that are not here.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from .._version import __version__
from ..exceptions import SavedFormatError, SavedVersionWarning

__all__ = ["FORMAT", "SavedState", "SavedWith"]

#: The format that is written. A release reads its own and all earlier ones; to be raised, with
#: files of the last one among the tests, when the state of any estimator changes.
FORMAT = 1

_KEY = "_skprune_saved"


@dataclass(frozen=True)
class SavedWith:
    """Format of a state, and the versions of what wrote it.

    Attributes
    ----------
    format : int
        Number of the format, from 1.
    skprune : str
        Version of skprune.
    packages : dict of str to str or None
        Version of each package that the state depends on; None if it was not installed.
    """

    format: int
    skprune: str
    packages: dict[str, str | None]

    def __setstate__(self, state: Any) -> None:
        number = state.get("format") if isinstance(state, dict) else None
        if type(number) is not int or number < 1:
            raise SavedFormatError(
                f"What is to be loaded has a format that skprune does not know, {number!r}: the "
                "file is broken, or was not written by skprune."
            )
        if number > FORMAT:
            raise SavedFormatError(
                f"What is to be loaded has format {number} and was written by skprune "
                f"{state.get('skprune', 'of an unknown version')}; skprune {__version__} reads "
                f"formats up to {FORMAT}. Install that version, or a later one."
            )
        vars(self).update(state)


# scikit-learn's callbacks, and what it notes of them during a fit.
_WATCHING = (
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_callback_fit_ctx",
    "_parent_callback_ctx",
    "_progress",
)


class SavedState:
    """Mixin, left of ``BaseEstimator``: its state has a numbered format, checked when loaded."""

    #: Packages whose version a saved state depends on.
    _saved_packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    def _state(self) -> dict[str, Any]:
        """What is saved, in a dict of its own."""
        inherited: Any = super()
        state = dict(inherited.__getstate__())
        # Who watched the fit is no part of what was fitted, nor of what its result depends on.
        for name in _WATCHING:
            state.pop(name, None)
        return state

    def _set_state(self, state: dict[str, Any]) -> None:
        """Take up what was saved."""
        inherited: Any = super()
        inherited.__setstate__(state)

    def __getstate__(self) -> dict[str, Any]:
        # First in its dict, so that it is read first.
        return {_KEY: _this_release(self._saved_packages), **self._state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved, name = state.pop(_KEY, None), type(self).__name__
        if not isinstance(saved, SavedWith):
            raise SavedFormatError(
                f"The {name} to be loaded says no format: it was not written by a release of "
                "skprune, or its class has a __getstate__ of its own that leaves out what "
                "super().__getstate__() gives."
            )
        _warn_of_other_versions(name, saved)
        self._set_state(state)


@cache
def _this_release(packages: tuple[str, ...]) -> SavedWith:
    # One object for all: a pickle of 300 members holds it once.
    return SavedWith(FORMAT, __version__, {name: _installed(name) for name in packages})


@cache
def _installed(package: str) -> str | None:
    try:
        return version(package)  # without an import
    except PackageNotFoundError:
        return None


def _warn_of_other_versions(name: str, saved: SavedWith) -> None:
    there = {package: (v, _installed(package)) for package, v in saved.packages.items()}
    other = {package: pair for package, pair in there.items() if pair[0] != pair[1]}
    if other:
        then = ", ".join(f"{package} {before}" for package, (before, _) in other.items())
        now = ", ".join(f"{package} {here}" for package, (_, here) in other.items())
        warnings.warn(
            f"This {name} was saved with {then} (skprune {saved.skprune}), and is loaded with "
            f"{now}: it may fail, or predict something else. Install the versions it was saved "
            "with, or compare its predictions with known ones and save it again.",
            SavedVersionWarning,
            stacklevel=3,
        )
