"""Into production: one graph of the members that were kept, for Keras or for ONNX.

Names load on first use: :class:`OnnxPredictor` imports NumPy and onnxruntime, and nothing else.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "GraphMetadata": "_metadata",
    "OnnxPredictor": "_predictor",
    "QuantizationReport": "_quantize",
    "export_onnx": "_export",
    "fuse": "_fuse",
    "quantize_onnx": "_quantize",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
