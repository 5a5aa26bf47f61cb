"""The weights of the members along the penalty path."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..pruning import BasePruner
from ._drawing import (
    DROPPED_LINE,
    HUES,
    KEPT_TOO,
    axes_for,
    check_has,
    legend_in_its_own_band,
    settle,
    shortened,
    spread,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["WeightPathDisplay"]


class WeightPathDisplay:
    """Which members get a weight, and how much, as the penalty falls.

    Weights (exponents, in a logarithmic pool) are those of the program itself, exact for every
    penalty: lines between knots are straight. They shrink as the penalty grows; the weights with
    which the kept members vote do not. Make one with :meth:`from_estimator`; the arrays are
    attributes, and :meth:`plot` can be called again.

    Parameters
    ----------
    lams : array-like of shape (K,)
        Relative penalties of the knots, falling from 1 (no member) to 0.
    weights : array-like of shape (K, M)
        Weights at the knots.
    kept : array-like of shape (M,), bool
        Whether the pruner kept each member.
    names : sequence of M str
        Names of the members.
    lam : float
        The penalty that the pruner took.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePruner
    >>> from skprune.inspection import WeightPathDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> pruner = SOCPEnsemblePruner(forest, random_state=0).fit(X, y)
    >>> display = WeightPathDisplay.from_estimator(pruner)
    >>> display.weights.shape == (len(display.lams), 20)
    True
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        *,
        lams: ArrayLike,
        weights: ArrayLike,
        kept: ArrayLike,
        names: Any,
        lam: float,
    ) -> None:
        self.lams = np.asarray(lams)
        self.weights = np.asarray(weights)
        self.kept = np.asarray(kept, dtype=bool)
        self.names = tuple(names)
        self.lam = lam

    @classmethod
    def from_estimator(
        cls,
        pruner: BasePruner,
        *,
        n_named: int = 8,
        ax: "Axes | None" = None,
        **line_kwargs: Any,
    ) -> "WeightPathDisplay":
        """Draw the weights of a fitted pruner.

        Parameters
        ----------
        pruner : fitted pruner
            Such as :class:`~skprune.SOCPEnsemblePruner`. Of one that cross-validates, the path
            is that of all calibration rows at its ``alpha_``; the weights it took are averaged
            over resamples, so members may be kept that have no weight on this path.
        n_named : int, default=8
            How many kept members have a color of their own and a name: those with the
            largest weights at the penalty that was taken.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the kept members.

        Returns
        -------
        WeightPathDisplay

        Raises
        ------
        NotFittedError
            If the pruner is not fitted.
        TypeError
            If it is not a pruner.
        """
        check_has(pruner, "path_", "a pruner, such as SOCPEnsemblePruner")
        return cls(
            lams=pruner.path_.lams,
            weights=pruner.path_.weights,
            kept=pruner.support_,
            names=pruner.explain().names,
            lam=pruner.solution_.lam,
        ).plot(ax=ax, n_named=n_named, **line_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, n_named: int = 8, **line_kwargs: Any
    ) -> "WeightPathDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        n_named : int, default=8
            How many kept members have a color of their own and a name.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` for the kept members.

        Returns
        -------
        WeightPathDisplay
            This one, with ``ax_`` and ``figure_`` set.
        """
        ax = axes_for(ax)
        named, rest = self._named_and_rest(n_named)
        dropped, shown = np.flatnonzero(~self.kept), _without_idle_zeros(self.weights)
        others = f"{'other ' * bool(len(named))}kept: {len(rest)}"
        absent = int((self.weights[:, rest] <= 0).all(axis=0).sum())
        if absent:
            others += f" ({absent} not on the path)"
        thin: dict[str, Any] = {"linewidth": 0.9, "zorder": 2}
        for members, style, label in (
            (dropped, thin | {"color": DROPPED_LINE}, f"dropped: {len(dropped)}"),
            (rest, styled(thin | {"color": KEPT_TOO}, line_kwargs, "Line2D"), others),
        ):
            if len(members):
                ax.plot(self.lams, shown[:, members], **style)[0].set_label(label)
        for rank, member in enumerate(named):
            thick = {"color": HUES[rank % len(HUES)], "linewidth": 1.7, "zorder": 3}
            style = styled(thick, line_kwargs, "Line2D")
            (line,) = ax.plot(self.lams, shown[:, member], **style)
            if not rank:
                line.set_label(f"kept, named: {len(named)}")
        ax.set(
            xlim=(1, 0),
            xlabel="Relative penalty lam (1: no member left)",
            ylabel="Program weight (not normalized)",
        )
        ax.set_ylim(bottom=0)
        ax.vlines(
            self.lam,
            *ax.get_ylim(),
            color="0.3",
            linestyle="--",
            linewidth=1.2,
            zorder=1.5,
            label=f"lam taken: {self.lam:.3g}",
        )
        reserved = self._name_ends(ax, named)  # the legend must fit beside the names
        for handle in legend_in_its_own_band(ax, ncols=4).legend_handles:
            handle.set_linewidth(1.8)  # type: ignore[union-attr]
        for text in reserved:
            text.remove()
        self._name_ends(ax, named)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _named_and_rest(self, n_named: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Kept members with the largest weights at the penalty taken, and the other kept ones."""
        at_lam = np.array([np.interp(self.lam, self.lams[::-1], w[::-1]) for w in self.weights.T])
        kept = np.flatnonzero(self.kept)
        kept = kept[np.lexsort((-self.weights[-1, kept], -at_lam[kept]))]
        on_path = (self.weights[:, kept] != 0).any(axis=0)
        named = kept[on_path][:n_named]
        return named, kept[~np.isin(kept, named)]

    def _name_ends(self, ax: "Axes", members: NDArray[np.intp]) -> "list[Text]":
        """Write names at the right end of their lines, as far apart as they need."""
        texts: list[Text] = []
        if not len(members):
            return texts
        settle(ax)
        low, high = ax.get_ylim()
        inch = (high - low) / (ax.get_window_extent().height / ax.figure.dpi)
        ends = self.weights[-1, members]
        places = spread(ends, 12 / 72 * inch, low, high)
        for rank, (member, end, place) in enumerate(zip(members, ends, places, strict=True)):
            color = HUES[rank % len(HUES)]
            text = ax.annotate(
                shortened(self.names[member]),
                (0, end),
                (1.035, place),
                textcoords=("axes fraction", "data"),
                va="center",
                fontsize="small",
                color=color,
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": color,
                    "linewidth": 0.7,
                    "shrinkA": 1,
                    "shrinkB": 0,
                },
            )
            texts.append(text)
        return texts


def _without_idle_zeros(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights with NaN where a member is out at a knot and at both its neighbours."""
    out = np.pad(weights <= 0, ((1, 1), (0, 0)), constant_values=True)
    return np.where(out[:-2] & out[1:-1] & out[2:], np.nan, weights)
