"""pandas, where it is asked for."""

from typing import Any

__all__ = ["load_pandas"]


def load_pandas(instead: str) -> Any:
    """The module, which only tables as DataFrames need.

    Parameters
    ----------
    instead : str
        What to do without it; the end of a sentence.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "This table as a DataFrame needs pandas: run `pip install skprune[report]`, or "
            f"{instead}."
        ) from error
    return pandas
