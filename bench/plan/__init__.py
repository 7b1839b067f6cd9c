"""From the words of the command line to cases, and from cases to units of work."""
