"""From arguments to an exit code: what went wrong is one line on standard error."""

import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from traceback import print_exc
from typing import Any

from ._errors import (
    DONE,
    FAILED,
    INTERRUPTED,
    LIMITS_NOT_MET,
    PIPE_CLOSED,
    WRONG_INPUT,
    Refused,
    in_words_of_options,
    one_line,
)
from ._output import flush, print_text, write_bytes
from ._parser import make_parser

__all__ = ["main"]


@dataclass(frozen=True)
class _Speaker:
    """Says on standard error what is to be said, in lines that name the command."""

    command: str
    _said: set[str] = field(default_factory=set)

    def error(self, message: str, code: int) -> int:
        self._say("error", message)
        return code

    def warning(self, message: Any, category: Any, *_: Any, **__: Any) -> None:
        said = in_words_of_options(str(message))
        if said not in self._said:
            self._said.add(said)
            self._say("warning", said)

    def _say(self, kind: str, message: str) -> None:
        if sys.stderr is not None:
            line = f"skprune {self.command}: {kind}: {one_line(message)}\n"
            encoding = sys.stderr.encoding or "utf-8"
            sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 2 wrong usage or input, 3 limits that cannot be met, 130
        interrupted, 141 the reader has closed the pipe.

    Examples
    --------
    >>> from skprune.cli import main
    >>> main(["--version"])  # doctest: +ELLIPSIS
    skprune ...
    0
    """
    try:
        return _parse_and_run(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return PIPE_CLOSED


def _parse_and_run(argv: Sequence[str] | None) -> int:
    try:
        args = make_parser().parse_args(argv)
    except SystemExit as stop:  # --help, --version, or wrong usage
        try:
            flush()
        except Refused as error:
            return error.code
        return WRONG_INPUT if stop.code else DONE
    if args.format is None:
        ending = os.path.splitext(args.output or "")[1].lower().removeprefix(".")
        args.format = ending if ending in args.formats else args.formats[0]
    speaker = _Speaker(args.command)
    with _warnings_to(speaker):
        try:
            return _run(args, speaker)
        except (KeyboardInterrupt, BrokenPipeError):
            raise
        except Refused as error:
            _trace(args)
            return speaker.error(str(error), error.code)
        except MemoryError as error:
            _trace(args)
            return speaker.error(f"there is not enough memory. {error}", FAILED)
        except ImportError as error:
            _trace(args)
            return speaker.error(str(error), FAILED)
        except Exception as error:
            _trace(args)
            message = f"{type(error).__name__}: {error} (an error of skprune, not of yours; "
            return speaker.error(f"{message}--traceback shows where it arose)", FAILED)


def _run(args: Namespace, speaker: _Speaker) -> int:
    # Whatever the library or a loaded file prints is not the result.
    with redirect_stdout(sys.stderr):
        # The libraries that a command needs are loaded here, and those of no other one.
        answer = import_module(f"{__package__}._{args.command}").run(args)
    content = answer.content
    if isinstance(content, str) and args.output is None:
        print_text(content)
    else:
        content = content.encode("utf-8") if isinstance(content, str) else content
        write_bytes(content, args.output, "--output")
    if answer.unmet is not None:
        return speaker.error(answer.unmet, LIMITS_NOT_MET)
    return DONE


def _trace(args: Namespace) -> None:
    if args.traceback:
        print_exc()


@contextmanager
def _warnings_to(speaker: _Speaker) -> Iterator[None]:
    """Say each of the library's warnings once, in a line, and no others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = speaker.warning
        yield
