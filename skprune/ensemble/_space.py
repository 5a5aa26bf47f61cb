"""The space of random architectures, and drawing from it; needs NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from numbers import Integral, Real

import numpy as np

from ..utils import Number, ReprHTML, SequenceOf, StrOptions, check_parameters

__all__ = [
    "CNNArchitecture",
    "CNNSpace",
    "ConvBlock",
    "MemberPlan",
    "check_architecture",
    "pool_window",
    "sample_members",
]

POOLINGS = ("average", "max")
_CONSTRAINTS = {
    "n_blocks": [SequenceOf(Number(Integral, 1))],
    "filters": [SequenceOf(Number(Integral, 1))],
    "pooling": [SequenceOf(StrOptions(set(POOLINGS)))],
    "dense_units": [SequenceOf(Number(Integral, 1))],
    "dropout": [SequenceOf(Number(Real, 0, 1))],
    "learning_rate": [SequenceOf(Number(Real, 0, closed="neither"))],
}


@dataclass(frozen=True)
class ConvBlock(ReprHTML):
    """Two convolutions, one batch normalization, ReLU and one pooling.

    Parameters
    ----------
    filters : tuple of (int, int)
        Filters of the first and of the second convolution.
    pooling : {"average", "max"}
        What the pooling layer at the end of the block takes of each 2 x 2 window.

    Examples
    --------
    >>> from skprune.ensemble import ConvBlock
    >>> ConvBlock(filters=(8, 16), pooling="max")
    ConvBlock(filters=(8, 16), pooling='max')
    """

    filters: tuple[int, int]
    pooling: str


@dataclass(frozen=True)
class CNNArchitecture(ReprHTML):
    """One network of the space, as numbers; no Keras object.

    Parameters
    ----------
    blocks : tuple of ConvBlock
        The convolutional part, from the input on.
    dense_units : int
        Units of the dense layer between the last block and the output.
    dropout : float
        Share of the dense layer's outputs dropped in training.
    learning_rate : float
        Learning rate of Adam.

    Examples
    --------
    >>> from skprune.ensemble import CNNArchitecture, ConvBlock
    >>> network = CNNArchitecture((ConvBlock((4, 4), "max"),), 10, 0.0, learning_rate=1e-3)
    >>> network.n_weights((8, 8, 1), n_classes=3), network.multiply_adds((8, 8, 1), n_classes=3)
    (887, 12190)
    """

    blocks: tuple[ConvBlock, ...]
    dense_units: int
    dropout: float
    learning_rate: float

    def multiply_adds(self, input_shape: tuple[int, int, int], n_classes: int) -> int:
        """Multiplications of one forward pass over one sample.

        Parameters
        ----------
        input_shape : tuple of (int, int, int)
            Height, width and channels of a sample.
        n_classes : int
            Number of outputs.

        Returns
        -------
        int
            Multiplications in the convolutions and dense layers, an estimate of the cost of
            training by which members can be ordered.
        """
        height, width, channels = input_shape
        total = 0
        for block in self.blocks:
            first, second = block.filters
            total += height * width * 9 * (channels * first + first * second)
            channels = second
            down, across = pool_window(height, width)
            height, width = height // down, width // across
        return total + (height * width * channels + n_classes) * self.dense_units

    def n_weights(self, input_shape: tuple[int, int, int], n_classes: int) -> int:
        """Number of weights, including the moving statistics of normalization.

        Parameters
        ----------
        input_shape : tuple of (int, int, int)
            Height, width and channels of a sample.
        n_classes : int
            Number of outputs.

        Returns
        -------
        int
            As ``count_params`` of Keras counts them.
        """
        height, width, channels = input_shape
        total = 0
        for block in self.blocks:
            for filters in block.filters:
                total += (9 * channels + 1) * filters
                channels = filters
            total += 4 * channels
            down, across = pool_window(height, width)
            height, width = height // down, width // across
        units = self.dense_units
        return total + (height * width * channels + 1) * units + (units + 1) * n_classes


def pool_window(height: int, width: int) -> tuple[int, int]:
    """Window of the pooling layer after a block: 2 on each axis that is longer than 1."""
    return (2 if height > 1 else 1), (2 if width > 1 else 1)


@dataclass(frozen=True)
class CNNSpace(ReprHTML):
    """The architectures and learning rates that random members are drawn from.

    Each field but the last lists equally likely values, one of which is drawn: ``n_blocks``,
    ``dense_units`` and ``dropout`` once for each network, ``pooling`` once for each block,
    ``filters`` once for each convolution. Every block is two 3 x 3 convolutions, one batch
    normalization, ReLU and one 2 x 2 pooling. The defaults are the space of the paper [1]_,
    section 3.

    Parameters
    ----------
    n_blocks : sequence of int, default=(3, 4, 5)
        Numbers of convolutional blocks.
    filters : sequence of int, default=(32, 64, ..., 256)
        Numbers of filters of one convolution.
    pooling : sequence of {"average", "max"}, default=("average", "max")
        Kinds of pooling at the end of a block.
    dense_units : sequence of int, default=(20, 30, ..., 100)
        Widths of the dense layer after the blocks.
    dropout : sequence of float, default=(0.0, 0.1, ..., 0.5)
        Dropout rates after the dense layer, each in [0, 1).
    learning_rate : tuple of (float, float), default=(1e-4, 1e-2)
        Lowest and highest learning rate; the draw is uniform in the logarithm.

    Raises
    ------
    TypeError, ValueError
        If a field holds no values or impossible ones; the message names the field.

    See Also
    --------
    RandomCNNEnsembleClassifier : Trains networks drawn from a space.

    References
    ----------
    .. [1] Guldogus et al., "Autoselection of the Ensemble of Convolutional Neural Networks
       with Second-Order Cone Programming", section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skprune.ensemble import CNNSpace
    >>> space = CNNSpace(n_blocks=[1], filters=[4], pooling=["max"], dense_units=[10],
    ...                  dropout=[0.0], learning_rate=(1e-3, 1e-3))
    >>> space.sample(np.random.default_rng(0)).blocks
    (ConvBlock(filters=(4, 4), pooling='max'),)
    """

    n_blocks: Sequence[int] = (3, 4, 5)
    filters: Sequence[int] = tuple(range(32, 257, 32))
    pooling: Sequence[str] = POOLINGS
    dense_units: Sequence[int] = tuple(range(20, 101, 10))
    dropout: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    learning_rate: tuple[float, float] = (1e-4, 1e-2)

    def __post_init__(self) -> None:
        check_parameters("CNNSpace", _CONSTRAINTS, **vars(self))
        for name, values in vars(self).items():
            kind = {"pooling": str, "dropout": float, "learning_rate": float}.get(name, int)
            object.__setattr__(self, name, tuple(kind(value) for value in values))
        rates = self.learning_rate
        if len(rates) != 2 or rates[0] > rates[1]:
            raise ValueError(
                f"CNNSpace: learning_rate must be two positive numbers, lowest first, got {rates}."
            )

    @classmethod
    def paper(cls) -> "CNNSpace":
        """The space of the paper, section 3; meant for GPUs.

        Returns
        -------
        CNNSpace
            3 to 5 blocks; 32 to 256 filters in steps of 32; average or maximum pooling; dense
            layer of 20 to 100 units in steps of 10; dropout of 0 to 0.5 in steps of 0.1;
            learning rate log-uniform in [1e-4, 1e-2].
        """
        return cls()

    @classmethod
    def small(cls) -> "CNNSpace":
        """A space of narrow networks that train in seconds on one CPU core.

        Returns
        -------
        CNNSpace
            2 to 4 blocks; 8 to 32 filters in steps of 8; average or maximum pooling; dense
            layer of 20 to 100 units in steps of 10; dropout of 0 to 0.5 in steps of 0.1;
            learning rate log-uniform in [1e-3, 3e-3].
        """
        # With one block the dense layer has thousands of inputs, and at high learning rates its
        # few units become zero in the first steps (4 of 6 networks on images of 32 x 32 pixels).
        return cls(n_blocks=(2, 3, 4), filters=(8, 16, 24, 32), learning_rate=(1e-3, 3e-3))

    def sample(self, rng: np.random.Generator) -> CNNArchitecture:
        """Draw one architecture.

        Parameters
        ----------
        rng : numpy.random.Generator
            Generator of the draw.

        Returns
        -------
        CNNArchitecture
            The network drawn.
        """
        blocks = tuple(
            ConvBlock(
                filters=(_pick(rng, self.filters), _pick(rng, self.filters)),
                pooling=_pick(rng, self.pooling),
            )
            for _ in range(_pick(rng, self.n_blocks))
        )
        dense_units, dropout = _pick(rng, self.dense_units), _pick(rng, self.dropout)
        lowest, highest = self.learning_rate
        rate = exp(rng.uniform(log(lowest), log(highest)))
        # exp(log(x)) may miss x by one bit.
        return CNNArchitecture(blocks, dense_units, dropout, min(max(rate, lowest), highest))


@dataclass(frozen=True)
class MemberPlan:
    """Place in the ensemble, architecture and seed of a member, in [0, 2**31).

    The seed is that of its initial weights, dropout and order of samples.
    """

    index: int
    architecture: CNNArchitecture
    seed: int


def sample_members(space: CNNSpace, n_members: int, seed: int) -> list[MemberPlan]:
    """Draw the members of an ensemble; member i depends on ``space``, ``seed`` and i only."""
    plans = []
    for index in range(n_members):
        drawing, training = np.random.SeedSequence(seed, spawn_key=(index,)).spawn(2)
        architecture = space.sample(np.random.default_rng(drawing))
        plans.append(MemberPlan(index, architecture, int(training.generate_state(1)[0] >> 1)))
    return plans


def _pick(rng, values):
    # Generator.choice would return NumPy numbers.
    return values[int(rng.integers(len(values)))]


def check_architecture(architecture: CNNArchitecture | None) -> None:
    """Raise for an architecture that no CNNSpace has."""
    if architecture is None:
        return
    try:
        CNNSpace(
            n_blocks=[len(architecture.blocks)],
            filters=[filters for block in architecture.blocks for filters in block.filters],
            pooling=[block.pooling for block in architecture.blocks],
            dense_units=[architecture.dense_units],
            dropout=[architecture.dropout],
            learning_rate=(architecture.learning_rate, architecture.learning_rate),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"architecture must be a CNNArchitecture that is one of a CNNSpace; got "
            f"{architecture!r}: {error}"
        ) from error
