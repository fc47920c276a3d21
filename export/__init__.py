"""Publishes run directories as modules: `python -m export convert` and `python -m export serve`."""

# The format of modules, and those that `portable.py` writes beside one.
FORMATS = ("saved_model", "litert", "onnx", "openvino", "keras")
PRECISIONS = ("float32", "float16", "int8")
