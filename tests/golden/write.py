"""Write the golden file: python -m tests.golden.write."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from .cases import CASES

PATH = Path(__file__).parent / "golden.json"


def rounded(value: Any) -> Any:
    """As JSON holds it: lists, texts, and numbers of ten digits."""
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    if isinstance(value, np.ndarray):
        return rounded(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.10g}")
    return int(value) if isinstance(value, (int, np.integer)) else str(value)


def results(name: str) -> dict[str, Any]:
    return {key: rounded(value) for key, value in CASES[name]().items()}


if __name__ == "__main__":
    found = {name: results(name) for name in CASES}
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")
