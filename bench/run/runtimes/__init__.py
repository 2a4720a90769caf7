"""What computes a network: onnxruntime on the CPU, PyTorch on any device."""
