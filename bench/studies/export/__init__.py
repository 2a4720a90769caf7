"""`make export`: networks as ONNX or TensorFlow Lite files."""
