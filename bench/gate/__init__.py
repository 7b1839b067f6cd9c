"""The parity gate: compares a backend with the reference before it is measured.

`observe` a session, `allow` how far each array may be from the reference, `judge` the differences.
"""
