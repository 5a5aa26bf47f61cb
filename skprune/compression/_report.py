"""What became of an ensemble: whole, kept members, cut members."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..utils import ReprHTML, load_pandas, text_table

__all__ = ["CompressionReport", "CompressionStage"]


@dataclass(frozen=True)
class CompressionStage(ReprHTML):
    """An ensemble at one stage.

    Attributes
    ----------
    name : str
        Which stage.
    n_models : int
        Networks that vote.
    accuracy : float
        Share of the samples that the vote gets right, in [0, 1].
    parameters : int
        Of all networks together.
    size : float
        Megabytes (of 1e6 bytes) of all networks together.
    macs : int
        Multiply-accumulates for one sample.
    time : float
        Seconds to predict a batch, network after network.

    Examples
    --------
    >>> from skprune.compression import CompressionStage
    >>> stage = CompressionStage("cut", 6, 0.98, 60_000, size=0.24, macs=750_000, time=0.05)
    >>> stage.parameters / stage.n_models, 1e3 * stage.time  # a network's; milliseconds
    (10000.0, 50.0)
    """

    name: str
    n_models: int
    accuracy: float
    parameters: int
    size: float
    macs: int
    time: float


@dataclass(frozen=True)
class CompressionReport(ReprHTML):
    """The stages of a compressed ensemble.

    Attributes
    ----------
    stages : tuple of CompressionStage
        The full ensemble, the kept members as they were trained, and the cut ones.
    batch_size : int
        Samples of a timed batch.
    n_samples : int
        Samples that accuracy was measured on.
    sample : {"held-out", "test"}
        Which samples these are. Held-out ones were also chosen on, which flatters.

    Examples
    --------
    >>> from skprune.compression import CompressionReport, CompressionStage
    >>> full = CompressionStage("full", 24, 0.99, 600_000, 2.4, 9_000_000, 0.40)
    >>> kept = CompressionStage("kept", 6, 0.99, 150_000, 0.6, 2_250_000, 0.10)
    >>> cut = CompressionStage("cut", 6, 0.98, 50_000, 0.2, 750_000, 0.05)
    >>> report = CompressionReport((full, kept, cut), batch_size=256, n_samples=450, sample="test")
    >>> round(report.times_smaller, 1), round(report.times_faster, 1)
    (12.0, 8.0)
    """

    stages: tuple[CompressionStage, ...]
    batch_size: int
    n_samples: int
    sample: str

    @property
    def times_smaller(self) -> float:
        """Size of the full ensemble as a multiple of the cut one."""
        return self.stages[0].size / self.stages[-1].size

    @property
    def times_faster(self) -> float:
        """Time of the full ensemble as a multiple of the cut one."""
        return self.stages[0].time / self.stages[-1].time

    def to_frame(self) -> Any:
        """One row a stage.

        Returns
        -------
        pandas.DataFrame
            The attributes of the stages, in their units, indexed by the stages' names.
        """
        pandas = load_pandas("the attribute `stages`")
        return pandas.DataFrame([vars(stage) for stage in self.stages]).set_index("name")

    def __str__(self) -> str:
        return "\n".join(self._parts(text_table))

    def _parts(self, table: Callable[..., str]) -> list[str]:
        stages = self.stages
        columns: dict[str, list[Any]] = {
            "": [stage.name for stage in stages],
            "models": [stage.n_models for stage in stages],
            "accuracy": [stage.accuracy for stage in stages],
            "parameters": [stage.parameters for stage in stages],
            "size, MB": [stage.size for stage in stages],
            "MACs": [stage.macs for stage in stages],
            "time, ms": [1e3 * stage.time for stage in stages],
        }
        formats = {"accuracy": ".2%", "size, MB": ".4g", "time, ms": ".4g"}
        return [
            table(columns, formats),
            f"{self.times_smaller:.1f} times smaller, {self.times_faster:.1f} times faster on "
            f"batches of {self.batch_size}; accuracy on {self.n_samples} {self.sample} samples.",
        ]
