"""How often each member was chosen over resamples of the calibration rows."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..pruning import BasePruner
from ._drawing import DROPPED, KEPT, axes_for, check_has, legend_in_its_own_band, shortened, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SelectionFrequencyDisplay"]


class SelectionFrequencyDisplay:
    """Which members are wanted whichever rows one looks at, and which by chance.

    Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot` can be
    called again.

    Parameters
    ----------
    frequency : array-like of shape (M,)
        Share of the resamples in which each member has a weight.
    weight : array-like of shape (M,)
        Weight of each member; zero where it was dropped. It orders members of equal frequency.
    kept : array-like of shape (M,), bool
        Whether it was kept.
    names : sequence of M str
        Names of the members.
    n_resamples : int, default=0
        How many resamples there were, for the axis; 0 leaves it out.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePrunerCV
    >>> from skprune.inspection import SelectionFrequencyDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> pruner = SOCPEnsemblePrunerCV(forest, alphas=[0.9], random_state=0).fit(X, y)
    >>> display = SelectionFrequencyDisplay.from_estimator(pruner)
    >>> len(display.ax_.get_yticks())
    20
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        frequency: ArrayLike,
        weight: ArrayLike,
        kept: ArrayLike,
        names: Any,
        n_resamples: int = 0,
    ) -> None:
        self.frequency = np.asarray(frequency)
        self.weight = np.asarray(weight)
        self.kept = np.asarray(kept, dtype=bool)
        self.names = tuple(names)
        self.n_resamples = n_resamples

    @classmethod
    def from_estimator(
        cls,
        pruner: BasePruner,
        *,
        max_members: int = 40,
        ax: "Axes | None" = None,
        **bar_kwargs: Any,
    ) -> "SelectionFrequencyDisplay":
        """Draw the selection frequencies of a fitted pruner.

        Parameters
        ----------
        pruner : fitted pruner that cross-validates
            Such as :class:`~skprune.SOCPEnsemblePrunerCV`.
        max_members : int, default=40
            Most members to show, the most frequent ones first.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **bar_kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        SelectionFrequencyDisplay

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        TypeError
            If it does not resample.
        """
        check_has(
            pruner,
            "selection_frequency_",
            "a pruner that resamples, such as SOCPEnsemblePrunerCV",
        )
        return cls(
            frequency=pruner.selection_frequency_,
            weight=pruner.weights_,
            kept=pruner.support_,
            names=pruner.explain().names,
            n_resamples=pruner.n_resamples,
        ).plot(ax=ax, max_members=max_members, **bar_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, max_members: int = 40, **bar_kwargs: Any
    ) -> "SelectionFrequencyDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default, as high as the bars need.
        max_members : int, default=40
            Most members to show, the most frequent ones first; what is left out is said.
        **bar_kwargs : dict
            Passed to matplotlib's ``barh``.

        Returns
        -------
        SelectionFrequencyDisplay
            This one, with ``ax_`` and ``figure_`` set.

        Raises
        ------
        ValueError
            If ``max_members`` is below 1.
        """
        if max_members < 1:
            raise ValueError(f"max_members must be at least 1; got {max_members!r}.")
        order = np.lexsort((-self.weight, -self.frequency))
        if len(order) > max_members:  # bars of no length are left out first
            order = order[np.argsort(self._empty[order], kind="stable")]
            max_members = min(max_members, max(1, int((~self._empty).sum())))
        shown, left_out = order[:max_members], order[max_members:]
        rows = np.arange(len(shown))
        ax = axes_for(ax, figsize=(6.4, 1.3 + 0.19 * (len(shown) + bool(len(left_out)))))
        labels = [shortened(self.names[i]) for i in shown]
        kept = self.kept[shown]
        for those, color, label in ((kept, KEPT, "kept"), (~kept, DROPPED, "dropped")):
            if not those.any():
                continue
            number = (self.kept if label == "kept" else ~self.kept).sum()
            style = {"height": 0.72, "color": color, "label": f"{label}: {number}"}
            bars = styled(style, bar_kwargs, "Patch")
            ax.barh(rows[those], self.frequency[shown][those], **bars)
        bottom = len(shown) - 0.4
        if len(left_out):
            bottom += 1
            ax.text(0, len(shown), self._about(left_out), style="italic", color="0.35", va="center")
            rows, labels = np.append(rows, len(shown)), [*labels, "\N{HORIZONTAL ELLIPSIS}"]
        share = f" {self.n_resamples} resamples" if self.n_resamples else " resamples"
        ax.set(
            xlim=(0, 1.02),
            ylim=(bottom, -0.6),
            yticks=rows,
            yticklabels=labels,
            xlabel=f"Share of the{share} in which the member has a weight",
            ylabel="Member",
        )
        ax.tick_params(axis="y", length=0, labelsize="small")
        legend_in_its_own_band(ax, ncols=2)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    @property
    def _empty(self) -> NDArray[np.bool_]:
        return (self.frequency <= 0) & ~self.kept

    def _about(self, left_out: Any) -> str:
        kept, most = int(self.kept[left_out].sum()), self.frequency[left_out].max()
        said = f"{len(left_out)} more, {kept or 'none'} of them kept"
        return f" {said}, each in at most {most:.0%}" if most > 0 else f" {said}, never chosen"
