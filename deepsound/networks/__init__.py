"""Fixed pretrained networks: where the weights come from, the conversion to ONNX, the engine."""
