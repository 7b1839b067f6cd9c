"""The harness: plans, runs, records and reports; knows no framework and no task by name."""
