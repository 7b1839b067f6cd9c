"""The parity gate: compares a backend with the reference before it is measured."""
