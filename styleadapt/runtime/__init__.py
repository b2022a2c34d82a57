"""Ways to run the networks: in bands, compiled, in other dtypes, in ONNX Runtime and OpenVINO."""
