"""The adapters beside the same model hand-written in each framework, and this project's own
implementations beside all others: `python -m studies.native`.

A comparison is made sample by sample, in shuffled order, in fresh processes with pinned threads.
The losses of both sides of a comparison must agree before their times are compared.
"""
