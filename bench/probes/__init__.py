"""The probes, one a file: each takes a `ProbeContext` and returns an `Outcome`."""
