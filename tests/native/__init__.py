"""The adapters beside the same model hand-written in each framework, and our own implementations
beside all others: `python -m tests.native`.

A comparison is made sample by sample, in shuffled order, within fresh processes whose threads are
pinned. Where a model was trained on both sides, the losses of both must agree before their times
are compared.
"""
