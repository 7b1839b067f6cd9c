"""ONNX Runtime: inference of the same weights, written as an ONNX model.

- `runtime`: what the adapter states about ONNX Runtime; imports it only when asked;
- `session`: the session, one inference session for each output and set of inputs;
- `model`, `layers`, `decoder`: the model as ONNX; `graph` builds the graphs.
"""
