"""Two sides, base and head, measured in pairs or read from stored runs, and a verdict on each."""
