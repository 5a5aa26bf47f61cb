"""Floor 0: what every room may use."""

from ._pool import MemberPool, unfreeze
from ._random import draw_seed, set_missing_seeds
from ._validation import check_alpha, check_cache, check_lam
from ._votes import vote_hits

__all__ = [
    "MemberPool",
    "check_alpha",
    "check_cache",
    "check_lam",
    "draw_seed",
    "set_missing_seeds",
    "unfreeze",
    "vote_hits",
]
