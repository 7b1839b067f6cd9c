"""Keras' recurrent layers, computed with TensorFlow, JAX or PyTorch.

- `engine`, `options`: what an adapter states; neither imports Keras;
- `weights`: canonical weights as the arrays of Keras' variables, and back (NumPy alone);
- `network`: a model made of Keras' layers; `layers`, `decoder`, `losses` are what it is made of;
- `stateless`: the layers alone, on weights that a session of another framework holds;
- `on_jax`, `on_torch`: that session's side of it, for JAX and for PyTorch.
"""
