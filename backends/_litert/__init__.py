"""LiteRT: inference of the same weights by the interpreter that was TensorFlow Lite's.

- `runtime`: what the adapter states about LiteRT; imports it only when asked;
- `session`: the session, one interpreter for each output and shape;
- `model`: the model in TensorFlow, which converts it.
"""
