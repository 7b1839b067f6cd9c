"""Published experiments on top of the harness."""
