"""The probes, one a file: each takes a `ProbeContext` and gives an `Outcome`."""
