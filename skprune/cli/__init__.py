"""The command line: ``skprune select``, ``combine``, ``amount`` and ``report``."""

from ._main import main

__all__ = ["main"]
