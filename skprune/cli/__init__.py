"""The command line: ``skprune select``, ``skprune amount``, ``skprune report``."""

from ._main import main

__all__ = ["main"]
