"""A student as ONNX."""
