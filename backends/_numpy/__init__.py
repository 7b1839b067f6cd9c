"""The reference in NumPy. Inside it, sequences run `(T, features, B)`.

In this layout the block of one gate at one step is contiguous, and products read as in the papers,
W x + U h. The passes follow `backends/_bptt.py`.
"""
