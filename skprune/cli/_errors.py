"""What can go wrong in a command, the code it ends with, and the words it is said in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "LIMITS_NOT_MET",
    "PIPE_CLOSED",
    "WRONG_INPUT",
    "Refused",
    "in_words_of_options",
    "one_line",
    "refusing",
]

DONE, FAILED, WRONG_INPUT, LIMITS_NOT_MET = 0, 1, 2, 3
# As a shell counts them: 128 and the number of the signal.
INTERRUPTED, PIPE_CLOSED = 128 + 2, 128 + 13

# Parameters of the estimators that are options here, with what follows them in messages.
_OPTIONS = re.compile(
    r"\b(alpha|lam|threshold|reweight|scoring|max_members|max_cost|min_accuracy|max_size|max_time|"
    r"accuracy_curve|time_curve|size_curve)(=|: | must )"
)
_LIMITS = re.compile(r"\b(min_accuracy|max_size|max_time)\b(?!=)")
# What a message advises, where a command has another way.
_SENTENCES = {
    "Give rewards with another sigma, or leave TimeReward out.": "Give --relative.",
    ", PolynomialCurve(4) what turns once or twice; GridSearchCV compares them.": ".",
    ", or bounds without them.": ".",
    "Give more of them (cv=5 calibrates on all rows that are trained on), or fewer folds.": (
        "Give more samples, or no --tune."
    ),
    ", wider alphas and lams, or more": ", or more",
    ", or y as fractions.": ".",
    ", or y in percent.": ".",
    "the accuracy in y is": "the column accuracy is",
    "distinct amounts in every column of X; column": "different amounts in every column of "
    "amounts; column",
}


class Refused(Exception):
    """A command cannot do what it was asked for; the message is all that its user needs.

    Parameters
    ----------
    message : str
        Which file, which key or column, what came, and what would be right.
    code : int, default=WRONG_INPUT
        What the command ends with.
    """

    def __init__(self, message: str, code: int = WRONG_INPUT) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn the library's errors about arguments into errors about a file.

    Parameters
    ----------
    what : str
        The file, or the file and its key.

    Raises
    ------
    Refused
        Where the block raises a ValueError or TypeError.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        raise Refused(f"{what}: {in_words_of_options(str(error))}") from error


def in_words_of_options(message: str) -> str:
    """A message of the library, with the options of the command for its parameters.

    Parameters
    ----------
    message : str
        Such as "max_size=300 is ...".

    Returns
    -------
    str
        "--max-size 300 is ...".
    """

    def option(match: re.Match[str]) -> str:
        return f"--{match[1].replace('_', '-')}{' ' if match[2] == '=' else match[2]}"

    for sentence, instead in _SENTENCES.items():
        message = message.replace(sentence, instead)
    said = _OPTIONS.sub(option, message)
    return _LIMITS.sub(lambda match: f"--{match[1].replace('_', '-')}", said)


def one_line(message: str) -> str:
    """The message without line breaks: who reads logs reads lines."""
    return " ".join(message.split())
