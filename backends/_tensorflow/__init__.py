"""TensorFlow: a session of Keras' layers and optimisers, each call of it one tf.function.

- `framework`: what the adapters state about TensorFlow; imports it only when asked;
- `session`: the session; `optimiser`, `traces`: how it updates weights, and which path it took;
- `loop`, `loop_cells`: a tf.while_loop with its backward pass written by hand, for
  `tensorflow-loop`.
"""
