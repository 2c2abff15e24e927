"""Trained runs as programs that other tools run: written by torch.export or as ONNX, and checked against the network."""
