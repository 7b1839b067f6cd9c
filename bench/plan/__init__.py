"""Plans a run: the options become cases, and the cases become units of work."""
