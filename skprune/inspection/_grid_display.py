"""Cross-validated scores over alpha and lambda."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ._candidates import Candidates
from ._drawing import CHOSEN, axes_for, check_has, settle, shown_score_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["ScoreGridDisplay"]

_LARGEST_FONT, _SMALLEST_FONT = 9.0, 5.0


class ScoreGridDisplay:
    """The cross-validated score at every alpha and lambda that was tried.

    Where threshold and reweighting (or anything else) were tried too, a cell shows the best
    over them. Make one with :meth:`from_estimator`; the arrays are attributes, and :meth:`plot`
    can be called again.

    Parameters
    ----------
    alphas : array-like of shape (A,)
        Values of alpha, rising.
    lams : array-like of shape (L,)
        Values of lambda, rising.
    score : array-like of shape (A, L)
        Mean score over the folds; NaN where a pair was not tried.
    fold_scores : array-like of shape (A, L, F)
        Scores on the folds that ``score`` is the mean of.
    n_members : array-like of shape (A, L) or None, default=None
        Members that are kept there, where that is known.
    chosen : dict or None, default=None
        What was chosen: ``alpha`` and ``lam`` at least; None if that is not shown.
    chosen_score : float or None, default=None
        Its score.
    score_name : str, default="accuracy"
        Name of the score, for the colour bar.
    among : str, default=""
        Which candidates a cell is the best of, for the colour bar.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        Figure of ``ax_``.
    im_ : matplotlib AxesImage
        The heat map.

    Notes
    -----
    scikit-learn's :class:`~sklearn.model_selection.ValidationCurveDisplay` draws one parameter,
    with a band of standard deviations over the folds: at one alpha, the last example here. It
    makes its own cross-validation too, with ``ValidationCurveDisplay.from_estimator(pruner, X,
    y, param_name="lam", param_range=lams)``, which trains the ensemble for every value unless it
    is fitted already (``FrozenEstimator``) or ``memory`` is set.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skprune import SOCPEnsemblePrunerCV
    >>> from skprune.inspection import ScoreGridDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> forest = RandomForestClassifier(20, max_depth=2, random_state=0)
    >>> pruner = SOCPEnsemblePrunerCV(forest, alphas=[0.7, 0.9, 1], random_state=0).fit(X, y)
    >>> display = ScoreGridDisplay.from_estimator(pruner)
    >>> display.score.shape  # 3 alphas and by default 6 lambdas
    (3, 6)

    Score over lambda at one alpha:

    >>> from sklearn.model_selection import ValidationCurveDisplay
    >>> at = list(display.alphas).index(0.9)
    >>> scores = display.fold_scores[at]
    >>> curve = ValidationCurveDisplay(
    ...     param_name="lam", param_range=display.lams, train_scores=scores, test_scores=scores,
    ...     score_name="Accuracy",
    ... ).plot(score_type="test")
    """

    ax_: "Axes"
    figure_: "Figure"
    im_: "AxesImage"

    def __init__(
        self,
        *,
        alphas: ArrayLike,
        lams: ArrayLike,
        score: ArrayLike,
        fold_scores: ArrayLike,
        n_members: ArrayLike | None = None,
        chosen: dict[str, Any] | None = None,
        chosen_score: float | None = None,
        score_name: str = "accuracy",
        among: str = "",
    ) -> None:
        self.alphas = np.asarray(alphas)
        self.lams = np.asarray(lams)
        self.score = np.asarray(score)
        self.fold_scores = np.asarray(fold_scores)
        self.n_members = None if n_members is None else np.asarray(n_members)
        self.chosen = chosen
        self.chosen_score = chosen_score
        self.score_name = score_name
        self.among = among

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        threshold: Any = None,
        reweight: Any = None,
        ax: "Axes | None" = None,
        **image_kwargs: Any,
    ) -> "ScoreGridDisplay":
        """Draw the scores of a pruner that cross-validates, or of a grid search over a pruner.

        Parameters
        ----------
        search : fitted SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressorCV or GridSearchCV
            The search over ``alpha`` and ``lam``, also as parameters of a step of a pipeline.
        threshold : float or str, default=None
            Show candidates with this threshold only; by default the best over all.
        reweight : float or str, default=None
            Show candidates with this reweighting only; by default the best over all.
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default.
        **image_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ScoreGridDisplay

        Raises
        ------
        NotFittedError
            If it is not fitted.
        TypeError
            If it did not search.
        ValueError
            If it did not search over alpha and lam, or not at that threshold or reweighting.
        """
        check_has(
            search,
            "cv_results_",
            "SOCPEnsemblePrunerCV, SOCPEnsemblePrunerRegressorCV, or a GridSearchCV over alpha "
            "and lam",
        )
        found = Candidates(search)
        rows = found.rows(threshold=threshold, reweight=reweight)
        alphas, at_alpha = np.unique(found.values("alpha", rows), return_inverse=True)
        lams, at_lam = np.unique(found.values("lam", rows), return_inverse=True)
        best = np.full((len(alphas), len(lams)), -1)
        cells, first = np.unique(at_alpha * len(lams) + at_lam, return_index=True)
        best.flat[cells] = rows[first]
        tried = best >= 0
        chosen = found.chosen if np.isin(found.chosen, rows) else None
        n_members = found.n_members
        if n_members is not None:
            n_members = np.where(tried, n_members[best], 0)
        return cls(
            alphas=alphas,
            lams=lams,
            score=np.where(tried, found.score[best], np.nan),
            fold_scores=np.where(tried[..., None], found.fold_scores[best], np.nan),
            n_members=n_members,
            chosen=None if chosen is None else found.described(chosen),
            chosen_score=None if chosen is None else float(found.score[chosen]),
            score_name=found.score_name,
            among=found.among(threshold=threshold, reweight=reweight),
        ).plot(ax=ax, **image_kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, values_format: str | None = None, **image_kwargs: Any
    ) -> "ScoreGridDisplay":
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; a new figure by default, as large as the cells need.
        values_format : str, default=None
            Format of the scores in the cells; by default with the decimals that tell them
            apart. Where cells are too small for any figures, there are none.
        **image_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ScoreGridDisplay
            This one, with ``ax_``, ``figure_`` and ``im_`` set.
        """
        n_alphas, n_lams = self.score.shape
        size = (max(4.5, 2.0 + 0.8 * n_lams), max(2.6, 1.4 + 0.55 * n_alphas))
        ax = axes_for(ax, figsize=(min(size[0], 16.0), min(size[1], 12.0)))
        style = {"cmap": "viridis", "origin": "lower", "aspect": "auto", "interpolation": "nearest"}
        self.im_ = ax.imshow(np.ma.masked_invalid(self.score), **(style | image_kwargs))
        bar = ax.figure.colorbar(self.im_, ax=ax)
        name = shown_score_name(self.score_name, capital=False)
        bar.set_label(f"Cross-validated {name}" + f"\n{self.among}" * bool(self.among))
        ax.set(
            xticks=np.arange(n_lams),
            xticklabels=[f"{lam:.3g}" for lam in self.lams],
            yticks=np.arange(n_alphas),
            yticklabels=[f"{alpha:.3g}" for alpha in self.alphas],
            xlabel="Relative penalty lam",
            ylabel="alpha (1: accuracy alone)",
        )
        _thin_ticks(ax)
        fmt = values_format or self._format()
        self._mark_chosen(ax, fmt)
        self._write_cells(ax, fmt)
        self.ax_ = ax
        self.figure_ = ax.figure  # type: ignore[assignment]
        return self

    def _mark_chosen(self, ax: "Axes", fmt: str) -> None:
        if self.chosen is None:
            return
        from matplotlib.patches import Rectangle

        row = int(np.searchsorted(self.alphas, float(self.chosen["alpha"])))
        column = int(np.searchsorted(self.lams, float(self.chosen["lam"])))
        for color, width in (("white", 5.0), (CHOSEN, 2.5)):
            frame = (column - 0.5, row - 0.5)
            cell = Rectangle(frame, 1, 1, fill=False, edgecolor=color, linewidth=width, zorder=3)
            cell.set_clip_on(False)
            ax.add_patch(cell)
        values = self.chosen.items()
        said = [f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in values]
        if self.chosen_score is not None:
            said[-1] += f": {self.chosen_score:{fmt}}"
        title = ax.set_title(f"Chosen: {', '.join(said)}", fontsize="medium")
        settle(ax)
        too_wide = title.get_window_extent().width > 1.1 * ax.get_window_extent().width
        if too_wide and len(said) > 2:
            title.set_text(f"Chosen: {', '.join(said[:2])}\n{', '.join(said[2:])}")

    def _write_cells(self, ax: "Axes", fmt: str) -> None:
        """Scores, with the number of members below them, as large as fits; or none at all."""
        cells = {
            (row, column): format(score, fmt)
            + (f"\n{self.n_members[row, column]} kept" if self.n_members is not None else "")
            for (row, column), score in np.ndenumerate(self.score)
            if np.isfinite(score)
        }
        widest = ax.text(0, 0, max(cells.values(), key=len), fontsize=_LARGEST_FONT)
        settle(ax)
        room, box = ax.get_window_extent(), widest.get_window_extent()
        widest.remove()
        across, up = room.width / len(self.lams), room.height / len(self.alphas)
        size = _LARGEST_FONT * min(1.0, 0.86 * across / box.width, 0.86 * up / box.height)
        if size < _SMALLEST_FONT:
            return
        for (row, column), said in cells.items():
            color = self.im_.cmap(self.im_.norm(self.score[row, column]))
            ink = "black" if _luminance(color) > 0.18 else "white"
            ax.text(column, row, said, ha="center", va="center", color=ink, fontsize=size)

    def _format(self) -> str:
        spread = np.nanmax(self.score) - np.nanmin(self.score)
        decimals = 3 if spread <= 0 else int(np.clip(np.ceil(-np.log10(spread)) + 1, 3, 5))
        return f".{decimals}f"


def _thin_ticks(ax: "Axes") -> None:
    """Leave ticks out where their labels would run into one another."""
    settle(ax)
    room = ax.get_window_extent()
    for axis, across, width in ((ax.xaxis, room.width, True), (ax.yaxis, room.height, False)):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
        most = max(box.width if width else box.height for box in boxes)
        step = int(np.ceil(1.15 * most / (across / len(boxes))))
        names = [label.get_text() for label in axis.get_ticklabels()]
        axis.set_ticks(np.arange(len(boxes))[::step], names[::step])


def _luminance(color: Any) -> float:
    """Relative luminance, from 0 (black) to 1 (white); above 0.18 black ink reads better."""
    rgb = np.asarray(color[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
