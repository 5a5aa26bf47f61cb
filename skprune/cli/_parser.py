"""Options of the commands, checked one by one; nothing but the standard library is loaded."""

import math
import os
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable
from typing import Any, NoReturn

from .._version import __version__
from ._errors import WRONG_INPUT, one_line
from ._output import FIGURE_KINDS

__all__ = ["CURVE_NAMES", "make_parser"]

#: What :data:`skprune.amount.curves.CURVES` has; a test holds them together.
CURVE_NAMES = ("logistic", "linear", "quadratic", "cubic", "isotonic", "pchip")

_CODES = """\
exit codes:
  0    done
  1    failed: a package is missing, a disk is full, an error of skprune
  2    wrong usage, or a file that cannot be used; the message says why
  3    the limits cannot be met; `amount` then shows the amount that comes nearest
  130  interrupted
  141  the reader of the result has stopped reading

Results go to standard output, or to the file of --output; all else to standard error.
"""

_SELECT = """\
Which members of an ensemble to keep, and with what weight, from what they predict for samples that
no member was trained on.

FILE is a .csv or .parquet file with a row for each sample, and the columns
  y              the true classes, numbers or text; --target gives another name
  sample_weight  weights of the samples, if you like
  all others     a member each, named by the column. For two classes they hold the probability of
                 the second one in sorted order; for more, in .parquet only, lists of probabilities
                 of the classes in sorted order
or an .npz file (of NumPy) with
  P              probabilities, of shape (members, samples, classes); or for two classes (members,
                 samples), the probability of the second one in sorted order
  y              the true classes: positions 0, 1, ... along the last axis of P, or labels
and, if you like,
  classes        what the positions along the last axis of P are called
  names          names of the members
  costs          what each member costs, for --max-cost
  sample_weight  weights of the samples
With --regression, y and the members' columns hold targets, and P has shape (members, samples) or
(members, samples, targets)."""

_COMBINE = """\
What the members that `skprune select` has kept predict together, for new samples.

WEIGHTS is what `skprune select ... --format json --output WEIGHTS` has written. PREDICTIONS is a
.csv, .parquet or .npz file as for select, of all members or of the kept ones alone, without
y. Where both files have names, members are found by name, and other columns are ignored. Otherwise
they are taken by position.

The result has a row for each sample: the probability of each class and the predicted class, or the
predicted targets."""

_AMOUNT = """\
How much of a network to prune, from measurements at a few pruning amounts.

FILE is a .csv file with commas, and the columns
  amount    share that was pruned, in [0, 1]; with several views, layers or members a column
            for each, whose name begins with "amount"
  accuracy  in percent or as a fraction
  time      if it was measured, in any unit
  size      if it was measured, in any unit
Other columns are left alone."""

_REPORT = """\
What a fitted estimator of skprune kept: members, weights, sizes, limits.

MODEL is a file that joblib.dump wrote. LOADING IT RUNS WHATEVER CODE IT HOLDS: give only files
that you trust."""


class _Parser(ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            **{
                "allow_abbrev": False,
                "formatter_class": RawDescriptionHelpFormatter,
                "epilog": _CODES,
                **kwargs,
            }
        )

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"{self.prog}: error: {one_line(message)} ({self.prog} --help)\n")


def make_parser() -> ArgumentParser:
    """The parser of all commands.

    Returns
    -------
    ArgumentParser
        What it parses has the attribute ``command``.
    """
    parser = _Parser(
        prog="skprune",
        description="Keep the few members of an ensemble that matter; cut networks down to limits.",
    )
    parser.add_argument("--version", action="version", version=f"skprune {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_select(commands)
    _add_combine(commands)
    _add_amount(commands)
    _add_report(commands)
    return parser


def _add_select(commands: Any) -> None:
    parser = commands.add_parser(
        "select",
        help="which members of an ensemble to keep, and with what weight",
        description=_SELECT,
    )
    parser.add_argument(
        "file", metavar="FILE", help="predictions of all members, a .csv, .parquet or .npz file"
    )
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        help="column of a .csv or .parquet file with the true classes or targets (default: y)",
    )
    parser.add_argument(
        "--regression", action="store_true", help="members predict targets, not classes"
    )
    _add_choice(parser)
    _add_tuning(parser)
    parser.add_argument(
        "--names", metavar="FILE", help="text file with the name of a member in each line"
    )
    parser.add_argument(
        "--frontier", type=_figure, metavar="FIGURE", help="draw accuracy against members"
    )
    _add_common(parser, "table", "csv", "json")


def _add_choice(parser: ArgumentParser) -> None:
    choice = parser.add_argument_group("the choice")
    choice.add_argument(
        "--alpha",
        type=_share,
        metavar="A",
        help="weight of accuracy in [0, 1]; 1 - A is that of diversity (default: 0.9, or 1 with "
        "--voting log)",
    )
    choice.add_argument(
        "--lam",
        type=_below_one,
        metavar="L",
        help="penalty in [0, 1): larger keeps fewer members (default: 0.05)",
    )
    choice.add_argument(
        "--threshold",
        type=_share,
        metavar="T",
        help="drop weights below this share of the largest (default: 0)",
    )
    choice.add_argument(
        "--reweight",
        type=_share_or("relaxed", "equal", "none"),
        metavar="R",
        help="weights of the kept members: 'relaxed', 'equal', 'none', or a number in [0, 1] "
        "from relaxed to equal (default: 0.5)",
    )
    choice.add_argument(
        "--penalty",
        choices=("l1", "l0"),
        default="l1",
        help="'l0' looks for a better set of the size that lambda leads to",
    )
    choice.add_argument("--max-members", type=_count, metavar="K", help="most members to keep")
    choice.add_argument(
        "--max-cost",
        type=_positive,
        metavar="C",
        help="most that they may cost together, in the unit of `costs`",
    )
    choice.add_argument(
        "--voting",
        choices=("soft", "hard", "log"),
        help="weight probabilities, the class that each member chooses, or the logarithms of "
        "probabilities: with 'log', a logarithmic pool, weights are exponents (default: soft)",
    )
    choice.add_argument(
        "--calibrate",
        choices=("temperature",),
        help="raise a soft vote to the power 1 / temperature, which is fitted to the samples",
    )
    choice.add_argument(
        "--no-intercept",
        dest="fit_intercept",
        action="store_false",
        help="leave out the bias that --voting log has for each class",
    )


def _add_tuning(parser: ArgumentParser) -> None:
    tuned = parser.add_argument_group("tuning")
    tuned.add_argument(
        "--tune",
        action="store_true",
        help="choose alpha, lam and reweight by cross-validation, but for those that are given",
    )
    tuned.add_argument(
        "--scoring",
        metavar="NAME",
        help="what --tune maximizes: a name of sklearn.metrics.get_scorer_names(), such as roc_auc "
        "or neg_log_loss (default: accuracy, or r2)",
    )
    tuned.add_argument("--seed", type=_seed, default=0, help="seed of its folds (default: 0)")


def _add_combine(commands: Any) -> None:
    parser = commands.add_parser(
        "combine",
        help="what the kept members predict together, for new samples",
        description=_COMBINE,
    )
    parser.add_argument("weights", metavar="WEIGHTS", help="the JSON that `skprune select` wrote")
    parser.add_argument(
        "file", metavar="PREDICTIONS", help="a .csv, .parquet or .npz file of predictions"
    )
    _add_common(
        parser, "csv", "json", output="; a name that ends in .parquet or .npz sets the format"
    )


def _add_amount(commands: Any) -> None:
    parser = commands.add_parser(
        "amount",
        help="how much of a network to prune, within limits",
        description=_AMOUNT,
    )
    parser.add_argument("file", metavar="FILE", help="measurements, a .csv file")
    limits = parser.add_argument_group("limits", "In the units of the columns.")
    limits.add_argument("--min-accuracy", type=_accuracy, metavar="A", help="least accuracy")
    limits.add_argument("--max-size", type=_positive, metavar="S", help="largest size")
    limits.add_argument("--max-time", type=_positive, metavar="T", help="longest time")
    curves = parser.add_argument_group("curves and rewards")
    for quantity, default in (("accuracy", "logistic"), ("time", "cubic"), ("size", "linear")):
        curves.add_argument(
            f"--{quantity}-curve",
            choices=CURVE_NAMES,
            default=default,
            help=f"curve through the column {quantity} (default: {default})",
        )
    curves.add_argument(
        "--relative",
        action="store_true",
        help="count time and size as shares of those at the smallest amount: give it unless they "
        "are in seconds and megabytes",
    )
    curves.add_argument("--seed", type=_seed, default=0, help="seed of the search (default: 0)")
    parser.add_argument(
        "--figure", type=_figure, metavar="FIGURE", help="draw the total reward against the amount"
    )
    _add_common(parser, "table", "json")


def _add_report(commands: Any) -> None:
    parser = commands.add_parser(
        "report",
        help="what a saved estimator of skprune kept",
        description=_REPORT,
    )
    parser.add_argument("file", metavar="MODEL", help="a joblib file that you trust")
    parser.add_argument(
        "--data",
        metavar="FILE",
        help=".npz file with X and y, samples that neither members nor weights have seen",
    )
    parser.add_argument(
        "--ensemble",
        metavar="FULL",
        help="joblib file (that you trust) of the fitted full ensemble, which a saved pruner does "
        "not hold: with --data, for the full columns of the tables",
    )
    _add_common(parser, "table", "json")


def _add_common(parser: ArgumentParser, *formats: str, output: str = "") -> None:
    parser.set_defaults(formats=formats)
    parser.add_argument(
        "--format",
        choices=formats,
        help=f"(default: that of the ending of --output, else {formats[0]})",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help=f"write the result there instead of to standard output{output}",
    )
    parser.add_argument(
        "--traceback", action="store_true", help="show where an error arose, for a report of it"
    )


def _number(text: str, right: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and fits(value)):
        raise ArgumentTypeError(f"it must be {right}; got {text!r}")
    return value


def _share(text: str) -> float:
    return _number(text, "a number in [0, 1]", lambda value: 0 <= value <= 1)


def _below_one(text: str) -> float:
    return _number(text, "a number in [0, 1)", lambda value: 0 <= value < 1)


def _positive(text: str) -> float:
    value = _number(text, "a positive number", lambda value: value > 0)
    return int(value) if value.is_integer() else value  # 80 is said as 80


def _accuracy(text: str) -> float:
    _number(text, "a number above 0, and at most 100", lambda value: 0 < value <= 100)
    return _positive(text)


def _whole(text: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise ArgumentTypeError(f"it must be a whole number of at least {least}; got {text!r}")
    return value


def _count(text: str) -> int:
    return _whole(text, 1, 10**9)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**32 - 1)


def _share_or(*names: str) -> Callable[[str], float | str]:
    right = f"a number in [0, 1] or one of {', '.join(names)}"

    def parse(text: str) -> float | str:
        if text in names:
            return text
        return _number(text, right, lambda value: 0 <= value <= 1)

    return parse


def _figure(text: str) -> str:
    if os.path.splitext(text)[1].lower() not in FIGURE_KINDS:
        raise ArgumentTypeError(f"its name must end in {', '.join(FIGURE_KINDS)}; got {text!r}")
    return text
