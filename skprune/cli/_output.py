"""Where results go: standard output, or a file that is written completely or not at all."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING

from ._errors import FAILED, Refused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FIGURE_KINDS",
    "check_apart",
    "check_output",
    "flush",
    "print_text",
    "write_bytes",
    "write_figure",
]

#: Endings of a figure's name, each a format.
FIGURE_KINDS = (".png", ".svg", ".pdf")


def check_output(path: str | None, option: str, *inputs: str | None) -> None:
    """Refuse a place that no result can be written to, before anything is computed.

    Parameters
    ----------
    path : str or None
        Where the result is to go; None is standard output.
    option : str
        The option that names it.
    *inputs : str or None
        Files that are read, and must not be replaced.
    """
    if path is None:
        return
    if not path:
        raise Refused(f"{option}: give the name of a file; got an empty one.")
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise Refused(f"{option} {path}: that is a folder; give the name of a file.")
    if not os.path.isdir(folder):
        raise Refused(f"{option} {path}: there is no folder {folder}; make it first.")
    if not os.access(folder, os.W_OK):
        raise Refused(f"{option} {path}: the folder {folder} cannot be written to.")
    for given in inputs:
        if given is not None and os.path.exists(path) and os.path.samefile(path, given):
            raise Refused(f"{option} {path}: that file is read; give another name.")


def check_apart(output: str | None, figure: str | None, option: str) -> None:
    """Refuse one name for two results, of which the second would replace the first.

    Parameters
    ----------
    output, figure : str or None
        Where the result and the figure are to go.
    option : str
        The option that names the figure.
    """
    if output and figure and os.path.realpath(output) == os.path.realpath(figure):
        raise Refused(f"--output and {option} name the same file, {output}: give two names.")


def print_text(text: str) -> None:
    """Write to standard output, and see that it has arrived.

    Parameters
    ----------
    text : str
        The result.

    Raises
    ------
    BrokenPipeError
        If the reader has closed the pipe.
    Refused
        If there is no standard output, or it takes no more.
    """
    if sys.stdout is None:
        raise Refused("there is no standard output; give --output.", FAILED)
    encoding = sys.stdout.encoding or "utf-8"
    # A terminal that lacks a letter of somebody's name is no reason to fail.
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    with _arriving():
        sys.stdout.write(shown)
        sys.stdout.flush()


def flush() -> None:
    """See that what argparse wrote has arrived; raises as :func:`print_text`."""
    if sys.stdout is not None:
        with _arriving():
            sys.stdout.flush()


@contextmanager
def _arriving() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _give_up_stdout()
        raise
    except OSError as error:
        _give_up_stdout()
        raise Refused(f"standard output: {error.strerror or error}.", FAILED) from error


def _give_up_stdout() -> None:
    """What is left in the buffer must not be written, and fail, once more at the exit."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def write_bytes(content: bytes, path: str, option: str) -> None:
    """Write a file; one that is there is replaced in one step.

    Parameters
    ----------
    content : bytes
        All of it.
    path : str
        The file.
    option : str
        The option that names it.

    Raises
    ------
    Refused
        If it cannot be written.
    """
    from ..utils import atomic_write  # scikit-learn comes with it, which --help has no need of

    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise Refused(f"{option} {path}: {error.strerror or error}.", FAILED) from error


def write_figure(figure: "Figure", path: str, option: str) -> None:
    """Write a figure in the format that the ending of its name says.

    Parameters
    ----------
    figure : matplotlib Figure
        What was drawn.
    path : str
        The file; its ending is one of :data:`FIGURE_KINDS`.
    option : str
        The option that names it.
    """
    content = BytesIO()
    kind = os.path.splitext(path)[1].lower().removeprefix(".")
    figure.savefig(content, format=kind, dpi=150)
    write_bytes(content.getvalue(), path, option)
