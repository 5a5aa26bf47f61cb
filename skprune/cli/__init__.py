"""The command line: ``skprune select``, ``amount`` and ``report``."""

from ._main import main

__all__ = ["main"]
