"""The probes, one a file: each takes a `Bench` and gives an `Outcome`."""
