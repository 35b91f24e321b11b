"""Heads on top of features: their architectures, their ONNX form, and the bundle that is deployed."""
